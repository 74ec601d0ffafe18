package models_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/gomlx/compute-onnx/support/protos"
	"google.golang.org/protobuf/proto"

	"github.com/langevin-ml/langevin/internal/alloctest"
	"github.com/langevin-ml/langevin/models"
	"github.com/langevin-ml/langevin/models/modelstest"
)

// FuzzManifest: a manifest is refused or valid, and written and read again it is itself.
func FuzzManifest(f *testing.F) {
	vector := models.Condition{Size: 2, Names: []string{"a", "b"}, Dropped: true}
	for _, m := range []models.Manifest{
		modelstest.Manifest("seed", 2), modelstest.Manifest("seed", 1, 4, 4), modelstest.Conditional(vector, "seed", 2),
	} {
		text, err := json.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add(`{"shape":[16777216,16777216,16777216,16777216],"sigmas":[1e308,5e-324]}`)
	f.Fuzz(func(t *testing.T, text string) {
		key := models.MetadataKey
		file, err := proto.Marshal(&protos.ModelProto{
			MetadataProps: []*protos.StringStringEntryProto{{Key: key, Value: text}}})
		if err != nil {
			return // not UTF-8
		}
		alloctest.Bounded(t, file, 256, func(file []byte) {
			m, err := models.Read(file)
			if err != nil {
				return
			}
			var again protos.ModelProto
			if err := models.Attach(&again, m); err != nil {
				t.Fatalf("read, and cannot be written: %v", err)
			}
			written, err := proto.Marshal(&again)
			if err != nil {
				t.Fatal(err)
			}
			if n, err := models.Read(written); err != nil || !reflect.DeepEqual(m, n) {
				t.Errorf("written and read again: %v\n%+v\n%+v", err, m, n)
			}
		})
	})
}
