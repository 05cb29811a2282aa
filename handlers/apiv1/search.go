package apiv1

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/internal/directory"
	"buildbtw/pacman/alpm"
	"buildbtw/store"
)

const (
	maxQuery        = 200 // bytes
	foundNames      = 50
	foundSpaces     = 20
	foundCommits    = 20
	foundUsers      = 200
	shortestCommit  = 5  // characters from which a query may be the beginning of a commit
	longestCommit   = 64 // characters of a commit
	suggestedNames  = 8
	suggestedSpaces = 4
)

// search answers what a person may mean by a few characters.
func (a *API) search(c *fiber.Ctx) error {
	found, err := a.Search(c.UserContext(), c.Query("q"))
	if err != nil {
		return err
	}
	return send(c, found)
}

// Search finds packages, libraries, sources, buildspaces, builds and commits.
// Pages and API answer the same.
func (a *API) Search(ctx context.Context, query string) (api.Found, error) {
	s, err := a.newSearch(query)
	if err != nil || s.query == "" {
		return s.found, err
	}
	for _, part := range []func(context.Context) error{s.names, s.library, s.spaces, s.builds, s.commits} {
		if err := part(ctx); err != nil {
			return s.found, err
		}
	}
	if len(s.exact) == 1 && s.found.Library == nil { // a library is worth a look even when only one package has it
		for url := range s.exact {
			s.found.Exact = url
		}
	}
	return s.found, nil
}

// Suggest finds the few names that a person who is typing most likely means.
func (a *API) Suggest(ctx context.Context, query string) (api.Found, error) {
	s, err := a.newSearch(query)
	if err != nil || s.query == "" {
		return s.found, err
	}
	s.maxNames, s.maxSpaces = suggestedNames, suggestedSpaces
	if err := s.names(ctx); err != nil {
		return s.found, err
	}
	return s.found, s.spaces(ctx)
}

// search collects what is found.
type search struct {
	*API
	query               string
	found               api.Found
	exact               map[string]bool // pages of what is called exactly so
	maxNames, maxSpaces int
}

func (a *API) newSearch(query string) (*search, error) {
	query = strings.TrimSpace(query)
	s := &search{API: a, query: query, exact: map[string]bool{}, maxNames: foundNames, maxSpaces: foundSpaces}
	s.found = api.Found{Query: query, Names: []api.FoundName{}, Buildspaces: []api.FoundBuildspace{}, Builds: []api.Build{}, Commits: []api.FoundCommit{}}
	if len(query) > maxQuery {
		return s, buildbtw.Invalid("a search for %d bytes is too long; at most %d", len(query), maxQuery)
	}
	return s, nil
}

// names finds what the sources call so, and a package that only the base has.
func (s *search) names(ctx context.Context) error {
	d, err := s.directory(ctx)
	if err != nil {
		return err
	}
	entries, more := d.Find(s.query, s.maxNames)
	s.found.MoreNames = more
	for _, e := range entries {
		s.addName(s.FoundName(e))
	}
	if len(d.Named(s.query)) > 0 {
		return nil
	}
	for _, arch := range s.Settings.Architectures {
		if p, ok := s.Base.Package(arch, s.query); ok {
			s.addName(api.FoundName{
				Name: p.Name, Kind: "base", Pkgname: p.Name, Pkgbase: p.Base, Version: p.Version, URL: s.page("packages", p.Name),
			})
			return nil
		}
	}
	return nil
}

func (s *search) addName(n api.FoundName) {
	s.found.Names = append(s.found.Names, n)
	if n.Name == s.query {
		s.exact[n.URL] = true
	}
}

// FoundName leads to the package that has the name or provides it.
func (a *API) FoundName(e directory.Entry) api.FoundName {
	n := api.FoundName{Name: e.Name, Kind: string(e.Kind), Pkgname: e.Pkgname, Pkgbase: e.Pkgbase, Source: e.Source, Version: e.Version}
	switch e.Kind {
	case directory.KindSource:
		n.URL = a.page("sources", e.Source)
	case directory.KindPkgbase:
		n.URL = a.page("packages", e.Pkgbase)
	default:
		n.URL = a.page("packages", e.Pkgname)
	}
	return n
}

// library finds who provides and who links a soname.
func (s *search) library(ctx context.Context) error {
	soname, ok := alpm.ParseSoname(s.query)
	if !ok {
		return nil
	}
	d, err := s.directory(ctx)
	if err != nil {
		return err
	}
	l := &api.FoundLibrary{Soname: s.query, Providers: []api.FoundName{}, Users: []api.FoundUser{}}
	for _, e := range d.Providers(soname) {
		l.Providers = append(l.Providers, s.FoundName(e))
	}
	users := d.Users(soname)
	for _, u := range users {
		s.addUser(l, api.FoundUser{Package: u.Pkgbase, Dependency: u.Dependency, URL: s.page("packages", u.Pkgbase)})
	}
	s.addLinkers(l, soname)
	s.found.Library = l
	return nil
}

// addLinkers adds those that only the base's packages tell of: sources mostly
// leave the version to makepkg.
func (s *search) addLinkers(l *api.FoundLibrary, soname alpm.Soname) {
	seen := map[string]bool{}
	for _, u := range l.Users {
		seen[u.Package] = true
	}
	for _, arch := range s.Settings.Architectures {
		for _, p := range s.Base.Linkers(arch, soname) {
			if seen[p.Name] || seen[p.Base] {
				continue
			}
			seen[p.Name] = true
			dependency := ""
			for _, text := range p.Depends {
				if n, ok := alpm.ParseSoname(text); ok && n.Matches(soname) {
					dependency = text
				}
			}
			s.addUser(l, api.FoundUser{Package: p.Name, Dependency: dependency, InBase: true, URL: s.page("packages", p.Name)})
		}
	}
}

func (s *search) addUser(l *api.FoundLibrary, u api.FoundUser) {
	if len(l.Users) == foundUsers {
		l.More++
		return
	}
	l.Users = append(l.Users, u)
}

func (s *search) spaces(ctx context.Context) error {
	rows, _, err := s.Store.Buildspaces(ctx, store.BuildspaceFilter{Query: s.query, Limit: s.maxSpaces})
	if err != nil {
		return err
	}
	if row, err := s.Store.Buildspace(ctx, s.query); err == nil { // may be an old one
		rows = append([]store.BuildspaceRow{row}, without(rows, row.ID)...)
	} else if buildbtw.KindOf(err) != buildbtw.KindNotFound {
		return err
	}
	for _, row := range rows {
		b := api.FoundBuildspace{Name: row.Name, URL: s.page("buildspaces", row.Name)}
		if row.Latest != nil {
			b.Status = row.Latest.Status()
		}
		s.found.Buildspaces = append(s.found.Buildspaces, b)
		if row.Name == s.query {
			s.exact[b.URL] = true
		}
	}
	return nil
}

func without(rows []store.BuildspaceRow, id int64) []store.BuildspaceRow {
	var rest []store.BuildspaceRow
	for _, row := range rows {
		if row.ID != id {
			rest = append(rest, row)
		}
	}
	return rest
}

// builds finds a build by its id.
func (s *search) builds(ctx context.Context) error {
	if strings.Trim(s.query, "0123456789") != "" || len(s.query) > 18 {
		return nil // not the id of a build
	}
	id, err := strconv.ParseInt(s.query, 10, 64)
	if err != nil {
		return fmt.Errorf("read %q as the id of a build: %w", s.query, err)
	}
	row, err := s.Store.Build(ctx, id)
	if buildbtw.KindOf(err) == buildbtw.KindNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	b := s.wireBuild(row)
	s.found.Builds = append(s.found.Builds, b)
	s.exact[b.URL] = true
	return nil
}

// commits finds commits by their beginning: of sources as they stand, and of
// changesets in any iteration.
func (s *search) commits(ctx context.Context) error {
	prefix := strings.ToLower(s.query)
	if len(prefix) < shortestCommit || len(prefix) > longestCommit || strings.Trim(prefix, "0123456789abcdef") != "" {
		return nil
	}
	changesets, err := s.Store.ChangesetCommits(ctx, prefix, foundCommits)
	if err != nil {
		return err
	}
	for _, c := range changesets {
		s.addCommit(api.FoundCommit{
			Commit: c.Commit, Source: c.Source, Buildspace: c.Buildspace, Iteration: c.Iteration,
			URL: s.page("buildspaces", c.Buildspace, strconv.Itoa(c.Iteration)),
		})
	}
	d, err := s.directory(ctx)
	if err != nil {
		return err
	}
	for _, e := range d.Commits(prefix, foundCommits) {
		s.addCommit(api.FoundCommit{Commit: e.Name, Source: e.Source, URL: s.page("sources", e.Source)})
	}
	return nil
}

// addCommit counts a commit as meant when the query cannot be anything else.
func (s *search) addCommit(c api.FoundCommit) {
	s.found.Commits = append(s.found.Commits, c)
	s.exact[c.URL] = true
}

// directory gives the names that the sources have: none while they are read for
// the first time, so that the rest can be found then.
func (s *search) directory(ctx context.Context) (*directory.Directory, error) {
	d, err := s.Catalog.Directory()
	if buildbtw.KindOf(err) == buildbtw.KindUnavailable {
		return directory.New(nil), nil
	}
	return d, err
}
