package pacmanrepo_test

import (
	"crypto/sha512"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"buildbtw"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/signing"
	"buildbtw/signing/agent"
	"buildbtw/signing/gpgtest"
)

// signatures has an agent sign files, which lie in the repository below dir.
func signatures(t *testing.T, h *gpgtest.Home, key, dir string, files ...buildbtw.Package) map[string][]byte {
	t.Helper()
	a, err := agent.Find(t.Context(), h.Dir, key, nil)
	if err != nil {
		t.Fatal(err)
	}
	l := signing.List{Format: signing.Format, Release: 1, Target: "stable", Buildspace: "space", Iteration: 1, Set: strings.Repeat("0a", 32), Base: strings.Repeat("0b", 32)}
	for _, f := range files {
		file, err := os.Open(archFile(dir, x86, f.Filename))
		if err != nil {
			t.Fatal(err)
		}
		sum := sha512.New()
		size, err := io.Copy(sum, file)
		file.Close()
		if err != nil {
			t.Fatal(err)
		}
		state, err := signing.State(sum)
		if err != nil {
			t.Fatal(err)
		}
		l.Files = append(l.Files, signing.File{Name: f.Filename, Size: size, SHA256: f.SHA256, State: state})
	}
	signed, err := a.Sign(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	by := map[string][]byte{}
	for _, s := range signed {
		by[s.SHA256] = s.Packet
	}
	return by
}

// release stages packages, publishes them, and shows a generation with them, signed by key
// unless that is empty.
type releases struct {
	repos   *pacmanrepo.Repos
	dir     string
	targets *pacmanrepo.Generations
	gpg     *gpgtest.Home
	number  int
}

func (r *releases) show(t *testing.T, key string, packages ...pkg) []buildbtw.Package {
	t.Helper()
	r.number++
	files := stage(t, r.repos, int64(r.number), packages...)
	if err := r.repos.Publish(t.Context(), publication(int64(r.number), files, x86)); err != nil {
		t.Fatal(err)
	}
	next := nextGeneration(r.number, r.number-1, r.number-1, files)
	if key != "" {
		next.Signatures = signatures(t, r.gpg, key, r.dir, files...)
	}
	show(t, r.targets, next)
	return files
}

func newReleases(t *testing.T) *releases {
	t.Helper()
	r, dir := open(t, pacmanrepo.Options{})
	create(t, r, x86)
	return &releases{repos: r, dir: dir, targets: generations(t, r, dir, nil), gpg: gpgtest.New(t)}
}

func TestSignaturesStandWhereRepoAddPutsThem(t *testing.T) {
	t.Parallel()
	need(t, "repo-add", "bsdtar")
	r := newReleases(t)
	key := r.gpg.Key("ed25519", "0")
	files := r.show(t, key, pkg{name: "foo", ext: "zst"})
	signature, _ := contents(t, r.targets, files[0].Filename+".sig")
	package1, _ := contents(t, r.targets, files[0].Filename)
	if words, by := r.gpg.Status([]byte(package1), []byte(signature)); by != key {
		t.Errorf("gpg says %v", words)
	}
	oracle := t.TempDir()
	path := filepath.Join(oracle, files[0].Filename)
	database, _ := contents(t, r.targets, "stable.db")
	for name, text := range map[string]string{path: package1, path + ".sig": signature, filepath.Join(oracle, "ours"): database} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run(t, "repo-add", filepath.Join(oracle, "stable.db.tar.zst"), path)
	want, got := members(t, filepath.Join(oracle, "stable.db")), members(t, filepath.Join(oracle, "ours"))
	if d := cmp.Diff(want, got); d != "" || !strings.Contains(got["foo-1.0-1/desc"], "%PGPSIG%\n") {
		t.Errorf("it differs from repo-add's (-want +got):\n%s", d)
	}

	// What stays keeps its signature, in the next generation and after it was withdrawn.
	r.show(t, "", pkg{name: "bar", ext: "zst"})
	again, _ := contents(t, r.targets, files[0].Filename+".sig")
	if again != signature {
		t.Error("the signature has changed with the next generation")
	}
	if _, err := r.targets.OpenFile("stable", x86, "bar-1.0-1-x86_64.pkg.tar.zst.sig"); buildbtw.KindOf(err) != buildbtw.KindNotFound {
		t.Errorf("a file that nobody signed: %v", err)
	}
	show(t, r.targets, pacmanrepo.NextGeneration{Target: "stable", Number: 3, From: 1, Shown: 2, Architectures: []string{x86}})
	if back, _ := contents(t, r.targets, "stable.db"); back != database {
		t.Error("withdrawing changed the database")
	}
	if back, _ := contents(t, r.targets, files[0].Filename+".sig"); back != signature {
		t.Error("withdrawing changed the signature")
	}
}

func TestADirectoryElsewhereHasTheSignatures(t *testing.T) {
	t.Parallel()
	r := newReleases(t)
	key := r.gpg.Key("ed25519", "0")
	elsewhere := t.TempDir()
	d, err := r.targets.Directory("stable", elsewhere)
	if err != nil {
		t.Fatal(err)
	}
	for number, version := range []string{"1.0-1", "2.0-1"} {
		files := r.show(t, key, pkg{name: "foo", version: version, ext: "zst"})
		if err := d.Switch(t.Context(), number+1); err != nil {
			t.Fatal(err)
		}
		if number > 0 {
			if err := d.Remove(number, []int{number + 1}); err != nil {
				t.Fatal(err)
			}
		}
		want := []string{files[0].Filename, files[0].Filename + ".sig", "stable.db", "stable.db.tar.zst", "stable.files", "stable.files.tar.zst"}
		if diff := cmp.Diff(want, namesIn(t, elsewhere)); diff != "" {
			t.Errorf("the directory (-want +got):\n%s", diff)
		}
	}
}

func TestAFileWithoutItsSignatureIsNotShown(t *testing.T) {
	t.Parallel()
	r, dir := open(t, pacmanrepo.Options{})
	create(t, r, x86)
	g := generations(t, r, dir, nil)
	files := stage(t, r, 1, pkg{name: "foo", ext: "zst"}, pkg{name: "foo-docs", base: "foo", ext: "zst"})
	if err := r.Publish(t.Context(), publication(1, files, x86)); err != nil {
		t.Fatal(err)
	}
	next := nextGeneration(1, 0, 0, files)
	for name, s := range map[string]map[string][]byte{
		"foo-docs-1.0-1-x86_64.pkg.tar.zst has no signature": {files[0].SHA256: []byte("x")},
		"has 0 bytes":     {files[0].SHA256: nil, files[1].SHA256: nil},
		"has 16385 bytes": {files[0].SHA256: make([]byte, 16385), files[1].SHA256: make([]byte, 16385)},
	} {
		next.Signatures = s
		if _, err := g.Write(t.Context(), next); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// serveTarget serves a target over HTTP on loopback.
func serveTarget(t *testing.T, g *pacmanrepo.Generations) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		f, err := g.OpenFile("stable", x86, filepath.Base(req.URL.Path))
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			t.Error(err)
			return
		}
		http.ServeContent(w, req, "", info.ModTime(), f)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// keyringPackage has the public keys of a distribution, as archlinux-keyring has.
func keyringPackage(h *gpgtest.Home, version string, fingerprints ...string) pkg {
	dir := "usr/share/pacman/keyrings/"
	trusted := strings.Join(fingerprints, ":4:\n") + ":4:\n"
	return pkg{name: "example-keyring", version: version, ext: "zst", contents: map[string]string{
		dir + "example.gpg":     string(h.Public(fingerprints...)),
		dir + "example-trusted": trusted,
		dir + "example-revoked": "",
	}}
}

// populate does what the .install of a keyring package has pacman-key --populate do, which
// reads one directory of the system only.
func (p pacman) populate(t *testing.T, keyrings string) {
	t.Helper()
	key := func(args ...string) {
		t.Helper()
		run(t, "fakeroot", append([]string{"pacman-key", "--config", p.conf, "--gpgdir", filepath.Join(p.root, "gnupg")}, args...)...)
	}
	key("--add", filepath.Join(keyrings, "example.gpg"))
	trusted, err := os.ReadFile(filepath.Join(keyrings, "example-trusted"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(trusted)) {
		fingerprint, _, _ := strings.Cut(line, ":")
		key("--lsign-key", fingerprint)
	}
}

// docs/release.md: a new key's keyring package is released before the first package that it
// signs.
func TestPacmanRequiresSignaturesAndLearnsNewKeys(t *testing.T) {
	t.Parallel()
	need(t, "pacman-key", "pacman", "fakeroot")
	r := newReleases(t)
	first, second := r.gpg.Key("ed25519", "0"), r.gpg.Key("rsa2048", "0")
	p := newPacman(t, fmt.Sprintf("[stable]\nSigLevel = Required DatabaseOptional\nServer = %s\n", serveTarget(t, r.targets)))
	home := filepath.Join(p.root, "gnupg")
	if err := os.Chmod(home, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = command(t, "gpgconf", "--homedir", home, "--kill", "all") })
	run(t, "fakeroot", "pacman-key", "--config", p.conf, "--gpgdir", home, "--init")
	// Unknown keys are not looked for elsewhere.
	if err := os.WriteFile(filepath.Join(home, "gpg.conf"), []byte("no-greeting\nno-permission-warning\ndisable-dirmngr\n"), 0o600); err != nil {
		t.Fatal(err)
	}

	// The machine is installed with the first keyring.
	r.show(t, first, keyringPackage(r.gpg, "1-1", first))
	r.show(t, first, pkg{name: "foo", ext: "zst"})
	started := filepath.Join(t.TempDir(), "keyrings")
	if err := os.Mkdir(started, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range keyringPackage(r.gpg, "1-1", first).contents {
		if err := os.WriteFile(filepath.Join(started, filepath.Base(name)), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p.populate(t, started)
	mustContain(t, p.run(t, "-Sy", "foo", "example-keyring"), "checking package integrity")
	mustContain(t, p.run(t, "-Q"), "foo 1.0-1")

	// The wrong order: the new key signs before anybody has it.
	r.show(t, second, pkg{name: "foo", version: "2.0-1", ext: "zst"})
	if out, err := p.try(t, "-Syu"); err == nil || !strings.Contains(out, second[len(second)-16:]) && !strings.Contains(out, "required key missing") {
		t.Errorf("pacman took a package of an unknown key: %v\n%s", err, out)
	}
	// The keyring package, signed with the old key; then the package can be had.
	r.show(t, first, keyringPackage(r.gpg, "2-1", first, second))
	p.run(t, "-Sy", "example-keyring")
	p.populate(t, filepath.Join(p.root, "usr/share/pacman/keyrings"))
	p.run(t, "-Su")
	mustContain(t, p.run(t, "-Q"), "foo 2.0-1", "example-keyring 2-1")

	// Unsigned, and as a file with a signature over another one.
	r.show(t, "", pkg{name: "foo", version: "3.0-1", ext: "zst"})
	if out, err := p.try(t, "-Syu"); err == nil {
		t.Errorf("pacman took a package without a signature:\n%s", out)
	}
	files := r.show(t, second, pkg{name: "foo", version: "4.0-1", ext: "zst"})
	local := filepath.Join(t.TempDir(), files[0].Filename)
	for _, suffix := range []string{"", ".sig"} {
		text, _ := contents(t, r.targets, files[0].Filename+suffix)
		if err := os.WriteFile(local+suffix, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	conf := p
	conf.conf = filepath.Join(p.root, "local.conf")
	if err := os.WriteFile(conf.conf, []byte("[options]\nArchitecture = x86_64\nSigLevel = Required\nLocalFileSigLevel = Required\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	conf.run(t, "-U", local)
	mustContain(t, p.run(t, "-Q"), "foo 4.0-1")
	other, _ := contents(t, r.targets, "example-keyring-2-1-x86_64.pkg.tar.zst.sig")
	if err := os.WriteFile(local+".sig", []byte(other), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := conf.try(t, "-U", local); err == nil || !strings.Contains(out, "invalid") {
		t.Errorf("pacman took a file with the signature of another: %v\n%s", err, out)
	}
}

// showDatabases shows a generation as show does, with signatures of its databases.
func (r *releases) showDatabases(t *testing.T, key string, packages ...pkg) {
	t.Helper()
	r.number++
	files := stage(t, r.repos, int64(r.number), packages...)
	if err := r.repos.Publish(t.Context(), publication(int64(r.number), files, x86)); err != nil {
		t.Fatal(err)
	}
	next := nextGeneration(r.number, r.number-1, r.number-1, files)
	next.Signatures, next.SignedDatabases = signatures(t, r.gpg, key, r.dir, files...), true
	if _, err := r.targets.Write(t.Context(), next); buildbtw.KindOf(err) != buildbtw.KindConflict || !strings.Contains(err.Error(), "would have no signature") {
		t.Fatalf("written without signatures of its databases: %v", err)
	}
	r.signDatabases(t, key, &next)
	show(t, r.targets, next)
}

func (r *releases) signDatabases(t *testing.T, key string, next *pacmanrepo.NextGeneration) {
	t.Helper()
	a, err := agent.Find(t.Context(), r.gpg.Dir, key, nil)
	if err != nil {
		t.Fatal(err)
	}
	databases, err := r.targets.Databases(t.Context(), *next)
	if err != nil {
		t.Fatal(err)
	}
	l := signing.List{Format: signing.Format, Release: 1, Target: "stable", Buildspace: "space", Iteration: 1, Set: strings.Repeat("0a", 32), Base: strings.Repeat("0b", 32)}
	for _, f := range databases {
		l.Files = append(l.Files, signing.File{Name: f.Name, Size: f.Size, SHA256: f.SHA256, State: f.State})
	}
	if err := l.Validate(); err != nil || l.Databases() != 2 {
		t.Fatalf("the list %+v: %v", l, err)
	}
	signed, err := a.Sign(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range signed {
		next.Signatures[s.SHA256] = s.Packet
	}
}

func TestPacmanRequiresSignedDatabases(t *testing.T) {
	t.Parallel()
	need(t, "pacman-key", "pacman", "fakeroot")
	r := newReleases(t)
	key := r.gpg.Key("ed25519", "0")
	p := newPacman(t, fmt.Sprintf("[stable]\nSigLevel = Required\nServer = %s\n", serveTarget(t, r.targets)))
	home := filepath.Join(p.root, "gnupg")
	if err := os.Chmod(home, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = command(t, "gpgconf", "--homedir", home, "--kill", "all") })
	run(t, "fakeroot", "pacman-key", "--config", p.conf, "--gpgdir", home, "--init")
	if err := os.WriteFile(filepath.Join(home, "gpg.conf"), []byte("no-greeting\nno-permission-warning\ndisable-dirmngr\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	keyrings := t.TempDir()
	for name, text := range keyringPackage(r.gpg, "1-1", key).contents {
		if err := os.WriteFile(filepath.Join(keyrings, filepath.Base(name)), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p.populate(t, keyrings)

	r.showDatabases(t, key, pkg{name: "foo", ext: "zst"})
	if signed, err := r.targets.HasSignedDatabases("stable", 1); err != nil || !signed {
		t.Errorf("its databases are signed: %v, %v", signed, err)
	}
	first, _ := contents(t, r.targets, "stable.db.sig")
	p.run(t, "-Sy", "foo")
	p.run(t, "-Fy")
	r.showDatabases(t, key, pkg{name: "foo", version: "2.0-1", ext: "zst"})
	p.run(t, "-Syu")
	mustContain(t, p.run(t, "-Q"), "foo 2.0-1")

	// What was withdrawn has the signatures of before, and pacman takes it for newer.
	show(t, r.targets, pacmanrepo.NextGeneration{Target: "stable", Number: 3, From: 1, Shown: 2, Architectures: []string{x86}, SignedDatabases: true})
	if back, _ := contents(t, r.targets, "stable.db.sig"); back != first {
		t.Error("withdrawing changed the signature of the database")
	}
	mustContain(t, p.run(t, "-Sy"), "stable")
	mustContain(t, p.run(t, "-Sl"), "foo 1.0-1")

	// A database that nobody signed is refused.
	r.number = 3
	r.show(t, key, pkg{name: "foo", version: "3.0-1", ext: "zst"})
	if signed, err := r.targets.HasSignedDatabases("stable", 4); err != nil || signed {
		t.Errorf("its databases are not signed: %v, %v", signed, err)
	}
	if _, err := r.targets.OpenFile("stable", x86, "stable.db.sig"); buildbtw.KindOf(err) != buildbtw.KindNotFound {
		t.Errorf("the signature of another database: %v", err)
	}
	if out, err := p.try(t, "-Syu"); err == nil {
		t.Errorf("pacman took a database without a signature:\n%s", out)
	}
}

func TestADirectoryElsewhereHasTheSignaturesOfItsDatabases(t *testing.T) {
	t.Parallel()
	r := newReleases(t)
	key := r.gpg.Key("ed25519", "0")
	elsewhere := t.TempDir()
	d, err := r.targets.Directory("stable", elsewhere)
	if err != nil {
		t.Fatal(err)
	}
	good := func() {
		t.Helper()
		for _, name := range []string{"stable.db", "stable.db.tar.zst", "stable.files", "stable.files.tar.zst"} {
			database, err := os.ReadFile(filepath.Join(elsewhere, "os", x86, name))
			if err != nil {
				t.Fatal(err)
			}
			signature, err := os.ReadFile(filepath.Join(elsewhere, "os", x86, name+".sig"))
			if err != nil {
				t.Fatal(err)
			}
			if words, by := r.gpg.Status(database, signature); by != key {
				t.Errorf("gpg says of %s: %v", name, words)
			}
		}
	}
	for number, version := range []string{"1.0-1", "2.0-1"} {
		r.showDatabases(t, key, pkg{name: "foo", version: version, ext: "zst"})
		if err := d.Switch(t.Context(), number+1); err != nil {
			t.Fatal(err)
		}
		good()
	}
	r.show(t, key, pkg{name: "foo", version: "3.0-1", ext: "zst"})
	if err := d.Switch(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	for _, name := range namesIn(t, elsewhere) {
		if strings.HasPrefix(name, "stable.") && strings.HasSuffix(name, ".sig") {
			t.Errorf("%s is the signature of an older database", name)
		}
	}
}
