package pacmanrepo

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
)

// signatureSuffix is what pacman adds to the name of a file for its detached signature.
const signatureSuffix = ".sig"

// maxSignature bounds a signature as repo-add does.
const maxSignature = 16384

// signed returns an entry with a signature in its description, where repo-add puts it.
func (e *entry) signed(signature []byte) (*entry, error) {
	if len(signature) == 0 || len(signature) > maxSignature {
		return nil, fmt.Errorf("the signature of %s has %d bytes", e.filename, len(signature))
	}
	after := []byte("%SHA256SUM%\n" + e.sha256 + "\n\n")
	at := bytes.Index(e.desc, after)
	if at < 0 || bytes.Contains(e.desc, []byte("%PGPSIG%\n")) {
		return nil, fmt.Errorf("the entry of %s has no place for a signature, or has one", e.filename)
	}
	at += len(after)
	field := []byte("%PGPSIG%\n" + base64.StdEncoding.EncodeToString(signature) + "\n\n")
	s := *e
	s.desc = slices.Concat(e.desc[:at], field, e.desc[at:])
	return &s, nil
}

// sign puts signatures into the entries of files that are added, for which it has one.
func (n NextGeneration) sign(added []item) ([]item, error) {
	if len(n.Signatures) == 0 {
		return added, nil
	}
	signed := slices.Clone(added)
	for i, a := range added {
		signature, ok := n.Signatures[a.entry.sha256]
		if !ok {
			return nil, fmt.Errorf("%s has no signature", a.entry.filename)
		}
		e, err := a.entry.signed(signature)
		if err != nil {
			return nil, err
		}
		signed[i].entry = e
	}
	return signed, nil
}

// putSignature writes the signature of a file that is added beside it, or links that of one
// that stays.
func (g *Generations) putSignature(n NextGeneration, e *entry, added bool, before, dir string) error {
	to := filepath.Join(dir, e.filename+signatureSuffix)
	if added {
		signature, ok := n.Signatures[e.sha256]
		if !ok {
			return nil
		}
		if err := g.disk.step("signature", to); err != nil {
			return err
		}
		return g.disk.writeFile(to, func(w io.Writer) error {
			_, err := w.Write(signature)
			return err
		})
	}
	err := g.disk.link(filepath.Join(before, e.filename+signatureSuffix), to)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
