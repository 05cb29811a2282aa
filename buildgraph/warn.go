package buildgraph

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// warn collects everything a packager should know about the plan.
func (p *planner) warn(archs []string) {
	out := p.ix.unreadable()
	out = append(out, p.unknownNames()...)
	out = append(out, p.missingArchitectures(archs)...)
	out = append(out, p.warnings...)
	slices.SortFunc(out, compareWarnings)
	p.plan.Warnings = append(p.plan.Warnings, slices.Compact(out)...)
}

// Warnings is what is wrong with the sources themselves, whatever is planned:
// those that cannot be read, and those that define the same thing.
func (ix *Index) Warnings() []Warning {
	out := ix.unreadable()
	for _, d := range ix.dups {
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
		reason := "it is missing"
		if s.Err != nil {
			reason = s.Err.Error()
		}
		out = append(out, Warning{
			Kind: WarnUnreadable, Source: s.Slug,
			Message: fmt.Sprintf("%s: .SRCINFO: %s; the plan does not know its dependencies", describe(s), reason),
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
func (p *planner) missingArchitectures(archs []string) []Warning {
	var out []Warning
	for _, arch := range archs {
		if p.plan.Architectures[arch] == nil {
			if len(p.plan.Architectures) == 0 || slices.Contains(p.request.Settings.Architectures, arch) {
				out = append(out, Warning{Kind: WarnArchitecture, Message: fmt.Sprintf("no changeset has a package for %s; nothing is planned for it", arch)})
			}
			continue
		}
		for _, c := range p.request.Changesets {
			base := p.ix.pkgbaseOf(c.Slug)
			if _, ok := p.ix.graph(arch).find(base); !ok {
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

// compareWarnings is the order of warnings in a plan.
func compareWarnings(a, b Warning) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Source, b.Source), cmp.Compare(a.Message, b.Message))
}

// warnings lists all that is to be said about the set, in the order of a plan:
// every plan of the set sorts them with few others.
func (s view) warnings(ix *Index) []Warning {
	out := slices.Concat(s.duplicates(ix), s.badDependencies(ix), s.looseOrders())
	slices.SortFunc(out, compareWarnings)
	return out
}

// duplicates lists the double definitions that concern the set.
func (s view) duplicates(ix *Index) []Warning {
	var out []Warning
	for _, d := range s.dups {
		if s.has(d.winner) || s.has(d.lost) {
			out = append(out, d.warning(ix))
		}
	}
	return out
}

// badDependencies lists the dependencies of the set that nothing in the sources
// meets: one warning for a name, however many need it.
func (s view) badDependencies(ix *Index) []Warning {
	needed := map[int32][]int32{} // by word: who needs it
	for _, b := range s.bad {
		by := needed[b.word]
		if s.has(b.node) && (len(by) == 0 || by[len(by)-1] != b.node) {
			needed[b.word] = append(by, b.node)
		}
	}
	out := make([]Warning, 0, len(needed))
	for word, by := range needed {
		out = append(out, s.badDependency(ix, word, by))
	}
	return out
}

func (s view) badDependency(ix *Index, word int32, by []int32) Warning {
	w := Warning{Kind: WarnUnresolved}
	if len(by) == 1 {
		w.Source = ix.sources[s.sources[by[0]]].Slug
	}
	text := s.words[word].text
	if s.links[word].state == linkUnresolved {
		w.Message = fmt.Sprintf("no source provides %s (needed by %s); the base must", text, s.list(by))
		return w
	}
	w.Kind = WarnUnmet
	targets := s.meaning(word)
	have := make([]string, 0, len(targets))
	for _, t := range targets {
		u := s.units[t.node]
		have = append(have, u.info.Pkgbase+" "+u.version)
	}
	w.Message = fmt.Sprintf("no candidate meets %s (needed by %s); there is %s", text, s.list(by), strings.Join(have, ", "))
	return w
}

const listed = 3 // names that a warning lists before it counts

func (s view) list(nodes []int32) string {
	names := make([]string, 0, listed)
	for _, v := range nodes[:min(len(nodes), listed)] {
		names = append(names, s.units[v].info.Pkgbase)
	}
	text := strings.Join(names, ", ")
	if more := len(nodes) - listed; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func (s view) looseOrders() []Warning {
	if s.shape.count == 0 {
		return nil
	}
	return []Warning{{
		Kind: WarnOrder,
		Message: fmt.Sprintf("%s: %d orders over packages that are not rebuilt lie on cycles and are not kept, for example %s before %s",
			s.arch, s.shape.count, s.units[s.loose[0]].info.Pkgbase, s.units[s.loose[1]].info.Pkgbase),
	}}
}
