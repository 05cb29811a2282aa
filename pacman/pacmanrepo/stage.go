package pacmanrepo

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"buildbtw"
	"buildbtw/pacman/alpm"
)

// Upload describes the package that a build machine is about to send, and the
// packages that its build may result in.
type Upload struct {
	Attempt  buildbtw.AttemptName
	Filename string
	SHA256   string // hexadecimal, lower case
	Size     int64  // bytes; -1 when unknown

	// The expected result of the build. Pkgnames are those of its .SRCINFO; the
	// debug package of Pkgbase is always allowed.
	Pkgbase      string
	Pkgnames     []string
	Architecture string
	Version      string // [epoch:]pkgver-pkgrel

	// VersionMayChange is set when the PKGBUILD has a pkgver() function, which may
	// set another pkgver than expected.
	VersionMayChange bool
}

// Stage stores one uploaded package and checks its digest, its contents, and
// whether the build was expected to make it. When it returns nil the package is
// on disk and Publish may name it.
//
// Staging the same digest again returns the same package and leaves the body
// unread. Another digest for the same file name replaces the earlier upload:
// which of the two is published is decided by the digests in the Publication.
//
// The error is Invalid or TooLarge when something is wrong with the upload. A
// full disk is an error with syscall.ENOSPC or EDQUOT in its chain, which is no
// fault of the package. After an error nothing is left behind.
func (r *Repos) Stage(ctx context.Context, u Upload, body io.Reader) (buildbtw.Package, error) {
	if err := r.checkUpload(u); err != nil {
		return buildbtw.Package{}, err
	}
	e, _, err := r.staged(u.Attempt, u.SHA256)
	switch {
	case err == nil && e.filename == u.Filename:
		return e.pkg(u.Attempt.ID), nil
	case isDamaged(err): // this upload may be undamaged
		err = r.disk.removeAll(filepath.Join(r.attemptDir(u.Attempt), u.SHA256))
	case errors.Is(err, fs.ErrNotExist):
		err = nil
	}
	if err != nil {
		return buildbtw.Package{}, fmt.Errorf("stage %s of attempt %s: %w", u.Filename, u.Attempt, err)
	}
	e, err = r.stage(ctx, u, body)
	if err != nil {
		return buildbtw.Package{}, fmt.Errorf("stage %s of attempt %s: %w", u.Filename, u.Attempt, err)
	}
	return e.pkg(u.Attempt.ID), nil
}

func (e *entry) pkg(attempt int64) buildbtw.Package {
	return buildbtw.Package{
		AttemptID: attempt, Pkgname: e.name, Version: e.version, Architecture: e.arch,
		Filename: e.filename, SHA256: e.sha256, Size: e.size,
	}
}

// checkUpload refuses an upload before its body is read.
func (r *Repos) checkUpload(u Upload) error {
	if u.Attempt.ID <= 0 {
		return fmt.Errorf("stage %s: attempt %s", u.Filename, u.Attempt)
	}
	if err := checkName("file", u.Filename); err != nil {
		return err
	}
	if _, _, _, err := alpm.ParseFilename(u.Filename); err != nil {
		return buildbtw.Invalid("%w", err)
	}
	if err := checkDigest(u.SHA256); err != nil {
		return err
	}
	if u.Size > r.opts.MaxPackage {
		return r.tooLarge(u)
	}
	return nil
}

func (r *Repos) tooLarge(u Upload) error {
	return buildbtw.TooLarge("%s is larger than the limit of %d MiB for a package", u.Filename, r.opts.MaxPackage>>20)
}

func checkDigest(s string) error {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != sha256.Size || hex.EncodeToString(b) != s {
		return buildbtw.Invalid("%.80q is no SHA-256 digest; send 64 hexadecimal digits in lower case", s)
	}
	return nil
}

// stage fills a hidden directory, which is named after the digest at the end: a
// staged package is there with its entry, or not at all.
func (r *Repos) stage(ctx context.Context, u Upload, body io.Reader) (*entry, error) {
	dir := r.attemptDir(u.Attempt)
	err := r.disk.mkdir(dir)
	if err == nil {
		err = r.disk.syncDir(r.opts.Staging)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	temp, err := r.disk.mkdirTemp(dir, ".upload-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.disk.within(temp, (*os.Root).RemoveAll) }() // prune removes it, too
	path := filepath.Join(temp, u.Filename)
	f, err := r.receive(ctx, u, path, body)
	if err != nil {
		return nil, err
	}
	select {
	case r.reading <- struct{}{}:
		defer func() { <-r.reading }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	p, iface, err := r.readInterface(ctx, path)
	if err != nil {
		return nil, err
	}
	if err := u.accept(&p.Info); err != nil {
		return nil, err
	}
	if r.opts.Tool == ToolRepoAdd {
		if err := acceptKeys(u.Filename, &p.Info); err != nil {
			return nil, err
		}
	}
	e := newEntry(f, p)
	if err := r.describe(ctx, temp, e, iface); err != nil {
		return nil, err
	}
	if err := r.disk.readBack(temp, e); err != nil {
		return nil, err
	}
	return e, r.nameUpload(dir, temp, e)
}

// receive writes the body to path while hashing it.
func (r *Repos) receive(ctx context.Context, u Upload, path string, body io.Reader) (file, error) {
	sums := sums{md5: md5.New(), sha256: sha256.New()} // pacman's database has a field for MD5
	in := &incoming{ctx: ctx, r: io.LimitReader(body, r.opts.MaxPackage+1)}
	var size int64
	err := r.disk.writeFile(path, func(w io.Writer) (err error) {
		size, err = io.Copy(io.MultiWriter(w, sums.md5, sums.sha256), in)
		return err
	})
	switch {
	case ctx.Err() != nil:
		return file{}, ctx.Err()
	case in.err != nil:
		return file{}, buildbtw.Invalid("the upload of %s broke off after %d bytes; send it again", u.Filename, size)
	case err != nil:
		return file{}, err
	case size > r.opts.MaxPackage:
		return file{}, r.tooLarge(u)
	case u.Size >= 0 && size != u.Size:
		return file{}, buildbtw.Invalid("%s has %d bytes, but %d were announced; send it again", u.Filename, size, u.Size)
	}
	f := file{name: u.Filename, size: size, md5: hexSum(sums.md5), sha256: hexSum(sums.sha256)}
	if f.sha256 != u.SHA256 {
		return file{}, buildbtw.Invalid("%s arrived with digest %s, but %s was announced; send it again", u.Filename, f.sha256, u.SHA256)
	}
	return f, nil
}

// Files beside a staged package, so that Publish need not read it again.
const (
	entryName     = "entry.tar.zst"  // its database entry, as a database of one
	interfaceName = "interface.json" // its alpm.Interface
)

// describe writes the files beside a staged package.
func (r *Repos) describe(ctx context.Context, dir string, e *entry, i alpm.Interface) error {
	text, err := json.Marshal(i)
	if err != nil {
		return err
	}
	err = r.disk.writeFile(filepath.Join(dir, interfaceName), func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
	if err != nil {
		return err
	}
	d := &database{entries: map[string]*entry{e.name: e}}
	if err := d.pack(ctx, r.packer, nil); err != nil {
		return err
	}
	if err := r.disk.writeFile(filepath.Join(dir, entryName), d.archive(r.packer, filesDB)); err != nil {
		return err
	}
	return r.disk.syncDir(dir)
}

// nameUpload names the directory of an upload after its digest and removes
// another upload of the same file.
func (r *Repos) nameUpload(dir, temp string, e *entry) error {
	if err := r.disk.chmod(temp, 0o755); err != nil {
		return err
	}
	err := r.disk.rename(temp, filepath.Join(dir, e.sha256))
	if err != nil && !errors.Is(err, fs.ErrExist) { // the same upload twice at once
		return err
	}
	older, err := r.disk.glob(dir, "*/"+e.filename)
	if err != nil {
		return err
	}
	for _, path := range older {
		if filepath.Base(filepath.Dir(path)) != e.sha256 {
			_ = r.disk.within(filepath.Dir(path), (*os.Root).RemoveAll) // Publish goes by the digest
		}
	}
	return r.disk.syncDir(dir)
}

// readBack reads the files in dir and compares them with e, because an entry that cannot
// be read could not be published.
func (d disk) readBack(dir string, e *entry) error {
	got, _, err := d.readStaged(dir)
	if err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	if !got.same(e) || got.filename != e.filename || got.name != e.name || got.version != e.version || got.arch != e.arch ||
		got.sha256 != e.sha256 || got.md5 != e.md5 || got.size != e.size {
		return fmt.Errorf("the entry of %s reads back as that of %s, version %s, digest %s, %d bytes", e.filename, got.filename, got.version, got.sha256, got.size)
	}
	return nil
}

// staged returns the entry and the path of a staged package, or fs.ErrNotExist.
// One that is there but cannot be published is an error that isDamaged knows.
func (r *Repos) staged(attempt buildbtw.AttemptName, digest string) (*entry, string, error) {
	e, path, err := r.disk.readStaged(filepath.Join(r.attemptDir(attempt), digest))
	if err == nil && e.sha256 != digest {
		return nil, "", damagedError{fmt.Errorf("the entry is of digest %s", e.sha256)}
	}
	return e, path, err
}

func (d disk) readStaged(dir string) (*entry, string, error) {
	entries, err := d.readArchive(filepath.Join(dir, entryName))
	var disk *fs.PathError
	switch {
	case errors.As(err, &disk):
		return nil, "", err
	case err != nil:
		return nil, "", damagedError{err}
	case entries == nil:
		return nil, "", fs.ErrNotExist
	case len(entries) != 1:
		return nil, "", damagedError{fmt.Errorf("%d entries", len(entries))}
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.filename)
		info, err := d.stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist): // Discard may have come only this far
			return nil, "", damagedError{fmt.Errorf("%s is gone", e.filename)}
		case err != nil:
			return nil, "", err
		case info.Size() != e.size:
			return nil, "", damagedError{fmt.Errorf("%s has %d bytes instead of %d", e.filename, info.Size(), e.size)}
		}
		return e, path, nil
	}
	return nil, "", fs.ErrNotExist // not reached: there is one
}

// damagedError is a staged package that reading again will not mend.
type damagedError struct{ error }

func isDamaged(err error) bool {
	var damaged damagedError
	return errors.As(err, &damaged)
}

// OpenStaged opens a staged package of an attempt.
func (r *Repos) OpenStaged(attempt buildbtw.AttemptName, digest string) (*os.File, error) {
	_, path, err := r.staged(attempt, digest)
	if err != nil {
		return nil, fmt.Errorf("open an upload of attempt %s: %w", attempt, err)
	}
	return r.disk.open(path)
}

// Discard removes the staged files of an attempt that came to nothing.
func (r *Repos) Discard(attempt buildbtw.AttemptName) error {
	if err := r.disk.removeAll(r.attemptDir(attempt)); err != nil {
		return fmt.Errorf("discard uploads of attempt %s: %w", attempt, err)
	}
	return nil
}

// Staged returns the attempts that have staged files, so that those which have
// ended can be discarded.
func (r *Repos) Staged() ([]buildbtw.AttemptName, error) {
	dirs, err := r.disk.readDir(r.opts.Staging)
	if err != nil {
		return nil, fmt.Errorf("list uploads: %w", err)
	}
	var attempts []buildbtw.AttemptName
	for _, d := range dirs {
		if n, ok := buildbtw.ParseAttemptName(d.Name()); ok {
			attempts = append(attempts, n)
		}
	}
	return attempts, nil
}

// StagedBesides returns how many packages of an attempt are staged or being
// uploaded, besides the one with a digest, and how many bytes they have on disk.
func (r *Repos) StagedBesides(attempt buildbtw.AttemptName, digest string) (packages int, bytes int64, err error) {
	dirs, err := r.disk.readDir(r.attemptDir(attempt))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, 0, fmt.Errorf("list uploads of attempt %s: %w", attempt, err)
	}
	for _, d := range dirs {
		if d.Name() == digest {
			continue
		}
		packages++
		files, err := r.disk.readDir(filepath.Join(r.attemptDir(attempt), d.Name()))
		if err != nil {
			continue // gone meanwhile
		}
		for _, f := range files {
			if info, err := f.Info(); err == nil {
				bytes += info.Size()
			}
		}
	}
	return packages, bytes, nil
}

// maxInterfaces is the largest size, in bytes, of the stored interfaces of an attempt's
// packages, which are in memory together when they are published.
const maxInterfaces = 64 << 20

// Interfaces returns the interfaces of the staged packages of an attempt, by
// their SHA-256. The error is a Conflict when one cannot be read any more, and
// Invalid when they are too large.
func (r *Repos) Interfaces(attempt buildbtw.AttemptName) (map[string]alpm.Interface, error) {
	files, err := r.disk.glob(r.attemptDir(attempt), "*/"+interfaceName)
	if err != nil {
		return nil, fmt.Errorf("list the interfaces of attempt %s: %w", attempt, err)
	}
	all, total := make(map[string]alpm.Interface, len(files)), 0
	for _, path := range files {
		text, err := r.disk.readFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // published and gone meanwhile
		}
		if err != nil {
			return nil, fmt.Errorf("read the interfaces of attempt %s: %w", attempt, err)
		}
		if total += len(text); total > maxInterfaces {
			return nil, buildbtw.Invalid("the libraries of the packages have names of more than %d MiB", maxInterfaces>>20)
		}
		var i alpm.Interface
		if err := json.Unmarshal(text, &i); err != nil {
			return nil, buildbtw.Conflict("what was stored of an uploaded package of attempt %d cannot be read any more (%w); it has to be built again", attempt.ID, err)
		}
		all[filepath.Base(filepath.Dir(path))] = i
	}
	return all, nil
}

// readInterface reads a package file to its end, shared libraries included.
func (r *Repos) readInterface(ctx context.Context, path string) (*alpm.Package, alpm.Interface, error) {
	f, err := r.disk.open(path)
	if err != nil {
		return nil, alpm.Interface{}, err
	}
	defer f.Close()
	in := &incoming{ctx: ctx, r: f}
	p, i, err := alpm.ReadInterface(in, filepath.Dir(path))
	if err := errors.Join(ctx.Err(), in.err); err != nil {
		return nil, i, err // of our disk
	}
	var disk *fs.PathError
	switch {
	case errors.As(err, &disk):
		return nil, i, err
	case err != nil:
		return nil, i, buildbtw.Invalid("%s is no sound package: %w", filepath.Base(path), err)
	}
	return p, i, nil
}

// incoming reads until its context is done, and records a failure of the sender:
// io.Copy returns failures of reading and of writing alike, but the first are
// the client's and the second ours.
type incoming struct {
	ctx context.Context //nolint:containedctx // lives as long as one upload
	r   io.Reader
	err error
}

func (in *incoming) Read(p []byte) (int, error) {
	if err := in.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := in.r.Read(p)
	if err != nil && err != io.EOF {
		in.err = err
	}
	return n, err
}

// sums are the digests that a database lists.
type sums struct{ md5, sha256 hash.Hash }

func hexSum(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }
