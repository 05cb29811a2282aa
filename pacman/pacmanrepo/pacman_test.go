package pacmanrepo_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"buildbtw/pacman/pacmanrepo"
)

// pacman is the real program on a root of its own.
type pacman struct {
	root, conf string
}

// newPacman is set up with nothing but the section that PacmanConf gives. It
// needs no privilege: fakeroot lets pacman believe that it is root.
func newPacman(t *testing.T, section string) pacman {
	t.Helper()
	need(t, "pacman", "fakeroot")
	// Not TempDir, whose path may be too long for the sockets of gpg-agent (unix(7): 108 bytes).
	root, err := os.MkdirTemp("", "pacman")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(root); err != nil {
			t.Error(err)
		}
	})
	p := pacman{root: root}
	for _, dir := range []string{"var/lib/pacman", "cache", "hooks", "gnupg"} {
		if err := os.MkdirAll(filepath.Join(p.root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	p.conf = filepath.Join(p.root, "pacman.conf")
	// The global level is devtools', which refuses unsigned packages.
	conf := "[options]\nArchitecture = x86_64\nSigLevel = Required DatabaseOptional\n\n" + section
	if err := os.WriteFile(p.conf, []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p pacman) try(t *testing.T, args ...string) (string, error) {
	t.Helper()
	in := func(s string) string { return filepath.Join(p.root, s) }
	common := []string{
		"pacman", "--root", p.root, "--dbpath", in("var/lib/pacman"), "--cachedir", in("cache"), "--hookdir", in("hooks"),
		"--gpgdir", in("gnupg"), "--logfile", in("log"), "--config", p.conf, "--noconfirm",
	}
	return command(t, "fakeroot", append(common, args...)...)
}

func (p pacman) run(t *testing.T, args ...string) string {
	t.Helper()
	out, err := p.try(t, args...)
	if err != nil {
		t.Fatalf("pacman %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func mustContain(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("%q is not in:\n%s", w, text)
		}
	}
}

func TestPacmanTakesTheRepositoryFromItsFirstSecond(t *testing.T) {
	t.Parallel()
	eachTool(t, func(t *testing.T, o pacmanrepo.Options) {
		r, _ := open(t, o)
		create(t, r, x86)
		p := newPacman(t, pacmanrepo.PacmanConf(dbName, serve(t, r)+"/", repository))

		p.run(t, "-Sy")
		p.run(t, "-Fy")
		if out, err := p.try(t, "-S", "foo"); err == nil || !strings.Contains(out, "target not found: foo") {
			t.Errorf("%v\n%s", err, out)
		}

		publish(t, r, 1,
			pkg{name: "foo", version: "1:1.0-1", ext: "zst", info: []string{"depend = libbar.so=1-64"}, files: []string{"usr/bin/foo-tool"}})
		publish(t, r, 2, pkg{name: "bar", ext: "xz", info: []string{"provides = libbar.so=1-64"}})
		publish(t, r, 3, pkg{name: "baz", ext: "gz", arch: "any"})
		publish(t, r, 4, pkg{name: "qux", ext: ""})

		p.run(t, "-Sy") // in the same second as the first one
		mustContain(t, p.run(t, "-Sl"), "space foo 1:1.0-1", "space bar 1.0-1", "space baz 1.0-1", "space qux 1.0-1")
		p.run(t, "-S", "foo", "baz", "qux")
		mustContain(t, p.run(t, "-Q"), "foo 1:1.0-1", "bar 1.0-1", "baz 1.0-1", "qux 1.0-1")
		if _, err := os.Stat(filepath.Join(p.root, "usr/share/foo/text")); err != nil {
			t.Error(err)
		}
		p.run(t, "-Fy")
		mustContain(t, p.run(t, "-F", "foo-tool"), "space/foo 1:1.0-1", "usr/bin/foo-tool")

		publish(t, r, 5, pkg{name: "foo", version: "1:1.1-1", ext: "zst", info: []string{"depend = libbar.so=1-64"}})
		p.run(t, "-Syu")
		mustContain(t, p.run(t, "-Q", "foo"), "foo 1:1.1-1")
		p.run(t, "-Sw", "foo", "bar")
	})
}

func TestPacmanWithAnOlderDatabaseStillFindsTheReplacedFile(t *testing.T) {
	t.Parallel()
	r, _ := open(t, pacmanrepo.Options{})
	create(t, r, x86)
	publish(t, r, 1, pkg{name: "foo", version: "1.0-1", ext: "zst"}, pkg{name: "same", version: "1.0-1", ext: "zst"})
	p := newPacman(t, pacmanrepo.PacmanConf(dbName, serve(t, r), repository))
	p.run(t, "-Sy")
	publish(t, r, 2, pkg{name: "foo", version: "1.1-1", ext: "zst"})
	publish(t, r, 3, pkg{name: "same", version: "1.0-1", ext: "zst", salt: "rebuilt"})

	p.run(t, "-S", "foo")
	mustContain(t, p.run(t, "-Q"), "foo 1.0-1")
	// Name and version are the same, the bytes are not: refused, never installed.
	if out, err := p.try(t, "-S", "same"); err == nil || !strings.Contains(out, "checksum") && !strings.Contains(out, "size") {
		t.Errorf("%v\n%s", err, out)
	}
	p.run(t, "-Sy", "same")
}

// TestPacmanReadsADatabaseOfManyBlocks has packages enough for several frames
// of zstd in the databases.
func TestPacmanReadsADatabaseOfManyBlocks(t *testing.T) {
	t.Parallel()
	r, dir := open(t, pacmanrepo.Options{})
	create(t, r, x86)
	seed(t, dir, 700)
	r = reopen(t, filepath.Dir(dir), pacmanrepo.Options{})
	publish(t, r, 1, pkg{name: "foo", ext: "zst"})
	publish(t, r, 2, pkg{name: "synth-00350x", ext: "zst"})
	p := newPacman(t, pacmanrepo.PacmanConf(dbName, serve(t, r), repository))
	p.run(t, "-Sy")
	p.run(t, "-Fy")
	if got := strings.Count(p.run(t, "-Sl", dbName), "\n"); got != 702 {
		t.Errorf("%d packages listed", got)
	}
	if got := strings.Count(p.run(t, "-Fl"), "\n"); got < 700*60 {
		t.Errorf("%d files listed", got)
	}
	p.run(t, "-S", "foo", "synth-00350x")
}
