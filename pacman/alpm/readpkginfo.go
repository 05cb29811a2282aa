package alpm

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
)

// ReadPkgInfo reads only the .PKGINFO of a package file. makepkg puts it among
// the first files, so little is unpacked; a package that hides it behind others
// is an error. Nothing else of the package is checked.
func ReadPkgInfo(r io.Reader) (*PkgInfo, error) {
	limits := DefaultLimits()
	limits.Unpacked, limits.Entries = 64<<20, 100 // .MTREE of the largest packages has 20 MB
	p := packageReader{}
	err := limits.ReadArchive(r, func(h *tar.Header, content io.Reader) error {
		if h.Name != ".PKGINFO" {
			return nil
		}
		if err := p.readInfo(h, content); err != nil {
			return err
		}
		return errFound
	})
	switch {
	case errors.Is(err, errFound):
		return p.info, nil
	case err != nil:
		return nil, fmt.Errorf("read .PKGINFO: %w", err)
	}
	return nil, errors.New("read .PKGINFO: there is none: not a package")
}

// errFound ends the reading of an archive early.
var errFound = errors.New("found")
