package ort

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrDeviceUnavailable is wrapped by the error of [Runtime.Load] and of [ProbeDevice] if the requested device cannot be
// used. No other device is used instead.
var ErrDeviceUnavailable = errors.New("device unavailable")

// The kinds of [Device].
const (
	DeviceCPU  = "cpu"
	DeviceCUDA = "cuda"

	// DeviceAuto means the first CUDA device if it can be used, and otherwise the CPU. It is not a Device:
	// [ProbeDevice] finds out which one it is.
	DeviceAuto = "auto"
)

// Device is a device that runs networks. The zero Device is the CPU.
type Device struct {
	CUDA  bool
	Index int  // of the GPU
	TF32  bool // whether the GPU may round the factors of products to 10 bits; not part of the text of a Device
}

// ParseDevice reads the output of [Device.String], and "cuda" for the first GPU.
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
	return Device{}, fmt.Errorf("%w: device is %q: want %s, %s or %s:N", ErrDeviceUnavailable, text, DeviceCPU,
		DeviceCUDA, DeviceCUDA)
}

// String returns cpu or cuda:N.
func (d Device) String() string {
	if !d.CUDA {
		return DeviceCPU
	}
	return DeviceCUDA + ":" + strconv.Itoa(d.Index)
}

// kind returns what results depend on. They do not depend on which of a machine's GPUs it is, and on TF32 only on a
// GPU.
func (d Device) kind() string {
	switch {
	case d.CUDA && d.TF32:
		return DeviceCUDA + " tf32"
	case d.CUDA:
		return DeviceCUDA
	}
	return DeviceCPU
}
