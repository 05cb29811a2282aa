package buildgraph

import (
	"buildbtw"
)

// Why gives the chain of reasons from a build to a changeset: the build itself
// first, the changeset (or a package added by hand) last. It is as short as
// can be.
func (p *Plan) Why(arch, pkgbase string) ([]Build, error) {
	a, ok := p.Architectures[arch]
	if !ok {
		return nil, buildbtw.NotFound("the plan has nothing for the architecture %s", arch)
	}
	byBase := make(map[string]*Build, len(a.Builds))
	for i := len(a.Builds) - 1; i >= 0; i-- {
		byBase[a.Builds[i].Pkgbase] = &a.Builds[i]
	}
	var chain []Build
	for b := byBase[pkgbase]; b != nil && len(chain) < len(a.Builds); b = byBase[b.Reason.Via] {
		chain = append(chain, *b)
		if b.Reason.Via == "" {
			return chain, nil
		}
	}
	return nil, buildbtw.NotFound("%s is not in the plan for %s", pkgbase, arch)
}
