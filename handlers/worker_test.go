package handlers_test

import (
	"net/http"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/store/storetest"
	"buildbtw/views"
)

func TestWithoutWorkersThePageTellsHowToStartOne(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	page := s.get(t, "/workers")
	page.wants(t, ".empty", "No worker has asked for work yet")
	page.wants(t, "details[open] .snippet", "buildbtw-worker run --server-url "+s.url+" --worker-token-file FILE")
}

func TestWorkersShowTheirLeasesAndWhatTheyDidLast(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.db.Iterate(t, s.db.NewBuildspace(t, "lib"), storetest.Plan("a", "b", "c"))
	s.db.End(t, s.db.Claim(t, "w1"), buildbtw.OutcomeFailed)
	s.db.Finish(t, s.db.Claim(t, "w1"))
	s.db.Claim(t, "w1")
	s.db.Clock.Advance(90 * time.Second) // the lease is for 60
	page := s.get(t, "/workers")
	page.wants(t, "title", "1 of 1 worker busy")
	page.wants(t, "#worker-w1", "building", "c", "lib #1", "slot 1", "overdue", "Last 2 attempts 1 built", "built b", "failed a")
	must(t, s.db.QuarantineWorker(t.Context(), "alice", "w1", "breaks everything"))
	s.get(t, "/workers").wants(t, "#worker-w1", "quarantined", "breaks everything", "Resume")
	s.post(t, "/workers/w1/resume", nil).wantsStatus(t, http.StatusSeeOther)
	s.get(t, "/workers").wantsNone(t, "#worker-w1 .note")
}

func TestAWorkerThatIsBusyIsThere(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.db.Iterate(t, s.db.NewBuildspace(t, "lib"), storetest.Plan("a"))
	claimed := s.db.Claim(t, "w1")
	s.db.Clock.Advance(3 * time.Minute)
	_, err := s.db.Heartbeat(t.Context(), claimed.Attempt.Lease, time.Minute)
	must(t, err)
	s.db.Clock.Advance(10 * time.Second) // it asked for work more than buildbtw.WorkerPresence ago
	s.get(t, "/workers").wants(t, "#worker-w1", "building", "seen 10 s ago", "last heartbeat 10 s ago")
	s.get(t, "/").wants(t, "[aria-labelledby=h-running]", "1 worker", "on w1")
}

func TestWorkersAreDrainedAndForgottenOnThePage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.db.Claim(t, "w1")
	s.db.Iterate(t, s.db.NewBuildspace(t, "lib"), storetest.Plan("a"))
	page := s.get(t, "/workers")
	page.wants(t, "#worker-w1 form", "Drain")
	page.wantsNone(t, "#worker-w1 form[action$=forget], #worker-w1 form[action$=resume]")
	s.post(t, "/workers/w1/drain", nil).wantsStatus(t, http.StatusSeeOther)
	page = s.get(t, "/workers")
	page.wants(t, "#worker-w1", "draining", "it gets no new builds until somebody resumes it", "Resume")
	page.wantsNone(t, "#worker-w1 form[action$=drain]")
	s.get(t, "/").wants(t, "[aria-labelledby=h-running]", "No worker gets builds: 1 worker asked for work in the last 2 minutes, all of them draining or quarantined.")
	s.post(t, "/workers/w1/forget", nil).wantsStatus(t, http.StatusConflict)
	s.db.Clock.Advance(buildbtw.WorkerPresence)
	s.get(t, "/workers").wants(t, "#worker-w1 form[action$=forget]", "Forget")
	s.post(t, "/workers/w1/forget", nil).wantsStatus(t, http.StatusSeeOther)
	s.get(t, "/workers").wants(t, ".empty", "No worker has asked for work yet")
}

// A machine has a page of its own, which shows how it stands and what it did.
func TestAWorkerHasAPage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.db.Iterate(t, s.db.NewBuildspace(t, "lib"), storetest.Plan("a", "b", "c"))
	s.db.End(t, s.db.Claim(t, "w1"), buildbtw.OutcomeFailed)
	s.db.Clock.Advance(time.Hour)
	s.get(t, "/workers/w1").wantsNone(t, ".machine dt:contains('Load')")
	lease := s.db.Claim(t, "w1").Attempt.Lease
	must(t, s.db.NoteMachine(t.Context(), "", lease, &buildbtw.MachineState{Load: 3.25, Cores: 8, MemoryTotal: 16 << 30, MemoryFree: 5 << 30, DiskTotal: 100 << 30, DiskFree: 41 << 30}))
	page := s.get(t, "/workers/w1")
	page.wants(t, "h1", "w1", "building")
	page.wants(t, ".machine", "Load 3.2 of 8 cores", "Memory free 5.0 GiB of 16.0 GiB", "Disk free 41.0 GiB of 100.0 GiB", "Busy 0 % since it was first seen")
	page.wants(t, "[aria-labelledby=h-now]", "lib #1", "slot 1")
	page.wants(t, "[aria-labelledby=h-recent]", "0 of 1 built", "failed a")
	page.wants(t, ".actions form[action='/workers/w1/drain'] button", "Drain")
	s.get(t, "/workers").wants(t, "#worker-w1 .machine", "Load 3.2 of 8 cores")
	s.get(t, "/workers").wants(t, "#worker-w1 a[href='/workers/w1']", "w1")
	s.get(t, "/workers/nobody").wantsStatus(t, http.StatusNotFound)
	s.get(t, "/workers/named/w1").wants(t, "h1", "w1") // so that one called time has a page
	if views.WorkerURL("time") != "/workers/named/time" || views.WorkerURL("w1") != "/workers/w1" {
		t.Error("a worker called time has the address of what all of them did")
	}
}
