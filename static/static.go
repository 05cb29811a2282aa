// Package static holds the built styles, scripts and icons of the pages, each
// under a name that carries the hash of its contents, so that browsers may keep
// them for ever.
package static

import (
	"bytes"
	"compress/gzip"
	"embed"
	"encoding/json"
	"fmt"
	"mime"
	"path"
)

//go:embed dist
var dist embed.FS

// Asset is one built file.
type Asset struct {
	Name        string // with the hash: app.1a2b3c4d5e.css
	ContentType string
	Body        []byte
	Gzip        []byte // Body compressed
}

// Assets are all built files. They never change after Load.
type Assets struct {
	names map[string]string // plain name to hashed name
	files map[string]Asset  // by hashed name
}

// Load reads the embedded manifest and the files that it names.
func Load() (*Assets, error) {
	text, err := dist.ReadFile("dist/manifest.json")
	if err != nil {
		return nil, fmt.Errorf("read asset manifest: %w", err)
	}
	a := &Assets{names: map[string]string{}, files: map[string]Asset{}}
	if err := json.Unmarshal(text, &a.names); err != nil {
		return nil, fmt.Errorf("parse asset manifest: %w", err)
	}
	for _, name := range a.names {
		asset, err := load(name)
		if err != nil {
			return nil, err
		}
		a.files[name] = asset
	}
	return a, nil
}

func load(name string) (Asset, error) {
	body, err := dist.ReadFile("dist/" + name)
	if err != nil {
		return Asset{}, fmt.Errorf("read asset %s: %w", name, err)
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(body); err != nil {
		return Asset{}, fmt.Errorf("compress asset %s: %w", name, err)
	}
	if err := w.Close(); err != nil {
		return Asset{}, fmt.Errorf("compress asset %s: %w", name, err)
	}
	return Asset{Name: name, ContentType: contentType(name), Body: body, Gzip: packed.Bytes()}, nil
}

// contentType does not ask the machine's mime.types, which differ.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	}
	return mime.TypeByExtension(path.Ext(name))
}

// Prefix is the path under which the server offers the assets.
const Prefix = "/static/"

// URL gives the address of an asset by its plain name, for example "app.css".
// An unknown name gives an address that does not exist.
func (a *Assets) URL(name string) string {
	if hashed, ok := a.names[name]; ok {
		return Prefix + hashed
	}
	return Prefix + name
}

// File gives an asset by its hashed name.
func (a *Assets) File(hashed string) (Asset, bool) {
	asset, ok := a.files[hashed]
	return asset, ok
}
