package apiv1

import (
	"strconv"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/catalog"
	"buildbtw/handover"
	"buildbtw/release"
	"buildbtw/release/check"
	"buildbtw/store"
)

// release answers with the packages of an iteration that could be released.
func (a *API) release(c *fiber.Ctx) error {
	row, err := a.namedIteration(c)
	if err != nil {
		return err
	}
	r, err := a.Catalog.Release(c.UserContext(), row.Buildspace, row.Number, c.Query("target"))
	if err != nil {
		return err
	}
	return a.sendSet(c, r)
}

// releaseFrom answers with what one target has that could go to another one.
func (a *API) releaseFrom(c *fiber.Ctx) error {
	name, err := param(c, "name")
	if err != nil {
		return err
	}
	r, err := a.Catalog.ReleaseFrom(c.UserContext(), name, c.Query("target"))
	if err != nil {
		return err
	}
	return a.sendSet(c, r)
}

// sendSet answers with what could go.
func (a *API) sendSet(c *fiber.Ctx, r catalog.Release) error {
	id := func(pkgbase string) string { return strconv.FormatInt(r.IDs[pkgbase], 10) }
	return send(c, api.Release{
		Buildspace: r.Iteration.Buildspace, Iteration: r.Iteration.Number, From: r.From.Name, Architectures: r.Architectures,
		Target: r.Target.Name, Digest: r.Digest, Present: names(r.Present), NoBase: r.NoBase,
		Goes: list(r.Goes, func(pkgbase string) api.ReleaseUnit {
			return api.ReleaseUnit{Pkgbase: pkgbase, Version: r.Versions[pkgbase], Pkgnames: names(r.Pkgnames[pkgbase]), Build: id(pkgbase), Checks: a.wireChecks(a.Catalog.ChecksOf(r.Target.Name), r.Checks[pkgbase])}
		}),
		Held: list(r.Held, func(h release.Held) api.HeldUnit {
			return api.HeldUnit{
				Pkgbase: h.Pkgbase, Changeset: h.Changeset, Kind: string(h.Kind), Reason: h.Reason(), View: h.View, Package: h.Package,
				Dependency: h.Dependency, Via: h.Via, Others: h.Others, Root: h.Root, RootKind: string(h.RootKind), Build: id(h.Pkgbase), Checks: a.wireChecks(a.Catalog.ChecksOf(r.Target.Name), r.Checks[h.Pkgbase]),
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
		Apart:        list(r.Apart, func(p release.Apart) api.Apart { return api.Apart(p) }),
		AllApart:     r.AllApart,
		Waivers:      list(r.Waivers, wireWaiver),
		LinksUnknown: r.LinksUnknown, FilesUnknown: r.FilesUnknown,
	})
}

// createRelease answers POST …/releases: it stores what can go, and hands it over when it is
// what was shown.
func (a *API) createRelease(c *fiber.Ctx) error {
	row, err := a.namedIteration(c)
	if err != nil {
		return err
	}
	n, err := decode[api.NewRelease](c)
	if err != nil {
		return err
	}
	return a.create(c, handover.Wish{Buildspace: row.Buildspace, Iteration: row.Number, Target: n.Target, Digest: n.Digest, Shown: n.Shown})
}

// createReleaseFrom answers POST /targets/{name}/releases: createRelease of what a target has.
func (a *API) createReleaseFrom(c *fiber.Ctx) error {
	name, err := param(c, "name")
	if err != nil {
		return err
	}
	n, err := decode[api.NewRelease](c)
	if err != nil {
		return err
	}
	return a.create(c, handover.Wish{From: name, Target: n.Target, Digest: n.Digest, Shown: n.Shown})
}

func (a *API) create(c *fiber.Ctx, w handover.Wish) error {
	r, err := a.Handover.Create(c.UserContext(), a.User(c).Name, w)
	if err != nil {
		return err
	}
	c.Status(fiber.StatusCreated)
	return a.sendRelease(c, r)
}

// releaseID reads the id of a release in the path.
func releaseID(c *fiber.Ctx) (int64, error) {
	id, err := strconv.ParseInt(c.Params("id"), 10, 64)
	if err != nil || id <= 0 {
		return 0, buildbtw.NotFound("there is no release %.40q", c.Params("id"))
	}
	return id, nil
}

func (a *API) storedRelease(c *fiber.Ctx) error {
	id, err := releaseID(c)
	if err != nil {
		return err
	}
	r, err := a.Store.Release(c.UserContext(), id)
	if err != nil {
		return err
	}
	return a.sendRelease(c, r)
}

// editRelease confirms or withdraws a release, or looks whether it was handed over.
func (a *API) editRelease(c *fiber.Ctx) error {
	id, err := releaseID(c)
	if err != nil {
		return err
	}
	e, err := decode[api.EditRelease](c)
	if err != nil {
		return err
	}
	r, err := a.Store.Release(c.UserContext(), id)
	if err != nil {
		return err
	}
	if err := r.MayChange(a.User(c)); err != nil {
		return err
	}
	switch buildbtw.ReleaseState(e.State) {
	case buildbtw.ReleaseHandingOver:
		r, err = a.Handover.Confirm(c.UserContext(), a.User(c).Name, id, e.Digest)
	case buildbtw.ReleaseWithdrawn:
		r, err = a.Handover.Withdraw(c.UserContext(), a.User(c).Name, id, e.Confirmed)
	case buildbtw.ReleaseReleased:
		r, err = a.Handover.Look(c.UserContext(), id)
	default:
		return buildbtw.Invalid("a release cannot be made %.40q; ask for handing-over, withdrawn or released", e.State)
	}
	if err != nil {
		return err
	}
	return a.sendRelease(c, r)
}

// sendRelease answers with a release and its packages.
func (a *API) sendRelease(c *fiber.Ctx, r store.ReleaseRow) error {
	units, err := a.Store.ReleaseUnits(c.UserContext(), r.ID)
	if err != nil {
		return err
	}
	wire := a.wireRelease(r)
	if r.State == buildbtw.ReleaseSigning {
		p, err := a.Handover.Waiting(c.UserContext(), r)
		if err != nil {
			return err
		}
		wire.Signing = &api.SigningProgress{Files: p.Files, Signed: p.Signed, Databases: p.Databases}
	}
	if r.State == buildbtw.ReleaseWaiting {
		p, err := a.Handover.InRepositories(c.UserContext(), r.ID)
		if err != nil {
			return err
		}
		wire.InRepository = &api.RepositoryProgress{Files: p.Files, There: p.There}
	}
	for _, u := range units {
		if u.Goes {
			wire.Goes = append(wire.Goes, api.ReleaseUnit{Pkgbase: u.Pkgbase, Version: u.Version, Pkgnames: names(u.Pkgnames), Build: formatID(u.BuildID)})
		} else {
			wire.Held = append(wire.Held, api.StoredHeld{Pkgbase: u.Pkgbase, Reason: u.Reason})
		}
	}
	return send(c, wire)
}

func (a *API) wireRelease(r store.ReleaseRow) api.StoredRelease {
	return api.StoredRelease{
		ID: formatID(r.ID), From: r.FromTarget, Buildspace: r.Buildspace, Iteration: r.Iteration, Target: r.Target, State: string(r.State), Digest: r.Digest,
		Units: r.Units, Packages: r.Packages, Message: r.Message, CreatedBy: r.CreatedBy, CreatedAt: r.CreatedAt,
		ConfirmedBy: r.ConfirmedBy, ConfirmedAt: r.ConfirmedAt, FinishedAt: r.FinishedAt, URL: a.page("releases", formatID(r.ID)),
	}
}

// wireChecks converts findings about a build that are not off.
func (a *API) wireChecks(policy check.Policy, findings []check.Finding) []api.Check {
	return list(policy.Shows(findings), func(f check.Finding) api.Check {
		return api.Check{Kind: string(f.Kind), Outcome: string(f.Outcome), Lines: names(f.Lines), Blocks: policy.Blocks(f), Targets: targetsOf(f)}
	})
}

// targetsOf returns the target whose users a finding concerns, as a list.
func targetsOf(f check.Finding) []string {
	if f.Target == "" {
		return []string{}
	}
	return []string{f.Target}
}
