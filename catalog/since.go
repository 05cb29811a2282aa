package catalog

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"buildbtw"
	"buildbtw/pacman/alpm"
	"buildbtw/store"
)

// SinceBuilt is a build's latest result, compared with the last time that its package was
// built before, in any buildspace.
type SinceBuilt struct {
	store.SinceBuilt

	// Packages are the installed packages that changed since: those whose sonames did
	// first, then those that the build depends on itself. Nil when it was not recorded for
	// one of the two what was installed.
	Packages []buildbtw.PackageChange
}

// Recorded reports whether the installed packages of both attempts are known.
func (s SinceBuilt) Recorded() bool { return s.Packages != nil }

// SinceBuilt compares the latest result of a build with the last success before it; nil when
// the build has no result of its own yet.
func (c *Catalog) SinceBuilt(ctx context.Context, db *store.Reader, build store.BuildRow) (*SinceBuilt, error) {
	found, err := db.SinceBuilt(ctx, build.ID)
	if found == nil || err != nil {
		return nil, err
	}
	s := &SinceBuilt{SinceBuilt: *found}
	if s.Last == nil || s.Changes == nil {
		return s, nil
	}
	direct, err := c.directDependencies(ctx, build)
	if err != nil {
		return nil, err
	}
	changes := s.Changes
	names := slices.Clone(direct)
	for _, change := range changes {
		names = append(names, change.Name)
	}
	arch := build.Architecture
	before, err := db.MadePackages(ctx, s.Last.IterationID, arch, names)
	if err != nil {
		return nil, err
	}
	after, err := db.MadePackages(ctx, s.This.IterationID, arch, names)
	if err != nil {
		return nil, err
	}
	if changes, err = addRebuilt(ctx, db, s, direct, before, after); err != nil {
		return nil, err
	}
	early := map[string]bool{} // had happened when it first failed
	for _, change := range s.FirstChanges {
		early[change.Name] = true
	}
	s.Packages = make([]buildbtw.PackageChange, 0, len(changes))
	for _, change := range changes {
		was, wasMade := made(before, change.Name, change.From)
		is, isMade := made(after, change.Name, change.To)
		from, to := c.interfaceOf(arch, was, change.Name, change.From), c.interfaceOf(arch, is, change.Name, change.To)
		s.Packages = append(s.Packages, buildbtw.PackageChange{
			Name: change.Name, From: change.From, To: change.To, FromBuildspace: wasMade, ToBuildspace: isMade,
			Sonames:      sonameChanges(from, to),
			Direct:       slices.Contains(direct, change.Name) || provides(from, direct) || provides(to, direct),
			AfterFailure: s.FirstChanges != nil && change.From != change.To && !early[change.Name],
		})
	}
	slices.SortStableFunc(s.Packages, func(a, b buildbtw.PackageChange) int {
		return cmp.Or(cmp.Compare(changeRank(a), changeRank(b)), strings.Compare(a.Name, b.Name))
	})
	return s, nil
}

func changeRank(c buildbtw.PackageChange) int {
	switch {
	case len(c.Sonames) > 0:
		return 0
	case c.Direct:
		return 1
	}
	return 2
}

// directDependencies returns the names that a build depends on itself, without versions.
func (c *Catalog) directDependencies(ctx context.Context, build store.BuildRow) ([]string, error) {
	commit := cmp.Or(build.SourceCommit, build.Commit)
	source, known := c.current.Load().index.Source(build.Source)
	info := source.Info
	if !known || source.Commit != commit || info == nil {
		files, err := c.Mirror.ReadSrcinfos(ctx, []string{commit})
		if err != nil {
			return nil, err
		}
		if info, err = files[commit].Parse(); err != nil {
			return nil, nil //nolint:nilerr // it is not in the mirror any more: no dependency is known to be direct
		}
	}
	var names []string
	for _, text := range dependencies(build.Architecture, info) {
		if n, ok := alpm.ParseSoname(text); ok {
			names = append(names, n.Library)
		} else if d, err := alpm.ParseDep(text); err == nil {
			names = append(names, d.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// addRebuilt returns the changes with those packages that have the same version and were
// made anew between the two builds, as far as the build depends on them itself.
func addRebuilt(ctx context.Context, db *store.Reader, s *SinceBuilt, direct []string, before, after map[string]store.MadePackage) ([]store.InstalledChange, error) {
	var rebuilt []string
	for _, name := range direct {
		was, is := before[name], after[name]
		if is.SHA256 != was.SHA256 && (was.SHA256 == "" || is.SHA256 == "" || was.Version == is.Version) {
			rebuilt = append(rebuilt, name)
		}
	}
	if len(rebuilt) == 0 {
		return s.Changes, nil
	}
	installed, err := db.InstalledOf(ctx, s.This.InstalledID)
	if err != nil {
		return nil, err
	}
	changes := slices.Clone(s.Changes)
	for _, p := range installed {
		changed := slices.ContainsFunc(s.Changes, func(c store.InstalledChange) bool { return c.Name == p.Name })
		_, here := made(after, p.Name, p.Version)
		_, there := made(before, p.Name, p.Version)
		if slices.Contains(rebuilt, p.Name) && !changed && (here || there) {
			changes = append(changes, store.InstalledChange{Name: p.Name, From: p.Version, To: p.Version})
		}
	}
	return changes, nil
}

// made returns the package of an iteration that has the name and the version.
func made(list map[string]store.MadePackage, name, version string) (store.MadePackage, bool) {
	p, ok := list[name]
	if !ok || version == "" || p.Version != version {
		return store.MadePackage{}, false
	}
	return p, true
}

// interfaceOf returns the interface of a package: of the iteration that made it, else of the
// base when that has just this version; nil when it is not known.
func (c *Catalog) interfaceOf(arch string, p store.MadePackage, name, version string) *alpm.Interface {
	if p.SHA256 != "" {
		return p.Interface
	}
	entry, ok := c.Bases.Package(arch, name)
	if !ok || entry.Version != version {
		return nil
	}
	list, _ := c.Bases.Interfaces(arch, entry.Base)
	for _, i := range list {
		if i.Pkgname == name {
			return &i
		}
	}
	return nil
}

// provides reports whether a package stands in for one of the names, or has a library of
// that name.
func provides(i *alpm.Interface, names []string) bool {
	if i == nil {
		return false
	}
	return slices.ContainsFunc(slices.Concat(i.Provides, i.Sonames), func(text string) bool {
		name, _, _ := strings.Cut(text, "=")
		if n, ok := alpm.ParseSoname(text); ok {
			name = n.Library
		}
		return slices.Contains(names, name)
	})
}

// sonameChanges compares the libraries of two packages; nothing when those of one are not
// known. A package that is new or gone changes nobody's sonames.
func sonameChanges(from, to *alpm.Interface) []buildbtw.SonameChange {
	if from == nil || to == nil || from.Unknown != "" || to.Unknown != "" {
		return nil
	}
	was, is := libraryVersions(from), libraryVersions(to)
	var changes []buildbtw.SonameChange
	for library, version := range was {
		if is[library] != version {
			changes = append(changes, buildbtw.SonameChange{Library: library, From: version, To: is[library]})
		}
	}
	for library, version := range is {
		if _, old := was[library]; !old {
			changes = append(changes, buildbtw.SonameChange{Library: library, To: version})
		}
	}
	slices.SortFunc(changes, func(a, b buildbtw.SonameChange) int { return strings.Compare(a.Library, b.Library) })
	return changes
}

// libraryVersions returns the versions of a package's sonames by library.
func libraryVersions(i *alpm.Interface) map[string]string {
	versions := map[string]string{}
	for _, text := range i.Sonames {
		n, ok := alpm.ParseSoname(text)
		if !ok {
			continue
		}
		if before := versions[n.Library]; before != "" && before != n.Version {
			n.Version = before + ", " + n.Version
		}
		versions[n.Library] = n.Version
	}
	return versions
}
