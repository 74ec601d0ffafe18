package cluster

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
)

// WriteImage writes an image of one program, in the form of docker save.
func WriteImage(path, name, program string) error {
	content, err := os.ReadFile(program)
	if err != nil {
		return fmt.Errorf("make image %s: %w", name, err)
	}
	layer, err := archiveOf(file{"program", content, 0o755})
	if err != nil {
		return err
	}
	digest := fmt.Sprintf("sha256:%x", sha256.Sum256(layer))
	config, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH, "os": "linux",
		"config": map[string]any{"Entrypoint": []string{"/program"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{digest}},
	})
	if err != nil {
		return err
	}
	manifest, err := json.Marshal([]map[string]any{
		{"Config": "config.json", "RepoTags": []string{name}, "Layers": []string{"layer.tar"}},
	})
	if err != nil {
		return err
	}
	image, err := archiveOf(file{"config.json", config, 0o644}, file{"layer.tar", layer, 0o644},
		file{"manifest.json", manifest, 0o644})
	return errors.Join(err, os.WriteFile(path, image, 0o644))
}

type file struct {
	name    string
	content []byte
	mode    int64
}

func archiveOf(files ...file) ([]byte, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, f := range files {
		if err := w.WriteHeader(&tar.Header{Name: f.name, Mode: f.mode, Size: int64(len(f.content))}); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.content); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), w.Close()
}
