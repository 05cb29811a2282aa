package buildgraph

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"buildbtw/buildgraph/internal/link"
	"buildbtw/internal/graph"
)

// warn collects everything a packager should know about the plan.
func (p *planner) warn() {
	out := p.ix.unreadable()
	out = append(out, p.unknownNames()...)
	out = append(out, p.missingArchitectures()...)
	out = append(out, p.warnings...)
	slices.SortFunc(out, func(a, b Warning) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Source, b.Source), cmp.Compare(a.Message, b.Message))
	})
	p.plan.Warnings = append(p.plan.Warnings, slices.Compact(out)...)
}

// Warnings lists the problems of the sources themselves, whatever is planned:
// those that cannot be read, and those that define the same thing.
func (ix *Index) Warnings() []Warning {
	out := ix.unreadable()
	for _, d := range ix.duplicates {
		out = append(out, d.warning(ix))
	}
	return out
}

func (ix *Index) unreadable() []Warning {
	var out []Warning
	for i := range ix.sources {
		s := &ix.sources[i]
		if s.Info != nil {
			continue
		}
		reason := ".SRCINFO: it is missing"
		if s.Err != nil {
			reason = s.Err.Error()
		}
		out = append(out, Warning{
			Kind: WarnUnreadable, Source: s.Slug,
			Message: fmt.Sprintf("%s: %s; the plan does not know its dependencies", describe(s), reason),
		})
	}
	return out
}

func (p *planner) unknownNames() []Warning {
	var out []Warning
	for name, archs := range p.unknown {
		if archs == 0 {
			out = append(out, Warning{Kind: WarnUnknown, Message: fmt.Sprintf("no source has a package %s; it was named to be added or excluded", name)})
		}
	}
	return out
}

// missingArchitectures names the changesets that do not exist on a planned
// architecture, and the architectures that were asked for in vain.
func (p *planner) missingArchitectures() []Warning {
	var out []Warning
	for _, arch := range p.archs {
		if p.plan.Architectures[arch] == nil {
			if len(p.plan.Architectures) == 0 || slices.Contains(p.request.Settings.Architectures, arch) {
				out = append(out, Warning{Kind: WarnArchitecture, Message: fmt.Sprintf("no changeset has a package for %s; nothing is planned for it", arch)})
			}
			continue
		}
		for _, c := range p.request.Changesets {
			base := p.ix.pkgbaseOf(c.Slug)
			if _, ok := p.ix.graph(arch).Find(base); !ok {
				out = append(out, Warning{Kind: WarnArchitecture, Source: c.Slug, Message: fmt.Sprintf("%s has no package for %s; it is not built there", base, arch)})
			}
		}
	}
	for _, arch := range p.request.Settings.Architectures {
		if !slices.Contains(p.request.Architectures, arch) {
			out = append(out, Warning{Kind: WarnArchitecture, Message: fmt.Sprintf("the architecture %s is not offered here", arch)})
		}
	}
	return out
}

// setWarnings lists the problems of a set's sources and of their dependencies.
func (ix *Index) setWarnings(g *archGraph, set []int32) []Warning {
	in := graph.NewBitset(len(g.Nodes))
	for _, v := range set {
		in.Add(v)
	}
	var out []Warning
	for _, d := range g.disputed {
		if in.Has(d.node) {
			out = append(out, d.warning(ix))
		}
	}
	for _, d := range g.Duplicates {
		if in.Has(d.Winner) || in.Has(d.Lost) {
			out = append(out, twice("pkgname", d.Pkgname, ix.source(g, d.Winner), ix.source(g, d.Lost), "dependencies on it mean the first"))
		}
	}
	users := map[link.Symbol][]int32{} // by dependency that nothing meets: who needs it
	for _, m := range g.Missing {
		by := users[m.Symbol]
		if in.Has(m.Node) && (len(by) == 0 || by[len(by)-1] != m.Node) {
			users[m.Symbol] = append(by, m.Node)
		}
	}
	for symbol, by := range users {
		out = append(out, ix.missing(g, symbol, by))
	}
	return out
}

func (d duplicate) warning(ix *Index) Warning {
	return twice("pkgbase", d.pkgbase, &ix.sources[d.winner], &ix.sources[d.lost], "only the first is used")
}

func twice(kind, name string, winner, lost *Source, then string) Warning {
	return Warning{
		Kind:    WarnDuplicate,
		Source:  lost.Slug,
		Message: kind + " " + name + " is defined by " + describe(winner) + " and by " + describe(lost) + "; " + then,
	}
}

// missing warns of a dependency that nothing in the sources meets: once for a
// name, however many need it.
func (ix *Index) missing(g *archGraph, dependency link.Symbol, by []int32) Warning {
	const listed = 3 // names before the rest is counted
	w := Warning{Kind: WarnUnresolved}
	if len(by) == 1 {
		w.Source = ix.source(g, by[0]).Slug
	}
	var names []string
	for _, v := range by[:min(len(by), listed)] {
		names = append(names, g.Name(v))
	}
	users := strings.Join(names, ", ")
	if more := len(by) - listed; more > 0 {
		users += fmt.Sprintf(" and %d more", more)
	}
	text := g.Text(dependency)
	targets, state := g.Resolve(dependency)
	if state == link.Unresolved {
		w.Message = fmt.Sprintf("no source provides %s (needed by %s); the base must", text, users)
		return w
	}
	w.Kind = WarnUnmet
	have := make([]string, 0, len(targets))
	for _, t := range targets {
		have = append(have, g.Name(t.Node)+" "+g.Nodes[t.Node].Version)
	}
	w.Message = fmt.Sprintf("no candidate meets %s (needed by %s); there is %s", text, users, strings.Join(have, ", "))
	return w
}
