package buildgraph

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"buildbtw/pacman/srcinfo"
)

// Source is a git repository at one ref, with what its .SRCINFO says.
type Source struct {
	Slug   string
	Ref    string
	Commit string
	Info   *srcinfo.Info // nil when Err is set
	Err    error         // why the .SRCINFO is missing or cannot be read; shown to people
}

// Options are the choices that the sources leave open.
type Options struct {
	// Prefer lists slugs. Where two sources define the same pkgbase or pkgname,
	// the one that stands first here wins; without one the source named like
	// the pkgbase, then the first by slug, then the first given.
	Prefer []string
}

// Index is all sources, numbered and linked: what every plan is computed from.
// It is immutable and safe for concurrent use; Update makes another one.
type Index struct {
	*identity
	opts    Options
	words   *words
	sources []Source    // by slug
	ranks   ranks       // for pkgbases: changesets laid over the index come first
	names   ranks       // for pkgnames
	chosen  []int32     // sources that are nodes, by pkgbase
	dups    []duplicate // sources that lost their pkgbase to another

	mu     sync.Mutex
	graphs map[string]*graphSlot
}

// identity tells one index from another, and keeps none of its memory.
type identity struct{ _ byte }

// graphSlot is computed by the first who asks.
type graphSlot struct {
	once  sync.Once
	ready atomic.Bool
	old   *graph // of the index before; its units are taken over
	g     *graph
}

// NewIndex links sources. It never fails: what is wrong with a source becomes
// a warning of the plans that it concerns.
func NewIndex(sources []Source, opts Options) *Index {
	return newIndex(sources, opts, newWords(), nil)
}

// newIndex links sources. Those of the slugs in first win their pkgbase.
func newIndex(sources []Source, opts Options, w *words, first []string) *Index {
	ix := &Index{identity: &identity{}, opts: opts, words: w, graphs: map[string]*graphSlot{}}
	ix.ranks = newRanks(append(slices.Clone(first), opts.Prefer...))
	ix.names = newRanks(opts.Prefer)
	ix.arrange(sources)
	return ix
}

// arrange sorts the sources by slug, those of one slug in the order given, and
// chooses those that become nodes.
func (ix *Index) arrange(sources []Source) {
	var slugs, bases []named
	together(
		func() {
			slugs = sortByName(len(sources), func(i int32) (string, bool) { return sources[i].Slug, true })
		},
		func() {
			bases = sortByName(len(sources), func(i int32) (string, bool) { return pkgbaseOf(&sources[i]) })
		},
	)
	place := make([]int32, len(sources))
	ix.sources = make([]Source, len(sources))
	for at, s := range slugs {
		place[s.at], ix.sources[at] = int32(at), sources[s.at]
	}
	for i := range bases {
		bases[i].at = place[bases[i].at]
	}
	ix.choose(bases)
}

// pkgbaseOf is the pkgbase of a source, if it could be read.
func pkgbaseOf(s *Source) (name string, ok bool) {
	if s.Info == nil {
		return "", false
	}
	return s.Info.Pkgbase, true
}

// find gives the place of the first source of a slug.
func (ix *Index) find(slug string) (at int, ok bool) {
	return slices.BinarySearchFunc(ix.sources, slug, func(s Source, slug string) int { return strings.Compare(s.Slug, slug) })
}

// graph gives the graph of an architecture, computed on first use. nil: no
// package exists there.
func (ix *Index) graph(arch string) *graph {
	ix.mu.Lock()
	slot, ok := ix.graphs[arch]
	if !ok {
		slot = &graphSlot{}
		ix.graphs[arch] = slot
	}
	ix.mu.Unlock()
	slot.once.Do(func() {
		slot.g = ix.link(arch, slot.old)
		slot.old = nil
		slot.ready.Store(true)
	})
	return slot.g
}
