package gitmirror_test

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"buildbtw"
	"buildbtw/git/gitmirror"
)

// commitText commits what is staged with a message that no command line could carry.
func commitText(t *testing.T, dir, message string) string {
	t.Helper()
	tree := gitIn(t, dir, "write-tree")
	object := "tree " + tree + "\nparent " + gitIn(t, dir, "rev-parse", "HEAD") +
		"\nauthor Eve \u202e<script> <e@example.org> 1700000000 +0000\ncommitter Eve <e@example.org> 1700000100 +0000\n\n" + message
	cmd := exec.CommandContext(t.Context(), "git", "-C", dir, "hash-object", "-t", "commit", "-w", "--stdin", "--literally")
	cmd.Stdin = strings.NewReader(object)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	id := string(bytes.TrimSpace(out))
	gitIn(t, dir, "reset", "--quiet", "--soft", id)
	return id
}

func mirrorOf(t *testing.T, dir string) *gitmirror.Mirror {
	t.Helper()
	m := openMirror(t)
	mustSync(t, m, filepath.Dir(dir))
	return m
}

// TestCommitsBetweenTwo are listed as git log does, with the diff of PKGBUILD and the other
// files; also the other way round, of a branch that was rewritten.
func TestCommitsBetweenTwo(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "hello")
	newSource(t, dir, "pkgbase = hello\n")
	first := commitFile(t, dir, "PKGBUILD", testPKGBUILD)
	commitFile(t, dir, "fix.patch", "1234")
	last := commitFile(t, dir, "PKGBUILD", strings.Replace(testPKGBUILD, "pkgver=1.0", "pkgver=2.0", 1))
	m := mirrorOf(t, dir)
	r, err := m.Between(t.Context(), first, last)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Commits) != 2 || r.Total() != 2 || r.Behind != 0 || r.Commits[0].Subject != "change PKGBUILD" || r.Commits[1].Subject != "change fix.patch" {
		t.Errorf("between: %+v", r)
	}
	if back, err := m.Between(t.Context(), last, first); err != nil || back.Behind != 2 || back.Total() != 0 {
		t.Errorf("the other way round: %+v, %v", back, err)
	}
	if all, err := m.Between(t.Context(), "", last); err != nil || all.Total() != 4 {
		t.Errorf("all: %+v, %v", all, err)
	}
	c, err := m.Changes(t.Context(), first, last)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Files) != 1 || c.Files[0] != (gitmirror.ChangedFile{Path: "fix.patch", Status: "added", After: 4}) {
		t.Errorf("files: %+v", c.Files)
	}
	var changed []gitmirror.DiffLine
	for _, l := range c.Recipe {
		if l.Kind == gitmirror.DiffAdded || l.Kind == gitmirror.DiffRemoved {
			changed = append(changed, l)
		}
	}
	want := []gitmirror.DiffLine{{Kind: '-', Text: "pkgver=1.0", Old: 2}, {Kind: '+', Text: "pkgver=2.0", New: 2}}
	if len(changed) != 2 || changed[0] != want[0] || changed[1] != want[1] || c.Recipe[0].Kind != gitmirror.DiffPlace {
		t.Errorf("diff: %+v", c.Recipe)
	}
	for _, id := range []string{strings.Repeat("1", 40), "main"} {
		if _, err := m.Between(t.Context(), id, last); buildbtw.KindOf(err) != buildbtw.KindNotFound && buildbtw.KindOf(err) != buildbtw.KindInvalid {
			t.Errorf("%s: %v", id, err)
		}
	}
}

// TestHostileCommits are listed and compared without harm: a message of a megabyte, control
// characters, marks that turn lines around, what is no UTF-8.
func TestHostileCommits(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "evil")
	newSource(t, dir, "pkgbase = evil\n")
	first := commitFile(t, dir, "PKGBUILD", testPKGBUILD)
	write(t, filepath.Join(dir, "PKGBUILD"), testPKGBUILD+"# \u202e evil \x1b[31m \xff <script>alert(1)</script>\n"+strings.Repeat("x", 4000)+"\n")
	gitIn(t, dir, "add", "PKGBUILD")
	loud := commitText(t, dir, "<script>alert(1)</script>\u202eturned\x1b[2J\x07\xff\xfe\u2028\n")
	for i := range 130 {
		write(t, filepath.Join(dir, "many", strings.Repeat("é\n", 3)+string(rune('a'+i%26))+strings.Repeat("z", i/26)), "x")
	}
	gitIn(t, dir, "add", "many")
	last := commitText(t, dir, strings.Repeat("A", 1<<20))
	m := mirrorOf(t, dir)
	r, err := m.Between(t.Context(), first, last)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Commits) != 2 || r.Commits[0].ID != last || r.Commits[0].Subject != "" {
		t.Errorf("a message of a megabyte: %+v", r)
	}
	if c := r.Commits[1]; c.ID != loud || c.Subject != "<script>alert(1)</script>turned[2J" || c.Author != "Eve <script>" {
		t.Errorf("a loud message: %+v", c)
	}
	changes, err := m.Changes(t.Context(), first, last)
	if err != nil {
		t.Fatal(err)
	}
	if len(changes.Files) > 100 || !changes.MoreFiles {
		t.Errorf("%d files, more: %t", len(changes.Files), changes.MoreFiles)
	}
	var text strings.Builder
	for _, l := range changes.Recipe {
		if n := len([]rune(l.Text)); n > 510 {
			t.Errorf("a line has %d characters", n)
		}
		text.WriteString(l.Text + "\n")
	}
	if !strings.Contains(text.String(), "# <U+202E> evil <U+001B>[31m <FF> <script>") {
		t.Errorf("what is hidden is not shown:\n%s", text.String())
	}
}

// TestALargePKGBUILDIsNotCompared, and says so.
func TestALargePKGBUILDIsNotCompared(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "large")
	first := newSource(t, dir, "pkgbase = large\n")
	middle := commitFile(t, dir, "PKGBUILD", strings.Repeat("a\n", 200<<10))
	last := commitFile(t, dir, "PKGBUILD", strings.Repeat("a", 2<<20))
	m := mirrorOf(t, dir)
	if c, err := m.Changes(t.Context(), first, middle); err != nil || !c.RecipeCut || len(c.Recipe) > 2000 {
		t.Errorf("many lines: %d, cut: %t, %v", len(c.Recipe), c.RecipeCut, err)
	}
	if c, err := m.Changes(t.Context(), middle, last); err != nil || c.Whole == "" || len(c.Recipe) > 0 {
		t.Errorf("a large file: %q, %v", c.Whole, err)
	}
}

// TestNewestTips come with the latest commit first, of all branches.
func TestNewestTips(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for _, name := range []string{"old", "new"} {
		newSource(t, filepath.Join(root, name), "pkgbase = "+name+"\n")
	}
	gitIn(t, filepath.Join(root, "new"), "checkout", "--quiet", "-b", "topic/x")
	id := commitText(t, filepath.Join(root, "new"), "later")
	m := openMirror(t)
	mustSync(t, m, root)
	tips, err := m.NewestTips(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if len(tips) != 3 || tips[0] != (gitmirror.Tip{Slug: "new", Ref: "topic/x", Commit: id}) {
		t.Errorf("%+v", tips)
	}
	commitFile(t, filepath.Join(root, "old"), "x", "y")
	gitIn(t, filepath.Join(root, "old"), "checkout", "--quiet", "-b", "more")
	mustSync(t, m, root)
	if tips, err = m.NewestTips(t.Context(), 1); err != nil || len(tips) != 3 {
		t.Errorf("the same state: %+v, %v", tips, err)
	}
	if tips, err = m.NewestTips(t.Context(), 2); err != nil || len(tips) != 4 {
		t.Errorf("after a push: %+v, %v", tips, err)
	}
}
