package pkgctl_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buildbtw"
	"buildbtw/internal/flock"
	"buildbtw/runners"
	"buildbtw/runners/fetch"
	"buildbtw/runners/pkgctl"
)

func TestMain(m *testing.M) {
	fetch.Inside()
	os.Exit(m.Run())
}

// machine is an Arch Linux machine as far as the runner sees one: directories
// instead of root's, and recorded stand-ins of devtools, sudo and gpg.
type machine struct {
	dir    string
	mirror string // HOST:PORT of a server that has every source
	o      pkgctl.Options
	run    *pkgctl.Runner
}

const template = "[options]\nHoldPkg = pacman glibc\nSigLevel = Required DatabaseOptional\n\n[core]\nInclude = /etc/pacman.d/mirrorlist\n\n[extra]\nInclude = /etc/pacman.d/mirrorlist\n"

func newMachine(t *testing.T) *machine {
	t.Helper()
	m := &machine{dir: t.TempDir()}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "text") }))
	t.Cleanup(server.Close)
	m.mirror = server.Listener.Addr().String()
	entries, err := os.ReadDir("testdata/bin")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join("testdata/bin", e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		m.write(t, filepath.Join("bin", e.Name()), strings.ReplaceAll(string(text), "$STANDIN", m.dir), 0o755) // the environment does not pass it on
	}
	for name, text := range map[string]string{
		"extra.conf": template, "multilib.conf": template + "\n[multilib]\nInclude = /etc/pacman.d/mirrorlist\n",
		"extra-x86_64_v3.conf": strings.Replace(template, "[options]", "[options]\n# [v3]", 1),
	} {
		m.write(t, "data/pacman.conf.d/"+name, text, 0o644)
	}
	netns, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(m.mirror)
	if err != nil {
		t.Fatal(err)
	}
	m.write(t, "netns", netns, 0o644)
	m.write(t, "port", port, 0o644)
	fetcher, err := fetch.New(fetch.Options{Allow: []string{m.mirror}})
	if err != nil {
		t.Fatal(err)
	}
	if err := fetcher.Probe(t.Context()); err != nil {
		t.Skipf("nothing can be fetched here: %v", err)
	}
	bin := filepath.Join(m.dir, "bin")
	m.o = pkgctl.Options{
		BinDir: bin, DataDir: filepath.Join(m.dir, "data"), Chroots: filepath.Join(m.dir, "chroots"),
		GPG: filepath.Join(bin, "gpg"), Sudo: []string{filepath.Join(bin, "sudo"), "-n"}, Users: "-1", Fetcher: fetcher,
	}
	m.run = pkgctl.New(m.o)
	return m
}

func (m *machine) write(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	file := filepath.Join(m.dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

// calls returns what devtools' programs were called with since the last time.
func (m *machine) calls(t *testing.T) string {
	t.Helper()
	name := filepath.Join(m.dir, "calls")
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func job(t *testing.T, pkgbase, wish string, sources ...string) runners.Job {
	t.Helper()
	dir := t.TempDir()
	j := runners.Job{Tree: filepath.Join(dir, "tree"), Output: filepath.Join(dir, "output"), Work: filepath.Join(dir, "work")}
	for _, d := range []string{j.Tree, j.Output, j.Work} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"PKGBUILD": "# never run", "standin": wish, pkgbase + "-1-1-x86_64.pkg.tar.zst": "made"} {
		if err := os.WriteFile(filepath.Join(j.Tree, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	j.Srcinfo = "pkgbase = " + pkgbase + "\n\tpkgver = 1\n\tpkgrel = 1\n\tarch = x86_64\n\tdepends = libfoo>=2\n\tmakedepends = cmake\n\tcheckdepends = python\n\tvalidpgpkeys = ABC\n"
	for _, s := range sources {
		j.Srcinfo += "\tsource = " + s + "\n"
	}
	j.Srcinfo += "\npkgname = " + pkgbase + "\n"
	j.Mark = runners.Mark(dir)
	j.Pkgbase, j.Architecture, j.SourceDate = pkgbase, "x86_64", 42
	j.Repository.Name, j.Repository.URL = "curl", "http://host/repo/curl_1/os/x86_64"
	return j
}

// What downloads has a network and runs nothing of an iteration's packages; what
// does that has none, and looks for a way out in vain.
func TestDevtoolsIsCalledInTwoSteps(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	next := func(j runners.Job) runners.Job {
		j.Repository.URL = "http://host/repo/curl_2/os/x86_64"
		return j
	}
	nocheck := job(t, "tool", "built")
	nocheck.NoCheck = true
	elsewhere := job(t, "tool", "built")
	elsewhere.Srcinfo = strings.Replace(elsewhere.Srcinfo, "arch = x86_64", "arch = armv7h", 1)
	remote := job(t, "tool", "built", "payload::http://"+m.mirror+"/x")
	v3 := job(t, "tool", "built")
	v3.Architecture = "x86_64_v3"
	made := func(arch, settings string) string {
		return "mkarchroot " + settings + " " + arch + ".conf base-devel\n"
	}
	prepare := func(repos, depends string) string {
		return "nspawn network options core extra pacman -Syuu --noconfirm\nnspawn network options curl " + repos + " chroot_download " + depends + "\n"
	}
	build := func(repos, arch, sources, arguments string) string {
		return "nspawn alone options curl " + repos + strings.TrimRight(" chroot_install "+arguments, " ") + "\n" +
			"makechrootpkg -n -r " + filepath.Join(m.dir, "chroots/buildbtw", arch, "1") + " -l build -U buildbtw-build -- " + arguments + "epoch 42 packager buildbtw pkgctl runner <buildbtw@localhost> sources " + sources + "\n"
	}
	const wanted = "libfoo>=2 cmake python"
	for _, test := range []struct {
		what string
		job  runners.Job
		want string
	}{
		{"first build: a new chroot", job(t, "tool", "built"), made("x86_64", "extra.conf") + prepare("core extra", wanted) + build("core extra", "x86_64", "", "")},
		{"the chroot stays; no check", nocheck, prepare("core extra", "libfoo>=2 cmake") + build("core extra", "x86_64", "", "--nocheck ")},
		{"an arch array that the server ignores", elsewhere, prepare("core extra", wanted) + build("core extra", "x86_64", "", "--ignorearch ")},
		{"a source that was fetched", remote, prepare("core extra", wanted) + build("core extra", "x86_64", "payload ", "")},
		{"next iteration: it stays, too", next(job(t, "tool", "built")), prepare("core extra", wanted) + build("core extra", "x86_64", "", "")},
		{"multilib is in the copy only", next(job(t, "lib32-tool", "built")), prepare("core extra multilib", "libfoo>=2 cmake multilib-devel python") + build("core extra multilib", "x86_64", "", "")},
		{"an architecture with settings of its own", v3, strings.ReplaceAll(made("x86_64_v3", "extra-x86_64_v3.conf")+prepare("core extra", wanted)+build("core extra", "x86_64_v3", "", "--ignorearch "), "options", "options v3")},
	} {
		var log bytes.Buffer
		result := m.run.Build(t.Context(), test.job, &log)
		if result.Outcome != buildbtw.OutcomeBuilt {
			t.Fatalf("%s: %+v\n%s", test.what, result, &log)
		}
		if diff := cmp.Diff(test.want, m.calls(t)); diff != "" {
			t.Errorf("%s: %s", test.what, diff)
		}
		entries, err := os.ReadDir(test.job.Output)
		if err != nil || len(entries) != 1 || entries[0].Name() != test.job.Pkgbase+"-1-1-x86_64.pkg.tar.zst" {
			t.Errorf("%s: %v, %v", test.what, entries, err)
		}
		if err := runners.RemoveTree(filepath.Dir(test.job.Work)); err != nil {
			t.Errorf("%s: %v", test.what, err)
		}
	}
}

// pacman gets an iteration's files where they are given to workers only, without getting
// to see the token.
func TestPacmanNeedsNoToken(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.write(t, "wish", "fetch", 0o644)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" || r.URL.Path != "/repo/curl_1/os/x86_64/curl.db" {
			http.NotFound(w, r)
			return
		}
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader("-database"))
	}))
	t.Cleanup(server.Close)
	j := job(t, "tool", "built")
	j.Repository.URL = server.URL + "/repo/curl_1/os/x86_64"
	j.Authorize = func(r *http.Request) error {
		r.Header.Set("Authorization", "Bearer secret")
		return nil
	}
	var log bytes.Buffer
	if got := m.run.Build(t.Context(), j, &log); got.Outcome != buildbtw.OutcomeBuilt {
		t.Fatalf("%+v\n%s", got, &log)
	}
	text, err := os.ReadFile(filepath.Join(m.dir, "database"))
	if err != nil || string(text) != "database" { // all but the first byte was asked for
		t.Errorf("%q, %v", text, err)
	}
	settings, err := os.ReadFile(filepath.Join(m.dir, "settings"))
	if err != nil || !strings.Contains(string(settings), "Server = http://127.0.0.1:") || strings.Contains(string(settings)+log.String(), "secret") {
		t.Errorf("%v\n%s\n%s", err, settings, &log)
	}
	_, address, _ := strings.Cut(string(settings), "Server = ")
	address, _, _ = strings.Cut(address, "\n")
	if answer, err := http.Get(address + "/curl.db"); err == nil {
		answer.Body.Close()
		t.Error("there is still an answer after the build")
	}
}

// A chroot that could not be updated is made anew for the next build: it may be half
// of one. Dependencies that do not exist say nothing against it.
func TestOnlyASoundChrootStays(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	for _, test := range []struct {
		wish string
		made bool
		want buildbtw.Outcome
	}{
		{"", true, buildbtw.OutcomeBuilt},
		{"dependency", false, buildbtw.OutcomeFailed},
		{"update", false, buildbtw.OutcomeInfrastructure},
		{"", true, buildbtw.OutcomeBuilt},
	} {
		m.write(t, "wish", test.wish, 0o644)
		var log bytes.Buffer
		result := m.run.Build(t.Context(), job(t, "tool", "built"), &log)
		if made := strings.Contains(m.calls(t), "mkarchroot"); result.Outcome != test.want || made != test.made {
			t.Errorf("%q: made anew: %v, %+v\n%s", test.wish, made, result, &log)
		}
	}
}

// Builds at the same time, of this worker or another, have a chroot each.
func TestBuildsAtOnceHaveAChrootEach(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("the second chroot's user is not mapped for an ordinary user")
	}
	m := newMachine(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	hanging, ended := make(chan struct{}), make(chan struct{})
	once := sync.OnceFunc(func() { close(hanging) })
	log := &hook{}
	log.then = func() {
		if strings.Contains(log.text.String(), "hanging") {
			once()
		}
	}
	first := job(t, "tool", "hang")
	go func() {
		defer close(ended)
		m.run.Build(ctx, first, log)
	}()
	<-hanging
	for _, place := range []string{"chroot 2 ", "chroot 2 "} {
		var said bytes.Buffer
		if got := m.run.Build(t.Context(), job(t, "tool", "built"), &said); got.Outcome != buildbtw.OutcomeBuilt || !strings.Contains(said.String(), place) {
			t.Errorf("want %s: %+v\n%s", place, got, &said)
		}
	}
	cancel(errors.New("enough"))
	<-ended
	var said bytes.Buffer
	if got := m.run.Build(t.Context(), job(t, "tool", "built"), &said); got.Outcome != buildbtw.OutcomeBuilt || !strings.Contains(said.String(), "chroot 1 ") {
		t.Errorf("the first chroot is not free again: %+v\n%s", got, &said)
	}
}

// A chroot that nobody has used for a week goes, and one that nobody uses when there is
// no room; one that is in use stays.
func TestChrootsThatNobodyUsesGo(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	long := filepath.Join(m.dir, "chroots/buildbtw")
	for name, days := range map[string]int{"x86_64/2": 6, "x86_64/3": 8, "x86_64/4": 9, "x86_64/5": 1, "armv7h/1": 30, "armv7h/2": 2} {
		m.write(t, filepath.Join("chroots/buildbtw", name, "root/file"), "", 0o644)
		m.write(t, filepath.Join("chroots/buildbtw", name+".lock"), "", 0o644)
		then := time.Now().AddDate(0, 0, -days)
		if err := os.Chtimes(filepath.Join(long, name+".lock"), then, then); err != nil {
			t.Fatal(err)
		}
	}
	held, err := flock.Take(filepath.Join(long, "x86_64/4.lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = held.Release() }()
	for _, test := range []struct{ room, want string }{
		{"echo 99999999", "armv7h/2 x86_64/1 x86_64/2 x86_64/4 x86_64/5"},
		{"test -e " + long + "/armv7h/2 && echo 1000000 || echo 99999999", "x86_64/1 x86_64/4 x86_64/5"},
		{"echo 1000000", "x86_64/1 x86_64/4"},
	} {
		m.write(t, "bin/df", "#!/bin/sh\necho Avail\n"+test.room+"\n", 0o755)
		var log bytes.Buffer
		if got := m.run.Build(t.Context(), job(t, "tool", "built"), &log); got.Outcome != buildbtw.OutcomeBuilt {
			t.Fatalf("%+v\n%s", got, &log)
		}
		roots, err := filepath.Glob(long + "/*/*/root")
		if err != nil {
			t.Fatal(err)
		}
		for i, root := range roots {
			roots[i] = strings.TrimSuffix(strings.TrimPrefix(root, long+"/"), "/root")
		}
		if got := strings.Join(roots, " "); got != test.want {
			t.Errorf("%s: %s are left, want %s\n%s", test.room, got, test.want, &log)
		}
	}
}

// What is written to the copy of the chroot counts, although it is root's.
func TestABuildIsHeldToItsDisk(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("the disk is looked at every ten seconds; run without -short")
	}
	m := newMachine(t)
	m.o.Disk = 10 << 20
	var log bytes.Buffer
	if got := pkgctl.New(m.o).Build(t.Context(), job(t, "tool", "fill"), &log); got != runners.Failed("used more than 10 MiB of disk") {
		t.Errorf("%+v\n%s", got, &log)
	}
}

// makechrootpkg ends with 255 for every cause; the outcome comes from its words.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	signed := []string{"foo.tar.xz", "foo.tar.xz.sig"}
	for _, test := range []struct {
		wish    string
		sources []string
		prepare func(t *testing.T, m *machine, j *runners.Job)
		want    runners.Result
	}{
		{wish: "nothing", want: runners.Result{Outcome: "built"}}, // the agent finds that there is no package
		{wish: "build", want: runners.PackageFailed("build() failed")},
		{wish: "built", prepare: machineWish("network"), want: runners.Unreachable("the dependencies could not be downloaded: failed retrieving file 'core.db' from mirror : Could not resolve host: mirror")},
		{wish: "built", prepare: machineWish("dependency"), want: runners.Failed("the dependencies cannot be installed: target not found: nosuch")},
		{wish: "built", sources: []string{"http://127.0.0.1:1/x"}, want: runners.Failed("the source x could not be fetched: 127.0.0.1:1 is a loopback address, from which nothing is fetched; for a mirror of your own start the worker with --fetch-allow 127.0.0.1:1")},
		{wish: "keys", sources: signed, want: runners.Result{Outcome: "built"}}, // cannot be verified, and the log says so
		{wish: "keys", sources: signed, prepare: key("-----BEGIN PGP PUBLIC KEY BLOCK-----"), want: runners.Result{Outcome: "built"}},
		{wish: "keys", sources: signed, prepare: otherKey, want: runners.PackageFailed("the sources could not be verified: One or more PGP signatures could not be verified")},
		{wish: "keys", sources: signed, prepare: key("garbage"), want: runners.Failed("the keys in keys/pgp could not be imported (gpg exit code 2)")},
		{wish: "hang", prepare: func(_ *testing.T, _ *machine, j *runners.Job) { j.StallSeconds = 2 }, want: runners.Result{Outcome: "stalled", Message: "no output and no CPU use for 2 s"}},
		{wish: "built", prepare: refuseSudo, want: runners.Infrastructure("devtools could not be run: sudo: a password is required (exit code 1)")},
		{
			wish: "built", prepare: func(_ *testing.T, _ *machine, j *runners.Job) { j.Repository.Name = "x]\n[core" },
			want: runners.Infrastructure("set devtools up: the repository's name %q cannot stand in pacman.conf", "x]\n[core"),
		},
	} {
		m, j := newMachine(t), job(t, "tool", test.wish, test.sources...)
		if test.prepare != nil {
			test.prepare(t, m, &j)
		}
		var log bytes.Buffer
		if got := m.run.Build(t.Context(), j, &log); got != test.want {
			t.Errorf("%s: got %+v, want %+v\n%s", test.wish, got, test.want, &log)
		}
	}
}

// What was installed in the chroot is known of a build that failed, too, but not where code
// of packages has put something else in the place of pacman's database.
func TestWhatWasInstalledIsReported(t *testing.T) {
	t.Parallel()
	for wish, want := range map[string]string{"installed": "libcalc 2.0.0-1\ntool 1:1-1.1", "linked": ""} {
		m := newMachine(t)
		var log bytes.Buffer
		got := m.run.Build(t.Context(), job(t, "tool", wish), &log)
		if got.Outcome != buildbtw.OutcomeFailed || got.Installed != want {
			t.Errorf("%s: got %+v, want %q\n%s", wish, got, want, &log)
		}
	}
}

func machineWish(wish string) func(*testing.T, *machine, *runners.Job) {
	return func(t *testing.T, m *machine, _ *runners.Job) { m.write(t, "wish", wish, 0o644) }
}

func key(text string) func(*testing.T, *machine, *runners.Job) {
	return func(t *testing.T, _ *machine, j *runners.Job) {
		dir := filepath.Join(j.Tree, "keys/pgp")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "ABC.asc"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// otherKey brings along a key that gpg takes, but does not verify with.
func otherKey(t *testing.T, m *machine, j *runners.Job) {
	key("-----BEGIN PGP PUBLIC KEY BLOCK-----")(t, m, j)
	m.write(t, "bin/gpg", "#!/bin/sh\n", 0o755)
}

func refuseSudo(t *testing.T, m *machine, _ *runners.Job) { m.write(t, "refuse", "", 0o644) }

func TestCancelEndsDevtools(t *testing.T) {
	t.Parallel()
	m, j := newMachine(t), job(t, "tool", "hang")
	ctx, cancel := context.WithCancelCause(t.Context())
	log := &hook{}
	log.then = func() {
		if strings.Contains(log.text.String(), "hanging") {
			cancel(errors.New("enough"))
		}
	}
	if got := m.run.Build(ctx, j, log); got.Outcome != buildbtw.OutcomeCancelled || got.Message != "enough" {
		t.Errorf("got %+v", got)
	}
	_, rest, _ := strings.Cut(log.text.String(), "hanging ")
	left := "/proc/" + strings.Fields(rest)[0] + "/cmdline"
	if text, err := os.ReadFile(left); err == nil && strings.HasPrefix(string(text), "sleep") {
		t.Errorf("%s is still there", left)
	}
}

type hook struct {
	text bytes.Buffer
	then func()
}

func (h *hook) Write(p []byte) (int, error) {
	n, err := h.text.Write(p)
	h.then()
	return n, err
}
