package buildgraph

import (
	"buildbtw/pacman/srcinfo"
)

// shard is a part of the sources that one goroutine compiles, with a vocabulary
// of its own.
type shard struct {
	vocabulary
	compiler
}

const (
	leastCompiled = 256 // sources of a part
	wordsOfSource = 3   // new ones, as a guess
)

// compileUnits makes the nodes, in order of pkgbase.
func (l *linker) compileUnits(old *graph) {
	units := make([]*unit, len(l.ix.chosen))
	known := old.unitsByInfo()
	l.compileMissing(units, known)
	l.units, l.sources = units[:0], make([]int32, 0, len(units))
	for i, u := range units {
		if len(u.pkgnames) > 0 {
			l.units, l.sources = append(l.units, u), append(l.sources, l.ix.chosen[i])
		}
	}
}

func (g *graph) unitsByInfo() map[*srcinfo.Info]*unit {
	if g == nil {
		return nil
	}
	known := make(map[*srcinfo.Info]*unit, len(g.units))
	for _, u := range g.units {
		known[u.info] = u
	}
	return known
}

// compileMissing takes the known units of the chosen sources and makes the
// others, on all processors.
func (l *linker) compileMissing(units []*unit, known map[*srcinfo.Info]*unit) {
	missing := make([]int32, 0, len(units))
	for i, s := range l.ix.chosen {
		if units[i] = known[l.ix.sources[s].Info]; units[i] == nil {
			missing = append(missing, int32(i))
		}
	}
	parts := spans(len(missing), leastCompiled)
	shards := make([]*shard, len(parts))
	each(parts, func(i int, s span) {
		shards[i] = l.compileShard(units, missing[s.from:s.to])
	})
	l.ix.words.merge(shards)
}

// compileShard makes the units at some places of chosen.
func (l *linker) compileShard(units []*unit, places []int32) *shard {
	s := &shard{vocabulary: newVocabulary(l.ix.words.seed, wordsOfSource*len(places))}
	s.compiler = compiler{words: &s.vocabulary, arch: l.arch}
	for _, i := range places {
		units[i] = s.compile(l.ix.sources[l.ix.chosen[i]].Info)
	}
	return s
}

// merge takes in the vocabularies of shards, and gives their units the common
// numbers.
func (w *words) merge(shards []*shard) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.list) == 0 {
		w.vocabulary, shards = shards[0].vocabulary, shards[1:]
	}
	numbers := make([][]int32, len(shards))
	for i, s := range shards {
		numbers[i] = w.learn(&s.vocabulary)
	}
	each(spans(len(shards), 1), func(_ int, part span) {
		for i := part.from; i < part.to; i++ {
			shards[i].renumber(numbers[i])
		}
	})
}
