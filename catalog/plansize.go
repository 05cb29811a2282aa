package catalog

import (
	"context"
	"maps"
	"slices"

	"buildbtw"
	"buildbtw/buildgraph"
)

// PlanSize is an estimate of the disk space that the packages of a plan take.
type PlanSize struct {
	Bytes int64 // of all packages' files; 0 when nothing is known
	Known int   // number of builds whose size is known, from the base or from an earlier build
}

// PlanSize estimates the space that the packages of a plan take. A build of unknown size
// counts with the mean of the known ones. A build for several architectures counts once
// for each.
func (c *Catalog) PlanSize(ctx context.Context, plan *buildgraph.Plan) (PlanSize, error) {
	var size PlanSize
	builds := 0
	for arch, p := range plan.Architectures {
		base := c.Bases.Snapshot(arch)
		unknown := map[string]int{} // builds by pkgbase: stages
		for _, b := range p.Builds {
			builds++
			if bytes := base.Packed(b.Pkgbase); bytes > 0 {
				size.Bytes += bytes
				size.Known++
			} else {
				unknown[b.Pkgbase]++
			}
		}
		sizes, err := c.Store.PackageSizes(ctx, arch, slices.Sorted(maps.Keys(unknown)))
		if err != nil {
			return size, err
		}
		for pkgbase, bytes := range sizes {
			size.Bytes += bytes * int64(unknown[pkgbase])
			size.Known += unknown[pkgbase]
		}
	}
	if size.Known > 0 {
		size.Bytes += size.Bytes / int64(size.Known) * int64(builds-size.Known)
	}
	return size, nil
}

// OwnBuilds returns the pkgbases of a plan whose sources the user had as changesets of
// buildspaces that the user created, sorted. Nobody has any without being signed in.
func (c *Catalog) OwnBuilds(ctx context.Context, u buildbtw.User, plan *buildgraph.Plan) ([]string, error) {
	if !u.SignedIn() {
		return nil, nil
	}
	sources, err := c.Store.SourcesOf(ctx, u.Name)
	if err != nil || len(sources) == 0 {
		return nil, err
	}
	own := map[string]bool{}
	for _, p := range plan.Architectures {
		for _, b := range p.Builds {
			if _, is := slices.BinarySearch(sources, b.Source); is {
				own[b.Pkgbase] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(own)), nil
}
