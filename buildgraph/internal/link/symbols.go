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
	meant map[library]Symbol // libraries that are meant in another word size than the native one
	list  []symbol
}

// library is a dependency on a library, or the provide of one, that does not state
// its word size, with the word sizes that it stands for.
type library struct {
	text string
	wordSizes
}

// NewSymbols makes an empty table with room for the strings of some sources.
func NewSymbols(sources int) *Symbols {
	const each = 4 // new strings of a source, as a guess
	return &Symbols{table: make(map[string]Symbol, each*sources), meant: map[library]Symbol{}, list: make([]symbol, 0, each*sources)}
}

// symbol is a string taken apart once, however often it occurs.
type symbol struct {
	text      string
	name      Symbol    // the text without its constraint: itself when it has none
	library   Symbol    // of a soname: the library's name; else noSymbol
	parsed    *parsed   // nil for a plain name
	wordSizes wordSizes // of a library that is written without one: those that it stands for
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

// isLibrary reports whether the symbol is about a shared library: also in forms
// that are no soname, such as libx.so>=2.
func (s *symbol) isLibrary() bool {
	return s.library != noSymbol || s.parsed != nil && strings.HasSuffix(s.parsed.dep.Name, ".so")
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
	s.list = append(s.list, symbol{text: text, name: id, library: noSymbol, wordSizes: native})
	if !isPlain(text) {
		s.parse(id, text)
	}
	return id
}

// internMeant returns the symbol of a library that is meant in these word sizes. The
// caller holds the lock.
func (s *Symbols) internMeant(text string, w wordSizes) Symbol {
	plain := s.intern(text)
	if w == native {
		return plain
	}
	id, ok := s.meant[library{text, w}]
	if !ok {
		id = Symbol(len(s.list))
		s.meant[library{text, w}] = id
		meant := s.list[plain]
		meant.wordSizes = w
		s.list = append(s.list, meant)
	}
	return id
}

// isPlain reports whether a text is nothing but a name, or a directory: no
// constraint, no library.
func isPlain(text string) bool {
	return strings.HasPrefix(text, "/") || !strings.ContainsAny(text, "<>=:") && !strings.Contains(text, ".so")
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
	s.list[id] = symbol{text: text, name: name, library: library, parsed: p, wordSizes: native}
}

// merge interns all symbols of another table and returns the new numbers by the
// old. The caller holds the lock.
func (s *Symbols) merge(other *Symbols) []Symbol {
	numbers := make([]Symbol, len(other.list))
	known := Symbol(len(s.list))
	for old := range other.list {
		o := &other.list[old]
		id, ok := s.find(o)
		if !ok {
			id = Symbol(len(s.list))
			if o.wordSizes == native {
				s.table[o.text] = id
			} else {
				s.meant[library{o.text, o.wordSizes}] = id
			}
			s.list = append(s.list, *o)
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

// find returns the symbol with the same text and word sizes as one of another table.
func (s *Symbols) find(o *symbol) (id Symbol, ok bool) {
	if o.wordSizes == native {
		id, ok = s.table[o.text]
	} else {
		id, ok = s.meant[library{o.text, o.wordSizes}]
	}
	return id, ok
}
