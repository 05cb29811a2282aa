package runners

import (
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"

	"buildbtw/pacman/alpm"
)

// File is a sound package that a build has made.
type File struct {
	Name    string // file name in the job's Output
	Pkgname string
	SHA256  [sha256.Size]byte
	Size    int64 // bytes

	Installed []alpm.Installed // where it was built, by its .BUILDINFO
}

// Collect returns the packages in a job's output, when every pkgname of the job
// has exactly one that is sound and there are no others. Names and versions are
// those inside the files: pkgver() may have changed the version, and debug
// packages are never in a .SRCINFO. A PKGBUILD can fake every exit status, so a
// build has succeeded only if this has. The error is the package's fault and
// written for people.
func Collect(job Job, runner string) ([]File, error) {
	root, err := os.OpenRoot(job.Output)
	if err != nil {
		return nil, fmt.Errorf("open the directory of built packages: %w", err)
	}
	defer func() { _ = root.Close() }() // nothing is lost with it
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return nil, fmt.Errorf("list built packages: %w", err)
	}
	var files []File
	for _, e := range entries {
		// A build that was killed may leave a FIFO, and a malicious one a symbolic
		// link: both are ignored.
		if !e.Type().IsRegular() || !strings.Contains(e.Name(), ".pkg.tar") || strings.HasSuffix(e.Name(), ".sig") {
			continue
		}
		f, err := checkFile(root, e.Name(), job)
		if err != nil {
			return nil, err
		}
		if i := slices.IndexFunc(files, func(o File) bool { return o.Pkgname == f.Pkgname }); i >= 0 {
			return nil, fmt.Errorf("%s made two packages called %s: %s and %s", runner, f.Pkgname, files[i].Name, f.Name)
		}
		files = append(files, f)
	}
	for _, want := range job.Pkgnames {
		if !slices.ContainsFunc(files, func(f File) bool { return f.Pkgname == want }) {
			return nil, fmt.Errorf("%s ended with success but made no package for %s", runner, want)
		}
	}
	return files, nil
}

// checkFile reads a package to its end and compares it with the job.
func checkFile(root *os.Root, name string, job Job) (File, error) {
	f, err := openRegular(root, name)
	if err != nil {
		return File{}, err
	}
	defer f.Close()
	digest := sha256.New()
	size := &counter{}
	body := io.TeeReader(f, io.MultiWriter(digest, size))
	pkg, err := alpm.ReadPackage(body)
	if err != nil {
		return File{}, fmt.Errorf("the package %s is not sound: %w", name, err)
	}
	if _, err := io.Copy(io.Discard, body); err != nil {
		return File{}, fmt.Errorf("read the package %s: %w", name, err)
	}
	if err := checkInfo(name, pkg.Info, job); err != nil {
		return File{}, err
	}
	file := File{Name: name, Pkgname: pkg.Info.Name, Size: size.n, Installed: pkg.Installed}
	digest.Sum(file.SHA256[:0])
	return file, nil
}

// openRegular opens a file that a build made, without following a link and
// without waiting for the other end of a FIFO.
func openRegular(root *os.Root, name string) (*os.File, error) {
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open the package %s: %w", name, err)
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, fmt.Errorf("the package %s is not a regular file", name)
	}
	return f, nil
}

func checkInfo(name string, info alpm.PkgInfo, job Job) error {
	if !slices.Contains(job.Pkgnames, info.Name) && info.Name != alpm.DebugName(job.Pkgbase) {
		return fmt.Errorf("the package %s is called %s, which the .SRCINFO of %s does not name", name, info.Name, job.Pkgbase)
	}
	if info.Base != "" && info.Base != job.Pkgbase {
		return fmt.Errorf("the package %s is of pkgbase %s, not %s", name, info.Base, job.Pkgbase)
	}
	if info.Arch != job.Architecture && info.Arch != "any" {
		return fmt.Errorf("the package %s is for %s, not %s", name, info.Arch, job.Architecture)
	}
	pkgname, version, arch, err := alpm.ParseFilename(name)
	if err != nil || pkgname != info.Name || version != info.Version || arch != info.Arch {
		return fmt.Errorf("the package %s says inside that it is %s %s for %s", name, info.Name, info.Version, info.Arch)
	}
	return nil
}

type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}
