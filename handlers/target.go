package handlers

import (
	"context"
	"net/url"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/handlers/transfer"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/store"
	"buildbtw/views"
)

// targetFile serves the repository of a target: what its present generation has, and packages
// of earlier ones for who holds an older database.
func (a *App) targetFile(c *fiber.Ctx) error {
	p, err := unescaped(c, "name", "architecture", "file")
	if err != nil {
		return err
	}
	f, err := a.Catalog.Generations.OpenFile(p[0], p[1], p[2])
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderCacheControl, "no-cache")
	return transfer.SendFile(c, f, repositoryType(p[2]))
}

// shownReleases bounds the releases and generations that a page lists.
const shownReleases = 50

// targetsPage lists where packages are released to.
func (a *App) targetsPage(c *fiber.Ctx) error {
	rows, err := a.Store.Targets(c.UserContext())
	if err != nil {
		return err
	}
	lines := make([]views.TargetLine, len(rows))
	for i, t := range rows {
		lines[i] = a.targetLine(t)
	}
	return a.render(c, a.shell(c, views.NavTargets, "Released packages"), views.TargetsContent(lines, a.refusedBases(), user(c).MayAdminister() == nil))
}

// refusedBases lists the base repositories of which a newer version was not taken.
func (a *App) refusedBases() []views.RefusedBase {
	var list []views.RefusedBase
	for _, r := range a.Catalog.Bases.Refused() {
		list = append(list, views.RefusedBase{Name: r.Repo, Architecture: r.Architecture, Words: r.Words(), Digest: r.Digest, Names: r.Names})
	}
	return list
}

// acceptBase takes a newer version of a base repository although it lost the packages that the
// page showed.
func (a *App) acceptBase(c *fiber.Ctx) error {
	if err := transfer.ReadBody(c, maxForm); err != nil {
		return err
	}
	p, err := unescaped(c, "name", "architecture")
	if err != nil {
		return err
	}
	if _, err := a.Catalog.Bases.Accept(c.UserContext(), p[1], p[0], c.FormValue("digest")); err != nil {
		return err
	}
	return seeOther(c, "/targets")
}

func (a *App) targetLine(t store.TargetRow) views.TargetLine {
	line := views.TargetLine{Name: t.Name, Kind: t.Kind, After: t.After, Generation: t.Generation, Packages: t.Packages}
	line.Since = a.momentOf(t.Since)
	return line
}

// targetPage shows what a target has, and had. The same page is the index of its repository.
func (a *App) targetPage(c *fiber.Ctx) error {
	name, err := param(c, "name")
	if err != nil {
		return err
	}
	ctx := c.UserContext()
	t, err := a.Store.Target(ctx, name)
	if err != nil {
		return err
	}
	v := views.Target{TargetLine: a.targetLine(t), Host: a.Handover.Host(t.Name), Where: a.Handover.Where(t.Name), Pacman: a.pacmanView(t.Name, true, pacmanrepo.OfTarget(t.Name))}
	if a.Handover.Signs(t.Name) {
		signed, err := a.Handover.ShowsSignedDatabases(t)
		if err != nil {
			return err
		}
		v.Pacman.Conf = pacmanrepo.SignedPacmanConf(t.Name, a.Settings.ServerURL, pacmanrepo.OfTarget(t.Name), signed)
		v.DatabasesLater = a.Handover.SignsDatabases(t.Name) && !signed
	}
	generations, err := a.Store.Generations(ctx, t.ID, shownReleases)
	if err != nil {
		return err
	}
	for _, g := range generations {
		v.Generations = append(v.Generations, views.GenerationLine{Generation: g, At: a.moment(g.CreatedAt), Current: g.Number == t.Generation})
	}
	if v.Releases, err = a.releaseLines(ctx, store.ReleaseFilter{Target: t.ID, Limit: shownReleases}); err != nil {
		return err
	}
	if v.Architectures, err = a.targetFiles(t, c.Params("architecture")); err != nil {
		return err
	}
	s := a.shell(c, views.NavTargets, t.Name)
	s.Crumbs = views.TargetCrumbs(t.Name)
	return a.render(c, s, views.TargetContent(v))
}

// checkTargetPage shows what is wrong with what the users of a target have today.
func (a *App) checkTargetPage(c *fiber.Ctx) error {
	name, err := param(c, "name")
	if err != nil {
		return err
	}
	check, err := a.Handover.Check(c.UserContext(), name)
	if err != nil {
		return err
	}
	s := a.shell(c, views.NavNone, "Check of "+name)
	s.Crumbs = views.TargetCrumbs(name, views.Crumb{Label: "Check"})
	return a.render(c, s, views.TargetCheckContent(views.TargetCheck{Target: name, Broken: check.Broken, Conflicts: check.Conflicts, AllConflicts: check.AllConflicts, NoBase: check.NoBase}))
}

// targetFiles lists the packages that a target shows, of one architecture or of all.
func (a *App) targetFiles(t store.TargetRow, only string) ([]views.RepositoryArchitecture, error) {
	if t.Generation == 0 {
		return nil, nil
	}
	architectures, err := a.Catalog.Generations.Architectures(t.Name, t.Generation)
	if err != nil {
		return nil, err
	}
	var parts []views.RepositoryArchitecture
	for _, arch := range architectures {
		if only != "" && only != arch {
			continue
		}
		packages, err := a.Catalog.Generations.Packages(t.Name, t.Generation, arch)
		if err != nil {
			return nil, err
		}
		part := views.RepositoryArchitecture{Architecture: arch, URL: "/repo/" + pacmanrepo.OfTarget(t.Name) + "/os/" + url.PathEscape(arch) + "/"}
		part.More = max(0, len(packages)-pageFiles)
		for _, p := range packages[:len(packages)-part.More] {
			part.Files = append(part.Files, views.RepositoryFile{Name: p.Filename, Size: p.FileSize})
		}
		parts = append(parts, part)
	}
	if len(parts) == 0 {
		return nil, buildbtw.NotFound("target %s has nothing for %.40q", t.Name, only)
	}
	return parts, nil
}

func (a *App) releaseLines(ctx context.Context, f store.ReleaseFilter) ([]views.ReleaseLine, error) {
	rows, err := a.Store.Releases(ctx, f)
	if err != nil {
		return nil, err
	}
	lines := make([]views.ReleaseLine, len(rows))
	for i, r := range rows {
		lines[i] = a.releaseLine(r)
	}
	return lines, nil
}

func (a *App) releaseLine(r store.ReleaseRow) views.ReleaseLine {
	return views.ReleaseLine{
		ID: r.ID, From: r.FromTarget, Buildspace: r.Buildspace, Iteration: r.Iteration, Target: r.Target, State: r.State, Packages: r.Packages,
		By: r.CreatedBy, At: a.moment(r.CreatedAt),
	}
}
