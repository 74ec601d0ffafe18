//go:build !unix

package models

import "io/fs"

// bytesOnDisk returns how many bytes of a file have a place on the disk, if that is known.
func bytesOnDisk(fs.FileInfo) (bytes int64, known bool) { return 0, false }
