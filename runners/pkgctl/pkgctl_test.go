package pkgctl_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"buildbtw"
	"buildbtw/runners"
	"buildbtw/runners/pkgctl"
)

// machine is an Arch Linux machine as far as the runner sees one: directories
// instead of root's, and recorded stand-ins of devtools, sudo and gpg.
type machine struct {
	dir string
	run *pkgctl.Runner
}

const template = "[options]\nHoldPkg = pacman glibc\nSigLevel = Required DatabaseOptional\n\n[core]\nInclude = /etc/pacman.d/mirrorlist\n\n[extra]\nInclude = /etc/pacman.d/mirrorlist\n"

func newMachine(t *testing.T) *machine {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"bin", "conf"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"archbuild", "sudo", "gpg"} {
		text, err := os.ReadFile(filepath.Join("testdata/bin", name))
		if err != nil {
			t.Fatal(err)
		}
		conf := filepath.Join(dir, "conf") // the environment does not pass it on
		text = bytes.ReplaceAll(text, []byte("$STANDIN_CONF"), []byte(conf))
		if err := os.WriteFile(filepath.Join(dir, "bin", name), text, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"extra.conf", "multilib.conf"} {
		if err := os.WriteFile(filepath.Join(dir, "conf", name), []byte(template), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	bin := filepath.Join(dir, "bin")
	return &machine{dir: dir, run: pkgctl.New(pkgctl.Options{
		Archbuild: filepath.Join(bin, "archbuild"), BinDir: bin, ConfDir: filepath.Join(dir, "conf"),
		GPG: filepath.Join(bin, "gpg"), Sudo: []string{filepath.Join(bin, "sudo"), "-n"},
		User: "builder",
	})}
}

func job(t *testing.T, pkgbase, wish string) runners.Job {
	t.Helper()
	dir := t.TempDir()
	j := runners.Job{Tree: filepath.Join(dir, "tree"), Output: filepath.Join(dir, "output"), Work: filepath.Join(dir, "work")}
	for _, d := range []string{j.Tree, j.Output, j.Work, filepath.Join(j.Tree, "keys/pgp")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"PKGBUILD": "# never run", "standin": wish, pkgbase + "-1-1-x86_64.pkg.tar.zst": "made"} {
		if err := os.WriteFile(filepath.Join(j.Tree, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	j.Mark = runners.Mark(dir)
	j.Pkgbase, j.Architecture, j.SourceDate = pkgbase, "x86_64", 42
	j.Repository.Name, j.Repository.URL = "curl", "http://host/repo/curl_1/os/x86_64"
	return j
}

// called reads what the stand-in of archbuild was called with.
func called(t *testing.T, j runners.Job) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(j.Work, "called"))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		got[key] = value
	}
	return got
}

func TestArchbuildIsCalledUnderItsOwnName(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	next := func(j runners.Job) runners.Job {
		j.Repository.URL = "http://host/repo/curl_2/os/x86_64"
		return j
	}
	nocheck := job(t, "tool", "built")
	nocheck.NoCheck = true
	for _, test := range []struct {
		what string
		job  runners.Job
		want map[string]string
	}{
		{"first build: a new chroot", job(t, "tool", "built"), map[string]string{"name": "buildbtw-x86_64-build", "args": "-c -- -l buildbtw"}},
		{"same repository: the chroot stays; no check", nocheck, map[string]string{"name": "buildbtw-x86_64-build", "args": "-- -l buildbtw -- --nocheck"}},
		{"next iteration: a new chroot", next(job(t, "tool", "built")), map[string]string{"name": "buildbtw-x86_64-build", "args": "-c -- -l buildbtw"}},
		{"multilib", next(job(t, "lib32-tool", "built")), map[string]string{"name": "multilib-buildbtw-build", "args": "-- -l buildbtw"}},
	} {
		test.want["user"], test.want["sections"], test.want["epoch"] = "builder", "options curl core extra", "42"
		var log bytes.Buffer
		result := m.run.Build(t.Context(), test.job, &log)
		if result.Outcome != buildbtw.OutcomeBuilt {
			t.Fatalf("%s: %+v\n%s", test.what, result, &log)
		}
		if diff := cmp.Diff(test.want, called(t, test.job)); diff != "" {
			t.Errorf("%s: %s", test.what, diff)
		}
		if _, err := os.Stat(filepath.Join(test.job.Output, test.job.Pkgbase+"-1-1-x86_64.pkg.tar.zst")); err != nil {
			t.Errorf("%s: %v", test.what, err)
		}
	}
	conf, err := os.ReadFile(filepath.Join(m.dir, "conf/buildbtw.conf"))
	want := strings.Replace(template, "[core]", "[curl]\nSigLevel = Never\nServer = http://host/repo/curl_2/os/x86_64\n\n[core]", 1)
	if err != nil || string(conf) != want {
		t.Errorf("pacman.conf: %v\n%s", err, cmp.Diff(want, string(conf)))
	}
}

// archbuild ends with 255 for every cause; the outcome comes from its words.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		wish    string
		prepare func(t *testing.T, m *machine, j *runners.Job)
		want    runners.Result
	}{
		{wish: "nothing", want: runners.Result{Outcome: "built"}}, // the agent finds that there is no package
		{wish: "build", want: runners.Failed("build() failed (archbuild exit code 255)")},
		{wish: "network", want: runners.Infrastructure("devtools could not build: Failed to update chroot (archbuild exit code 255)")},
		{wish: "dependency", want: runners.Failed("Build failed (archbuild exit code 255)")},
		{wish: "keys", want: runners.Failed("One or more PGP signatures could not be verified! (archbuild exit code 255)")},
		{wish: "keys", prepare: key("-----BEGIN PGP PUBLIC KEY BLOCK-----"), want: runners.Result{Outcome: "built"}},
		{wish: "keys", prepare: key("garbage"), want: runners.Failed("the keys in keys/pgp could not be imported (gpg exit code 2)")},
		{wish: "hang", prepare: func(_ *testing.T, _ *machine, j *runners.Job) { j.StallSeconds = 0.5 }, want: runners.Result{Outcome: "stalled", Message: "no output and no CPU use for 0 s"}},
		{wish: "built", prepare: refuseSudo, want: runners.Infrastructure("set devtools up: run install as root: exit code 1: sudo: a password is required")},
		{
			wish: "built", prepare: func(_ *testing.T, _ *machine, j *runners.Job) { j.Repository.Name = "x]\n[core" },
			want: runners.Infrastructure("set devtools up: the repository's name %q or address %q cannot stand in pacman.conf", "x]\n[core", "http://host/repo/curl_1/os/x86_64"),
		},
	} {
		m, j := newMachine(t), job(t, "tool", test.wish)
		if test.prepare != nil {
			test.prepare(t, m, &j)
		}
		var log bytes.Buffer
		if got := m.run.Build(t.Context(), j, &log); got != test.want {
			t.Errorf("%s: got %+v, want %+v\n%s", test.wish, got, test.want, &log)
		}
	}
}

func key(text string) func(*testing.T, *machine, *runners.Job) {
	return func(t *testing.T, _ *machine, j *runners.Job) {
		if err := os.WriteFile(filepath.Join(j.Tree, "keys/pgp/ABC.asc"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func refuseSudo(t *testing.T, m *machine, _ *runners.Job) {
	if err := os.WriteFile(filepath.Join(m.dir, "refuse"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestCancelEndsArchbuild(t *testing.T) {
	t.Parallel()
	m, j := newMachine(t), job(t, "tool", "hang")
	ctx, cancel := context.WithCancelCause(t.Context())
	log := &hook{}
	log.then = func() {
		if strings.Contains(log.String(), "hanging") {
			cancel(errors.New("enough"))
		}
	}
	if got := m.run.Build(ctx, j, log); got.Outcome != buildbtw.OutcomeCancelled || got.Message != "enough" {
		t.Errorf("got %+v", got)
	}
}

type hook struct {
	bytes.Buffer
	then func()
}

func (h *hook) Write(p []byte) (int, error) {
	n, err := h.Buffer.Write(p)
	h.then()
	return n, err
}
