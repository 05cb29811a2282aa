package catalog

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"buildbtw"
	"buildbtw/internal/directory"
	"buildbtw/pacman/alpm"
	"buildbtw/pacman/baserepo"
	"buildbtw/store"
)

const (
	maxQuery        = 200 // bytes
	foundNames      = 50
	foundSpaces     = 20
	foundCommits    = 20
	shortestCommit  = 5  // characters from which a query may be the beginning of a commit
	longestCommit   = 64 // characters of a commit
	suggestedNames  = 8
	suggestedSpaces = 4
	shortestSlip    = 3 // characters from which a query that nothing contains may have a slip
	guessedNames    = 5 // what it may mean
)

// Found is the result of a search. Each list is bounded, best match first.
type Found struct {
	Query       string
	Names       []FoundName // packages, sources and provides
	MoreNames   bool
	Library     *FoundLibrary // when the query is a soname
	Buildspaces []store.BuildspaceRow
	Builds      []store.BuildRow // with this id
	Commits     []FoundCommit    // that begin with the query
	Exact       Subject          // the only thing that is called exactly so; zero when there is none, or several
}

// Subject is something that has a page.
type Subject struct {
	Kind   SubjectKind
	Name   string // of a package, a source or a buildspace
	Number int    // of an iteration of the buildspace
	Build  int64  // the id of a build
}

// SubjectKind is the kind of a search result.
type SubjectKind int

// The kinds of subjects.
const (
	NoSubject SubjectKind = iota
	SubjectPackage
	SubjectSource
	SubjectBuildspace
	SubjectIteration
	SubjectBuild
)

// KindBase is the kind of a name that only the base repositories have.
const KindBase directory.Kind = "base"

// FoundName is a name that has the query in it.
type FoundName struct {
	directory.Entry
	Also       []directory.Entry // further names of the same pkgbase that have the query in them
	Pkgnames   []string          // that come out of the pkgbase
	Dependents int               // pkgbases that depend on the pkgbase
	InBase     *baserepo.Entry   // nil: the base does not have it
	Newest     *store.NewestBuild
}

// Subject is the package that has the name or provides it, or the source.
func (n FoundName) Subject() Subject { return subjectOf(n.Entry) }

func subjectOf(e directory.Entry) Subject {
	switch e.Kind {
	case directory.KindSource:
		return Subject{Kind: SubjectSource, Name: e.Source}
	case directory.KindPkgbase:
		return Subject{Kind: SubjectPackage, Name: e.Pkgbase}
	default:
		return Subject{Kind: SubjectPackage, Name: e.Pkgname}
	}
}

// FoundLibrary is a library with who provides it and who links with it.
type FoundLibrary struct {
	Soname string
	UsersOf
}

// FoundCommit is a commit of a source at the base ref or, with a buildspace, of
// a changeset.
type FoundCommit struct {
	Commit, Source string
	Buildspace     string
	Iteration      int
}

// Subject is the iteration that has the commit, or the source.
func (c FoundCommit) Subject() Subject {
	if c.Buildspace != "" {
		return Subject{Kind: SubjectIteration, Name: c.Buildspace, Number: c.Iteration}
	}
	return Subject{Kind: SubjectSource, Name: c.Source}
}

// Search finds packages, libraries, sources, buildspaces, builds and commits.
func (c *Catalog) Search(ctx context.Context, query string) (Found, error) {
	s, err := c.newSearch(query)
	if err != nil || s.Query == "" {
		return s.Found, err
	}
	for _, part := range []func(context.Context) error{s.names(foundNames), s.library, s.spaces(foundSpaces), s.builds, s.commits} {
		if err := part(ctx); err != nil {
			return s.Found, err
		}
	}
	if len(s.exact) == 1 && s.Library == nil { // a library is worth a look even when only one package has it
		for subject := range s.exact {
			s.Exact = subject
		}
	}
	return s.Found, nil
}

// Suggest finds the few names that a person who is typing most likely means.
func (c *Catalog) Suggest(ctx context.Context, query string) (Found, error) {
	s, err := c.newSearch(query)
	if err != nil || s.Query == "" {
		return s.Found, err
	}
	for _, part := range []func(context.Context) error{s.names(suggestedNames), s.spaces(suggestedSpaces)} {
		if err := part(ctx); err != nil {
			return s.Found, err
		}
	}
	return s.Found, nil
}

// Near lists names that are a slip of the pen away from one that nothing has.
func (c *Catalog) Near(name string, limit int) []FoundName {
	d, err := c.Directory()
	if err != nil {
		return nil
	}
	return foundNamesOf(directory.Group(d.Near(name, limit)))
}

// search collects the result of one query.
type search struct {
	*Catalog
	Found
	directory *directory.Directory
	exact     map[Subject]bool // subjects whose name is the query
}

// newSearch begins a search. While the sources are read for the first time they
// have no names, so that the rest can be found then.
func (c *Catalog) newSearch(query string) (*search, error) {
	s := &search{Catalog: c, exact: map[Subject]bool{}, Found: Found{Query: strings.TrimSpace(query)}}
	if len(s.Query) > maxQuery {
		return s, buildbtw.Invalid("a search for %d bytes is too long; at most %d", len(s.Query), maxQuery)
	}
	var err error
	if s.directory, err = c.Directory(); buildbtw.KindOf(err) == buildbtw.KindUnavailable {
		s.directory, err = directory.New(nil), nil
	}
	return s, err
}

// names finds entries of the directory, and a package that only the base has.
func (s *search) names(limit int) func(context.Context) error {
	return func(ctx context.Context) error {
		hits, more := s.directory.Find(s.Query, limit)
		if len(hits) == 0 && len(s.Query) >= shortestSlip {
			hits = directory.Group(s.directory.Near(s.Query, guessedNames))
		}
		s.Names, s.MoreNames = foundNamesOf(hits), more
		if len(s.directory.Named(s.Query)) == 0 {
			for _, arch := range s.Architectures {
				if p, ok := s.Bases.Package(arch, s.Query); ok {
					e := directory.Entry{Name: p.Name, Kind: KindBase, Pkgname: p.Name, Pkgbase: p.Base, Version: p.Version}
					s.Names = append(s.Names, FoundName{Entry: e})
					break
				}
			}
		}
		for _, n := range s.Names {
			for _, e := range append([]directory.Entry{n.Entry}, n.Also...) {
				if e.Name == s.Query {
					s.exact[subjectOf(e)] = true
				}
			}
		}
		return s.standing(ctx)
	}
}

// standing adds to each hit where its package is now: in the base, in the newest build,
// and how much depends on it.
func (s *search) standing(ctx context.Context) error {
	var pkgbases []string
	index := s.current.Load().index
	for i := range s.Names {
		n := &s.Names[i]
		if n.Pkgbase == "" {
			continue
		}
		pkgbases = append(pkgbases, n.Pkgbase)
		for _, arch := range s.Architectures {
			if brief, ok := index.Brief(arch, n.Pkgbase); ok && n.Pkgnames == nil {
				n.Pkgnames, n.Dependents = brief.Pkgnames, brief.Dependents
			}
			for _, pkgname := range append([]string{n.Pkgname, n.Pkgbase}, n.Pkgnames...) {
				if p, ok := s.Bases.Package(arch, pkgname); ok && n.InBase == nil {
					n.InBase = &p
				}
			}
		}
	}
	newest, err := s.Store.NewestBuilds(ctx, pkgbases)
	if err != nil {
		return err
	}
	for i, n := range s.Names {
		if b, ok := newest[n.Pkgbase]; ok {
			s.Names[i].Newest = &b
		}
	}
	return nil
}

func foundNamesOf(hits []directory.Hit) []FoundName {
	names := make([]FoundName, len(hits))
	for i, h := range hits {
		names[i] = FoundName{Entry: h.Entry, Also: h.Also}
	}
	return names
}

// library finds who provides and who links a soname.
func (s *search) library(ctx context.Context) error {
	if _, ok := alpm.ParseSoname(s.Query); !ok {
		return nil
	}
	users, err := s.Users(ctx, s.Query, "")
	if err != nil {
		return err
	}
	s.Library = &FoundLibrary{Soname: s.Query, UsersOf: users}
	return nil
}

func (s *search) spaces(limit int) func(context.Context) error {
	return func(ctx context.Context) error {
		rows, _, err := s.Store.Buildspaces(ctx, store.BuildspaceFilter{Query: s.Query, Limit: limit})
		if err != nil {
			return err
		}
		row, err := s.Store.Buildspace(ctx, s.Query) // may be an old one
		switch {
		case err == nil:
			rows = slices.DeleteFunc(rows, func(r store.BuildspaceRow) bool { return r.ID == row.ID })
			rows = append([]store.BuildspaceRow{row}, rows...)
			s.exact[Subject{Kind: SubjectBuildspace, Name: row.Name}] = true
		case buildbtw.KindOf(err) != buildbtw.KindNotFound:
			return err
		}
		s.Buildspaces = rows
		return nil
	}
}

// builds finds a build by its id.
func (s *search) builds(ctx context.Context) error {
	if strings.Trim(s.Query, "0123456789") != "" || len(s.Query) > 18 {
		return nil // not the id of a build
	}
	id, err := strconv.ParseInt(s.Query, 10, 64)
	if err != nil {
		return fmt.Errorf("read %q as the id of a build: %w", s.Query, err)
	}
	row, err := s.Store.Build(ctx, id)
	if buildbtw.KindOf(err) == buildbtw.KindNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	s.Builds = append(s.Builds, row)
	s.exact[Subject{Kind: SubjectBuild, Build: row.ID}] = true
	return nil
}

// commits finds commits by their beginning: of sources as they stand, and of
// changesets in any iteration. A commit counts as meant: such a query can hardly
// be anything else.
func (s *search) commits(ctx context.Context) error {
	prefix := strings.ToLower(s.Query)
	if len(prefix) < shortestCommit || len(prefix) > longestCommit || strings.Trim(prefix, "0123456789abcdef") != "" {
		return nil
	}
	changesets, err := s.Store.ChangesetCommits(ctx, prefix, foundCommits)
	if err != nil {
		return err
	}
	for _, c := range changesets {
		s.Commits = append(s.Commits, FoundCommit{Commit: c.Commit, Source: c.Source, Buildspace: c.Buildspace, Iteration: c.Iteration})
	}
	for _, e := range s.directory.Commits(prefix, foundCommits) {
		s.Commits = append(s.Commits, FoundCommit{Commit: e.Name, Source: e.Source})
	}
	for _, c := range s.Commits {
		s.exact[c.Subject()] = true
	}
	return nil
}
