package progress

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"buildbtw"
	"buildbtw/pacman/alpm"
	"buildbtw/pacman/baserepo"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/store"
)

// Comparison lists the differences between the results of A and B: two iterations of any
// buildspaces, or an iteration and the base repositories. Packages of the base that the
// iteration does not build are left out.
type Comparison struct {
	A, B  buildbtw.IterationName // with the numbers of the iterations
	Lists map[buildbtw.CompareList][]Difference

	Same    int      // packages that are the same file in both
	Unknown int      // packages of which it is not recorded what they offer
	Missing []string // why sizes and dependencies are not compared, in words
}

// Empty reports whether no list has anything.
func (c Comparison) Empty() bool {
	for _, list := range c.Lists {
		if len(list) > 0 {
			return false
		}
	}
	return true
}

// Difference is a line of a list: a build or a package in A and in B.
type Difference struct {
	Name           string // pkgbase, pkgbase@2 for a second stage; of packages the pkgname
	Architecture   string
	A, B           ComparedSide
	Added, Removed []string // of sonames, names or dependencies, by the list
}

// ComparedSide is a build or package on one side. Its zero value: the side does not have it.
type ComparedSide struct {
	BuildID int64           // 0: none, as in the base
	Status  buildbtw.Status // as people read it; built for packages of the base
	Source  string
	Commit  string
	Version string
	Seconds int   // that the build took; -1: unknown, or its packages were reused
	Size    int64 // of the installed package, in bytes; in the list of sizes only
}

// Comparer compares iterations.
type Comparer struct {
	DB    *store.Reader
	Repos *pacmanrepo.Repos
	Bases baserepo.Bases
}

type buildKey struct {
	arch, pkgbase string
	stage         int
}

type packageKey struct{ arch, pkgname string }

// compared is what one side has.
type compared struct {
	name     buildbtw.IterationName
	builds   map[buildKey]ComparedSide
	packages map[packageKey]comparedPackage
}

type comparedPackage struct {
	ComparedSide
	sha256    string // empty in the base
	face      alpm.Interface
	known     bool // face is
	described bool // the fields below are
	size      int64
	depends   []string
}

// Compare returns the differences from a to b.
func (c Comparer) Compare(ctx context.Context, a, b buildbtw.IterationName) (Comparison, error) {
	if a.Base && b.Base {
		return Comparison{}, buildbtw.Invalid("the base repositories are on both sides; compare them with an iteration")
	}
	sides := [2]*compared{{name: a}, {name: b}}
	result := Comparison{Lists: map[buildbtw.CompareList][]Difference{}}
	err := c.DB.Snapshot(ctx, func(db *store.Reader) error {
		for _, s := range sides {
			if !s.name.Base {
				if err := s.load(ctx, db); err != nil {
					return err
				}
			}
		}
		for i, s := range sides {
			if s.name.Base {
				s.loadBase(c.Bases, sides[1-i])
			}
		}
		return result.dropSame(ctx, db, sides)
	})
	if err != nil {
		return Comparison{}, fmt.Errorf("compare %s with %s: %w", a, b, err)
	}
	result.A, result.B = sides[0].name, sides[1].name
	result.compareBuilds(sides[0].builds, sides[1].builds)
	for _, s := range sides {
		result.Missing = append(result.Missing, s.describe(c.Repos)...)
	}
	result.comparePackages(sides[0].packages, sides[1].packages)
	for _, list := range result.Lists {
		slices.SortFunc(list, func(x, y Difference) int {
			return cmp.Or(strings.Compare(x.Name, y.Name), strings.Compare(x.Architecture, y.Architecture))
		})
	}
	return result, nil
}

// load reads the builds and packages of an iteration.
func (s *compared) load(ctx context.Context, db *store.Reader) error {
	it, err := db.Iteration(ctx, s.name.Buildspace, s.name.Number)
	if err != nil {
		return err
	}
	s.name.Number = it.Number
	builds, err := db.ComparedBuilds(ctx, it.ID)
	if err != nil {
		return err
	}
	var stuck []int64
	if it.Counts[buildbtw.StatusBlocked] > 0 {
		if stuck, err = db.BlockedBuilds(ctx, it.ID); err != nil {
			return err
		}
	}
	s.builds = make(map[buildKey]ComparedSide, len(builds))
	byID, stages := make(map[int64]ComparedSide, len(builds)), map[int64]int{}
	for _, b := range builds {
		_, is := slices.BinarySearch(stuck, b.ID)
		side := ComparedSide{BuildID: b.ID, Status: b.Status.Shown(is), Source: b.Source, Commit: b.Commit, Version: b.Version, Seconds: b.Seconds}
		if b.Status.Satisfies(b.SkipReason) { // what is skipped as unchanged has packages that will do
			side.Status = buildbtw.StatusBuilt
		}
		if b.Reused || b.Status != buildbtw.StatusBuilt {
			side.Seconds = -1
		}
		s.builds[buildKey{b.Architecture, b.Pkgbase, b.Stage}] = side
		byID[b.ID], stages[b.ID] = side, b.Stage
	}
	packages, err := db.ComparedPackages(ctx, it.ID)
	if err != nil {
		return err
	}
	s.packages = make(map[packageKey]comparedPackage, len(packages))
	for _, p := range packages {
		key := packageKey{p.Architecture, p.Pkgname}
		if stages[p.BuildID] < stages[s.packages[key].BuildID] {
			continue
		}
		side := byID[p.BuildID]
		side.Version = p.Version
		s.packages[key] = comparedPackage{ComparedSide: side, sha256: p.SHA256}
	}
	return nil
}

// loadBase takes from the base repositories what the other side has, too.
func (s *compared) loadBase(bases baserepo.Bases, other *compared) {
	s.builds, s.packages = map[buildKey]ComparedSide{}, map[packageKey]comparedPackage{}
	snapshots := map[string]*baserepo.Snapshot{}
	for arch, base := range bases {
		snapshots[arch] = base.Snapshot()
	}
	for key := range other.builds {
		if snapshots[key.arch] == nil {
			continue
		}
		faces, _ := snapshots[key.arch].Interfaces(key.pkgbase)
		for _, face := range faces {
			e, _ := snapshots[key.arch].Package(face.Pkgname)
			side := ComparedSide{Status: buildbtw.StatusBuilt, Version: face.Version, Seconds: -1}
			s.builds[key] = side
			s.packages[packageKey{key.arch, face.Pkgname}] = comparedPackage{
				ComparedSide: side, face: face, known: true, described: true, size: e.Size, depends: e.Depends,
			}
		}
	}
}

// dropSame leaves the packages that both sides have and that are not the same file, and
// reads what these offer.
func (c *Comparison) dropSame(ctx context.Context, db *store.Reader, sides [2]*compared) error {
	for key, a := range sides[0].packages {
		if b, both := sides[1].packages[key]; !both || a.sha256 == b.sha256 {
			if both {
				c.Same++
			}
			delete(sides[0].packages, key)
		}
	}
	for key := range sides[1].packages {
		if _, both := sides[0].packages[key]; !both {
			delete(sides[1].packages, key)
		}
	}
	for _, s := range sides {
		var digests []string
		for _, p := range s.packages {
			if p.sha256 != "" {
				digests = append(digests, p.sha256)
			}
		}
		faces, err := db.InterfacesOfFiles(ctx, digests)
		if err != nil {
			return err
		}
		for key, p := range s.packages {
			if face, known := faces[p.sha256]; known {
				p.face, p.known = face, true
				s.packages[key] = p
			}
		}
	}
	return nil
}

// describe adds sizes and dependencies from the iteration's repositories. It returns
// reasons for what they do not have.
func (s *compared) describe(repos *pacmanrepo.Repos) (missing []string) {
	names := map[string]map[string]bool{} // of packages by architecture
	for key, p := range s.packages {
		if p.sha256 == "" {
			continue
		}
		if names[key.arch] == nil {
			names[key.arch] = map[string]bool{}
		}
		names[key.arch][key.pkgname] = true
	}
	for arch, wanted := range names {
		list, err := repos.List(s.repository(arch), wanted)
		if err != nil {
			missing = append(missing, fmt.Sprintf("Sizes and dependencies are not compared: the repository of %s for %s cannot be read any more.", s.name, arch))
			continue
		}
		for pkgname := range wanted {
			key := packageKey{arch, pkgname}
			p := s.packages[key]
			if l, there := list[pkgname]; there && l.SHA256 == p.sha256 {
				p.described, p.size, p.depends = true, l.Size, l.Depends
				s.packages[key] = p
			}
		}
	}
	slices.Sort(missing)
	return missing
}

func (s *compared) repository(arch string) pacmanrepo.ID {
	return pacmanrepo.ID{Repository: buildbtw.RepositoryName(s.name.Buildspace, s.name.Number), DB: s.name.Buildspace, Architecture: arch}
}

func (c *Comparison) add(list buildbtw.CompareList, d Difference) {
	c.Lists[list] = append(c.Lists[list], d)
}

// Of builds that took seconds, half of one is noise of the clock.
const leastSlower = 10

func (c *Comparison) compareBuilds(a, b map[buildKey]ComparedSide) {
	for key, was := range a {
		if _, both := b[key]; !both {
			c.add(buildbtw.CompareRemoved, Difference{Name: key.name(), Architecture: key.arch, A: was})
		}
	}
	for key, is := range b {
		was, both := a[key]
		d := Difference{Name: key.name(), Architecture: key.arch, A: was, B: is}
		if !both {
			c.add(buildbtw.CompareAdded, d)
		}
		switch {
		case is.Status == buildbtw.StatusFailed && was.Status == buildbtw.StatusFailed:
			c.add(buildbtw.CompareStillFailing, d)
		case is.Status == buildbtw.StatusFailed:
			c.add(buildbtw.CompareNewlyFailing, d)
		case is.Status == buildbtw.StatusBlocked && was.Status != buildbtw.StatusBlocked:
			c.add(buildbtw.CompareNewlyBlocked, d)
		case is.Status == buildbtw.StatusBuilt && was.Status == buildbtw.StatusFailed:
			c.add(buildbtw.CompareFixed, d)
		}
		if was.Commit != "" && is.Commit != "" && was.Commit != is.Commit {
			c.add(buildbtw.CompareOtherCommit, d)
		}
		if was.Seconds > 0 && is.Seconds-was.Seconds >= leastSlower && 2*is.Seconds >= 3*was.Seconds {
			c.add(buildbtw.CompareSlower, d)
		}
	}
}

func (k buildKey) name() string {
	if k.stage == 2 {
		return k.pkgbase + "@2"
	}
	return k.pkgbase
}

// A size that moved by a fifth and leastSize bytes is worth a look.
const leastSize = 1 << 20

func (c *Comparison) comparePackages(a, b map[packageKey]comparedPackage) {
	for key, was := range a {
		is := b[key]
		if was.face.Debug || is.face.Debug {
			continue
		}
		d := Difference{Name: key.pkgname, Architecture: key.arch, A: was.ComparedSide, B: is.ComparedSide}
		if was.Version != is.Version {
			c.add(buildbtw.CompareVersions, d)
		}
		if was.known && is.known && was.face.Unknown == "" && is.face.Unknown == "" {
			offers := alpm.Compare(was.face, is.face)
			c.addChanged(buildbtw.CompareSonames, d, offers.Sonames)
			c.addChanged(buildbtw.CompareProvides, d, offers.Provides)
			c.addChanged(buildbtw.CompareNeeded, d, alpm.CompareLinks(was.face, is.face))
		} else {
			c.Unknown++
		}
		if !was.described || !is.described {
			continue
		}
		c.addChanged(buildbtw.CompareDepends, d, alpm.CompareDepends(was.Version, was.depends, is.Version, is.depends))
		if moved := max(was.size-is.size, is.size-was.size); was.size > 0 && is.size > 0 && moved >= leastSize && 5*moved >= was.size {
			d.A.Size, d.B.Size = was.size, is.size
			c.add(buildbtw.CompareSizes, d)
		}
	}
}

// addChanged adds d to a list when something was added or removed.
func (c *Comparison) addChanged(list buildbtw.CompareList, d Difference, changes []alpm.Difference) {
	for _, change := range changes {
		switch change.Change {
		case alpm.ChangeAdded:
			d.Added = append(d.Added, change.Text)
		case alpm.ChangeRemoved:
			d.Removed = append(d.Removed, change.Text)
		}
	}
	if len(d.Added)+len(d.Removed) > 0 {
		c.add(list, d)
	}
}

// Files returns the files that a package has in b and not in a, and the other way round.
// An empty arch means the first for which an iteration has built the package. The error is
// NotFound when one side does not have it.
func (c Comparer) Files(ctx context.Context, a, b buildbtw.IterationName, arch, pkgname string) (Difference, error) {
	d := Difference{Name: pkgname, Architecture: arch}
	sides := [2]*compared{{name: a}, {name: b}}
	err := c.DB.Snapshot(ctx, func(db *store.Reader) error {
		for _, s := range sides {
			if s.name.Base {
				continue
			}
			if err := s.load(ctx, db); err != nil {
				return err
			}
			if d.Architecture == "" {
				d.Architecture = s.architectureOf(pkgname)
			}
		}
		return nil
	})
	if err != nil {
		return d, fmt.Errorf("compare the files of %.80s: %w", pkgname, err)
	}
	var files [2][]string
	for i, into := range [2]*ComparedSide{&d.A, &d.B} {
		if *into, files[i], err = c.files(ctx, sides[i], d.Architecture, pkgname); err != nil {
			return d, fmt.Errorf("compare the files of %.80s: %w", pkgname, err)
		}
	}
	d.Added, d.Removed = withoutAll(files[1], files[0]), withoutAll(files[0], files[1])
	return d, nil
}

func (s *compared) architectureOf(pkgname string) (first string) {
	for key := range s.packages {
		if key.pkgname == pkgname && (first == "" || key.arch < first) {
			first = key.arch
		}
	}
	return first
}

func (c Comparer) files(ctx context.Context, s *compared, arch, pkgname string) (ComparedSide, []string, error) {
	if s.name.Base {
		e, ok := c.Bases.Package(arch, pkgname)
		if !ok {
			return ComparedSide{}, nil, buildbtw.NotFound("the base repositories have no package %.80s", pkgname)
		}
		files, err := c.Bases[arch].Files(ctx, e)
		return ComparedSide{Status: buildbtw.StatusBuilt, Version: e.Version, Seconds: -1}, files, err
	}
	p, ok := s.packages[packageKey{arch, pkgname}]
	if !ok {
		return ComparedSide{}, nil, buildbtw.NotFound("%s has built no package %.80s", s.name, pkgname)
	}
	files, err := c.Repos.Files(s.repository(arch), pkgname, p.Version)
	return p.ComparedSide, files, err
}

// withoutAll returns the elements of one sorted list that another sorted one does not have.
func withoutAll(list, others []string) []string {
	var left []string
	for _, s := range list {
		if _, there := slices.BinarySearch(others, s); !there {
			left = append(left, s)
		}
	}
	return left
}
