package buildgraph

import (
	"slices"
	"sync"
	"sync/atomic"

	"buildbtw/srcinfo"
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
	opts    Options
	words   *words
	sources []Source       // by slug
	bySlug  map[string]int // the first source of a slug
	ranks   ranks          // for pkgbases: changesets laid over the index come first
	names   ranks          // for pkgnames
	chosen  []int32        // sources that are nodes, by pkgbase
	dups    []duplicate    // sources that lost their pkgbase to another
	archs   map[string]bool

	mu     sync.Mutex
	graphs map[string]*graphSlot
}

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
	return newIndex(sources, opts, newWords(2*len(sources)), nil)
}

// newIndex links sources. Those of the slugs in first win their pkgbase.
func newIndex(sources []Source, opts Options, w *words, first []string) *Index {
	ix := &Index{opts: opts, words: w, graphs: map[string]*graphSlot{}}
	ix.sources = bySlug(sources)
	ix.bySlug = make(map[string]int, len(sources))
	for i := len(ix.sources) - 1; i >= 0; i-- {
		ix.bySlug[ix.sources[i].Slug] = i
	}
	ix.ranks = newRanks(append(slices.Clone(first), opts.Prefer...))
	ix.names = newRanks(opts.Prefer)
	ix.choose()
	ix.archs = architecturesOf(ix.sources)
	return ix
}

// bySlug sorts a copy; sources of one slug stay in the order given.
func bySlug(sources []Source) []Source {
	out := make([]Source, 0, len(sources))
	for _, k := range sortByName(len(sources), func(i int32) string { return sources[i].Slug }) {
		out = append(out, sources[k.at])
	}
	return out
}

func architecturesOf(sources []Source) map[string]bool {
	archs := map[string]bool{}
	for i := range sources {
		if sources[i].Info == nil {
			continue
		}
		for p := range sources[i].Info.Packages {
			for _, arch := range sources[i].Info.Packages[p].Arch {
				if !archs[arch] {
					archs[arch] = true
				}
			}
		}
	}
	return archs
}

// has reports whether some package can be built for the architecture. Packages
// for any architecture can be built for every one.
func (ix *Index) has(arch string) bool {
	return ix.archs[arch] || ix.archs[anyArchitecture] && arch != anyArchitecture
}

// graph gives the graph of an architecture, computed on first use. nil: no
// package exists there.
func (ix *Index) graph(arch string) *graph {
	if !ix.has(arch) {
		return nil
	}
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
