package link

import (
	"strings"
	"sync"

	"buildbtw/pacman/alpm"
)

// Symbol is an interned string: a pkgname, a provide or a dependency as it is
// written. Numbers follow the order of calls; they must never decide an order
// that people see.
type Symbol int32

const noSymbol = -1

// Symbols is the symbol table that the graphs of an index share with those of
// the indexes made from it. It only grows.
type Symbols struct {
	mu    sync.Mutex
	table map[string]Symbol
	list  []symbol
}

// NewSymbols makes an empty table with room for the strings of some sources.
func NewSymbols(sources int) *Symbols {
	const each = 4 // new strings of a source, as a guess
	return &Symbols{table: make(map[string]Symbol, each*sources), list: make([]symbol, 0, each*sources)}
}

// symbol is a string taken apart once, however often it occurs.
type symbol struct {
	text    string
	name    Symbol  // the text without its constraint: itself when it has none
	library Symbol  // of a soname: the library's name; else noSymbol
	parsed  *parsed // nil for a plain name
}

// parsed is a string that is more than a name, read as a dependency.
type parsed struct {
	dep    alpm.Dep
	soname alpm.Soname // with a library
}

// dep is the string read as a dependency.
func (s *symbol) dep() alpm.Dep {
	if s.parsed == nil {
		return alpm.Dep{Name: s.text}
	}
	return s.parsed.dep
}

// constrained reports whether not every version will do.
func (s *symbol) constrained() bool { return s.parsed != nil && s.parsed.dep.Op != "" }

// key is the symbol under which providers are listed.
func (s *symbol) key() Symbol {
	if s.library != noSymbol {
		return s.library
	}
	return s.name
}

// snapshot returns the symbols known now. The list it returns never changes.
func (s *Symbols) snapshot() []symbol {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.list[:len(s.list):len(s.list)]
}

func (s *Symbols) lookUp(text string) (Symbol, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id, ok := s.table[text]
	return id, ok
}

// intern returns the symbol of a text. The caller holds the lock.
func (s *Symbols) intern(text string) Symbol {
	id, ok := s.table[text]
	if ok {
		return id
	}
	id = Symbol(len(s.list))
	s.table[text] = id
	s.list = append(s.list, symbol{text: text, name: id, library: noSymbol})
	if !isPlain(text) {
		s.parse(id, text)
	}
	return id
}

// isPlain reports whether a text is nothing but a name: no constraint, no
// library.
func isPlain(text string) bool {
	return !strings.ContainsAny(text, "<>=:") && !strings.Contains(text, ".so")
}

// parse fills in a new symbol. A string that is no dependency stands for itself:
// nothing provides it, and the plan warns.
func (s *Symbols) parse(id Symbol, text string) {
	p := &parsed{}
	var err error
	if p.dep, err = alpm.ParseDep(text); err != nil {
		p.dep = alpm.Dep{Name: text}
	}
	name, library := id, Symbol(noSymbol)
	if p.dep.Name != text {
		name = s.intern(p.dep.Name)
	}
	var isLibrary bool
	if p.soname, isLibrary = alpm.ParseSoname(text); isLibrary {
		library = s.intern(p.soname.Library)
	}
	s.list[id] = symbol{text: text, name: name, library: library, parsed: p}
}

// merge interns all symbols of another table and returns the new numbers by the
// old. The caller holds the lock.
func (s *Symbols) merge(other *Symbols) []Symbol {
	numbers := make([]Symbol, len(other.list))
	known := Symbol(len(s.list))
	for old := range other.list {
		id, ok := s.table[other.list[old].text]
		if !ok {
			id = Symbol(len(s.list))
			s.table[other.list[old].text] = id
			s.list = append(s.list, other.list[old])
		}
		numbers[old] = id
	}
	for id := known; int(id) < len(s.list); id++ { // they still have the other table's numbers
		n := &s.list[id]
		n.name = numbers[n.name]
		if n.library != noSymbol {
			n.library = numbers[n.library]
		}
	}
	return numbers
}
