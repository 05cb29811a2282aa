package gitmirror_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/git/gitmirror"
)

const (
	splitPKGBUILD = "pkgbase=splitty\npkgname=(splitty splitty-libs)\npkgver=2.0\npkgrel=1\narch=(any)\n" +
		"package_splitty() { depends=(\"splitty-libs=$pkgver-$pkgrel\"); }\npackage_splitty-libs() { :; }\n"
	splitSrcinfo = "pkgbase = splitty\n\tpkgver = 2.0\n\tpkgrel = 1\n\tarch = any\n\npkgname = splitty\n\tdepends = splitty-libs=2.0-1\n\npkgname = splitty-libs\n"
	helloSrcinfo = "pkgbase = hello\n\tpkgver = 1.0\n\tpkgrel = 1\n\tarch = any\n\npkgname = hello\n"
)

// newBumpable makes sources with a PKGBUILD, and returns the mirror that has them and
// their commits.
func newBumpable(t testing.TB, sources map[string][2]string) (m *gitmirror.Mirror, dir string, commits map[string]string) {
	t.Helper()
	dir, commits = t.TempDir(), map[string]string{}
	for slug, files := range sources {
		newSource(t, filepath.Join(dir, slug), files[1])
		commitFile(t, filepath.Join(dir, slug), "fix.patch", "a patch\n")
		commits[slug] = commitFile(t, filepath.Join(dir, slug), "PKGBUILD", files[0])
	}
	m = openMirror(t)
	mustSync(t, m, dir)
	return m, dir, commits
}

func bump(t testing.TB, m *gitmirror.Mirror, of gitmirror.BumpsOf, list ...gitmirror.Bump) []gitmirror.Bumped {
	t.Helper()
	made, err := m.Bump(t.Context(), of, list)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// files returns what a commit has, by name.
func files(t *testing.T, m *gitmirror.Mirror, commit string) map[string]string {
	t.Helper()
	var tree bytes.Buffer
	if err := m.Archive(t.Context(), commit, &tree); err != nil {
		t.Fatal(err)
	}
	return untar(t, &tree)
}

func TestABumpChangesTwoLinesAndIsAlwaysTheSame(t *testing.T) {
	t.Parallel()
	sources := map[string][2]string{"hello": {testPKGBUILD, helloSrcinfo}}
	m, _, commits := newBumpable(t, sources)
	of := gitmirror.BumpsOf{Buildspace: "a.lock", Iteration: 1}
	made := bump(t, m, of, gitmirror.Bump{Commit: commits["hello"], Version: "1.0-2"})
	if made[0].Err != nil {
		t.Fatal(made[0].Err)
	}
	got := files(t, m, made[0].Commit)
	want := map[string]string{
		"PKGBUILD": strings.Replace(testPKGBUILD, "pkgrel=1", "pkgrel=2", 1), "fix.patch": "a patch\n",
		".SRCINFO": strings.Replace(helloSrcinfo, "pkgrel = 1", "pkgrel = 2", 1),
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the commit has %q", got)
	}
	infos, err := m.ReadSrcinfos(t.Context(), []string{made[0].Commit, commits["hello"]})
	if err != nil || !infos[made[0].Commit].Time.Equal(infos[commits["hello"]].Time) {
		t.Errorf("the time is %v, not the source's: %v", infos[made[0].Commit].Time, err)
	}

	// Another mirror, another buildspace, another day: the same commit.
	other := openMirror(t)
	dir := t.TempDir()
	newSource(t, filepath.Join(dir, "hello"), helloSrcinfo)
	commitFile(t, filepath.Join(dir, "hello"), "fix.patch", "a patch\n")
	commitFile(t, filepath.Join(dir, "hello"), "PKGBUILD", testPKGBUILD)
	mustSync(t, other, dir)
	again := bump(t, other, gitmirror.BumpsOf{Buildspace: "b", Iteration: 7}, gitmirror.Bump{Commit: commits["hello"], Version: "1.0-2"})
	if again[0] != made[0] {
		t.Errorf("made anew it is %+v, not %+v", again[0], made[0])
	}
	next := bump(t, m, of, gitmirror.Bump{Commit: commits["hello"], Version: "1.0-3"})
	if next[0].Commit == made[0].Commit {
		t.Error("another version is the same commit")
	}
}

func TestWhatCannotBeBumpedSaysWhyAndTheOthersAre(t *testing.T) {
	t.Parallel()
	m, _, commits := newBumpable(t, map[string][2]string{
		"hello": {testPKGBUILD, helloSrcinfo},
		"sum":   {strings.Replace(testPKGBUILD, "pkgrel=1", "pkgrel=$((1))", 1), helloSrcinfo},
	})
	made := bump(t, m, gitmirror.BumpsOf{Buildspace: "a", Iteration: 1},
		gitmirror.Bump{Commit: commits["sum"], Version: "1.0-2"},
		gitmirror.Bump{Commit: strings.Repeat("ab", 20), Version: "1.0-2"},
		gitmirror.Bump{Commit: commits["hello"], Version: "1.0-2"})
	if made[0].Err == nil || !strings.Contains(made[0].Err.Error(), "its PKGBUILD has no plain number on line 3") || made[0].Commit != "" {
		t.Errorf("a computed pkgrel: %+v", made[0])
	}
	if made[1].Err == nil || !strings.Contains(made[1].Err.Error(), "not in the mirror") {
		t.Errorf("a commit that is not there: %+v", made[1])
	}
	if made[2].Err != nil || made[2].Commit == "" {
		t.Errorf("the one that can be: %+v", made[2])
	}
	for range 2 { // read, and remembered
		recipes, err := m.Recipes(t.Context(), []string{commits["sum"], commits["hello"]})
		if err != nil || recipes[commits["hello"]].Fixed != nil || fmt.Sprint(recipes[commits["sum"]].Fixed) != fmt.Sprint(made[0].Err) {
			t.Errorf("before: %+v, %v", recipes, err)
		}
	}
}

func TestASrcinfoThatRepeatsTheVersionIsMadeAnew(t *testing.T) {
	t.Parallel()
	needMakepkg(t)
	named := strings.Replace(splitPKGBUILD, "arch=(any)", "arch=(any)\nsource=(\"https://example.org/$pkgver-$pkgrel.tar\")\nsha256sums=(SKIP)", 1)
	namedInfo := strings.Replace(splitSrcinfo, "\tarch = any", "\tarch = any\n\tsource = https://example.org/2.0-1.tar\n\tsha256sums = SKIP", 1)
	m, _, commits := newBumpable(t, map[string][2]string{"splitty": {splitPKGBUILD, splitSrcinfo}, "named": {named, namedInfo}})
	of := gitmirror.BumpsOf{Buildspace: "a", Iteration: 1}
	made := bump(t, m, of, gitmirror.Bump{Commit: commits["splitty"], Version: "2.0-2"}, gitmirror.Bump{Commit: commits["named"], Version: "2.0-2"})
	if made[0].Err != nil {
		t.Fatal(made[0].Err)
	}
	if text := files(t, m, made[0].Commit)[".SRCINFO"]; !strings.Contains(text, "depends = splitty-libs=2.0-2\n") || strings.Contains(text, "2.0-1") {
		t.Errorf("the .SRCINFO is\n%s", text)
	}
	if made[1].Err == nil || !strings.Contains(made[1].Err.Error(), "sources are named after the pkgrel") {
		t.Errorf("sources that would not be found: %+v", made[1])
	}

	// What was made before needs no makepkg.
	m.FindPrograms(func(string) (string, error) { return "", exec.ErrNotFound })
	again := bump(t, m, of, gitmirror.Bump{Commit: commits["splitty"], Version: "2.0-2", Made: made[0].Commit})
	if again[0] != made[0] {
		t.Errorf("once more: %+v", again[0])
	}
	without := bump(t, m, of, gitmirror.Bump{Commit: commits["splitty"], Version: "2.0-3", Made: strings.Repeat("ab", 20)})
	if without[0].Err == nil || !strings.Contains(without[0].Err.Error(), "makepkg") {
		t.Errorf("without makepkg: %+v", without[0])
	}
}

func TestBumpsStayAsLongAsTheirIteration(t *testing.T) {
	t.Parallel()
	m, dir, commits := newBumpable(t, map[string][2]string{"hello": {testPKGBUILD, helloSrcinfo}})
	one, two := gitmirror.BumpsOf{Buildspace: "a.b", Iteration: 1}, gitmirror.BumpsOf{Buildspace: "a.b", Iteration: 2}
	first := bump(t, m, one, gitmirror.Bump{Commit: commits["hello"], Version: "1.0-2"})[0].Commit
	second := bump(t, m, two, gitmirror.Bump{Commit: commits["hello"], Version: "1.0-3"})[0].Commit
	collect := func(kept map[string]bool) {
		t.Helper()
		gitIn(t, m.Dir(), "gc", "--quiet", "--prune=now", "--no-cruft")
		for commit, want := range kept {
			if err := m.Archive(t.Context(), commit, &bytes.Buffer{}); (err == nil) != want {
				t.Errorf("commit %s is kept: %v, want %v", commit, err, want)
			}
		}
	}
	missing, err := m.RetainBumps(t.Context(), []gitmirror.BumpsOf{one, two})
	if err != nil || len(missing) != 0 {
		t.Fatalf("missing %v, %v", missing, err)
	}
	// The source's own branch goes elsewhere; what the bumps were made of stays.
	gitIn(t, filepath.Join(dir, "hello"), "checkout", "--quiet", "--orphan", "other")
	gitIn(t, filepath.Join(dir, "hello"), "commit", "--quiet", "-m", "anew")
	gitIn(t, filepath.Join(dir, "hello"), "branch", "--quiet", "-M", "main")
	mustSync(t, m, dir)
	collect(map[string]bool{first: true, second: true, commits["hello"]: true})

	three := gitmirror.BumpsOf{Buildspace: "other", Iteration: 3}
	if missing, err = m.RetainBumps(t.Context(), []gitmirror.BumpsOf{two, three}); err != nil || len(missing) != 1 || missing[0] != three {
		t.Fatalf("missing %v, %v", missing, err)
	}
	collect(map[string]bool{first: false, second: true, commits["hello"]: true})
	if _, err = m.RetainBumps(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	collect(map[string]bool{second: false, commits["hello"]: false})
}

// BenchmarkBumps raises the pkgrel of a whole distribution: 6,870 sources.
// It reports the processor time of git, too.
func BenchmarkBumps(b *testing.B) {
	const n = 6870
	m := openMirror(b)
	var in bytes.Buffer
	recipe := testPKGBUILD + strings.Repeat("# what a build does\n", 60)
	for i := range n {
		name := fmt.Sprintf("package%d", i)
		info := strings.ReplaceAll(helloSrcinfo, "hello", name)
		fmt.Fprintf(&in, "commit refs/sources/%s/heads/main\nmark :%d\ncommitter T <t@example.org> 1700000000 +0000\ndata 0\n", name, i+1)
		for file, text := range map[string]string{".SRCINFO": info, "PKGBUILD": recipe + name, "fix.patch": name} {
			fmt.Fprintf(&in, "M 100644 inline %s\ndata %d\n%s\n", file, len(text), text)
		}
	}
	marks := filepath.Join(b.TempDir(), "marks")
	cmd := exec.CommandContext(b.Context(), "git", "--git-dir", m.Dir(), "fast-import", "--quiet", "--date-format=raw", "--export-marks="+marks)
	cmd.Stdin = &in
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	text, err := os.ReadFile(marks)
	if err != nil {
		b.Fatal(err)
	}
	var commits []string
	for line := range strings.Lines(string(text)) {
		commits = append(commits, strings.Fields(line)[1])
	}
	used := func() time.Duration {
		var own, children syscall.Rusage
		_ = syscall.Getrusage(syscall.RUSAGE_SELF, &own)
		_ = syscall.Getrusage(syscall.RUSAGE_CHILDREN, &children)
		return time.Duration(own.Utime.Nano() + own.Stime.Nano() + children.Utime.Nano() + children.Stime.Nano())
	}
	before := used()
	for round := 0; b.Loop(); round++ {
		list := make([]gitmirror.Bump, len(commits))
		for i, c := range commits {
			list[i] = gitmirror.Bump{Commit: c, Version: fmt.Sprintf("1.0-%d", round+2)}
		}
		for _, made := range bump(b, m, gitmirror.BumpsOf{Buildspace: "a", Iteration: round + 1}, list...) {
			if made.Err != nil {
				b.Fatal(made.Err)
			}
		}
	}
	b.ReportMetric((used()-before).Seconds()/float64(b.N), "cpu-s/op")
}

// TestOneBumpThatCannotBeMadeStopsNoOther, whatever is wrong with it.
func TestOneBumpThatCannotBeMadeStopsNoOther(t *testing.T) {
	t.Parallel()
	m, _, commits := newBumpable(t, map[string][2]string{
		"hello": {testPKGBUILD, helloSrcinfo}, "splitty": {splitPKGBUILD, splitSrcinfo}, "broken": {testPKGBUILD + "# broken\n", helloSrcinfo},
	})
	commits["link"] = commitWith(t, m, "120000", "pkgver=1.0\npkgrel=1")
	commits["old"] = commitWith(t, m, "100664", helloSrcinfo)
	m.FindPrograms(func(string) (string, error) { panic("a fault of ours") })
	path := objectFile(m, gitIn(t, m.Dir(), "rev-parse", commits["broken"]+":PKGBUILD"))
	whole, err := os.ReadFile(path)
	must(t, err)
	must(t, os.Chmod(path, 0o644))
	damaged, err := os.ReadFile(objectFile(m, gitIn(t, m.Dir(), "rev-parse", commits["hello"]+":PKGBUILD")))
	must(t, err)
	must(t, os.WriteFile(path, damaged, 0o644)) // another object's, as after a power cut

	slugs := []string{"splitty", "link", "broken", "old", "hello"}
	list, ids := make([]gitmirror.Bump, len(slugs)), make([]string, len(slugs))
	for i, slug := range slugs {
		list[i], ids[i] = gitmirror.Bump{Commit: commits[slug], Version: "1.0-2"}, commits[slug]
	}
	for i, made := range bump(t, m, gitmirror.BumpsOf{Buildspace: "a", Iteration: 1}, list...) {
		want := []string{"a fault of ours", ".SRCINFO is no file", "its repository is damaged", "", ""}[i]
		if want == "" && made.Err != nil || want != "" && (made.Err == nil || !strings.Contains(buildbtw.MessageOf(made.Err), want) || made.Commit != "") {
			t.Errorf("%s: %+v, want %q", slugs[i], made, want)
		}
	}

	// What is damaged is not remembered as what it looked like.
	if recipes, err := m.Recipes(t.Context(), ids); err != nil || recipes[commits["broken"]].Fixed == nil {
		t.Errorf("damaged: %+v, %v", recipes, err)
	}
	must(t, os.WriteFile(path, whole, 0o644))
	if recipes, err := m.Recipes(t.Context(), ids); err != nil || recipes[commits["broken"]].Fixed != nil {
		t.Errorf("mended: %+v, %v", recipes, err)
	}
}

func objectFile(m *gitmirror.Mirror, id string) string {
	return filepath.Join(m.Dir(), "objects", id[:2], id[2:])
}

// commitWith writes a commit into the mirror whose .SRCINFO has a mode, and gives it.
func commitWith(t *testing.T, m *gitmirror.Mirror, mode, srcinfo string) string {
	t.Helper()
	dir := t.TempDir()
	object := func(text string, args ...string) string {
		t.Helper()
		write(t, filepath.Join(dir, "text"), text)
		return gitIn(t, m.Dir(), append(args, filepath.Join(dir, "text"))...)
	}
	tree := mode + " .SRCINFO\x00" + raw(t, object(srcinfo, "hash-object", "-w")) +
		"100644 PKGBUILD\x00" + raw(t, object(testPKGBUILD, "hash-object", "-w"))
	id := object(tree, "hash-object", "-w", "--literally", "-t", "tree")
	return gitIn(t, m.Dir(), "commit-tree", "-m", "with "+mode, id)
}

func raw(t *testing.T, id string) string {
	t.Helper()
	b, err := hex.DecodeString(id)
	must(t, err)
	return string(b)
}
