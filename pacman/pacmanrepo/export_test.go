package pacmanrepo

import (
	"fmt"

	"github.com/google/go-cmp/cmp"

	"buildbtw/pacman/alpm"
)

// ReadBack writes the database entry of a package, reads it, and returns what
// differs, and the text of desc.
func ReadBack(filename, sha256, md5 string, size int64, info alpm.PkgInfo) (diff string, desc []byte) {
	want := newEntry(file{name: filename, sha256: sha256, md5: md5, size: size}, &alpm.Package{Info: info})
	got, err := parseEntry(want.desc, want.files)
	if err != nil {
		return fmt.Sprint(err), want.desc
	}
	return cmp.Diff(want, got, cmp.AllowUnexported(entry{})), want.desc
}

// BeforeStep lets a test fail the change of the disk that comes next: op is
// mkdir, link, rename, remove, remove all, symlink or sync.
func (r *Repos) BeforeStep(f func(op, path string) error) { r.disk.before = f }
