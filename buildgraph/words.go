package buildgraph

import (
	"hash/maphash"
	"strings"
	"sync"

	"buildbtw/pacman/alpm"
)

// words numbers every name and dependency string of the sources, so that the
// index compares integers. It only grows, and indexes made by Update share it.
// Numbers depend on the order of calls; they must never decide an order that
// people see.
type words struct {
	mu sync.Mutex
	vocabulary
}

// word is one dependency string, taken apart once however often it occurs.
type word struct {
	text  string
	name  int32 // the word without its constraint: itself when it has none
	lib   int32 // with isLib: the word that is the library's name
	parts *parts
}

// parts is what more there is to words that are no plain names.
type parts struct {
	dep    alpm.Dep
	soname alpm.Soname
	isLib  bool // soname is set
}

func (w *word) isLib() bool { return w.parts != nil && w.parts.isLib }

// dep is the word read as a dependency.
func (w *word) dep() alpm.Dep {
	if w.parts == nil {
		return alpm.Dep{Name: w.text}
	}
	return w.parts.dep
}

// constrained reports whether not every version will do.
func (w *word) constrained() bool { return w.parts != nil && w.parts.dep.Op != "" }

// key is the word under which providers of w are listed.
func (w *word) key() int32 {
	if w.isLib() {
		return w.lib
	}
	return w.name
}

func newWords() *words { return &words{vocabulary: newVocabulary(maphash.MakeSeed(), 0)} }

// snapshot gives the words known now. What it returns never changes.
func (w *words) snapshot() []word {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.list[:len(w.list):len(w.list)]
}

// lookUp gives the number of a text that is known.
func (w *words) lookUp(text string) (id int32, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	entry := w.slots[w.find(text, w.hash(text))].entry
	return entry - 1, entry != 0
}

// vocabulary is a hash table of words, with their numbers. Several can be
// filled at the same time, one by each goroutine.
type vocabulary struct {
	seed   maphash.Seed
	slots  []slot // a power of two of them
	list   []word
	hashes []uint32 // by word
}

// slot holds a word's number plus one: 0 is an empty slot.
type slot struct {
	hash  uint32
	entry int32
}

const leastSlots = 64

// newVocabulary has space for so many words.
func newVocabulary(seed maphash.Seed, size int) vocabulary {
	slots := leastSlots
	for slots < 2*size {
		slots *= 2
	}
	return vocabulary{seed: seed, slots: make([]slot, slots), list: make([]word, 0, size), hashes: make([]uint32, 0, size)}
}

func (w *vocabulary) hash(text string) uint32 { return uint32(maphash.String(w.seed, text)) }

// number gives the number of a text.
func (w *vocabulary) number(text string) int32 {
	hash := w.hash(text)
	at := w.find(text, hash)
	if entry := w.slots[at].entry; entry != 0 {
		return entry - 1
	}
	id := w.add(at, hash, word{text: text, name: int32(len(w.list)), lib: -1})
	if !isPlain(text) {
		w.takeApart(id, text)
	}
	return id
}

// find gives the slot of a text, an empty one when it is not there.
func (w *vocabulary) find(text string, hash uint32) uint32 {
	mask := uint32(len(w.slots) - 1)
	for at := hash & mask; ; at = (at + 1) & mask {
		s := w.slots[at]
		if s.entry == 0 || s.hash == hash && w.list[s.entry-1].text == text {
			return at
		}
	}
}

// add puts a new word into an empty slot.
func (w *vocabulary) add(at, hash uint32, new word) int32 {
	id := int32(len(w.list))
	w.slots[at] = slot{hash, id + 1}
	w.list, w.hashes = append(w.list, new), append(w.hashes, hash)
	if 4*len(w.list) > 3*len(w.slots) {
		w.grow()
	}
	return id
}

func (w *vocabulary) grow() {
	w.slots = make([]slot, 2*len(w.slots))
	mask := uint32(len(w.slots) - 1)
	for id, hash := range w.hashes {
		at := hash & mask
		for w.slots[at].entry != 0 {
			at = (at + 1) & mask
		}
		w.slots[at] = slot{hash, int32(id + 1)}
	}
}

// learn takes in what another vocabulary of the same seed has and returns its
// new numbers, by old number.
func (w *vocabulary) learn(other *vocabulary) []int32 {
	numbers, known := make([]int32, len(other.list)), len(w.list)
	for old := range other.list {
		text, hash := other.list[old].text, other.hashes[old]
		at := w.find(text, hash)
		if entry := w.slots[at].entry; entry != 0 {
			numbers[old] = entry - 1
			continue
		}
		numbers[old] = w.add(at, hash, other.list[old])
	}
	for old := range other.list {
		if id := numbers[old]; int(id) >= known {
			n := &w.list[id]
			n.name = numbers[other.list[old].name]
			if n.isLib() {
				n.lib = numbers[other.list[old].lib]
			}
		}
	}
	return numbers
}

// isPlain reports whether a text is nothing but a name: no constraint, no
// library.
func isPlain(text string) bool {
	for i := range len(text) {
		switch text[i] {
		case '<', '>', '=', ':':
			return false
		case '.':
			if strings.HasPrefix(text[i:], ".so") {
				return false
			}
		}
	}
	return true
}

// takeApart parses a new word. A string that is no dependency stands for
// itself: nothing provides it, and the plan says so.
func (w *vocabulary) takeApart(id int32, text string) {
	p := &parts{}
	var err error
	if p.dep, err = alpm.ParseDep(text); err != nil {
		p.dep = alpm.Dep{Name: text}
	}
	name, lib := id, int32(-1)
	if p.dep.Name != text {
		name = w.number(p.dep.Name)
	}
	if p.soname, p.isLib = alpm.ParseSoname(text); p.isLib {
		lib = w.number(p.soname.Library)
	}
	w.list[id] = word{text: text, name: name, lib: lib, parts: p}
}
