package pacmanrepo

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"buildbtw"
	"buildbtw/signing"
)

// signatureSuffix is what pacman adds to the name of a file for its detached signature.
const signatureSuffix = ".sig"

// signatureField begins the field of an entry that has its file's signature.
const signatureField = "%PGPSIG%\n"

// maxSignature bounds a signature as repo-add does.
const maxSignature = 16384

// signed returns an entry with a signature in its description, where repo-add puts it, in
// the place of the one that it has.
func (e *entry) signed(signature []byte) (*entry, error) {
	if len(signature) == 0 || len(signature) > maxSignature {
		return nil, fmt.Errorf("the signature of %s has %d bytes", e.filename, len(signature))
	}
	after := []byte("%SHA256SUM%\n" + e.sha256 + "\n\n")
	desc := e.desc
	if from := bytes.Index(desc, []byte(signatureField)); from >= 0 {
		length := bytes.Index(desc[from:], []byte("\n\n"))
		if length < 0 {
			return nil, fmt.Errorf("the signature in the entry of %s has no end", e.filename)
		}
		desc = slices.Concat(desc[:from], desc[from+length+2:])
	}
	at := bytes.Index(desc, after)
	if at < 0 {
		return nil, fmt.Errorf("the entry of %s has no place for a signature", e.filename)
	}
	at += len(after)
	field := []byte(signatureField + base64.StdEncoding.EncodeToString(signature) + "\n\n")
	s := *e
	s.desc = slices.Concat(desc[:at], field, desc[at:])
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

// putSignature writes the signature of a file that is added beside it, or links the one of
// the file that it was linked from.
func (g *Generations) putSignature(n NextGeneration, e *entry, added bool, from, dir string) error {
	to := filepath.Join(dir, e.filename+signatureSuffix)
	if signature, ok := n.Signatures[e.sha256]; ok && added {
		if err := g.disk.step("signature", to); err != nil {
			return err
		}
		return g.disk.writeFile(to, func(w io.Writer) error {
			_, err := w.Write(signature)
			return err
		})
	}
	if added && !bytes.Contains(e.desc, []byte(signatureField)) {
		return nil
	}
	err := g.disk.link(from+signatureSuffix, to)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// withSignature returns the names of a file in a directory, and of its signature when there
// is one.
func (d disk) withSignature(dir, file string) []string {
	if _, err := d.stat(filepath.Join(dir, file+signatureSuffix)); err != nil {
		return []string{file}
	}
	return []string{file, file + signatureSuffix}
}

// SigningFiles reads packages, each file once, and describes them for a signer: with the
// state of SHA-512 after their bytes. The error is Conflict when a file is not there any more,
// has other bytes than its repository says, or than a file of its name for another architecture.
func (g *Generations) SigningFiles(ctx context.Context, add []Adopted) ([]buildbtw.SigningFile, error) {
	items, missing, err := g.adoptedItems(ctx, add)
	if err != nil {
		return nil, err
	}
	if len(missing) > 0 {
		return nil, buildbtw.Conflict("%s is not in its repository any more", add[missing[0]].Files[0].Filename)
	}
	byName := map[string]item{}
	for _, i := range slices.Concat(items...) {
		// A package for any machine is in the repositories of all architectures. A list of
		// files to be signed cannot have two of one name.
		if other, ok := byName[i.entry.filename]; ok && other.entry.sha256 != i.entry.sha256 {
			return nil, buildbtw.Conflict("%s has other bytes for another architecture; raise its pkgrel, and build it once", i.entry.filename)
		}
		byName[i.entry.filename] = i
	}
	names := slices.Sorted(maps.Keys(byName))
	files := make([]buildbtw.SigningFile, len(names))
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(runtime.GOMAXPROCS(0))
	for n, name := range names {
		work.Go(func() (err error) {
			if err := ctx.Err(); err != nil {
				return err
			}
			files[n], err = g.signingFile(byName[name])
			return err
		})
	}
	return files, work.Wait()
}

func (g *Generations) signingFile(i item) (buildbtw.SigningFile, error) {
	f := buildbtw.SigningFile{Name: i.entry.filename, SHA256: i.entry.sha256}
	file, err := g.disk.open(i.path)
	if err != nil {
		return f, err
	}
	defer file.Close()
	known, signed := sha256.New(), sha512.New()
	if f.Size, err = io.Copy(io.MultiWriter(known, signed), file); err != nil {
		return f, fmt.Errorf("read %s: %w", f.Name, err)
	}
	if hex.EncodeToString(known.Sum(nil)) != f.SHA256 {
		return f, buildbtw.Conflict("%s is damaged: its digest is another one than its repository says", f.Name)
	}
	f.State, err = signing.State(signed)
	return f, err
}
