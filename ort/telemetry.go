package ort

import "os"

// DisableTelemetry keeps ONNX Runtime from reporting to its makers. From 1.29 on, their builds for Linux write data
// about models and the machine into the user's cache and send it to Microsoft, unless this variable is set when the
// library starts. The switch in the library's interface comes too late. [Open] calls it. A program that starts the
// library in another way must call it before.
func DisableTelemetry() error { return os.Setenv("ORT_DISABLE_TELEMETRY", "1") }
