package buildgraph

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"buildbtw"
	"buildbtw/buildgraph/internal/link"
)

// Explanation is why a package is in the set of a request on one
// architecture, or why not.
type Explanation struct {
	Pkgbase string `json:"pkgbase"`
	InSet   bool   `json:"in_set"`
	// Chain leads from the package to a changeset, as short as can be; of a
	// package outside the set too, if dependencies of any kind lead there.
	Chain []Step `json:"chain"`
	// Causes are all packages of the set that make this one necessary by
	// themselves, by name.
	Causes []buildbtw.Reason `json:"causes"`
	// NotNeeded is a sentence on why the package is not in the set; empty when it
	// is.
	NotNeeded string `json:"not_needed,omitempty"`
}

// Step is a package on the way to a changeset and why it follows the next one.
type Step struct {
	Pkgbase string          `json:"pkgbase"`
	Reason  buildbtw.Reason `json:"reason"`
}

// Explain returns why a package, named by pkgbase or pkgname, is in the set that a
// request makes necessary, or why not, by architecture.
func (ix *Index) Explain(ctx context.Context, r Request, name string) (map[string]Explanation, error) {
	p, err := newPlanner(ix, r)
	if err != nil {
		return nil, err
	}
	out := map[string]Explanation{}
	for _, arch := range p.archs {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		g := p.ix.graph(arch)
		if g == nil {
			continue
		}
		found := p.named(g, []string{name})
		if len(found) == 0 {
			continue
		}
		w, err := p.wanted(g)
		if err != nil {
			return nil, err
		}
		out[arch] = explain(g.Graph, reach(g.Graph, w), found[0])
	}
	if len(out) == 0 {
		return nil, buildbtw.NotFound("no source has a package %s", name)
	}
	return out, nil
}

func explain(g *link.Graph, c *closure, v int32) Explanation {
	e := Explanation{Pkgbase: g.Name(v), Chain: []Step{}, Causes: []buildbtw.Reason{}}
	_, e.InSet = slices.BinarySearch(c.set(c.scope), v)
	kinds := g.Deps.RowKinds(v)
	for i, u := range g.Deps.Row(v) {
		if kinds[i]&c.trigger != 0 && c.depth[u] != unreached && c.depth[u] < limit(c.scope) && !c.skip[v] {
			e.Causes = append(e.Causes, g.Reason(v, u))
		}
	}
	if !e.InSet {
		e.NotNeeded = notNeeded(g, c, v)
	}
	if e.InSet || c.depth[v] != unreached {
		e.Chain = chain(g, c, v, e.InSet)
		return e
	}
	e.Chain = anyWay(g, c, v)
	return e
}

// chain follows the closure's reasons.
func chain(g *link.Graph, c *closure, v int32, inSet bool) []Step {
	if inSet && c.byHand(v) {
		return []Step{{g.Name(v), c.reason(g, v)}}
	}
	out := []Step{}
	for ; c.via[v] >= 0; v = c.via[v] {
		out = append(out, Step{g.Name(v), g.Reason(v, c.via[v])})
	}
	return append(out, Step{g.Name(v), buildbtw.Reason{Kind: buildbtw.ReasonChangeset}})
}

// notNeeded returns why a node is not in the set.
func notNeeded(g *link.Graph, c *closure, v int32) string {
	name := g.Name(v)
	if c.skip[v] {
		return name + " is excluded by name"
	}
	if c.depth[v] != unreached {
		return fmt.Sprintf("%s is %s from a changeset; scope %s takes only %s", name, steps(c.depth[v]), c.scope, taken(c.scope))
	}
	all := reach(g, wanted{changesets: c.changesets, trigger: c.trigger, scope: c.scope})
	if all.depth[v] != unreached {
		return fmt.Sprintf("%s is only reached through packages that are excluded by name", name)
	}
	if way := anyWay(g, c, v); len(way) > 0 {
		return fmt.Sprintf("%s needs a changeset only to build or to test itself or what it uses: %s; nothing it is linked to changes", name, wayText(way))
	}
	return fmt.Sprintf("%s depends on no changeset, neither directly nor through others", name)
}

func steps(n int32) string {
	if n == 1 {
		return "1 step"
	}
	return fmt.Sprintf("%d steps", n)
}

// taken names the packages of a scope with a limit.
func taken(scope buildbtw.Scope) string {
	if limit(scope) == 0 {
		return "changesets"
	}
	return "changesets and what depends on them directly"
}

func wayText(way []Step) string {
	names := make([]string, 0, len(way))
	for _, s := range way {
		names = append(names, s.Pkgbase)
	}
	return strings.Join(names, " ← ")
}

// anyWay is the shortest way to a changeset over dependencies of every kind;
// empty when there is none.
func anyWay(g *link.Graph, c *closure, v int32) []Step {
	all := reach(g, wanted{
		changesets: c.changesets, exclude: c.exclude, scope: buildbtw.ScopeAll,
		trigger: buildbtw.EdgeDepends | buildbtw.EdgeMakedepends | buildbtw.EdgeCheckdepends,
	})
	if all.depth[v] == unreached {
		return []Step{}
	}
	return chain(g, all, v, false)
}
