package buildgraph

import (
	"slices"
	"strings"

	"buildbtw"
)

// pkgbaseOf is the pkgbase of a slug's source, empty when there is none.
func (ix *Index) pkgbaseOf(slug string) string {
	i, ok := ix.find(slug)
	if !ok || ix.sources[i].Info == nil {
		return ""
	}
	return ix.sources[i].Info.Pkgbase
}

// lay gives the index with changesets in the place of the sources they belong
// to; the index itself when it has them all at their commits.
func (ix *Index) lay(changesets []Source) (*Index, error) {
	if err := checkChangesets(changesets); err != nil {
		return nil, err
	}
	same := true
	for i := range changesets {
		same = same && ix.holds(&changesets[i])
	}
	if same {
		return ix, nil
	}
	first := make([]string, 0, len(changesets))
	for i := range changesets {
		first = append(first, changesets[i].Slug)
	}
	return ix.with(changesets, first), nil
}

func checkChangesets(changesets []Source) error {
	if len(changesets) == 0 {
		return buildbtw.Invalid("no changeset given; name at least one source, for example \"curl\" or \"curl/my-branch\"")
	}
	seen := map[string]bool{}
	for i := range changesets {
		c := &changesets[i]
		switch {
		case seen[c.Slug]:
			return buildbtw.Invalid("source %q is named twice; a buildspace has each source once", c.Slug)
		case c.Err != nil:
			return buildbtw.Invalid("changeset %s cannot be built, its .SRCINFO cannot be read: %w", describe(c), c.Err)
		case c.Info == nil:
			return buildbtw.Invalid("changeset %s cannot be built, it has no .SRCINFO; run \"makepkg --printsrcinfo > .SRCINFO\" and commit it", describe(c))
		}
		seen[c.Slug] = true
	}
	return nil
}

// holds reports whether the index has just this as the source of its pkgbase.
func (ix *Index) holds(c *Source) bool {
	i, ok := ix.find(c.Slug)
	if !ok {
		return false
	}
	have := &ix.sources[i]
	same := have.Info == c.Info || have.Commit == c.Commit && c.Commit != ""
	return have.Info != nil && same && have.Commit == c.Commit && ix.isNode(i)
}

// isNode reports whether the source at a place won its pkgbase.
func (ix *Index) isNode(at int) bool {
	place, found := slices.BinarySearchFunc(ix.chosen, ix.sources[at].Info.Pkgbase, func(s int32, name string) int {
		return strings.Compare(ix.sources[s].Info.Pkgbase, name)
	})
	return found && ix.chosen[place] == int32(at)
}

// Update gives an index in which the sources of the same slugs are replaced by
// changed and those of the slugs in removed are gone. Only what changed is
// compiled again; the result is the one that NewIndex would give.
func (ix *Index) Update(changed []Source, removed []string) *Index {
	return ix.replace(changed, removed, nil)
}

func (ix *Index) with(changed []Source, first []string) *Index {
	return ix.replace(changed, nil, first)
}

func (ix *Index) replace(changed []Source, removed, first []string) *Index {
	if len(removed) == 0 {
		if out, ok := ix.replaceQuietly(changed); ok {
			return out
		}
	}
	gone := make(map[string]bool, len(changed)+len(removed))
	for i := range changed {
		gone[changed[i].Slug] = true
	}
	for _, slug := range removed {
		gone[slug] = true
	}
	sources := make([]Source, 0, len(ix.sources)+len(changed))
	for i := range ix.sources {
		if !gone[ix.sources[i].Slug] {
			sources = append(sources, ix.sources[i])
		}
	}
	out := newIndex(append(sources, changed...), ix.opts, ix.words, first)
	for arch, g := range ix.linked() {
		out.graphs[arch] = &graphSlot{old: g}
	}
	return out
}
