package apiv1

import (
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/buildgraph"
	"buildbtw/catalog"
	"buildbtw/store"
)

// firstUsers is how many dependents come with a package.
const firstUsers = 50

// packageInfo answers with a package: its source, dependencies, dependents and builds.
func (a *API) packageInfo(c *fiber.Ctx) error {
	info, err := a.namedPackage(c)
	if err != nil {
		return err
	}
	w := api.PackageInfo{
		Name: info.Name, Pkgbase: info.Pkgbase, Architecture: info.Architecture, Pkgnames: []string{}, Optional: []string{},
		Provides: names(info.Provides), Sonames: names(info.Sonames), Links: names(info.Links),
		Needs: []api.PackageNeed{}, Dependents: api.PackageUsers{Counts: info.DependentCounts(), First: []api.PackageUser{}},
		URL: a.page("packages", info.Name), Feed: a.page("packages", info.Name, "feed.atom"),
	}
	if p := info.Source; p != nil {
		w.Source, w.Commit, w.Version, w.Description, w.Homepage = p.Source, p.Commit, p.Version, p.Desc, p.URL
		w.Pkgnames, w.Optional = names(p.Pkgnames), names(p.Optional)
		w.Needs = list(p.Needs, func(n buildgraph.Need) api.PackageNeed {
			return api.PackageNeed{Dependency: n.Dependency, Kinds: n.Kinds.Names(), By: names(n.By)}
		})
		w.Dependents.Total = len(p.Users)
		w.Dependents.First = list(p.Users[:min(len(p.Users), firstUsers)], wireUser)
	}
	if info.Base != nil {
		w.Base = &api.BasePackage{Repository: info.Base.Repo, Version: info.Base.Version}
	}
	w.Spaces = list(info.Spaces, func(s catalog.PackageSpace) api.PackageSpace {
		return api.PackageSpace{Buildspace: s.Buildspace, Builds: list(s.Builds, a.wireBuild)}
	})
	w.Past = list(info.Past, func(b store.PastBuild) api.PastBuild {
		return api.PastBuild{
			ID: strconv.FormatInt(b.ID, 10), Buildspace: b.Buildspace, Iteration: b.Iteration, Version: b.Version, Status: b.Status,
			FinishedAt: b.FinishedAt.UTC(), Seconds: b.Seconds, Memory: b.Memory, Size: b.Size,
		}
	})
	return send(c, w)
}

// packageUsers lists the dependents of a package, in parts.
func (a *API) packageUsers(c *fiber.Ctx) error {
	info, err := a.namedPackage(c)
	if err != nil {
		return err
	}
	users, err := info.Dependents(c.Query("kind"))
	if err != nil {
		return err
	}
	page, err := cut(c, list(users, wireUser), func(u api.PackageUser) string { return u.Pkgbase })
	if err != nil {
		return err
	}
	return send(c, page)
}

func (a *API) namedPackage(c *fiber.Ctx) (catalog.PackageInfo, error) {
	name, err := param(c, "pkgname")
	if err != nil {
		return catalog.PackageInfo{}, err
	}
	return a.Catalog.PackageInfo(c.UserContext(), name, c.Query("arch"))
}

func wireUser(u buildgraph.User) api.PackageUser {
	return api.PackageUser{Pkgbase: u.Pkgbase, Kinds: u.Kinds.Names(), Dependencies: u.Dependencies}
}

// search answers with everything whose name matches a few characters.
func (a *API) search(c *fiber.Ctx) error {
	f, err := a.Catalog.Search(c.UserContext(), c.Query("q"))
	if err != nil {
		return err
	}
	w := api.Found{
		Query: f.Query, Names: list(f.Names, a.wireName), MoreNames: f.MoreNames, Builds: list(f.Builds, a.wireBuild), Exact: a.subjectURL(f.Exact),
	}
	w.Buildspaces = list(f.Buildspaces, func(row store.BuildspaceRow) api.FoundBuildspace {
		b := api.FoundBuildspace{Name: row.Name, URL: a.page("buildspaces", row.Name)}
		if row.Latest != nil {
			b.Status = row.Latest.Status()
		}
		return b
	})
	w.Commits = list(f.Commits, func(m catalog.FoundCommit) api.FoundCommit {
		return api.FoundCommit{Commit: m.Commit, Source: m.Source, Buildspace: m.Buildspace, Iteration: m.Iteration, URL: a.subjectURL(m.Subject())}
	})
	if l := f.Library; l != nil {
		u := a.wireUsers(l.UsersOf)
		w.Library = &api.FoundLibrary{Soname: l.Soname, Providers: u.Providers, Users: u.Users, More: u.More, Unknown: u.Unknown, Whole: u.Whole}
	}
	return send(c, w)
}

// nameUsers answers with the packages that use a versioned directory or a library.
func (a *API) nameUsers(c *fiber.Ctx) error {
	u, err := a.Catalog.Users(c.UserContext(), c.Query("of"), c.Query("arch"))
	if err != nil {
		return err
	}
	return send(c, a.wireUsers(u))
}

func (a *API) wireUsers(u catalog.UsersOf) api.NameUsers {
	return api.NameUsers{
		Name: u.Name, Architecture: u.Architecture, More: u.More, Whole: u.Whole,
		Users: list(u.Users, func(n catalog.NameUser) api.NameUser {
			w := api.NameUser{
				Pkgname: n.Pkgname, Pkgbase: n.Pkgbase, Version: n.Version, Source: n.Source, Uses: n.Name, Reason: n.Reason(),
				Repository: n.Repository, Buildspace: n.Buildspace, Iteration: n.Iteration,
			}
			if n.Build != 0 {
				w.Build = formatID(n.Build)
			}
			return w
		}),
		Providers: list(u.Providers, func(p catalog.NameProvider) api.LibraryProvider {
			return api.LibraryProvider{
				Pkgname: p.Pkgname, Pkgbase: p.Pkgbase, Version: p.Version, File: p.File, Repository: p.Repository,
				Buildspace: p.Buildspace, Iteration: p.Iteration, Declared: p.Declared, Words: p.Words(),
			}
		}),
		Unknown: list(u.Unknown, func(n catalog.UnknownUser) api.UnknownUser {
			return api.UnknownUser{Pkgbase: n.Pkgbase, Source: n.Source, Dependency: n.Dependency}
		}),
	}
}

func (a *API) wireName(n catalog.FoundName) api.FoundName {
	w := api.FoundName{
		Name: n.Name, Kind: string(n.Kind), Pkgname: n.Pkgname, Pkgbase: n.Pkgbase, Source: n.Source, Version: n.Version, URL: a.subjectURL(n.Subject()),
		Pkgnames: n.Pkgnames, Dependents: n.Dependents,
	}
	for _, e := range n.Also {
		w.Also = append(w.Also, e.Name)
	}
	if n.InBase != nil {
		w.Base = &api.BasePackage{Repository: n.InBase.Repo, Version: n.InBase.Version}
	}
	if b := n.Newest; b != nil {
		w.Newest = &api.NewestBuild{Build: formatID(b.BuildID), Status: b.Status, Version: b.Version, Buildspace: b.Buildspace, Iteration: b.Iteration}
	}
	return w
}

// subjectURL returns the full URL of a search result's page, or nothing for none.
func (a *API) subjectURL(s catalog.Subject) string {
	switch s.Kind {
	case catalog.SubjectPackage:
		return a.page("packages", s.Name)
	case catalog.SubjectSource:
		return a.page("sources", s.Name)
	case catalog.SubjectBuildspace:
		return a.page("buildspaces", s.Name)
	case catalog.SubjectIteration:
		return a.page("buildspaces", s.Name, strconv.Itoa(s.Number))
	case catalog.SubjectBuild:
		return a.page("builds", formatID(s.Build))
	case catalog.NoSubject:
	}
	return ""
}

// sources lists the sources at their base ref; those that cannot be planned have an
// error.
func (a *API) sources(c *fiber.Ctx) error {
	broken, err := flag(c, "broken")
	if err != nil {
		return err
	}
	all, err := a.Catalog.Sources(c.UserContext())
	if err != nil {
		return err
	}
	part := strings.ToLower(c.Query("q"))
	chosen := make([]api.Source, 0, len(all))
	for _, s := range all {
		if (!broken || s.Error != "") && strings.Contains(strings.ToLower(s.Slug), part) {
			chosen = append(chosen, a.wireSource(s))
		}
	}
	page, err := cut(c, chosen, func(s api.Source) string { return s.Slug })
	if err != nil {
		return err
	}
	wanted := list(page.Items, func(s api.Source) catalog.SourceCommit { return catalog.SourceCommit{Source: s.Slug, Commit: s.Commit} })
	known := a.commits(c.UserContext(), wanted...)
	for i, w := range wanted {
		if w.Commit != "" {
			info := known(w.Source, w.Commit)
			page.Items[i].CommitInfo = &info
		}
	}
	return send(c, page)
}

func (a *API) wireSource(s catalog.Source) api.Source {
	look := a.Catalog.Look(s.Slug)
	return api.Source{
		Slug: s.Slug, Ref: s.Ref, Commit: s.Commit, Pkgbase: s.Pkgbase, Version: s.Version, Error: s.Error, Notes: s.Notes, Read: s.Read,
		Since: look.Since.UTC(), Next: look.Next.UTC(),
	}
}

// lookAtSource has a source looked at, and answers without waiting for the result.
func (a *API) lookAtSource(c *fiber.Ctx) error {
	slug, err := param(c, "slug")
	if err != nil {
		return err
	}
	s, err := a.Catalog.Source(slug)
	if err != nil {
		return err
	}
	if err := a.LookAt(c.UserContext(), slug); err != nil {
		return err
	}
	return send(c.Status(fiber.StatusAccepted), a.wireSource(s))
}

// lookAtAll has all sources looked at, also while they are read for the first time.
func (a *API) lookAtAll(c *fiber.Ctx) error {
	if err := a.LookAt(c.UserContext(), ""); err != nil {
		return err
	}
	return c.SendStatus(fiber.StatusAccepted)
}

// mirror answers how many sources are mirrored, and when each root was last synced.
func (a *API) mirror(c *fiber.Ctx) error {
	all, err := a.Catalog.Sources(c.UserContext())
	if err != nil {
		return err
	}
	m := api.Mirror{Sources: len(all)}
	for _, s := range all {
		if s.Error != "" {
			m.Broken++
		}
	}
	m.Roots = list(a.Catalog.Roots(), func(r catalog.Root) api.Root {
		return api.Root{
			Name: r.Name, Synced: r.Synced.UTC(), Next: r.Next.UTC(), Seconds: r.Took.Seconds(), Sources: r.Sources, Broken: r.Broken,
			Waiting: r.Waiting, Slow: r.Slow, Error: r.Error,
		}
	})
	m.SetAside = names(a.Sources.SetAside())
	return send(c, m)
}

// plan answers with the builds that a buildspace would have.
func (a *API) plan(c *fiber.Ctx) error {
	r, err := decode[api.PlanRequest](c)
	if err != nil {
		return err
	}
	changesets, settings, err := wanted(r)
	if err != nil {
		return err
	}
	plan, err := a.Catalog.Preview(c.UserContext(), changesets, settings)
	if err != nil {
		return err
	}
	if err := a.Catalog.WarnOverlaps(c.UserContext(), plan, ""); err != nil {
		return err
	}
	return send(c, plan)
}

// explain answers why a package would be built, or why not.
func (a *API) explain(c *fiber.Ctx) error {
	r, err := decode[api.ExplainRequest](c)
	if err != nil {
		return err
	}
	if err := buildbtw.CheckPkgname(r.Package); err != nil {
		return err
	}
	changesets, settings, err := wanted(r.PlanRequest)
	if err != nil {
		return err
	}
	answer, err := a.Catalog.Explain(c.UserContext(), changesets, settings, r.Package)
	if err != nil {
		return err
	}
	return send(c, answer)
}

// wanted reads changesets and settings; what a request does not choose is the
// default.
func wanted(r api.PlanRequest) ([]buildbtw.Changeset, buildbtw.Settings, error) {
	settings := buildbtw.DefaultSettings()
	r.Apply(&settings)
	changesets, err := buildbtw.ParseChangesets(r.Changesets)
	return changesets, settings, err
}
