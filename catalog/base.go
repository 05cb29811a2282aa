package catalog

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"buildbtw/buildgraph"
	"buildbtw/pacman/alpm"
	"buildbtw/pacman/baserepo"
	"buildbtw/pacman/srcinfo"
	"buildbtw/store"
)

// BaseDigests returns, as digests, what the builds of a plan take from the base
// repositories: the interfaces of the packages that they are built with, as far as
// none of the plan's takes their place. Nil when nothing is known of the base.
func (c *Catalog) BaseDigests(ctx context.Context, plan *buildgraph.Plan) (store.PlanBase, error) {
	base := store.PlanBase{}
	for arch, p := range plan.Architectures {
		repositories, ok := c.Bases[arch]
		if !ok {
			continue
		}
		snapshot := repositories.Snapshot()
		if !snapshot.Known() {
			continue
		}
		infos, err := c.infos(ctx, p)
		if err != nil {
			return nil, err
		}
		base[arch] = baseDigests(arch, p, infos, snapshot)
	}
	return base, nil
}

// infos returns the .SRCINFO of a plan's builds, by commit.
func (c *Catalog) infos(ctx context.Context, p *buildgraph.ArchPlan) (map[string]*srcinfo.Info, error) {
	index := c.current.Load().index
	infos := map[string]*srcinfo.Info{}
	var missing []string
	for _, b := range p.Builds {
		if s, ok := index.Source(b.Source); ok && s.Commit == b.Commit && s.Info != nil {
			infos[b.Commit] = s.Info
		} else if !slices.Contains(missing, b.Commit) {
			missing = append(missing, b.Commit)
		}
	}
	files, err := c.Mirror.ReadSrcinfos(ctx, missing)
	if err != nil {
		return nil, fmt.Errorf("read the .SRCINFO of %d commits: %w", len(missing), err)
	}
	for _, commit := range missing {
		info, err := files[commit].Parse()
		if err != nil {
			return nil, fmt.Errorf("read the .SRCINFO of %s: %w", commit, err)
		}
		infos[commit] = info
	}
	return infos, nil
}

func baseDigests(arch string, p *buildgraph.ArchPlan, infos map[string]*srcinfo.Info, s *baserepo.Snapshot) map[string]store.BaseDigests {
	made := map[string]bool{}
	for _, b := range p.Builds {
		for _, name := range b.Pkgnames {
			made[name] = true
		}
	}
	cut := map[string][]string{} // what builds take from the base although the plan makes it
	for _, c := range p.Cuts {
		cut[c.To] = append(cut[c.To], c.From)
	}
	with, whole := s.Digests(func(e *baserepo.Entry) bool { return made[e.Name] }), s.Digests(nil)
	all := make(map[string]store.BaseDigests, len(p.Builds))
	for _, b := range p.Builds {
		d := store.BaseDigests{Inputs: with.Of(dependencies(arch, infos[b.Commit])), Package: s.OfPkgbase(whole, b.Pkgbase)}
		for _, from := range cut[b.Key()] {
			d.Inputs = alpm.ShortDigest(d.Inputs + " " + s.OfPkgbase(whole, strings.TrimSuffix(from, "@2")))
		}
		all[b.Key()] = d
	}
	return all
}

// dependencies lists what is installed to build a package and to run it.
func dependencies(arch string, info *srcinfo.Info) []string {
	list := slices.Concat(info.Base.Depends.For(arch), info.Base.MakeDepends.For(arch), info.Base.CheckDepends.For(arch))
	for _, p := range info.Packages {
		list = append(list, p.Depends.For(arch)...)
	}
	return list
}
