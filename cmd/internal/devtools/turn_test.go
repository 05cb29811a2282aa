package devtools

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/api"
)

// Two buildspaces in turn, on one worker, build in one chroot, which is not made anew.
// Repositories are given to those only who show a token, which the builds do not see.
func TestTwoBuildspacesInTurn(t *testing.T) {
	need(t)
	startMirror(t)
	run(t, "rm", "-rf", archbuild)
	s := twoLibraries(t, "--repo-read=false")
	w := s.worker(t, "one")
	before := processorTime(t, w.PID())
	changesets := map[string]string{"main": "lib", "other": "lib/other"}
	for i, name := range []string{"main-1", "other-1", "main-2", "other-2"} {
		branch, _, _ := strings.Cut(name, "-")
		s.create(t, name, changesets[branch], "app")
		s.allBuilt(t, name, 2)
		s.sees(t, name, branch)
		used := processorTime(t, w.PID()) - before
		before += used
		t.Logf("the builds of %s used %s of processor time", name, used)
		for _, b := range s.builds(t, name) {
			attempts, err := s.client.Attempts(t.Context(), b.ID)
			if err != nil || len(attempts) != 1 || attempts[0].FinishedAt == nil {
				t.Fatalf("%+v %v", attempts, err)
			}
			took := attempts[0].FinishedAt.Sub(attempts[0].StartedAt)
			log := s.log(t.Context(), b.ID)
			t.Logf("%s of %s took %.1f s", b.Pkgbase, name, took.Seconds())
			if made := strings.Contains(log, "installing a-package-of-the-base-001"); made != (i == 0 && b.Pkgbase == "lib") {
				t.Errorf("%s of %s: the chroot was made anew: %v", b.Pkgbase, name, made)
			}
			if strings.Contains(log, "the token of all machines") {
				t.Errorf("%s of %s: the token is in the log", b.Pkgbase, name)
			}
		}
	}
	answer, err := http.Get(s.server.URL + "/repo/main-1_1/os/x86_64/main-1.db")
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a token the repository's answer is %s", answer.Status)
	}
}

// processorTime returns what the programs that a process has started, and theirs, used until
// they ended (proc_pid_stat(5)): it tells the work that a build is on a busy machine, too.
func processorTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	ticks := 0
	for _, field := range fields[13:15] {
		n, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * (time.Second / 100)
}

// A build that has more on disk than it may is ended, although it is root's, and what it
// wrote is removed.
func TestABuildIsHeldToItsDisk(t *testing.T) {
	need(t)
	startMirror(t)
	s := startSite(t, map[string]map[string]string{
		"fills": source("fills", "", "build() { fallocate -l 3G \"$srcdir/big\"; exec sleep "+sleeps+"; }\n"+packageNothing), "next": source("next", "", packageNothing),
	})
	s.worker(t, "one", "--max-disk", "2GiB")
	s.create(t, "fills", "fills")
	s.wait(t, "fills", "fills", func(_ api.Build, attempts []api.Attempt, log string) bool {
		if len(attempts) == 0 || attempts[0].Outcome == "" {
			return false
		}
		if attempts[0].Outcome != buildbtw.OutcomeFailed || attempts[0].Message != "used more than 2 GiB of disk" {
			t.Fatalf("%+v\n%s", attempts, log)
		}
		return true
	})
	nothingLeft(t, time.Minute)
	var size int64
	if _, err := fmt.Sscan(run(t, "du", "-sk", archbuild), &size); err != nil || size > 3<<20 {
		t.Errorf("%d KiB are left: %v", size, err)
	}
	s.create(t, "next", "next")
	s.allBuilt(t, "next", 1)
}
