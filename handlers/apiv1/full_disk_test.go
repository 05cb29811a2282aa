package apiv1_test

import (
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/handlers"
	"buildbtw/pacman/pacmanrepo"
)

// A full disk is told to the worker as something that may pass, and the server
// goes on.
func TestFullDiskWhileUploading(t *testing.T) {
	t.Parallel()
	staging := t.TempDir()
	if err := syscall.Mount("tmpfs", staging, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("cannot mount a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(staging, 0); err != nil {
			t.Error(err)
		}
	})
	var repos *pacmanrepo.Repos
	s := newServer(t, func(d *handlers.Deps) {
		var err error
		repos, err = pacmanrepo.Open(filepath.Join(t.TempDir(), "repos"), pacmanrepo.Options{Staging: staging})
		if err != nil {
			t.Fatal(err)
		}
		d.Repos = repos
	})
	s.repos = repos
	s.space("work", "gamma")
	job := s.claim()
	full := filepath.Join(staging, "full")
	s.must(os.WriteFile(full, make([]byte, 60<<10), 0o600))
	for name, body := range s.build(job) {
		big := append(body, make([]byte, 100<<10)...)
		s.wantProblem(s.upload(job, name, big, digest(big)), http.StatusServiceUnavailable, "disk is full")
		s.must(os.Remove(full))
		if got := s.upload(job, name, body, digest(body)); got.StatusCode != http.StatusCreated {
			t.Errorf("with space again: %s\n%s", got.Status, got.body)
		}
	}
	var done api.FinishAnswer
	s.call("POST", lease(job, "finish"), api.FinishRequest{Outcome: buildbtw.OutcomeInfrastructure, Reason: "disk full"}, 200, &done)
	if done.Status != buildbtw.StatusPending {
		t.Errorf("after an infrastructure failure the build is %s", done.Status)
	}
}
