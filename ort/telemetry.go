package ort

import "os"

// DisableTelemetry keeps ONNX Runtime from reporting to its makers. From 1.29 on their builds for Linux write what they
// see of models and machine into the user's cache and send it to Microsoft, unless this variable is there when the
// library starts; the switch in its interface comes too late. [Open] does so; who starts the library in another way calls
// it before.
func DisableTelemetry() error { return os.Setenv("ORT_DISABLE_TELEMETRY", "1") }
