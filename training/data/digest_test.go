package data

import (
	"image/color"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDigest: a digest changes with what a training reads, and not with the seed or the time of a file. A folder of
// pictures has that of its names and sizes, whatever the settings make of them and whichever pictures are broken.
func TestDigest(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "rows.csv")
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	of := func(c Config) string {
		t.Helper()
		sum, err := c.Digest()
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	if sum := of(Config{Name: TwoGaussians, Std: 1}); sum != "" {
		t.Errorf("a known distribution has the digest %s", sum)
	}
	words := "kind,weight\n" + strings.Repeat("cat,1.5\ndog,2.5\n", 10)
	numbers := strings.Repeat("1,1.5\n2,2.5\n", 10)
	kind, weight := Column{Name: "kind", Kind: "category"}, Column{Name: "weight", Kind: "number"}
	for _, tt := range []struct {
		config  Config
		text    string
		changes []string // of the text, pairs
	}{
		{Config{Name: CSV, Dir: file}, numbers, []string{"2,2.5", "2,2.25"}},
		{Config{Name: Tables, Dir: file, Columns: []Column{kind, weight}}, words,
			[]string{"2.5", "2.25", "dog", "eel"}},
	} {
		write(file, tt.text)
		sum := of(tt.config)
		train, test, err := Reader{}.Parts(t.Context(), tt.config, 7)
		if err != nil || Digest(train, test) != sum {
			t.Errorf("%s: with another seed the digest is another one, or %v", tt.config.Name, err)
		}
		for i := 0; i < len(tt.changes); i += 2 {
			for _, times := range []int{1, -1} {
				write(file, strings.Replace(tt.text, tt.changes[i], tt.changes[i+1], times))
				if of(tt.config) == sum {
					t.Errorf("%s: %s instead of %s (%d) has the same digest", tt.config.Name, tt.changes[i+1],
						tt.changes[i], times)
				}
			}
		}
	}

	folder := filepath.Join(dir, "pictures")
	for i := range 12 {
		writePicture(t, filepath.Join(folder, string(rune('a'+i))+".png"), flat(5, 4, 0, color.Black, color.White))
	}
	c := Config{Name: Pictures, Dir: folder, ImageSize: 4}
	sum := of(c)
	c.ImageSize, c.SkipBroken = 2, true
	train, test, err := Reader{}.Parts(t.Context(), c, 1)
	if err != nil || sum != Digest(train, test) {
		t.Errorf("at another size the digest is another one, or %v", err)
	}
	write(filepath.Join(folder, "a.png"), "no picture")
	broken := of(c)
	train, test, err = Reader{}.Parts(t.Context(), c, 1)
	if err != nil || broken == sum || broken != Digest(train, test) {
		t.Errorf("with a broken picture: %s, before %s, or %v", broken, sum, err)
	}
}
