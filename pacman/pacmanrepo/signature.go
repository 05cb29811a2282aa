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
	"time"

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

// signDatabase writes the signature of a database of a generation beside it, with its time:
// clients that have an older one ask whether it changed since. The error is Conflict when it
// needs one and has none.
func (g *Generations) signDatabase(n NextGeneration, c changedArchitecture, path, sha256 string, modified time.Time) error {
	signature := n.Signatures[sha256]
	if signature == nil && c.copied {
		var err error
		signature, err = g.disk.readFile(filepath.Join(c.beforeDir, filepath.Base(path)+signatureSuffix))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if signature == nil && n.SignedDatabases {
		return buildbtw.Conflict("the databases of target %s for %s would have no signature", n.Target, c.next.id.Architecture)
	}
	if signature == nil {
		return nil
	}
	if err := g.disk.step("signature", path+signatureSuffix); err != nil {
		return err
	}
	if err := g.disk.writeFile(path+signatureSuffix, func(w io.Writer) error {
		_, err := w.Write(signature)
		return err
	}); err != nil {
		return err
	}
	return g.disk.chtimes(path+signatureSuffix, modified)
}

// Databases returns the databases that Write would write, as a signer signs them: named by
// signing.DatabaseName, with the state of SHA-512 after their bytes. Nothing is written. The
// error is Conflict when a package that is to be added is not in its repository any more.
func (g *Generations) Databases(ctx context.Context, n NextGeneration) ([]buildbtw.SigningFile, error) {
	var files []buildbtw.SigningFile
	err := g.each(ctx, n, func(c changedArchitecture) error {
		if err := c.next.pack(ctx, g.repos.packer, nil); err != nil {
			return err
		}
		for which, kind := range kinds() {
			f, err := signingFile(signing.DatabaseName(c.next.id.Architecture, archiveName(n.Target, kind)), g.archive(c, which))
			if err != nil {
				return err
			}
			files = append(files, f)
		}
		return nil
	})
	return files, err
}

// Next returns what a generation would have, by architecture. Nothing is written. The error is
// Conflict when a package that is to be added is not in its repository any more.
func (g *Generations) Next(ctx context.Context, n NextGeneration) (map[string][]Stored, error) {
	by := map[string][]Stored{}
	err := g.each(ctx, n, func(c changedArchitecture) error {
		by[c.next.id.Architecture] = c.next.stored()
		return nil
	})
	return by, err
}

// each calls f for each architecture of a generation that is not written.
func (g *Generations) each(ctx context.Context, n NextGeneration, f func(changedArchitecture) error) error {
	if err := n.check(); err != nil {
		return err
	}
	items, missing, err := g.adoptedItems(ctx, n.Add)
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		return buildbtw.Conflict("%s is not in its repository any more", n.Add[missing[0]].Files[0].Filename)
	}
	for _, arch := range n.Architectures {
		c, err := g.changed(n, ID{n.Target, n.Target, arch}, n.of(arch, items))
		if err != nil {
			return err
		}
		if err := f(c); err != nil {
			return err
		}
	}
	return nil
}

// HasSignedDatabases reports whether all databases of a generation have signatures.
func (g *Generations) HasSignedDatabases(target string, number int) (bool, error) {
	architectures, err := g.Architectures(target, number)
	if err != nil {
		return false, err
	}
	for _, arch := range architectures {
		for _, kind := range kinds() {
			_, err := g.disk.stat(filepath.Join(archDirOf(g.generationDir(target, number), arch), archiveName(target, kind)+signatureSuffix))
			if errors.Is(err, fs.ErrNotExist) {
				return false, nil
			}
			if err != nil {
				return false, err
			}
		}
	}
	return true, nil
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
	f, err := signingFile(i.entry.filename, g.copyOf(i.path))
	if err == nil && f.SHA256 != i.entry.sha256 {
		err = buildbtw.Conflict("%s is damaged: its digest is another one than its repository says", f.Name)
	}
	return f, err
}

// signingFile describes the bytes that write writes.
func signingFile(name string, write func(io.Writer) error) (buildbtw.SigningFile, error) {
	f := buildbtw.SigningFile{Name: name}
	known, signed, size := sha256.New(), sha512.New(), &counter{}
	if err := write(io.MultiWriter(known, signed, size)); err != nil {
		return f, fmt.Errorf("read %s: %w", name, err)
	}
	var err error
	f.SHA256, f.Size = hex.EncodeToString(known.Sum(nil)), size.n
	f.State, err = signing.State(signed)
	return f, err
}

// counter counts the bytes that are written to it.
type counter struct{ n int64 }

// Write implements io.Writer.
func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}
