package buildgraph

import (
	"slices"

	"buildbtw"
	"buildbtw/srcinfo"
)

// unit is what one source means on one architecture, in numbered words. It
// depends on the source's .SRCINFO alone, so an index made by Update takes
// over the units of all sources that did not change.
type unit struct {
	info     *srcinfo.Info
	version  string
	any      bool     // every package is for any architecture
	pkgnames []string // those that exist on the architecture; none: the unit is no node
	names    []int32  // the words of pkgnames
	provides []int32
	needs    []need
}

// need is one dependency as it is written, and how the source needs it.
type need struct {
	word int32
	kind buildbtw.EdgeKinds
}

const anyArchitecture = "any"

// compiler makes units. Its slices are cut from chunks: a distribution has
// twenty thousand of them.
type compiler struct {
	words    *words
	arch     string
	texts    chunk[string]
	numbers  chunk[int32]
	needs    chunk[need]
	wordBuf  []int32
	needsBuf []need
}

// compileOne compiles a single source.
func (c *compiler) compileOne(info *srcinfo.Info) *unit {
	c.words.mu.Lock()
	defer c.words.mu.Unlock()
	return c.compile(info)
}

// compile makes a unit. The caller holds the lock of the words.
func (c *compiler) compile(info *srcinfo.Info) *unit {
	u := &unit{info: info, version: info.Version(), any: true}
	c.needsBuf = c.needsBuf[:0]
	pkgnames, names := c.texts.room(len(info.Packages)), c.numbers.room(len(info.Packages))
	provides := c.wordBuf[:0]
	for i := range info.Packages {
		p := &info.Packages[i]
		if !c.exists(p.Arch) {
			continue
		}
		u.any = u.any && slices.Contains(p.Arch, anyArchitecture)
		pkgnames = append(pkgnames, p.Name)
		names = append(names, c.words.number(p.Name))
		provides = c.number(provides, p.Provides)
		c.need(p.Depends, buildbtw.EdgeDepends)
	}
	if len(pkgnames) == 0 {
		u.any = false
		return u
	}
	c.need(info.Base.MakeDepends, buildbtw.EdgeMakedepends)
	c.need(info.Base.CheckDepends, buildbtw.EdgeCheckdepends)
	u.pkgnames, u.names = c.texts.keep(pkgnames), c.numbers.keep(names)
	u.provides = c.numbers.keep(append(c.numbers.room(len(provides)), provides...))
	u.needs = c.needs.keep(append(c.needs.room(len(c.needsBuf)), c.needsBuf...))
	c.wordBuf = provides
	return u
}

func (c *compiler) exists(archs []string) bool {
	return slices.Contains(archs, c.arch) || slices.Contains(archs, anyArchitecture)
}

func (c *compiler) number(to []int32, values srcinfo.Values) []int32 {
	for i := range values {
		if v := &values[i]; v.Arch == "" || v.Arch == c.arch {
			to = append(to, c.words.number(v.Text))
		}
	}
	return to
}

func (c *compiler) need(values srcinfo.Values, kind buildbtw.EdgeKinds) {
	for i := range values {
		if v := &values[i]; v.Arch == "" || v.Arch == c.arch {
			c.needsBuf = append(c.needsBuf, need{c.words.number(v.Text), kind})
		}
	}
}

// chunk hands out many small slices from few large ones.
type chunk[T any] struct{ free []T }

const chunkSize = 1 << 14

// room gives an empty slice with space for n.
func (c *chunk[T]) room(n int) []T {
	if cap(c.free) < n {
		c.free = make([]T, 0, max(n, chunkSize))
	}
	return c.free[:0:n]
}

// keep takes the slice that room gave out of the free space.
func (c *chunk[T]) keep(s []T) []T {
	c.free = c.free[len(s):cap(c.free)][:0]
	return slices.Clip(s)
}
