package main

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"

	"buildbtw/api"
)

// whole reports whether the file is there with the package's digest.
func whole(name string, p api.Package) bool {
	f, err := os.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	digest := sha256.New()
	if _, err := io.Copy(digest, f); err != nil {
		return false
	}
	return hex.EncodeToString(digest.Sum(nil)) == p.SHA256
}
