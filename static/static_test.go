package static

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"strings"
	"testing"
)

func TestEveryAssetIsServedUnderTheHashOfItsContent(t *testing.T) {
	t.Parallel()
	assets, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"app.css":  "text/css; charset=utf-8",
		"app.js":   "text/javascript; charset=utf-8",
		"graph.js": "text/javascript; charset=utf-8", "pictures.js": "text/javascript; charset=utf-8",
		"hints.js": "text/javascript; charset=utf-8",
		"icon.svg": "image/svg+xml", "icon-failed.svg": "image/svg+xml",
		"icon-building.svg": "image/svg+xml", "icon-built.svg": "image/svg+xml",
	}
	if len(assets.files) != len(want) {
		t.Errorf("%d assets, want %d", len(assets.files), len(want))
	}
	for plain, wantType := range want {
		base, ext, _ := strings.Cut(plain, ".")
		asset, ok := assets.File(strings.TrimPrefix(assets.URL(plain), Prefix))
		if !ok {
			t.Fatalf("%s: no such asset", plain)
		}
		sum := sha256.Sum256(asset.Body)
		if want := base + "." + hex.EncodeToString(sum[:])[:10] + "." + ext; asset.Name != want {
			t.Errorf("%s is served as %s, want %s", plain, asset.Name, want)
		}
		if asset.ContentType != wantType {
			t.Errorf("%s: content type %q, want %q", plain, asset.ContentType, wantType)
		}
		r, err := gzip.NewReader(bytes.NewReader(asset.Gzip))
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(r); err != nil || !bytes.Equal(body, asset.Body) {
			t.Errorf("%s: unpacked %d bytes, err %v; want %d bytes", plain, len(body), err, len(asset.Body))
		}
	}
}

func TestAnUnknownAssetIsNotThere(t *testing.T) {
	t.Parallel()
	assets, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"nothing.css", "app.css", "app.0000000000.css", "../static.go", ""} {
		if _, ok := assets.File(name); ok {
			t.Errorf("File(%q) gave an asset", name)
		}
	}
}

// The figure is issue "Web app"'s: scripts and styles without the graph.
func TestScriptsAndStylesStaySmall(t *testing.T) {
	t.Parallel()
	assets, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, plain := range []string{"app.css", "app.js"} {
		asset, _ := assets.File(strings.TrimPrefix(assets.URL(plain), Prefix))
		total += len(asset.Gzip)
	}
	if limit := 60 << 10; total > limit {
		t.Errorf("app.css and app.js are %d bytes gzipped, limit %d", total, limit)
	}
}

// The figure is issue "Red to green"'s: what the pages with pictures need more than
// other pages, all pictures together.
func TestTheScriptsOfThePicturesAreSmall(t *testing.T) {
	t.Parallel()
	assets, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, plain := range []string{"graph.js", "pictures.js"} {
		asset, _ := assets.File(strings.TrimPrefix(assets.URL(plain), Prefix))
		if len(asset.Gzip) == 0 {
			t.Errorf("%s is empty", plain)
		}
		total += len(asset.Gzip)
	}
	if limit := 25 << 10; total > limit {
		t.Errorf("graph.js and pictures.js are %d bytes gzipped, limit %d", total, limit)
	}
}
