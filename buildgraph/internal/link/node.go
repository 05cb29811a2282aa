package link

import (
	"slices"

	"buildbtw"
	"buildbtw/pacman/alpm"
	"buildbtw/pacman/srcinfo"
)

// Node is one source on one architecture. It follows from the .SRCINFO alone, so
// graphs made from one another share the nodes of sources that did not change.
type Node struct {
	Info     *srcinfo.Info
	Version  string
	Any      bool     // every package is for any architecture
	Pkgnames []string // those that exist on the architecture; without any the source is no node
	Needs    []Need   // in the order of the .SRCINFO, depends first
	names    []Symbol // of Pkgnames
	provides []Symbol
}

// Need is one dependency as it is written, and how the source needs it.
type Need struct {
	Symbol Symbol
	Kind   buildbtw.EdgeKinds
}

const anyArchitecture = "any"

// compiler makes nodes. Their lists are cut from a few large ones: a distribution
// has twenty thousand of them.
type compiler struct {
	symbols *Symbols
	arch    string
	bits    string // of the architecture's own libraries
	options Options
	nodes   []Node
	version []byte // scratch
	texts   []string
	ids     []Symbol
	needs   []Need
}

func newCompiler(symbols *Symbols, arch string, o Options, sources int) *compiler {
	return &compiler{
		symbols: symbols, arch: arch, bits: alpm.WordSize(arch), options: o, nodes: make([]Node, 0, sources),
		texts: make([]string, 0, 2*sources), ids: make([]Symbol, 0, 4*sources), needs: make([]Need, 0, 14*sources),
	}
}

// renumber changes all symbols; given are the new ones by the old.
func (n *Node) renumber(numbers []Symbol) {
	for i, s := range n.names {
		n.names[i] = numbers[s]
	}
	for i, s := range n.provides {
		n.provides[i] = numbers[s]
	}
	for i, need := range n.Needs {
		n.Needs[i].Symbol = numbers[need.Symbol]
	}
}

// compile makes the node of a source. The caller holds the symbols' lock.
func (c *compiler) compile(info *srcinfo.Info) *Node {
	c.version = info.AppendVersion(c.version[:0])
	c.nodes = append(c.nodes, Node{Info: info, Version: string(c.version)})
	n := &c.nodes[len(c.nodes)-1]
	if !c.options.IgnoreArch && !info.Allows(c.arch) {
		return n
	}
	n.Any = true
	texts, names, needs := len(c.texts), len(c.ids), len(c.needs)
	for i := range info.Packages {
		p := &info.Packages[i]
		n.Any = n.Any && slices.Contains(p.Arch, anyArchitecture)
		c.texts = append(c.texts, p.Name)
		c.ids = append(c.ids, c.symbols.intern(p.Name))
		c.need(p.Depends, buildbtw.EdgeDepends, info.Packages[i:i+1])
		for _, dir := range c.options.Owned[c.arch].Users[p.Name] {
			c.needs = append(c.needs, Need{c.symbols.intern("/" + dir), buildbtw.EdgeDepends})
		}
	}
	provides := len(c.ids)
	for i := range info.Packages {
		for _, v := range info.Packages[i].Provides {
			if v.Arch == "" || v.Arch == c.arch {
				c.ids = append(c.ids, c.symbol(v.Text, info.Packages[i:i+1]))
			}
		}
	}
	c.needToBuild(info)
	c.need(info.Base.MakeDepends, buildbtw.EdgeMakedepends, info.Packages)
	c.need(info.Base.CheckDepends, buildbtw.EdgeCheckdepends, info.Packages)
	n.Pkgnames = slices.Clip(c.texts[texts:])
	n.names, n.provides = slices.Clip(c.ids[names:provides]), slices.Clip(c.ids[provides:])
	n.Needs = slices.Clip(c.needs[needs:])
	return n
}

func (c *compiler) need(values srcinfo.Values, kind buildbtw.EdgeKinds, by []srcinfo.Package) {
	for i := range values {
		if v := &values[i]; v.Arch == "" || v.Arch == c.arch {
			c.needs = append(c.needs, Need{c.symbol(v.Text, by), kind})
		}
	}
}

// needToBuild adds the dependencies of the pkgbase that every package overrides:
// makepkg installs them before it builds, and no package has them.
func (c *compiler) needToBuild(info *srcinfo.Info) {
	all := info.Base.Depends
	for i := range info.Packages {
		if own := info.Packages[i].Depends; len(all) == 0 || len(own) == len(all) && &own[0] == &all[0] {
			return // there are none, or a package inherits all
		}
	}
	for i := range all {
		inherited := false
		for at := range info.Packages {
			inherited = inherited || slices.Contains(info.Packages[at].Depends, all[i])
		}
		if !inherited {
			c.need(all[i:i+1], buildbtw.EdgeMakedepends, info.Packages)
		}
	}
}

// symbol returns the symbol of a dependency or a provide of some packages.
func (c *compiler) symbol(text string, by []srcinfo.Package) Symbol {
	id := c.symbols.intern(text)
	s := &c.symbols.list[id]
	if s.parsed == nil || !s.isLibrary() || stated(s.parsed.soname) {
		return id
	}
	var w wordSizes
	for i := range by {
		w |= c.meant(&by[i], s.key())
	}
	return c.symbols.internMeant(text, w)
}

// sameLinks reports whether two nodes are needed by, and need, the same.
func (n *Node) sameLinks(o *Node) bool {
	return n.Any == o.Any && slices.Equal(n.names, o.names) && slices.Equal(n.provides, o.provides) && slices.Equal(n.Needs, o.Needs)
}
