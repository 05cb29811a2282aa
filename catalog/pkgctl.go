package catalog

import (
	"context"
	"maps"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"buildbtw"
	"buildbtw/git/gitmirror"
	"buildbtw/internal/lru"
	"buildbtw/pacman/alpm"
	"buildbtw/pacman/baserepo"
	"buildbtw/release"
	"buildbtw/release/dbupdate"
	"buildbtw/store"
)

// Packages of a target of kind pkgctl are those of the base repositories: what a release adds
// is read from there once a packager has handed it over. So nothing is layered over the base,
// and a unit that db-update would refuse is no candidate.

// withSettings adds to a target what only the settings say.
func (c *Catalog) withSettings(t store.TargetRow) store.TargetRow {
	for _, s := range c.Targets {
		if s.Name == t.Name {
			t.Keys, t.Pkgctl = s.Keys, s.Pkgctl
		}
	}
	return t
}

// noBase refuses to release to a target of kind pkgctl without base repositories.
func (c *Catalog) noBase(t store.TargetRow) error {
	if t.Kind == buildbtw.TargetPkgctl && len(c.Bases) == 0 {
		return buildbtw.Conflict("packages of target %s go into the base repositories, and this server has none; start it with --base-repo", t.Name)
	}
	return nil
}

// maxHeads bounds the installed packages that are kept of all .BUILDINFOs together.
const maxHeads = 1 << 20

func newHeads() *lru.Cache[string, alpm.Head] {
	return lru.NewWeighted[string](maxHeads, func(h alpm.Head) int64 {
		if h.Build == nil {
			return 1
		}
		return 1 + int64(len(h.Build.Installed))
	})
}

// addPkgctl sets where units go, and holds those that db-update would refuse.
func (c *Catalog) addPkgctl(ctx context.Context, r *Release, v *targetView, units []release.Unit) error {
	r.Repositories = map[string]string{}
	heads, err := c.heads(ctx, r)
	if err != nil {
		return err
	}
	commits := make([]string, 0, len(r.builds))
	for pkgbase := range r.builds {
		commits = append(commits, r.BuildOf(pkgbase, "").Commit)
	}
	recipes, err := c.Mirror.Recipes(ctx, commits)
	if err != nil {
		return err
	}
	where, receives := neighbours(r, v)
	files := map[string]string{} // pkgbase by file without its extension
	for pkgbase, byArch := range r.Files {
		for _, list := range byArch {
			for _, f := range list {
				files[strings.TrimSuffix(f.Filename, ".pkg.tar.zst")] = pkgbase
			}
		}
	}
	for i := range units {
		u := &units[i]
		repository, err := r.Target.Pkgctl.Receives(receives[u.Pkgbase])
		u.Repository, r.Repositories[u.Pkgbase] = repository, repository
		if u.NotReady != "" || len(u.Packages) == 0 {
			continue
		}
		if err != nil {
			u.NotReady, u.Detail = release.Check, buildbtw.MessageOf(err)
			continue
		}
		b := r.BuildOf(u.Pkgbase, "")
		x := dbupdate.Unit{Pkgbase: u.Pkgbase, Repository: repository, Version: b.Version, Pkgnames: b.Pkgnames, PKGBUILD: recipes[b.Commit].SHA256, WeakSums: recipes[b.Commit].WeakSums}
		x.Packages, x.Debug = packagesIn(r.Files[u.Pkgbase], heads)
		reasons := x.Refuses(r.Target.Pkgctl, where[u.Pkgbase])
		for _, p := range slices.Concat(x.Packages, x.Debug) {
			if p.Build != nil {
				reasons = append(reasons, v.builtWith(u, p.Build.Installed, files)...)
			}
		}
		if len(reasons) > 0 {
			u.NotReady, u.Detail = release.Check, "db-update would refuse it: "+buildbtw.Names(reasons).Summary()
		}
	}
	return nil
}

// packagesIn returns the packages of a unit, each file once, by name.
func packagesIn(byArch map[string][]buildbtw.Package, heads map[string]alpm.Head) (packages, debug []dbupdate.Package) {
	all := map[string]dbupdate.Package{}
	for _, list := range byArch {
		for _, f := range list {
			all[f.Filename] = dbupdate.Package{Filename: f.Filename, Head: heads[f.SHA256]}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if p := all[name]; p.Info.Name == alpm.DebugName(p.Info.Base) {
			debug = append(debug, p)
		} else {
			packages = append(packages, p)
		}
	}
	return packages, debug
}

// builtWith notes which units of the release were installed where one was built, and returns
// the packages that no repository can have had: dbscripts want that all of them are kept.
func (v *targetView) builtWith(u *release.Unit, installed []string, files map[string]string) []string {
	var reasons []string
	for _, file := range installed {
		if pkgbase, ok := files[file]; ok {
			if pkgbase != u.Pkgbase && !slices.Contains(u.BuiltWith, pkgbase) {
				u.BuiltWith = append(u.BuiltWith, pkgbase)
			}
			continue
		}
		at := strings.LastIndexByte(file, '-')
		p, err := alpm.ParseInstalledEntry(file[:max(0, at)])
		if err != nil || v.hadBefore(p) {
			continue
		}
		reasons = append(reasons, "it was built with "+p.String()+", which no repository has had; build it again")
	}
	slices.Sort(u.BuiltWith)
	return reasons
}

// hadBefore reports whether the repositories have a package, or a newer version of it, so that
// the archive of the distribution has it.
func (v *targetView) hadBefore(p alpm.Installed) bool {
	for _, s := range v.snapshots {
		for _, e := range s.Named(p.Name) {
			if alpm.Vercmp(e.Version, p.Version) >= 0 {
				return true
			}
		}
	}
	return false
}

// neighbours returns, by pkgbase, what the repositories have of it and of its names, and the
// names of repositories that have it.
func neighbours(r *Release, v *targetView) (where map[string][]dbupdate.Repositories, receives map[string][]string) {
	units := map[string][]string{} // pkgbases of units, by pkgname and by pkgbase
	for pkgbase := range r.builds {
		units[pkgbase] = append(units[pkgbase], pkgbase)
		for _, name := range r.BuildOf(pkgbase, "").Pkgnames {
			units[nameKey+name] = append(units[nameKey+name], pkgbase)
		}
	}
	where, receives = map[string][]dbupdate.Repositories{}, map[string][]string{}
	for _, arch := range slices.Sorted(maps.Keys(v.snapshots)) {
		s := v.snapshots[arch]
		entries := map[string][]dbupdate.Entry{}
		for e := range s.Everything() {
			entry := dbupdate.Entry{Repository: e.Repo, Name: e.Name, Base: e.Base, Version: e.Version, Filename: e.Filename}
			for _, pkgbase := range units[e.Base] {
				receives[pkgbase] = append(receives[pkgbase], e.Repo)
				entries[pkgbase] = append(entries[pkgbase], entry)
			}
			for _, pkgbase := range units[nameKey+e.Name] {
				if e.Base != pkgbase {
					entries[pkgbase] = append(entries[pkgbase], entry)
				}
			}
		}
		for pkgbase := range r.builds {
			list := entries[pkgbase]
			slices.SortFunc(list, func(a, b dbupdate.Entry) int {
				return strings.Compare(a.Repository+" "+a.Name, b.Repository+" "+b.Name)
			})
			where[pkgbase] = append(where[pkgbase], dbupdate.Repositories{Architecture: arch, Names: s.Repositories(), Entries: list})
		}
	}
	return where, receives
}

// heads reads what the files of a release say about themselves, by their SHA-256.
func (c *Catalog) heads(ctx context.Context, r *Release) (map[string]alpm.Head, error) {
	type file struct{ arch, name, sha256 string }
	var files []file
	heads := map[string]alpm.Head{}
	for _, byArch := range r.Files {
		for arch, list := range byArch {
			for _, f := range list {
				if _, listed := heads[f.SHA256]; listed {
					continue
				}
				head, known := c.headsOf.Get(f.SHA256)
				heads[f.SHA256] = head
				if !known {
					files = append(files, file{arch, f.Filename, f.SHA256})
				}
			}
		}
	}
	read := make([]alpm.Head, len(files))
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(runtime.GOMAXPROCS(0))
	for i, f := range files {
		work.Go(func() (err error) {
			if err := ctx.Err(); err != nil {
				return err
			}
			read[i], err = c.Repos.Head(buildbtw.RepositoryName(r.Iteration.Buildspace, r.Iteration.Number), f.arch, f.name)
			return err
		})
	}
	if err := work.Wait(); err != nil {
		return nil, err
	}
	for i, f := range files {
		heads[f.sha256] = read[i]
		c.headsOf.Put(f.sha256, read[i])
	}
	return heads, nil
}

// Tags returns the tags of the versions of a release that goes, by pkgbase, as far as the mirror
// has them at the commits that were built: the texts of their objects, nil for a tag that has
// none. The mirror may be some minutes behind.
func (c *Catalog) Tags(ctx context.Context, r Release) (map[string][]byte, error) {
	sources := make([]string, len(r.Goes))
	for i, pkgbase := range r.Goes {
		sources[i] = r.BuildOf(pkgbase, "").Source
	}
	tips, err := c.Mirror.TipsOf(ctx, sources)
	if err != nil {
		return nil, err
	}
	at := map[string]gitmirror.Tip{}
	for _, t := range tips {
		if t.Tag {
			at[t.Slug+" "+t.Ref] = t
		}
	}
	var names []string
	var tags []gitmirror.Tip
	for _, pkgbase := range r.Goes {
		b := r.BuildOf(pkgbase, "")
		t, ok := at[b.Source+" "+buildbtw.GitTag(b.Version)]
		if ok && b.Commit == t.Commit {
			names, tags = append(names, pkgbase), append(tags, t)
		}
	}
	texts, err := c.Mirror.TagTexts(ctx, tags)
	if err != nil {
		return nil, err
	}
	there := map[string][]byte{}
	for i, pkgbase := range names {
		there[pkgbase] = texts[i]
	}
	return there, nil
}

// addBaseFiles notes which files the base repositories of an architecture have.
func (v *targetView) addBaseFiles(arch string, s *baserepo.Snapshot) {
	for e := range s.Everything() {
		v.has[arch][e.Filename] = e.SHA256
	}
}
