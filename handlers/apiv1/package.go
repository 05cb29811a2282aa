package apiv1

import (
	"net/url"
	"slices"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/handlers/transfer"
)

// packageFile sends one published file of a build.
func (a *API) packageFile(c *fiber.Ctx) error {
	id, err := buildID(c)
	if err != nil {
		return err
	}
	file, err := param(c, "file")
	if err != nil {
		return err
	}
	row, err := a.Store.Build(c.UserContext(), id)
	if err != nil {
		return err
	}
	packages, err := a.Store.BuildPackages(c.UserContext(), id)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(packages, func(p buildbtw.Package) bool { return p.Filename == file })
	if i < 0 {
		return buildbtw.NotFound("build %d has no package file %.80q", id, file)
	}
	path, err := a.Repos.Path(buildbtw.RepositoryName(row.Buildspace, row.Iteration), row.Architecture, file)
	if err != nil {
		return err
	}
	c.Set(api.HeaderSHA256, packages[i].SHA256)
	return transfer.SendFile(c, path, fiber.MIMEOctetStream)
}

func (a *API) wirePackage(buildID int64, p buildbtw.Package) api.Package {
	return api.Package{
		Pkgname: p.Pkgname, Version: p.Version, Architecture: p.Architecture, Filename: p.Filename, SHA256: p.SHA256, Size: p.Size,
		URL: a.Settings.ServerURL + api.Prefix + "/builds/" + formatID(buildID) + "/packages/" + url.PathEscape(p.Filename),
	}
}
