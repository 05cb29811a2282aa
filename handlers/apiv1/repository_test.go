package apiv1_test

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"buildbtw/api"
	"buildbtw/store"
)

// machine is a system that real pacman manages with one section of pacman.conf.
type machine struct {
	t   *testing.T
	bin string // with programs called pacman and sudo
}

func (s *server) machine(t *testing.T, section string) machine {
	t.Helper()
	for _, program := range []string{"pacman", "fakeroot"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed", program)
		}
	}
	root := t.TempDir()
	m := machine{t, filepath.Join(root, "bin")}
	for _, dir := range []string{"var/lib/pacman", "cache", "hooks", "gnupg", "bin"} {
		s.must(os.MkdirAll(filepath.Join(root, dir), 0o755))
	}
	s.must(os.WriteFile(filepath.Join(root, "conf"), []byte("[options]\nArchitecture = x86_64\n\n"+section), 0o644))
	pacman, err := exec.LookPath("pacman")
	s.must(err)
	s.must(os.WriteFile(filepath.Join(m.bin, "pacman"), []byte(fmt.Sprintf(
		`#!/bin/sh
case "$*" in *--cachedir*) cache= ;; *) cache="--cachedir %[2]s/cache" ;; esac
for word; do
	shift
	case $word in /var/*) word=%[2]s$word ;; esac
	set -- "$@" "$word"
done
exec fakeroot %[1]s --root %[2]s --dbpath %[2]s/var/lib/pacman $cache --hookdir %[2]s/hooks --gpgdir %[2]s/gnupg --logfile %[2]s/log --config %[2]s/conf --noconfirm "$@"
`, pacman, root)), 0o755))
	s.must(os.WriteFile(filepath.Join(m.bin, "sudo"), []byte("#!/bin/sh\nexec \"$@\"\n"), 0o755))
	return m
}

// run is a command in a shell of the machine.
func (m machine) run(command string) (string, error) {
	cmd := exec.CommandContext(m.t.Context(), "sh", "-c", command)
	cmd.Env = append(os.Environ(), "PATH="+m.bin+":"+os.Getenv("PATH"), "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// installed runs a command that must succeed and wants these packages afterwards.
func (m machine) installed(command string, want ...string) {
	m.t.Helper()
	if out, err := m.run(command); err != nil {
		m.t.Fatalf("%s: %v\n%s", command, err, out)
	}
	if out, _ := m.run("pacman -Q"); out != strings.Join(want, "\n")+"\n" {
		m.t.Errorf("after %s there is\n%swant %v", command, out, want)
	}
}

// buildWith builds all that is pending. What needs libalpha links its library of
// this version.
func (s *server) buildWith(soname string) {
	s.t.Helper()
	for {
		if c, _, err := s.store.Builds(s.t.Context(), store.BuildFilter{Status: "pending"}); err != nil || len(c) == 0 {
			s.must(err)
			return
		}
		job := s.claim()
		line := "depends = libalpha"
		job.Srcinfo = strings.ReplaceAll(job.Srcinfo, line, line+".so="+soname+"-64")
		if job.Pkgbase == "libalpha" {
			job.Srcinfo = strings.ReplaceAll(job.Srcinfo, "\tarch =", "\tprovides = libalpha.so="+soname+"-64\n\tarch =")
		}
		s.finishBuilt(job)
	}
}

// TestTheLatestRepositoryFollowsTheNewestCompleteIteration, as pacman sees it: it
// takes the new databases after the switch although it asks whether they were
// modified, refuses what would break a package that keeps its version, and does
// what the command says that stands beside the section.
func TestTheLatestRepositoryFollowsTheNewestCompleteIteration(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	bump := false
	s.call("POST", "/buildspaces", api.NewBuildspace{Name: "work", Changesets: []string{"libalpha"}, Settings: api.Settings{Bump: &bump}}, http.StatusCreated, nil)
	s.iterate("work")
	latest := s.url + "/repo/latest/work/os/x86_64/work.db"
	if got := s.fetch(latest); got.StatusCode != http.StatusNotFound || !strings.Contains(string(got.body), "no iteration of work is complete yet") {
		t.Errorf("before anything is built: %s\n%s", got.Status, got.body)
	}
	s.buildWith("1")
	var it api.Iteration
	s.call("GET", "/buildspaces/work/iterations/latest", nil, 200, &it)
	if it.Latest == nil || it.Latest.Iteration != 1 || len(it.Latest.Repository) != 1 || it.Upgrade == nil {
		t.Fatalf("the latest repository is %+v, to upgrade %+v", it.Latest, it.Upgrade)
	}
	// The first database may have a time that is ahead of the clock, as after many writes.
	db := filepath.Join(s.data, "repos", "work_1", "os", "x86_64", "work.db.tar.zst")
	ahead := time.Now().Add(time.Hour).Truncate(time.Second)
	s.must(os.Chtimes(db, ahead, ahead))
	m := s.machine(t, it.Latest.Repository[0].PacmanConf)
	m.installed("pacman -Sy beta", "beta 2.0-1", "libalpha 1.0-1")
	before := s.fetch(latest).Header.Get("Last-Modified")

	s.addSource("libalpha", "1.1-1", "")
	_, err := s.mirror.SyncDir(t.Context(), s.sources)
	s.must(err)
	s.must(s.catalog.Refresh(t.Context()))
	s.iterate("work")
	if got := s.fetch(latest).Header.Get("Last-Modified"); got != before {
		t.Errorf("while iteration 2 is building, Last-Modified is %s, was %s", got, before)
	}
	s.buildWith("2")
	if got := s.fetch(latest, "If-Modified-Since", before); got.StatusCode != http.StatusOK || !modified(t, got.Header.Get("Last-Modified")).After(modified(t, before)) {
		t.Errorf("after the switch: %s, Last-Modified %s, before %s", got.Status, got.Header.Get("Last-Modified"), before)
	}
	if got := s.fetch(latest, "If-Modified-Since", s.fetch(latest).Header.Get("Last-Modified")); got.StatusCode != http.StatusNotModified {
		t.Errorf("unchanged: %s", got.Status)
	}
	// Whoever has the database of before finds its packages.
	if got := s.fetch(s.url + "/repo/latest/work/os/x86_64/libalpha-1.0-1-x86_64.pkg.tar.zst"); got.StatusCode != http.StatusOK {
		t.Errorf("a package of before: %s", got.Status)
	}
	if out, err := m.run("pacman -Syu"); err == nil || !strings.Contains(out, "breaks dependency 'libalpha.so=1-64' required by beta") {
		t.Errorf("pacman -Syu, which was to be refused: %v\n%s", err, out)
	}
	if !strings.Contains(it.Upgrade.Words, "breaks dependency") {
		t.Errorf("nobody says so: %s", it.Upgrade.Words)
	}
	m.installed(it.Upgrade.Command, "beta 2.0-1", "libalpha 1.1-1")
	m.installed("pacman -Syu", "beta 2.0-1", "libalpha 1.1-1")

	index := s.fetch(s.url + "/repo/latest/work/")
	for _, want := range []string{"libalpha-1.1-1-x86_64.pkg.tar.zst", "/repo/latest/work/os/x86_64/work.db", "breaks dependency", "/buildspaces/work/2"} {
		if index.StatusCode != http.StatusOK || !strings.Contains(string(index.body), want) {
			t.Errorf("the index, %s, lacks %s", index.Status, want)
		}
	}
	for path, want := range map[string]int{
		"/repo/work_1/": 200, "/repo/work_1/os/x86_64/": 200, "/repo/latest/work/os/x86_64": 200,
		"/repo/latest/none/": 404, "/repo/latest/work/os/riscv64/": 404, "/repo/work_9/": 404, "/repo/work/": 404,
	} {
		if got := s.fetch(s.url + path); got.StatusCode != want {
			t.Errorf("%s: %s, want %d", path, got.Status, want)
		}
	}
}

func (s *server) fetch(url string, headers ...string) answer {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, url, nil)
	s.must(err)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return s.do(r)
}

func modified(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := http.ParseTime(text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}
