package gitmirror

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// Limits of the search for notes: a packaging repository has a dozen files. The size of a
// push is no limit, because a commit can list one object a million times ("git bomb").
const (
	maxNotes     = 5        // of a kind, for one commit; the others are counted
	maxTreeDepth = 8        // directories in directories
	maxTrees     = 100      // directories of one commit
	maxTree      = 32 << 10 // bytes of one
	maxFiles     = 500      // links and files of one commit that could be Git LFS pointers
	maxFile      = 1024     // bytes of one: a Git LFS pointer has fewer, says its specification
	notedAtOnce  = 32       // commits
)

// tree is a directory of a commit.
type tree struct {
	path       string // empty: the root
	entries    []entry
	attributes object // of the root
}

// found lists the paths of a commit that a build will not have as its author meant them.
type found struct{ submodules, outside, pointers []string }

// notes returns, by commit, notes on files that a build will not have: those of submodules,
// of links that lead out of the commit, and of Git LFS. Most
// commits have neither links, submodules nor directories, and cost nothing.
func (g git) notes(ctx context.Context, roots map[string]tree) (map[string][]string, error) {
	said := map[string][]string{}
	for commits := range slices.Chunk(slices.Collect(maps.Keys(roots)), notedAtOnce) {
		if err := g.noteSome(ctx, roots, commits, said); err != nil {
			return nil, err
		}
	}
	return said, nil
}

// noteSome adds the notes of some of the commits.
func (g git) noteSome(ctx context.Context, roots map[string]tree, commits []string, said map[string][]string) error {
	all := map[string]*found{}
	asked := question{files: map[string]int{}, trees: map[string]int{}}
	level := map[string][]tree{}
	for _, commit := range commits {
		level[commit] = []tree{roots[commit]}
	}
	for depth := 0; len(level) > 0 && depth < maxTreeDepth; depth++ {
		asked.clear()
		next := map[string][]tree{}
		for commit, list := range level {
			for _, t := range list {
				asked.about(commit, t, bytes.Contains(roots[commit].attributes.text, []byte("filter=lfs")), func(gitlink string) {
					at(all, commit).submodules = append(at(all, commit).submodules, gitlink)
				})
			}
		}
		answers, err := g.readUpTo(ctx, asked.ids, maxFile, maxTree)
		if err != nil {
			return err
		}
		for i, o := range answers {
			commit, e, name := asked.commits[i], asked.entries[i], asked.paths[i]
			switch {
			case o.id != e.id:
			case e.mode == modeLink && leaves(name, string(o.text)):
				at(all, commit).outside = append(at(all, commit).outside, fmt.Sprintf("%s → %.100q", name, o.text))
			case e.mode == modeTree:
				next[commit] = append(next[commit], tree{path: name, entries: entries(o)})
			case bytes.HasPrefix(o.text, []byte("version https://git-lfs.github.com/spec/")) && e.mode != modeLink:
				at(all, commit).pointers = append(at(all, commit).pointers, name)
			}
		}
		level = next
	}
	for commit, f := range all {
		said[commit] = f.sentences()
	}
	return nil
}

func at(all map[string]*found, commit string) *found {
	if all[commit] == nil {
		all[commit] = &found{}
	}
	return all[commit]
}

// question is the list of objects that must be read to know more of some trees.
type question struct {
	ids, commits, paths []string
	entries             []entry

	files, trees map[string]int // by commit: how many were asked for so far
}

func (q *question) clear() {
	q.ids, q.commits, q.paths, q.entries = q.ids[:0], q.commits[:0], q.paths[:0], q.entries[:0]
}

func (q *question) about(commit string, t tree, lfs bool, submodule func(string)) {
	for _, e := range t.entries {
		name := path.Join(t.path, e.name)
		switch {
		case e.mode == "160000":
			submodule(name)
			continue
		case e.mode == modeTree && name != keysDir && q.trees[commit] < maxTrees:
			q.trees[commit]++
		case e.mode != modeTree && (lfs || e.mode == modeLink) && q.files[commit] < maxFiles:
			q.files[commit]++
		default:
			continue
		}
		q.ids, q.commits, q.paths, q.entries = append(q.ids, e.id), append(q.commits, commit), append(q.paths, name), append(q.entries, e)
	}
}

const modeTree = "40000"

// leaves reports whether a link leads out of the directory that holds all files.
func leaves(name, target string) bool {
	to := path.Join(path.Dir(name), target)
	return path.IsAbs(target) || to == ".." || strings.HasPrefix(to, "../")
}

func (f *found) sentences() []string {
	var said []string
	for _, s := range []struct {
		names     []string
		one, many string
	}{
		{f.outside, "the link %s leads out of the source; no build takes it: put a copy of the file in its place", "the links %s lead out of the source; no build takes it: put copies of the files in their place"},
		{f.submodules, "%s is a git submodule, whose files are not fetched: its directory is empty in a build", "%s are git submodules, whose files are not fetched: their directories are empty in a build"},
		{f.pointers, "%s is a Git LFS pointer: a build gets the pointer, not the file", "%s are Git LFS pointers: a build gets the pointers, not the files"},
	} {
		slices.Sort(s.names)
		switch n := len(s.names); {
		case n == 1:
			said = append(said, fmt.Sprintf(s.one, s.names[0]))
		case n > maxNotes:
			said = append(said, fmt.Sprintf(s.many, fmt.Sprintf("%s and %d more", strings.Join(s.names[:maxNotes], ", "), n-maxNotes)))
		case n > 1:
			said = append(said, fmt.Sprintf(s.many, strings.Join(s.names, ", ")))
		}
	}
	return said
}
