package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"buildbtw/buildgraph"
	"buildbtw/internal/simulation"
)

// srcinfoDir has a few packages in two repositories, as files without git.
func srcinfoDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, depends := range map[string]string{
		"core/lib": "", "core/tool": "lib", "extra/app": "lib", "extra/suite": "app", "extra/lone": "",
	} {
		text := "pkgbase = " + filepath.Base(name) + "\n\tpkgver = 1\n\tpkgrel = 1\n\tarch = x86_64\n"
		if depends != "" {
			text += "\tdepends = " + depends + "\n"
		}
		file := filepath.Join(dir, name+".SRCINFO")
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text+"\npkgname = "+filepath.Base(name)+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// ask runs a command of the program and gives what it printed.
func ask(t *testing.T, cmd *cobra.Command, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(io.Discard)
	cmd.SetArgs(args)
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

func planned(t *testing.T, args ...string) []string {
	t.Helper()
	text, err := ask(t, planCommand(), append(args, "--json")...)
	if err != nil {
		t.Fatal(err)
	}
	var p buildgraph.Plan
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, b := range p.Architectures["x86_64"].Builds {
		names = append(names, b.Pkgbase)
	}
	return names
}

func TestPlanOfSrcinfoFiles(t *testing.T) {
	t.Parallel()
	sources := "--sources=dir:" + srcinfoDir(t)
	if d := cmp.Diff([]string{"lib", "app", "tool", "suite"}, planned(t, sources, "--scope=all", "lib")); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"lib", "app", "tool"}, planned(t, sources, "--scope=direct", "lib")); d != "" {
		t.Error(d)
	}
	text, err := ask(t, planCommand(), sources, "--workers=2", "lib")
	if err != nil || !strings.Contains(text, "in build order") || !strings.Contains(text, "2 workers") {
		t.Errorf("%v\n%s", err, text)
	}
	for _, args := range [][]string{{sources, "nothing"}, {sources, "lib/branch"}, {"lib"}, {"--sources=git:x", "lib"}, {sources, "--scope=wide", "lib"}} {
		if text, err := ask(t, planCommand(), args...); err == nil {
			t.Errorf("%v was taken:\n%s", args, text)
		}
	}
}

// TestAPlanWithoutABaseSaysThatFilesAreNotKnown in one line beside the plan, with the way
// to one that knows them.
func TestAPlanWithoutABaseSaysThatFilesAreNotKnown(t *testing.T) {
	t.Parallel()
	for scope, want := range map[string]int{"auto": 1, "none": 0} {
		var out, errs bytes.Buffer
		cmd := planCommand()
		cmd.SetArgs([]string{"--sources=dir:" + srcinfoDir(t), "--json", "--scope=" + scope, "lib"})
		cmd.SetOut(&out)
		cmd.SetErr(&errs)
		if err := cmd.ExecuteContext(t.Context()); err != nil || !json.Valid(out.Bytes()) {
			t.Fatalf("%v\n%s", err, &out)
		}
		if said := errs.String(); strings.Count(said, "\n") != want || want > 0 && (!strings.Contains(said, "--base-repo") || !strings.Contains(said, "bbtw plan lib\n")) {
			t.Errorf("with scope %s: %q", scope, said)
		}
	}
}

func TestPlanOfGitSources(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed")
	}
	s := &site{dir: t.TempDir()}
	for name, depends := range map[string]string{"lib": "", "app": "\tdepends = lib\n"} {
		s.commit(t, name, map[string]string{
			"PKGBUILD": "",
			".SRCINFO": "pkgbase = " + name + "\n\tpkgver = 1\n\tpkgrel = 1\n\tarch = x86_64\n" + depends + "\npkgname = " + name + "\n",
		})
	}
	for _, more := range []string{"--base-ref=main", "--data-dir=" + t.TempDir()} {
		if d := cmp.Diff([]string{"lib", "app"}, planned(t, "--sources=dir:"+s.sources(), more, "lib/main")); d != "" {
			t.Error(d)
		}
	}
}

// Of one pkgbase in two directories the newer is planned, or that of the directory
// which is preferred, however it is written; warnings name both. So it is with
// files and with git.
func TestPreferNamesDirectories(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed")
	}
	dir := t.TempDir()
	files := filepath.Join(dir, "files")
	site := &site{dir: filepath.Join(dir, "b")} // has its sources in b/sources
	for name, text := range map[string]string{
		"a/conf": "pkgver = 0.9", "b/conf": "pkgver = 0.11", "b/shell": "pkgver = 1\n\tdepends = conf>=0.11",
	} {
		place, slug := filepath.Split(name)
		text = "pkgbase = " + slug + "\n\t" + text + "\n\tpkgrel = 1\n\tarch = x86_64\n\npkgname = " + slug + "\n"
		if err := os.MkdirAll(filepath.Join(files, place), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(files, name+".SRCINFO"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if place == "a/" { // the mirror has a slug once
			site.dir, slug = filepath.Join(dir, "a"), "conf-old"
		} else {
			site.dir = filepath.Join(dir, "b")
		}
		site.commit(t, slug, map[string]string{"PKGBUILD": "", ".SRCINFO": text})
	}
	for _, c := range []struct{ prefer, version string }{
		{"shell", "0.11-1"}, {"a", "0.9-1"}, {"a/", "0.9-1"}, {"./somewhere/a", "0.9-1"}, {"dir:" + files + "/a", "0.9-1"}, {"b,a", "0.11-1"},
	} {
		text, err := ask(t, planCommand(), "--sources=dir:"+files, "--all", "--prefer="+c.prefer, "conf")
		if err != nil || !strings.Contains(text, "conf                         "+c.version) || !strings.Contains(text, "conf/main in a (0.9-1)") || !strings.Contains(text, "conf/main in b (0.11-1)") {
			t.Errorf("--prefer %s: %v\n%s", c.prefer, err, text)
		}
	}
	for _, c := range []struct{ prefer, source string }{{"", "conf"}, {"conf-old", "conf-old"}} {
		args := []string{"--sources=dir:" + filepath.Join(dir, "a", "sources"), "--sources=dir:" + filepath.Join(dir, "b", "sources"), "--prefer=" + c.prefer, "--json", "shell", "--add=conf"}
		text, err := ask(t, planCommand(), args...)
		var p buildgraph.Plan
		if err != nil || json.Unmarshal([]byte(text), &p) != nil || p.Architectures["x86_64"].Builds[0].Source != c.source {
			t.Errorf("--prefer %s, git: %v\n%s", c.prefer, err, text)
		}
		if !strings.Contains(text, "in sources (0.9-1)") {
			t.Errorf("the warning does not say where the sources are:\n%s", text)
		}
	}
}

func TestIgnoreArch(t *testing.T) {
	t.Parallel()
	sources := "--sources=dir:" + srcinfoDir(t) // for x86_64
	if text, err := ask(t, planCommand(), sources, "--architectures=aarch64", "lib"); err != nil || !strings.Contains(text, "no changeset has a package for aarch64") {
		t.Errorf("%v\n%s", err, text)
	}
	if text, err := ask(t, planCommand(), sources, "--architectures=aarch64", "--ignore-arch", "lib"); err != nil || !strings.Contains(text, "aarch64: 4 builds") {
		t.Errorf("%v\n%s", err, text)
	}
}

func TestSimulateChecksEveryEvent(t *testing.T) {
	t.Parallel()
	dir := srcinfoDir(t)
	durations := filepath.Join(t.TempDir(), "durations")
	if err := os.WriteFile(durations, []byte("# measured\nlib 100\napp 50 # fast\nsuite 10\ntool 500\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	text, err := ask(t, simulateCommand(), "--sources=dir:"+dir, "--workers=2", "--durations="+durations, "--scope=all", "--json", "lib")
	if err != nil {
		t.Fatal(err)
	}
	var r simulation.Result
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatal(err)
	}
	if r.Builds != 4 || r.Makespan != 600 || r.Bound != 600 || !r.Settled() || r.Checks < r.Events {
		t.Errorf("got %+v", r)
	}
	text, err = ask(t, simulateCommand(), "--sources=dir:"+dir, "--workers=2", "--all-packages", "--failures=0.5", "--kills=0.2", "--learn", "--seed=3")
	if err != nil || !strings.Contains(text, "5 builds on 2 workers, seed 3: 5 built") || !strings.Contains(text, "0 broken") {
		t.Errorf("%v\n%s", err, text)
	}
	for _, args := range [][]string{{"--all-packages", "lib"}, {}, {"lib", "--kills=1"}, {"lib", "--workers=0"}, {"lib", "--durations=" + dir}} {
		if text, err := ask(t, simulateCommand(), append(args, "--sources=dir:"+dir)...); err == nil {
			t.Errorf("%v was taken:\n%s", args, text)
		}
	}
}

func TestBadDurationsAreNamedWithTheirLine(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"lib 1\napp", "lib 1\napp 1 2", "lib 1\napp -1", "lib 1\napp x", "lib 1\napp NaN", "lib 1\napp Inf"} {
		name := filepath.Join(t.TempDir(), "durations")
		if err := os.WriteFile(name, []byte(bad), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := readDurations(name); err == nil || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
