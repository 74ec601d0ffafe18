package ort

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrDeviceUnavailable is wrapped by the error of [Runtime.Load] and of [ProbeDevice] if the device asked for cannot be
// used. There is no falling back to another.
var ErrDeviceUnavailable = errors.New("device unavailable")

// The kinds of [Device]s.
const (
	DeviceCPU  = "cpu"
	DeviceCUDA = "cuda"

	// DeviceAuto stands for the first CUDA device if it can be used, and else for the CPU. It is no Device: [ProbeDevice]
	// finds out which.
	DeviceAuto = "auto"
)

// Device is what runs networks. The zero Device is the CPU.
type Device struct {
	CUDA  bool
	Index int  // of the GPU
	TF32  bool // may the GPU round the factors of products to 10 bits; the text of a Device does not say
}

// ParseDevice reads what [Device.String] writes, and "cuda" for the first GPU.
func ParseDevice(text string) (Device, error) {
	kind, number, numbered := strings.Cut(text, ":")
	index := 0
	var err error
	if numbered {
		index, err = strconv.Atoi(number)
	}
	switch {
	case kind == DeviceCUDA && err == nil && index >= 0 && index < 128:
		return Device{CUDA: true, Index: index}, nil
	case text == DeviceCPU:
		return Device{}, nil
	}
	return Device{}, fmt.Errorf("%w: device is %q: want %s, %s or %s:N", ErrDeviceUnavailable, text, DeviceCPU, DeviceCUDA, DeviceCUDA)
}

// String is cpu or cuda:N.
func (d Device) String() string {
	if !d.CUDA {
		return DeviceCPU
	}
	return DeviceCUDA + ":" + strconv.Itoa(d.Index)
}

// kind is what results depend on: not on which of a machine's GPUs it is, and on TF32 only on a GPU.
func (d Device) kind() string {
	switch {
	case d.CUDA && d.TF32:
		return DeviceCUDA + " tf32"
	case d.CUDA:
		return DeviceCUDA
	}
	return DeviceCPU
}
