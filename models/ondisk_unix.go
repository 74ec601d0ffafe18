//go:build unix

package models

import (
	"io/fs"
	"syscall"
)

// bytesOnDisk returns how many bytes of a file have a place on the disk, if that is known.
func bytesOnDisk(info fs.FileInfo) (bytes int64, known bool) {
	const block = 512 // of st_blocks, whatever the file system has
	status, known := info.Sys().(*syscall.Stat_t)
	if !known {
		return 0, false
	}
	return block * status.Blocks, true
}
