package main

import (
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/cmd/internal/cmdtest"
)

// run runs a command to its end and returns what it said.
func run(t *testing.T, want int, args ...string) string {
	t.Helper()
	p := start(t, args...)
	code, err := p.Wait(patience)
	if err != nil || code != want {
		t.Fatalf("%q ended with exit code %d, %v, want %d; it said:\n%s", args, code, err, want, p.Log())
	}
	return p.Log()
}

// TestABackupUnderLoadIsRestoredWithEverythingLost backs a server up while it builds, throws
// away its data directory, restores the backup, loses the repositories and logs of that, too,
// and wants all builds built and every package whole.
func TestABackupUnderLoadIsRestoredWithEverythingLost(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	s.commit(t, "app", map[string]string{
		"PKGBUILD": "", ".fake": "sleep=2s\n",
		".SRCINFO": "pkgbase = app\n\tpkgver = 1\n\tpkgrel = 1\n\tarch = x86_64\n\tdepends = lib\n\npkgname = app\n",
	})
	server, client := s.serve(t)
	s.worker(t, "one")
	newBuildspace(t, client, "work", "lib")
	status := func(pkgbase string, client *api.Client) (buildbtw.Status, string) {
		builds, err := client.Builds(t.Context(), api.BuildFilter{Buildspace: "work"})
		if err != nil && buildbtw.KindOf(err) != buildbtw.KindNotFound {
			t.Fatal(err)
		}
		for _, b := range builds {
			if b.Pkgbase == pkgbase {
				return b.Status, b.ID
			}
		}
		return "", ""
	}
	poll(t, "lib is built", func() (bool, error) { got, _ := status("lib", client); return got == buildbtw.StatusBuilt, nil })
	place := filepath.Join(s.dir, "backups")
	run(t, 0, "buildbtw", "backup", "--data-dir", s.data(), place)
	if said := run(t, 0, "buildbtw", "backup", "--verify", place); !strings.Contains(said, "Whole: ") {
		t.Errorf("verify said %q", said)
	}
	if said := run(t, 1, "buildbtw", "restore", "--data-dir", s.data(), "--replace", place); !strings.Contains(said, "stop it first") {
		t.Errorf("restore beside a server said %q", said)
	}
	server.Kill()
	if err := os.RemoveAll(s.data()); err != nil {
		t.Fatal(err)
	}
	if said := run(t, 0, "buildbtw", "restore", "--data-dir", s.data(), place); !strings.Contains(said, "made 20") {
		t.Errorf("restore does not say from when: %q", said)
	}
	for _, lost := range []string{"repos", "logs"} {
		if err := os.RemoveAll(filepath.Join(s.data(), lost)); err != nil {
			t.Fatal(err)
		}
	}
	server, client = s.serve(t)
	if !strings.Contains(server.Log(), "packages are lost; their builds and what is above them are built again") {
		t.Errorf("the log does not say what is lost:\n%s", server.Log())
	}
	_, lib := status("lib", client)
	code, page := fetch(t, server, "/builds/"+lib+"/log?attempt=1")
	if code != http.StatusOK || !strings.Contains(page, "its log was lost") {
		t.Errorf("the page of a lost log: %d", code)
	}
	poll(t, "all is built again", func() (bool, error) {
		a, _ := status("lib", client)
		b, _ := status("app", client)
		return a == buildbtw.StatusBuilt && b == buildbtw.StatusBuilt, nil
	})
	for _, file := range []string{"work.db", "lib-1-1-x86_64.pkg.tar.zst", "app-1-1-x86_64.pkg.tar.zst"} {
		if code, _ := fetch(t, server, "/repo/work_1/os/x86_64/"+file); code != http.StatusOK {
			t.Errorf("%s: %d", file, code)
		}
	}
	stop(t, server, patience)
}

func fetch(t *testing.T, server *cmdtest.Server, path string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}
