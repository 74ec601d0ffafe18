package cli

import (
	"github.com/spf13/pflag"
)

// libraryFlag is the name of the flag with the path of ONNX Runtime.
const libraryFlag = "onnxruntime-library"

// LibraryFlag adds --onnxruntime-library for commands that need no server.
func LibraryFlag(flags *pflag.FlagSet, library *string) {
	flags.StringVar(library, libraryFlag, "",
		"path of the ONNX Runtime shared library; empty searches the usual places")
}

// JSONFlag adds --json, whose help is "write a JSON object" and then detail.
func JSONFlag(flags *pflag.FlagSet, asJSON *bool, detail string) {
	flags.BoolVar(asJSON, "json", false, "write a JSON object"+detail)
}
