package link

import (
	"slices"

	"buildbtw"
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
	nodes   []Node
	version []byte // scratch
	texts   []string
	ids     []Symbol
	needs   []Need
}

func newCompiler(symbols *Symbols, arch string, sources int) *compiler {
	return &compiler{
		symbols: symbols, arch: arch, nodes: make([]Node, 0, sources),
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
	c.nodes = append(c.nodes, Node{Info: info, Version: string(c.version), Any: true})
	n := &c.nodes[len(c.nodes)-1]
	texts, names, needs := len(c.texts), len(c.ids), len(c.needs)
	for i := range info.Packages {
		p := &info.Packages[i]
		if !exists(p, c.arch) {
			continue
		}
		n.Any = n.Any && slices.Contains(p.Arch, anyArchitecture)
		c.texts = append(c.texts, p.Name)
		c.ids = append(c.ids, c.symbols.intern(p.Name))
		c.need(p.Depends, buildbtw.EdgeDepends)
	}
	if len(c.texts) == texts {
		n.Any = false
		return n
	}
	provides := len(c.ids)
	for i := range info.Packages {
		if p := &info.Packages[i]; exists(p, c.arch) {
			for _, v := range p.Provides {
				if v.Arch == "" || v.Arch == c.arch {
					c.ids = append(c.ids, c.symbols.intern(v.Text))
				}
			}
		}
	}
	c.need(info.Base.MakeDepends, buildbtw.EdgeMakedepends)
	c.need(info.Base.CheckDepends, buildbtw.EdgeCheckdepends)
	n.Pkgnames = slices.Clip(c.texts[texts:])
	n.names, n.provides = slices.Clip(c.ids[names:provides]), slices.Clip(c.ids[provides:])
	n.Needs = slices.Clip(c.needs[needs:])
	return n
}

func exists(p *srcinfo.Package, arch string) bool {
	return slices.Contains(p.Arch, arch) || slices.Contains(p.Arch, anyArchitecture)
}

func (c *compiler) need(values srcinfo.Values, kind buildbtw.EdgeKinds) {
	for i := range values {
		if v := &values[i]; v.Arch == "" || v.Arch == c.arch {
			c.needs = append(c.needs, Need{c.symbols.intern(v.Text), kind})
		}
	}
}

// sameLinks reports whether two nodes are needed by, and need, the same.
func (n *Node) sameLinks(o *Node) bool {
	return n.Any == o.Any && slices.Equal(n.names, o.names) && slices.Equal(n.provides, o.provides) && slices.Equal(n.Needs, o.Needs)
}
