package gitmirror_test

import (
	"maps"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"buildbtw"
	"buildbtw/git/gitlab/gitlabtest"
)

// oddRefs are names that git allows and that mean something else to a shell, a URL, a
// revision's grammar or a file system.
func oddRefs() []string {
	return []string{
		"ü-日本語-🎉", "u\u0308", "Case", "case", "CASE/x", "a#b", "a%20b", "a+b", "a&b;c", "a@b", "@x", "$(x)", "`x`", "'q'", `"d"`, "a,b", "a=b", "a|b", "{a}",
		"HEAD", "refs/heads/main", "heads/main", "tags/v1", "0", "x-", "a--b", "FETCH_HEAD", "ORIG_HEAD", "origin/main", "sources/a/heads/main",
		"1f8ac10f23c5b5bc1167bda84b833e5c057a77d2", strings.Repeat("l", 200), strings.Repeat("d/", 60) + "end",
	}
}

// A ref of any name that git allows is mirrored and resolved to its own commit, loose
// or packed, from a directory, one of many, and from elsewhere.
func TestRefsOfEveryName(t *testing.T) {
	t.Parallel()
	dir, m := t.TempDir(), openMirror(t)
	source := filepath.Join(dir, "a")
	want := map[string]string{"main": newSource(t, source, "0")}
	for _, ref := range oddRefs() {
		said := commitFile(t, source, ".SRCINFO", ref)
		want[ref] = said[len(said)-40:] // git may warn of a name first
		gitIn(t, source, "update-ref", "refs/heads/"+ref, want[ref])
		want["main"] = want[ref]
	}
	check := func(when string) {
		t.Helper()
		got := map[string]string{}
		for name, commit := range tipsOf(t, m) {
			got[strings.TrimPrefix(name, "a ")] = commit
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: tips (-want +got):\n%s", when, diff)
		}
		for ref, commit := range want {
			if got, err := m.Resolve(t.Context(), "a", ref); err != nil || got != commit {
				t.Errorf("%s: %q: %s, %v; want %s", when, ref, got, err, commit)
			}
		}
	}
	mustSync(t, m, dir)
	check("loose")
	gitIn(t, source, "pack-refs", "--all")
	want["case"] = want["main"]
	gitIn(t, source, "update-ref", "refs/heads/case", want["main"])
	mustSync(t, m, dir)
	check("packed, and one of two that differ in case has moved")

	r := newRemotes(t)
	id, commit := r.project(t, "b")
	remote := map[string]string{"b main": commit}
	for _, ref := range oddRefs() {
		if ref == "FETCH_HEAD" || ref == "ORIG_HEAD" { // go-git's worktree has files of these names
			continue
		}
		remote["b "+ref] = r.push(t, id, gitlabtest.Change{Branch: ref, Files: map[string]string{".SRCINFO": ref}})
	}
	r.fetch(t, "b")
	if diff := cmp.Diff(remote, tipsOf(t, r.mirror)); diff != "" {
		t.Errorf("of another server: tips (-want +got):\n%s", diff)
	}
}

// What is asked for is a name, and not git's language for revisions, nor an option.
func TestWhatIsNoNameOfARefIsNotFound(t *testing.T) {
	t.Parallel()
	dir, m := t.TempDir(), openMirror(t)
	newSource(t, filepath.Join(dir, "a"), "1")
	commitFile(t, filepath.Join(dir, "a"), ".SRCINFO", "2")
	newSource(t, filepath.Join(dir, "b"), "other")
	mustSync(t, m, dir)
	for _, ref := range []string{
		"main@{0}", "main@{1}", "@{-1}", "@", "main~1", "main^", "main^{tree}", "main:.SRCINFO", ":/change", "main..main", "^main", "--all", "-h", "-",
		"../b/heads/main", "main/../main", "/main", "main/", "main.lock", "main\x00", "main\n", " main", "main ", "*", "ma?n", "[m]ain", "refs/sources/b/heads/main", "",
		"HEAD", strings.Repeat("x", 1<<20), "\xff\xfe", "..", ".",
	} {
		commit, err := m.Resolve(t.Context(), "a", ref)
		if kind := buildbtw.KindOf(err); kind != buildbtw.KindNotFound && kind != buildbtw.KindInvalid {
			t.Errorf("%.40q is %s, %v", ref, commit, err)
		}
		if err != nil && len(err.Error()) > 2000 {
			t.Errorf("%.40q: %d bytes of words", ref, len(err.Error()))
		}
	}
}

// A branch that takes the place of a directory of branches, and the reverse, between two
// looks at a source: git's file system of refs cannot have both.
func TestBranchesTakeEachOthersPlace(t *testing.T) {
	t.Parallel()
	dir, m := t.TempDir(), openMirror(t)
	source := filepath.Join(dir, "a")
	first := newSource(t, source, "1")
	for _, packed := range []bool{false, true} {
		for _, step := range [][]string{{"x"}, {"x/y/z", "x/y/w"}, {"x/y"}, {"x/y/z"}, {"x"}, {"X", "x/y"}, {"x", "X/y"}} {
			want := map[string]string{"a main": first}
			for _, old := range strings.Fields(gitIn(t, source, "for-each-ref", "--format=%(refname)", "refs/heads/x", "refs/heads/X", "refs/heads/x/**", "refs/heads/X/**", "refs/tags")) {
				gitIn(t, source, "update-ref", "-d", old)
			}
			for _, name := range step {
				gitIn(t, source, "update-ref", "refs/heads/"+name, first)
				gitIn(t, source, "update-ref", "refs/tags/"+name, first)
				want["a "+name], want["a tag:"+name] = first, first
			}
			if packed {
				gitIn(t, source, "pack-refs", "--all")
			}
			mustSync(t, m, dir)
			if got := tipsOf(t, m); !maps.Equal(got, want) {
				t.Errorf("packed %v, %v: %v", packed, step, got)
			}
		}
	}
}

// A commit that a push has taken back can be read as long as somebody may build it.
func TestACommitThatWasTakenBackCanBeRead(t *testing.T) {
	t.Parallel()
	dir, m := t.TempDir(), openMirror(t)
	source := filepath.Join(dir, "a")
	newSource(t, source, "1")
	gone := commitFile(t, source, ".SRCINFO", "2")
	mustSync(t, m, dir)
	gitIn(t, source, "reset", "--quiet", "--hard", "HEAD~1")
	gitIn(t, source, "reflog", "expire", "--expire=now", "--all")
	gitIn(t, source, "gc", "--quiet", "--prune=now")
	mustSync(t, m, dir)
	infos, err := m.ReadSrcinfos(t.Context(), []string{gone})
	if err != nil || string(infos[gone].Text) != "2" {
		t.Errorf("%q, %v", infos[gone].Text, err)
	}
	var out strings.Builder
	if err := m.Archive(t.Context(), gone, &out); err != nil || !strings.Contains(out.String(), "2") {
		t.Errorf("its tree: %v", err)
	}
}
