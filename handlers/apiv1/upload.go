package apiv1

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"io"
	"regexp"

	"github.com/gofiber/fiber/v2"

	"buildbtw/api"
	"buildbtw/handlers/transfer"
	"buildbtw/pacman/alpm"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/store"
)

const maxPackage = 4 << 30 // bytes of one package file

// uploadPackage takes in one package. The lease is looked at before the body is
// read, and again afterwards, because a large body takes its time.
func (a *API) uploadPackage(c *fiber.Ctx) error {
	ctx := c.UserContext()
	file, err := param(c, "file")
	if err != nil {
		return err
	}
	lease, err := a.Store.Lease(ctx, c.Params("lease"))
	if err != nil {
		return err
	}
	body, err := transfer.Stream(c, maxPackage)
	if err != nil {
		return err
	}
	upload, err := a.upload(ctx, lease, file)
	if err != nil {
		return err
	}
	upload.SHA256, upload.Size = c.Get(api.HeaderSHA256), transfer.Size(c)
	p, err := a.Repos.Stage(ctx, upload, body)
	if err != nil {
		return err
	}
	p.BuildID, p.AttemptID = lease.Build.ID, lease.Attempt.ID
	if err := a.Store.AddPackage(ctx, lease.Attempt.Lease, p); err != nil {
		return err
	}
	if body.Touched() {
		c.Status(fiber.StatusCreated)
	}
	return send(c, a.wirePackage(lease.Build.ID, p))
}

// upload says what the build of a lease may give.
func (a *API) upload(ctx context.Context, lease store.LeaseRow, file string) (pacmanrepo.Upload, error) {
	b := lease.Build
	u := pacmanrepo.Upload{
		Attempt: lease.Attempt.ID, Filename: file,
		Pkgbase: b.Pkgbase, Pkgnames: b.Pkgnames, Architecture: b.Architecture, Version: b.Version,
	}
	var err error
	if _, version, _, bad := alpm.ParseFilename(file); bad == nil && version != b.Version { // Stage says what is bad
		u.VersionMayChange, err = a.hasPkgver(ctx, b.Commit)
	}
	return u, err
}

// pkgverFunction is how a PKGBUILD begins its pkgver() function.
var pkgverFunction = regexp.MustCompile(`^\s*(function\s+)?pkgver\s*\(\s*\)`)

// hasPkgver reports whether the PKGBUILD of a commit can change its version
// while it is built. It is looked for as text: nobody evaluates a PKGBUILD here.
func (a *API) hasPkgver(ctx context.Context, commit string) (bool, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r, w := io.Pipe()
	defer func() { _ = r.Close() }() // a pipe has no way to fail here; the writer learns that nobody reads
	go func() { w.CloseWithError(a.Sources.Archive(ctx, commit, w)) }()
	for tree := tar.NewReader(r); ; {
		h, err := tree.Next()
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if h.Name == "PKGBUILD" {
			return hasLine(tree, pkgverFunction), nil
		}
	}
}

func hasLine(r io.Reader, pattern *regexp.Regexp) bool {
	for lines := bufio.NewScanner(r); lines.Scan(); {
		if pattern.Match(lines.Bytes()) {
			return true
		}
	}
	return false
}
