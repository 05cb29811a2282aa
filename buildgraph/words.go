package buildgraph

import (
	"sync"

	"buildbtw/alpm"
)

// words numbers every name and dependency string of the sources, so that the
// index compares integers. It only grows, and indexes made by Update share it.
// Numbers depend on the order of calls; they must never decide an order that
// people see.
type words struct {
	mu   sync.Mutex
	ids  map[string]int32
	list []word
}

// word is one dependency string, taken apart once however often it occurs.
type word struct {
	text   string
	dep    alpm.Dep
	soname alpm.Soname
	isLib  bool  // soname is set
	name   int32 // the word without its constraint: itself when it has none
	lib    int32 // with isLib: the word that is the library's name
}

// key is the word under which providers of w are listed.
func (w *word) key() int32 {
	if w.isLib {
		return w.lib
	}
	return w.name
}

func newWords(size int) *words {
	return &words{ids: make(map[string]int32, size), list: make([]word, 0, size)}
}

// snapshot gives the words known now. What it returns never changes.
func (w *words) snapshot() []word {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.list[:len(w.list):len(w.list)]
}

// number gives the number of a text. The caller holds mu: many words are
// numbered under one lock.
func (w *words) number(text string) int32 {
	if id, ok := w.ids[text]; ok {
		return id
	}
	id := int32(len(w.list))
	w.ids[text] = id
	w.list = append(w.list, word{text: text, name: id, lib: -1})
	w.takeApart(id, text)
	return id
}

// takeApart parses a new word. A string that is no dependency stands for
// itself: nothing provides it, and the plan says so.
func (w *words) takeApart(id int32, text string) {
	dep, err := alpm.ParseDep(text)
	if err != nil {
		dep = alpm.Dep{Name: text}
	}
	name, lib := id, int32(-1)
	if dep.Name != text {
		name = w.number(dep.Name)
	}
	soname, isLib := alpm.ParseSoname(text)
	if isLib {
		lib = w.number(soname.Library)
	}
	w.list[id] = word{text: text, dep: dep, soname: soname, isLib: isLib, name: name, lib: lib}
}
