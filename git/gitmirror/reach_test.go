package gitmirror_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"buildbtw"
)

// evil is a git repository that wants to be more than it is.
type evil struct {
	name   string
	change func(t *testing.T, dir, secret string)
	words  string // of the refusal; empty: it is mirrored, and nothing else happens
}

// Whatever somebody does who may write to one source: it is refused in words, it
// stops no other, and nothing from elsewhere gets into the mirror.
func TestASourceLeadsNowhereElse(t *testing.T) {
	t.Parallel()
	link := func(name, to string) func(*testing.T, string, string) {
		return func(t *testing.T, dir, secret string) {
			must(t, os.RemoveAll(filepath.Join(dir, name)))
			must(t, os.Symlink(filepath.Join(secret, to), filepath.Join(dir, name)))
		}
	}
	fifo := func(name string) func(*testing.T, string, string) {
		return func(t *testing.T, dir, _ string) {
			must(t, os.RemoveAll(filepath.Join(dir, name)))
			must(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
			must(t, syscall.Mkfifo(filepath.Join(dir, name), 0o666))
		}
	}
	file := func(name, text string) func(*testing.T, string, string) {
		return func(t *testing.T, dir, secret string) {
			must(t, os.RemoveAll(filepath.Join(dir, name)))
			write(t, filepath.Join(dir, name), strings.ReplaceAll(text, "SECRET", secret))
		}
	}
	config := func(text string) func(*testing.T, string, string) { return file(".git/config", text) }
	for _, e := range []evil{
		{"link-git", link(".git", ".git"), "leads out"},
		{"file-git", file(".git", "gitdir: SECRET/.git\n"), "leads out"},
		{"file-git-relative", file(".git", "gitdir: ../../../../../../../../../..SECRET/.git\n"), "leads out"},
		{"commondir", file(".git/commondir", "SECRET/.git\n"), "leads out"},
		{"link-objects", link(".git/objects", ".git/objects"), "leads out"},
		{"link-pack", link(".git/objects/pack", ".git/objects/pack"), "not a regular file"},
		{"alternates", file(".git/objects/info/alternates", "SECRET/.git/objects\n"), "leads out"},
		{"link-refs", link(".git/refs", ".git/refs"), "leads out"},
		{"link-ref", link(".git/refs/heads/x", ".git/refs/heads/main"), "leads out"},
		{"link-packed-refs", link(".git/packed-refs", ".git/HEAD"), "leads out"},
		{"link-shallow", link(".git/shallow", ".git/HEAD"), "leads out"},
		{"fifo-ref", fifo(".git/refs/heads/pipe"), "not a regular file"},
		{"fifo-refs", fifo(".git/refs/tags"), "cannot be read"},
		{"fifo-packed-refs", fifo(".git/packed-refs"), "not a regular file"},
		{"fifo-commondir", fifo(".git/commondir"), "not a regular file"},
		{"fifo-git", fifo(".git"), "not a regular file"},
		{"fifo-object", fifo(".git/objects/pack/pack-1.idx"), "not a regular file"},
		{"fifo-alternates", fifo(".git/objects/info/alternates"), "not a regular file"},
		{"fifo-config", fifo(".git/config"), ""},
		{"bad-config", config("[include]\n\tpath = /etc/shadow\n["), ""},
		{"promisor", config("[core]\n\trepositoryformatversion = 1\n[extensions]\n\tpartialClone = o\n[remote \"o\"]\n\tpromisor = true\n\turl = ext::touch SECRET/ran\n\tuploadpack = touch SECRET/ran\n"), ""},
		{"hook", config("[uploadpack]\n\tpackObjectsHook = touch SECRET/ran\n[core]\n\tfsmonitor = touch SECRET/ran\n\talternateRefsCommand = touch SECRET/ran\n"), ""},
		{"newline-ref", file(".git/refs/heads/a\n"+strings.Repeat("1", 40)+" refs", "x"), "no name of a branch"},
		{"ref-to-nothing", file(".git/refs/heads/x", strings.Repeat("1", 40)), "cannot read"},
		{"climbing-ref", file(".git/packed-refs", strings.Repeat("1", 40)+" refs/heads/../../../evil\n"), "evil"},
		{"huge-ref", file(".git/refs/heads/x", strings.Repeat("1", 100_000)), "at most"},
	} {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			e.try(t, 0)
		})
		t.Run(e.name+"-among-many", func(t *testing.T) {
			t.Parallel()
			e.try(t, 10)
		})
	}
}

// try mirrors the evil repository beside good ones.
func (e evil) try(t *testing.T, more int) {
	t.Helper()
	secret, dir, m := t.TempDir(), t.TempDir(), openMirror(t)
	hidden := newSource(t, filepath.Join(secret, "s"), "secret")
	own := newSource(t, filepath.Join(dir, "evil"), "1")
	good := newSource(t, filepath.Join(dir, "good"), "1")
	for i := range more {
		copyRepository(t, filepath.Join(dir, "good"), filepath.Join(dir, fmt.Sprintf("more%d", i)))
	}
	e.change(t, filepath.Join(dir, "evil"), filepath.Join(secret, "s"))
	syncSome(t.Context(), t, m, dir)
	if infos, err := m.ReadSrcinfos(t.Context(), []string{hidden, own, good}); err != nil || infos[hidden].Err == nil || infos[good].Err != nil {
		t.Error("the secret can be read, or the good cannot", err)
	}
	r := syncDir(t, m, dir)
	err := r.Broken["evil"]
	switch {
	case e.words == "" && (err != nil || tipsOf(t, m)["evil main"] != own):
		t.Errorf("%v, %v", err, tipsOf(t, m))
	case e.words != "" && (err == nil || !strings.Contains(buildbtw.MessageOf(err), e.words)):
		t.Errorf("got %v, want an error for people with %q", err, e.words)
	case err != nil && (strings.Contains(buildbtw.MessageOf(err), secret) || strings.Contains(buildbtw.MessageOf(err), dir)):
		t.Errorf("the message shows a path: %v", err)
	}
	if tips := tipsOf(t, m); tips["good main"] != good || more > 0 && tips["more0 main"] != good {
		t.Error("the good source is not mirrored")
	}
	if infos, err := m.ReadSrcinfos(t.Context(), []string{hidden}); err != nil || infos[hidden].Err == nil {
		t.Error("the secret is in the mirror")
	}
	if _, err := os.Stat(filepath.Join(secret, "s", "ran")); err == nil {
		t.Error("a program of the source's configuration has run")
	}
}

// A link below the directory of sources is followed, one out of it only where the
// operator says so.
func TestWhichLinksAreFollowed(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	dir, own := filepath.Join(home, "packages"), filepath.Join(home, "src")
	must(t, os.Mkdir(dir, 0o755))
	must(t, os.Mkdir(own, 0o755))
	inside := newSource(t, filepath.Join(dir, "real"), "1")
	outside := newSource(t, filepath.Join(own, "foo"), "2")
	must(t, os.Symlink("real", filepath.Join(dir, "alias")))
	must(t, os.Symlink(filepath.Join(own, "foo"), filepath.Join(dir, "foo")))
	must(t, os.Symlink(filepath.Join(home, "nowhere"), filepath.Join(dir, "dangling")))
	gitIn(t, filepath.Join(own, "foo"), "worktree", "add", "--quiet", "-b", "other", filepath.Join(dir, "tree"))
	gitIn(t, dir, "clone", "--quiet", "--shared", filepath.Join(own, "foo"), "shared")

	m := openMirror(t)
	r := syncDir(t, m, dir)
	for _, slug := range []string{"foo", "tree", "shared"} {
		if err := r.Broken[slug]; err == nil || !strings.Contains(buildbtw.MessageOf(err), "--source-links") {
			t.Errorf("%s: %v", slug, err)
		}
	}
	if got := tipsOf(t, m); len(r.Broken) != 3 || got["real main"] != inside || got["alias main"] != inside {
		t.Errorf("broken %v, tips %v", r.Broken, got)
	}
	m.SetLinks([]string{own, filepath.Join(home, "not-there")})
	mustSync(t, m, dir)
	got := tipsOf(t, m)
	if got["foo main"] != outside || got["tree other"] != outside || got["shared main"] != outside {
		t.Errorf("tips %v", got)
	}
}

// Plain directories are read the same way.
func TestAPlainDirectoryLeadsNowhereElse(t *testing.T) {
	t.Parallel()
	dir, m := t.TempDir(), openMirror(t)
	source := filepath.Join(dir, "a")
	plainSource(t, source)
	write(t, filepath.Join(source, ".SRCINFO"), "pkgbase = a\n")
	must(t, syscall.Mkfifo(filepath.Join(source, "pipe"), 0o666))
	must(t, os.Symlink("/etc/passwd", filepath.Join(source, "link")))
	must(t, os.Symlink("/etc", filepath.Join(source, "etc")))
	mustSync(t, m, dir)
	commit := tipsOf(t, m)["a main"]
	if got := gitIn(t, m.Dir(), "ls-tree", "-r", "--name-only", commit); got != ".SRCINFO\nPKGBUILD\netc\nlink" {
		t.Errorf("tree: %q", got)
	}
	if got := gitIn(t, m.Dir(), "cat-file", "blob", commit+":link"); got != "/etc/passwd"[:len(got)] || len(got) > len("/etc/passwd") {
		t.Errorf("the link became %q", got)
	}
}
