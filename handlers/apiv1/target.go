package apiv1

import (
	"strconv"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/release"
	"buildbtw/store"
)

// shownGenerations bounds the generations and releases that come with a target.
const shownGenerations = 50

func (a *API) targets(c *fiber.Ctx) error {
	rows, err := a.Store.Targets(c.UserContext())
	if err != nil {
		return err
	}
	return send(c, api.Page[api.Target]{Items: list(rows, a.wireTarget)})
}

func (a *API) wireTarget(t store.TargetRow) api.Target {
	wire := api.Target{
		Name: t.Name, Kind: string(t.Kind), After: t.After, Generation: t.Generation, Packages: t.Packages, Since: t.Since, URL: a.page("targets", t.Name),
	}
	if t.Kind == buildbtw.TargetPkgctl {
		wire.Host = a.Handover.Host(t.Name)
	} else {
		wire.PacmanConf = pacmanrepo.PacmanConf(t.Name, a.Settings.ServerURL, pacmanrepo.OfTarget(t.Name))
	}
	if t.Kind != buildbtw.TargetPkgctl && a.Handover.Signs(t.Name) {
		// A generation that cannot be read counts as one without signatures.
		signed, _ := a.Handover.ShowsSignedDatabases(t)
		wire.PacmanConf = pacmanrepo.SignedPacmanConf(t.Name, a.Settings.ServerURL, pacmanrepo.OfTarget(t.Name), signed)
	}
	return wire
}

// namedTarget returns the target that the path names.
func (a *API) namedTarget(c *fiber.Ctx) (store.TargetRow, error) {
	name, err := param(c, "name")
	if err != nil {
		return store.TargetRow{}, err
	}
	return a.Store.Target(c.UserContext(), name)
}

func (a *API) target(c *fiber.Ctx) error {
	t, err := a.namedTarget(c)
	if err != nil {
		return err
	}
	generations, err := a.Store.Generations(c.UserContext(), t.ID, shownGenerations)
	if err != nil {
		return err
	}
	releases, err := a.Store.Releases(c.UserContext(), store.ReleaseFilter{Target: t.ID, Limit: shownGenerations})
	if err != nil {
		return err
	}
	return send(c, api.TargetDetail{
		Target: a.wireTarget(t), Releases: list(releases, a.wireRelease), Generations: list(generations, wireGeneration),
	})
}

func wireGeneration(g buildbtw.Generation) api.Generation {
	w := api.Generation{Number: g.Number, Parent: g.Parent, State: string(g.State), Packages: g.Packages, CreatedBy: g.CreatedBy, CreatedAt: g.CreatedAt}
	if g.ReleaseID != 0 {
		w.Release = strconv.FormatInt(g.ReleaseID, 10)
	}
	if g.Undoes != 0 {
		w.Undoes = strconv.FormatInt(g.Undoes, 10)
	}
	return w
}

func (a *API) checkTarget(c *fiber.Ctx) error {
	t, err := a.namedTarget(c)
	if err != nil {
		return err
	}
	check, err := a.Handover.Check(c.UserContext(), t.Name)
	if err != nil {
		return err
	}
	return send(c, api.TargetCheck{
		Target: t.Name,
		Broken: list(check.Broken, func(b release.Broken) api.BrokenPackage {
			return api.BrokenPackage{View: b.View, Package: b.Package, Pkgbase: b.Base, Dependency: b.Dependency, Reason: b.Reason()}
		}),
		Conflicts:    list(check.Conflicts, func(p release.Apart) api.Apart { return api.Apart(p) }),
		AllConflicts: check.AllConflicts,
		NoBase:       check.NoBase,
	})
}
