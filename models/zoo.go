package models

import (
	"embed"
	"io/fs"
)

//go:embed all:zoo
var zoo embed.FS

// Zoo has the models embedded in the program, as NAME/VERSION/model.onnx.
func Zoo() fs.FS {
	sub, err := fs.Sub(zoo, "zoo")
	if err != nil {
		panic(err) // "zoo" is a valid path
	}
	return sub
}
