// Package static holds the built styles, scripts and icons of the pages. Each is
// served under a name that carries the hash of its content, so that browsers may
// cache it for ever. The files in dist have plain names: a change is a diff, not a
// rename.
package static

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"mime"
	"path"
	"strings"
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

// Load reads and hashes the embedded files.
func Load() (*Assets, error) {
	entries, err := dist.ReadDir("dist")
	if err != nil {
		return nil, fmt.Errorf("list assets: %w", err)
	}
	a := &Assets{names: map[string]string{}, files: map[string]Asset{}}
	for _, entry := range entries {
		asset, err := load(entry.Name())
		if err != nil {
			return nil, err
		}
		a.names[entry.Name()] = asset.Name
		a.files[asset.Name] = asset
	}
	return a, nil
}

func load(plain string) (Asset, error) {
	body, err := dist.ReadFile("dist/" + plain)
	if err != nil {
		return Asset{}, fmt.Errorf("read asset %s: %w", plain, err)
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(body); err != nil {
		return Asset{}, fmt.Errorf("compress asset %s: %w", plain, err)
	}
	if err := w.Close(); err != nil {
		return Asset{}, fmt.Errorf("compress asset %s: %w", plain, err)
	}
	ext := path.Ext(plain)
	sum := sha256.Sum256(body)
	name := strings.TrimSuffix(plain, ext) + "." + hex.EncodeToString(sum[:])[:10] + ext
	return Asset{Name: name, ContentType: contentType(plain), Body: body, Gzip: packed.Bytes()}, nil
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

// URL returns the address of an asset by its plain name, for example "app.css".
// An unknown name results in an address that answers 404.
func (a *Assets) URL(name string) string {
	if hashed, ok := a.names[name]; ok {
		return Prefix + hashed
	}
	return Prefix + name
}

// File returns an asset by its hashed name.
func (a *Assets) File(hashed string) (Asset, bool) {
	asset, ok := a.files[hashed]
	return asset, ok
}
