package apiv1

import (
	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/handover"
)

// releaseBundle answers with what a packager needs to hand a release over. Only who may release
// gets it: reading it may ask for another confirmation.
func (a *API) releaseBundle(c *fiber.Ctx) error {
	id, err := releaseID(c)
	if err != nil {
		return err
	}
	r, err := a.Store.Release(c.UserContext(), id)
	if err != nil {
		return err
	}
	if err := a.User(c).MayRelease(r.Owner); err != nil {
		return err
	}
	b, err := a.Handover.Bundle(c.UserContext(), id)
	if err != nil {
		return err
	}
	return send(c, api.ReleaseBundle{
		Release: formatID(id), Buildspace: b.Release.Buildspace, Iteration: b.Release.Iteration, Target: b.Release.Target, Host: b.Host, Digest: b.Release.Digest, Keys: b.Keys,
		Files: list(b.Files, func(f handover.BundleFile) api.BundleFile {
			p := api.Package{Pkgname: f.Pkgname, Version: f.Version, Architecture: f.Architecture, Filename: f.Name, SHA256: f.SHA256, Size: f.Size}
			return api.BundleFile{Package: p, Repository: f.Repository, Build: formatID(f.BuildID), Signature: f.Signature}
		}),
		Units: list(b.Units, func(u handover.BundleUnit) api.BundleUnit {
			return api.BundleUnit{Pkgbase: u.Pkgbase, Version: u.Version, Source: u.Source, Commit: u.Commit, Tag: buildbtw.GitTag(u.Version), Build: formatID(u.Build), Tagged: u.Tagged, TagFault: u.TagFault}
		}),
	})
}
