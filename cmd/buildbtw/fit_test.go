package main

import (
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"buildbtw/cmd/internal/cmdtest"
)

// TestFullDiskIsNoReasonNotToStart fills the disk to the last byte between two
// starts.
func TestFullDiskIsNoReasonNotToStart(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	mountSmall(t, s.data(), "64m")
	server, client := s.serve(t)
	newBuildspace(t, client, "work", "lib")
	stop(t, server, quick())
	ballast := filepath.Join(s.data(), "ballast")
	fill(t, ballast, 0)

	p, err := cmdtest.Start(cmdtest.Spec{
		Args: []string{"buildbtw", "serve", "--listen", s.address, "--data-dir", s.data(), "--sources", "dir:" + s.sources()},
		Log:  filepath.Join(s.dir, "full.log"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	get := func(path string) (int, string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.address+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			return 0, ""
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, string(text)
	}
	poll(t, "the server says that the disk is full", func() (bool, error) {
		if p.Ended() {
			return false, errors.New("it ended: " + p.Log())
		}
		status, text := get("/api/v1/ready")
		return status == http.StatusServiceUnavailable && strings.Contains(text, "is full"), nil
	})
	if status, text := get("/buildspaces/work"); status != http.StatusOK || !strings.Contains(text, "Reading works, changes do not") {
		t.Errorf("the page: %d, %.2000s", status, text)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	poll(t, "the server is ready", func() (bool, error) {
		status, _ := get("/api/v1/ready")
		return status == http.StatusOK, nil
	})
}

// TestAServerWhoseDatabaseIsGoneEnds deletes the database under it.
func TestAServerWhoseDatabaseIsGoneEnds(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	server, client := s.serve(t)
	newBuildspace(t, client, "work", "lib")
	files, err := filepath.Glob(filepath.Join(s.data(), "buildbtw.sqlite*"))
	if err != nil || len(files) < 2 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	code, err := server.Wait(cmdtest.OnBusyMachine(watchPeriod + 30*time.Second))
	if err != nil || code != 1 || !strings.Contains(server.Log(), "removed or replaced while the server runs") {
		t.Errorf("code %d, %v; it said:\n%s", code, err, server.Log())
	}
}
