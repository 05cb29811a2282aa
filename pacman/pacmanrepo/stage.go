package pacmanrepo

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"buildbtw"
)

// Upload says what a build machine is about to send, and what its build may
// give at all.
type Upload struct {
	Attempt  int64
	Filename string
	SHA256   string // hexadecimal, lower case
	Size     int64  // bytes; -1 when unknown

	// What the build is expected to give. Pkgnames are those of its .SRCINFO;
	// the debug package of Pkgbase is always allowed.
	Pkgbase      string
	Pkgnames     []string
	Architecture string
	Version      string // [epoch:]pkgver-pkgrel

	// VersionMayChange says that the PKGBUILD has a pkgver() function, so that
	// another pkgver than expected may come out.
	VersionMayChange bool
}

// Stage takes in one uploaded package: to disk, digest, contents, expectations.
// When it returns nil the package is on disk and Publish may name it.
//
// The same digest again gives the same answer and leaves the body unread.
// Another digest for the same file name replaces what was staged: which of the
// two is published is decided by the digests in the Publication.
//
// What is wrong with the upload is Invalid or TooLarge. A full disk is an error
// with syscall.ENOSPC or EDQUOT in its chain, which is no fault of the package.
// After an error nothing is left behind.
func (r *Repos) Stage(ctx context.Context, u Upload, body io.Reader) (buildbtw.Package, error) {
	if err := r.checkUpload(u); err != nil {
		return buildbtw.Package{}, err
	}
	e, _, err := r.staged(u.Attempt, u.SHA256)
	if err == nil && e.filename == u.Filename {
		return e.pkg(u.Attempt), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return buildbtw.Package{}, fmt.Errorf("stage %s of attempt %d: %w", u.Filename, u.Attempt, err)
	}
	e, err = r.stage(ctx, u, body)
	if err != nil {
		return buildbtw.Package{}, fmt.Errorf("stage %s of attempt %d: %w", u.Filename, u.Attempt, err)
	}
	return e.pkg(u.Attempt), nil
}

func (e *entry) pkg(attempt int64) buildbtw.Package {
	return buildbtw.Package{
		AttemptID: attempt, Pkgname: e.name, Version: e.version, Architecture: e.arch,
		Filename: e.filename, SHA256: e.sha256, Size: e.size,
	}
}

// checkUpload refuses what needs no look at the body.
func (r *Repos) checkUpload(u Upload) error {
	if u.Attempt <= 0 {
		return fmt.Errorf("stage %s: attempt %d", u.Filename, u.Attempt)
	}
	if err := checkFilename(u.Filename); err != nil {
		return err
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

// stage fills a hidden directory and gives it its name, the digest, at the end:
// a staged package is there with its entry, or not at all.
func (r *Repos) stage(ctx context.Context, u Upload, body io.Reader) (*entry, error) {
	dir, err := r.makeAttemptDir(u.Attempt)
	if err != nil {
		return nil, err
	}
	temp, err := os.MkdirTemp(dir, ".upload-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(temp)
	path := filepath.Join(temp, u.Filename)
	f, err := r.receive(ctx, u, path, body)
	if err != nil {
		return nil, err
	}
	p, iface, err := readInterface(ctx, path)
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
	if err := keepInterface(temp, iface); err != nil {
		return nil, err
	}
	if err := r.keep(ctx, temp, e); err != nil {
		return nil, err
	}
	return e, r.settle(dir, temp, e)
}

func (r *Repos) makeAttemptDir(attempt int64) (string, error) {
	dir := r.attemptDir(attempt)
	err := os.Mkdir(dir, 0o755)
	if errors.Is(err, fs.ErrExist) {
		return dir, nil
	}
	if err != nil {
		return "", err
	}
	return dir, r.disk.syncDir(r.opts.Staging)
}

// receive writes the body to path while hashing it.
func (r *Repos) receive(ctx context.Context, u Upload, path string, body io.Reader) (file, error) {
	sums := sums{md5: md5.New(), sha256: sha256.New()} //nolint:gosec // pacman's database has a field for MD5
	in := &incoming{ctx: ctx, r: io.LimitReader(body, r.opts.MaxPackage+1)}
	var size int64
	err := writeFile(path, func(w io.Writer) (err error) {
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

// entryName is the file beside a staged package that holds its database entry,
// so that Publish need not read the package again. It is a database of one.
const entryName = "entry.tar.zst"

func (r *Repos) keep(ctx context.Context, dir string, e *entry) error {
	d := &database{entries: map[string]*entry{e.name: e}}
	if err := d.pack(ctx, r.packer, nil); err != nil {
		return err
	}
	if err := writeFile(filepath.Join(dir, entryName), d.archive(r.packer, filesDB)); err != nil {
		return err
	}
	return r.disk.syncDir(dir)
}

// settle returns the directory of an upload its name and removes another upload
// of the same file.
func (r *Repos) settle(dir, temp string, e *entry) error {
	if err := os.Chmod(temp, 0o755); err != nil {
		return err
	}
	err := r.disk.rename(temp, filepath.Join(dir, e.sha256))
	if err != nil && !errors.Is(err, fs.ErrExist) { // the same upload twice at once
		return err
	}
	older, err := filepath.Glob(filepath.Join(dir, "*", e.filename))
	if err != nil {
		return err
	}
	for _, path := range older {
		if filepath.Base(filepath.Dir(path)) != e.sha256 {
			os.RemoveAll(filepath.Dir(path))
		}
	}
	return r.disk.syncDir(dir)
}

// staged returns the entry and the file of a staged package, or fs.ErrNotExist.
func (r *Repos) staged(attempt int64, digest string) (*entry, string, error) {
	dir := filepath.Join(r.attemptDir(attempt), digest)
	entries, err := readArchive(filepath.Join(dir, entryName))
	if err != nil {
		return nil, "", err
	}
	for _, e := range entries {
		return e, filepath.Join(dir, e.filename), nil
	}
	return nil, "", fs.ErrNotExist
}

// Discard removes the staged files of an attempt that came to nothing.
func (r *Repos) Discard(attempt int64) error {
	if err := r.disk.removeAll(r.attemptDir(attempt)); err != nil {
		return fmt.Errorf("discard uploads of attempt %d: %w", attempt, err)
	}
	return nil
}

// Staged lists the attempts that have staged files, for sweeping those up that
// are over.
func (r *Repos) Staged() ([]int64, error) {
	dirs, err := os.ReadDir(r.opts.Staging)
	if err != nil {
		return nil, fmt.Errorf("list uploads: %w", err)
	}
	var attempts []int64
	for _, d := range dirs {
		if n, err := strconv.ParseInt(d.Name(), 10, 64); err == nil {
			attempts = append(attempts, n)
		}
	}
	return attempts, nil
}
