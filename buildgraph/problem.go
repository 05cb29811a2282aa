package buildgraph

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"buildbtw/buildgraph/internal/link"
	"buildbtw/internal/graph"
	"buildbtw/pacman/srcinfo"
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
		for i := range p.request.Changesets {
			out = append(out, p.ix.forbidden(&p.request.Changesets[i], arch)...)
		}
		if p.plan.Architectures[arch] == nil {
			if len(p.plan.Architectures) == 0 || slices.Contains(p.request.Settings.Architectures, arch) {
				out = append(out, Warning{Kind: WarnArchitecture, Message: fmt.Sprintf("no changeset has a package for %s; nothing is planned for it", arch)})
			}
			continue
		}
		for _, c := range p.request.Changesets {
			base := p.ix.pkgbaseOf(c.Slug)
			if _, ok := p.ix.graph(arch).Find(base); !ok && len(p.ix.forbidden(&c, arch)) == 0 {
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

// forbidden warns of a source that has packages for an architecture, but makepkg
// refuses to build them there.
func (ix *Index) forbidden(s *Source, arch string) []Warning {
	if ix.opts.IgnoreArch || s.Info == nil {
		return nil
	}
	name, has := s.Info.Forbids(arch)
	if name == "" {
		return nil
	}
	return []Warning{{
		Kind: WarnArchitecture, Source: s.Slug,
		Message: fmt.Sprintf("%s is not built for %s though some of its packages are for it: makepkg refuses, as %s has arch=(%s)", s.Info.Pkgbase, arch, name, strings.Join(has, " ")),
	}}
}

// forbiddenUsers warns of sources that would follow one of the set.
func (ix *Index) forbiddenUsers(g *archGraph, arch string, in graph.Bitset) (out []Warning) {
	for _, at := range g.forbidden {
		s := &ix.sources[at]
		if slices.ContainsFunc(s.Info.Packages, func(p srcinfo.Package) bool {
			return slices.ContainsFunc(p.Depends.For(arch), func(text string) bool {
				return slices.ContainsFunc(g.Meant(ix.symbols, text), in.Has)
			})
		}) {
			out = append(out, ix.forbidden(s, arch)...)
		}
	}
	return out
}

// setWarnings lists the problems of a set's sources and of their dependencies.
func (ix *Index) setWarnings(g *archGraph, arch string, set []int32) []Warning {
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
			why := ix.contest().why(g.Sources[d.Winner], g.Sources[d.Lost], d.On)
			out = append(out, twice("pkgname", d.Pkgname, ix.source(g, d.Winner), ix.source(g, d.Lost), "dependencies on it mean the first, because "+why))
		}
	}
	out = append(out, ix.forbiddenUsers(g, arch, in)...)
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
	if unlisted := ix.opts.Unlisted[arch]; len(unlisted) > 0 {
		out = append(out, Warning{Kind: WarnFiles, Message: fmt.Sprintf(
			"no list of files is known of the base repositories %s (%s): packages that have files in an interpreter's directory, and that no dependency joins to it, may be missing from the plan",
			strings.Join(unlisted, ", "), arch)})
	}
	for _, v := range set {
		s := ix.source(g, v)
		for _, note := range s.Notes {
			out = append(out, Warning{Kind: WarnIncomplete, Source: s.Slug, Message: describe(s) + ": " + note})
		}
	}
	return append(out, ix.unverified(g, arch, set)...)
}

// unverified warns of signatures that cannot be verified, once for each reason, and
// of keys that the build will miss.
func (ix *Index) unverified(g *archGraph, arch string, set []int32) []Warning {
	var out []Warning
	users := map[string][]int32{} // by reason
	for _, v := range set {
		s := ix.source(g, v)
		if s.Info == nil || s.Keys == nil && len(s.Info.Base.ValidPGPKeys) > 0 {
			continue
		}
		if reason := s.Info.Unverified(arch, s.Keys); reason != "" {
			users[reason] = append(users[reason], v)
		} else if missing := s.Info.MissingKeys(arch, s.Keys); len(missing) > 0 {
			out = append(out, Warning{
				Kind: WarnUnverified, Source: s.Slug,
				Message: fmt.Sprintf("%s: keys/pgp has no %s.asc; a source that is signed with this key of validpgpkeys cannot be built", describe(s), strings.Join(missing, ".asc, ")),
			})
		}
	}
	for reason, by := range users {
		w := Warning{Kind: WarnUnverified, Message: fmt.Sprintf("PGP signatures are not verified: %s (%s)", reason, listNames(g, by))}
		if len(by) == 1 {
			w.Source = ix.source(g, by[0]).Slug
		}
		out = append(out, w)
	}
	return out
}

// listNames returns the names of some nodes, and the number of the rest.
func listNames(g *archGraph, nodes []int32) string {
	const listed = 3
	var names []string
	for _, v := range nodes[:min(len(nodes), listed)] {
		names = append(names, g.Name(v))
	}
	text := strings.Join(names, ", ")
	if more := len(nodes) - listed; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// missing warns of a dependency that nothing in the sources meets: once for a
// name, however many need it.
func (ix *Index) missing(g *archGraph, dependency link.Symbol, by []int32) Warning {
	w := Warning{Kind: WarnUnresolved}
	if len(by) == 1 {
		w.Source = ix.source(g, by[0]).Slug
	}
	users := listNames(g, by)
	text := g.Text(dependency)
	targets, state := g.Resolve(dependency)
	if state == link.Crowded {
		w.Message = fmt.Sprintf("more than %d sources provide %s (needed by %s): which of them are meant cannot be told, so no build waits for one or follows from one", link.MaxProviders, text, users)
		return w
	}
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
