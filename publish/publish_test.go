package publish_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/publish"
	"buildbtw/runners"
	"buildbtw/runners/fake"
	"buildbtw/scheduler/schedulertest"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

// claimed is a build that is being executed, with its package uploaded.
func (f *fixture) claimed(t *testing.T) (*store.Claimed, publish.Report) {
	t.Helper()
	f.Push(t, "lib", schedulertest.Srcinfo("lib", "1"))
	f.Push(t, "app", schedulertest.Srcinfo("app", "1", "lib"))
	f.Space(t, "work", "lib")
	f.Pass(t, "sync", "iterate")
	c := f.DB.Claim(t, "worker")
	if c == nil || c.Build.Pkgbase != "lib" {
		t.Fatalf("claimed %+v", c)
	}
	name, data, digest := builtPackage(t)
	p, err := f.Repos.Stage(t.Context(), pacmanrepo.Upload{
		Attempt: c.Attempt.Name(), Filename: name, SHA256: digest, Size: int64(len(data)),
		Pkgbase: "lib", Pkgnames: []string{"lib"}, Version: "1-1", Architecture: "x86_64",
	}, bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Store.AddPackage(t.Context(), c.Attempt.Lease, p); err != nil {
		t.Fatal(err)
	}
	return c, publish.Report{Outcome: buildbtw.OutcomeBuilt, Files: []store.PackageFile{{Filename: name, SHA256: digest}}}
}

// builtPackage is a real package of lib 1-1, made by the fake runner.
func builtPackage(t *testing.T) (name string, data []byte, digest string) {
	t.Helper()
	job := runners.Job{
		Job:  api.Job{Pkgbase: "lib", Pkgnames: []string{"lib"}, Version: "1-1", Architecture: "x86_64", Srcinfo: schedulertest.Srcinfo("lib", "1")},
		Tree: t.TempDir(), Output: t.TempDir(), Work: t.TempDir(),
	}
	result := fake.Runner{}.Build(t.Context(), job, io.Discard)
	files, err := os.ReadDir(job.Output)
	if err != nil || len(files) != 1 {
		t.Fatalf("the fake runner made %v: %v %+v", files, err, result)
	}
	data, err = os.ReadFile(filepath.Join(job.Output, files[0].Name()))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	return files[0].Name(), data, hex.EncodeToString(sum[:])
}

func TestFinishPublishesAndUnblocks(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c, report := f.claimed(t)
	for range 2 { // the second time because the answer was lost
		status, err := f.Publisher.Finish(t.Context(), c.Attempt.Lease, report)
		if err != nil || status != buildbtw.StatusBuilt {
			t.Fatalf("status %s, error %v", status, err)
		}
	}
	if _, err := f.Repos.OpenFile("work_1", "x86_64", report.Files[0].Filename); err != nil {
		t.Error(err)
	}
	if s := f.DB.Statuses(t, "work"); s["app"] != buildbtw.StatusPending {
		t.Errorf("builds: %v", s)
	}
	f.DB.Check(t)
}

func TestCrashBetweenIntentionAndPublicationIsRolledForward(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c, report := f.claimed(t)
	if _, err := f.Store.BeginPublish(t.Context(), c.Attempt.Lease, report.Files); err != nil {
		t.Fatal(err)
	}
	f.DB.Clock.Advance(time.Hour) // much longer than the lease: a publishing attempt is never lost
	if err := f.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := f.DB.Statuses(t, "work"); s["lib"] != buildbtw.StatusBuilt || s["app"] != buildbtw.StatusPending {
		t.Errorf("builds: %v", s)
	}
	if _, err := f.Repos.Verify(t.Context(), "work_1"); err != nil {
		t.Error(err)
	}
	f.DB.Check(t)
}

func TestPackagesThatVanishedPutTheBuildBack(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c, report := f.claimed(t)
	staged, err := filepath.Glob(filepath.Join(f.Sources, "..", "staging", "*"))
	if err != nil || len(staged) != 1 {
		t.Fatalf("staged: %v %v", staged, err)
	}
	if err := os.RemoveAll(staged[0]); err != nil {
		t.Fatal(err)
	}
	status, err := f.Publisher.Finish(t.Context(), c.Attempt.Lease, report)
	if err != nil || status != buildbtw.StatusPending {
		t.Errorf("status %s, error %v", status, err)
	}
	f.DB.Check(t)
}

func TestSilentWorkerLosesItsLeaseAndItsLateFinishIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c, report := f.claimed(t)
	f.DB.Clock.Advance(storetest.Lease + time.Second)
	f.Pass(t, "rescue")
	if s := f.DB.Statuses(t, "work"); s["lib"] != buildbtw.StatusPending {
		t.Fatalf("builds: %v", s)
	}
	if _, err := f.Publisher.Finish(t.Context(), c.Attempt.Lease, report); buildbtw.KindOf(err) != buildbtw.KindConflict {
		t.Errorf("late finish: %v", err)
	}
	if staged, err := f.Repos.Staged(); err != nil || len(staged) != 0 {
		t.Errorf("staged files stay behind: %v %v", staged, err)
	}
	f.DB.Check(t)
}

func TestRestartGivesRunningWorkersTimeToBeHeard(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c, report := f.claimed(t)
	f.DB.Clock.Advance(time.Hour) // the server was down
	if err := f.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	status, err := f.Publisher.Finish(t.Context(), c.Attempt.Lease, report)
	if err != nil || status != buildbtw.StatusBuilt {
		t.Errorf("status %s, error %v: the restart cost a running build", status, err)
	}
}
