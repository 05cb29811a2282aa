package apiv1

import (
	"strconv"

	"github.com/gofiber/fiber/v2"

	"buildbtw/api"
	"buildbtw/release"
	"buildbtw/release/check"
)

// release answers with the packages of an iteration that could be released.
func (a *API) release(c *fiber.Ctx) error {
	row, err := a.namedIteration(c)
	if err != nil {
		return err
	}
	r, err := a.Catalog.Release(c.UserContext(), row.Buildspace, row.Number)
	if err != nil {
		return err
	}
	id := func(pkgbase string) string { return strconv.FormatInt(r.IDs[pkgbase], 10) }
	return send(c, api.Release{
		Buildspace: row.Buildspace, Iteration: row.Number, Architectures: r.Architectures,
		Goes: list(r.Goes, func(pkgbase string) api.ReleaseUnit {
			return api.ReleaseUnit{Pkgbase: pkgbase, Version: r.Versions[pkgbase], Pkgnames: names(r.Pkgnames[pkgbase]), Build: id(pkgbase), Checks: a.wireChecks(r.Checks[pkgbase])}
		}),
		Held: list(r.Held, func(h release.Held) api.HeldUnit {
			return api.HeldUnit{
				Pkgbase: h.Pkgbase, Changeset: h.Changeset, Kind: string(h.Kind), Reason: h.Reason(), View: h.View, Package: h.Package,
				Dependency: h.Dependency, Via: h.Via, Others: h.Others, Root: h.Root, RootKind: string(h.RootKind), Build: id(h.Pkgbase), Checks: a.wireChecks(r.Checks[h.Pkgbase]),
			}
		}),
		Proven: r.Proven, AtMost: r.AtMost,
		Changesets: list(r.Changesets, func(x release.Change) api.ReleaseChange {
			return api.ReleaseChange{Pkgbase: x.Pkgbase, Needs: x.Needs, Missing: list(x.Missing, func(m release.Missing) api.MissingUnit {
				return api.MissingUnit{Pkgbase: m.Pkgbase, Kind: string(m.Kind)}
			})}
		}),
		WaysOut: list(r.WaysOut, func(w release.WayOut) api.WayOut {
			return api.WayOut{Do: string(w.Do), Names: names(w.Names), Frees: w.Frees, For: w.For}
		}),
		Leaves:       list(r.Leaves, func(l release.Leaving) api.LeavingName { return api.LeavingName(l) }),
		Waivers:      list(r.Waivers, wireWaiver),
		LinksUnknown: r.LinksUnknown, FilesUnknown: r.FilesUnknown,
	})
}

func (a *API) wireChecks(findings []check.Finding) []api.Check {
	return list(a.Catalog.Checks.Shows(findings), func(f check.Finding) api.Check {
		return api.Check{Kind: string(f.Kind), Outcome: string(f.Outcome), Lines: names(f.Lines), Blocks: a.Catalog.Checks.Blocks(f)}
	})
}
