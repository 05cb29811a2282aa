package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"buildbtw"
	"buildbtw/api"
)

// TestFullDiskIsWaitedFor fills the disk of the data directory while a build is
// under way: its upload fails, which is an infrastructure error, the server goes on,
// and with space again the build is built.
func TestFullDiskIsWaitedFor(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("a worker tries for a minute before it gives up; not with -short")
	}
	s := newSite(t, "size=20000000\n")
	mountSmall(t, s.data(), "64m")
	_, client := s.serve(t)
	ballast := filepath.Join(s.data(), "ballast")
	fill(t, ballast, 8<<20)
	newBuildspace(t, client, "work", "lib")
	s.worker(t, "one")

	poll(t, "the upload fails", func() (bool, error) {
		b, attempts := theBuild(t, client)
		if len(attempts) == 0 || attempts[0].State != buildbtw.AttemptFinished {
			return false, nil
		}
		if a := attempts[0]; a.Outcome != buildbtw.OutcomeInfrastructure || !strings.Contains(a.Message, "disk is full") {
			t.Errorf("attempt 1 ended as %s: %s", a.Outcome, a.Message)
		}
		if b.Status == buildbtw.StatusFailed {
			t.Error("a full disk is taken for the package's fault")
		}
		return true, nil
	})
	if _, err := client.Plan(t.Context(), api.PlanRequest{Changesets: []string{"lib"}}); err != nil {
		t.Errorf("the server does not go on: %v", err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	poll(t, "the build is built", func() (bool, error) {
		b, _ := theBuild(t, client)
		return b.Status == buildbtw.StatusBuilt, nil
	})
}

// theBuild gives the only build with its attempts.
func theBuild(t *testing.T, client *api.Client) (api.Build, []api.Attempt) {
	t.Helper()
	builds, err := client.Builds(t.Context(), api.BuildFilter{Buildspace: "work"})
	if buildbtw.KindOf(err) == buildbtw.KindNotFound {
		return api.Build{}, nil // there is no iteration yet
	}
	if err != nil || len(builds) != 1 {
		t.Fatalf("%d builds, error %v", len(builds), err)
	}
	attempts, err := client.Attempts(t.Context(), builds[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	return builds[0], attempts
}

// mountSmall makes dir a small file system of its own.
func mountSmall(t *testing.T, dir, size string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("a small file system cannot be mounted, which needs root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
}

// fill writes a file that leaves only so many bytes free.
func fill(t *testing.T, file string, leave uint64) {
	t.Helper()
	var fs syscall.Statfs_t
	if err := syscall.Statfs(filepath.Dir(file), &fs); err != nil {
		t.Fatal(err)
	}
	free := fs.Bavail * uint64(fs.Bsize)
	if free < leave {
		t.Fatalf("only %d bytes are free", free)
	}
	if err := os.WriteFile(file, make([]byte, free-leave), 0o600); err != nil {
		t.Fatal(err)
	}
}
