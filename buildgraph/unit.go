package buildgraph

import (
	"slices"

	"buildbtw"
	"buildbtw/pacman/srcinfo"
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

// compiler makes units. What they hold is cut from chunks: a distribution has
// twenty thousand slices of them.
type compiler struct {
	words    *vocabulary
	arch     string
	units    chunk[unit]
	texts    chunk[string]
	numbers  chunk[int32]
	needs    chunk[need]
	letters  letters
	wordBuf  []int32
	needsBuf []need
	version  []byte
}

// compileOne compiles a single source.
func compileOne(w *words, arch string, info *srcinfo.Info) *unit {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := compiler{words: &w.vocabulary, arch: arch}
	return c.compile(info)
}

func (c *compiler) compile(info *srcinfo.Info) *unit {
	u := c.newUnit(info)
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
	c.wordBuf = provides
	if len(pkgnames) == 0 {
		u.any = false
		return u
	}
	c.need(info.Base.MakeDepends, buildbtw.EdgeMakedepends)
	c.need(info.Base.CheckDepends, buildbtw.EdgeCheckdepends)
	u.pkgnames, u.names = c.texts.keep(pkgnames), c.numbers.keep(names)
	u.provides, u.needs = c.numbers.copied(provides), c.needs.copied(c.needsBuf)
	return u
}

func (c *compiler) newUnit(info *srcinfo.Info) *unit {
	c.version = info.AppendVersion(c.version[:0])
	units := append(c.units.room(1), unit{info: info, version: c.letters.text(c.version), any: true})
	return &c.units.keep(units)[0]
}

// renumber changes the numbers of all words in all units made.
func (c *compiler) renumber(numbers []int32) {
	for _, list := range c.numbers.blocks {
		for i, id := range list {
			list[i] = numbers[id]
		}
	}
	for _, list := range c.needs.blocks {
		for i := range list {
			list[i].word = numbers[list[i].word]
		}
	}
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
