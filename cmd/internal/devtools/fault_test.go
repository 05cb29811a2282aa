package devtools

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/cmd/internal/cmdtest"
)

// sleeps is in the command line of the program that the builds of these tests wait in.
const sleeps = "98765"

// left returns the command lines of what is left of builds on this machine.
func left() []string {
	var found []string
	names, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		line := strings.ReplaceAll(string(text), "\x00", " ")
		for _, word := range []string{"nspawn", "makechrootpkg", "mkarchroot", "chroot_prepare", "sleep " + sleeps} {
			if strings.Contains(line, word) {
				found = append(found, fmt.Sprintf("%.100s", line))
				break
			}
		}
	}
	return found
}

func nothingLeft(t *testing.T, limit time.Duration) {
	t.Helper()
	since := time.Now()
	if err := cmdtest.Poll(t.Context(), limit, func() (bool, error) { return len(left()) == 0, nil }); err != nil {
		t.Fatalf("%v: %q", err, left())
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil || strings.Contains(string(mounts), archbuild+"/x86_64/") {
		t.Errorf("%v: mounted: %s", err, mounts)
	}
	t.Logf("nothing was left after %s", time.Since(since).Round(time.Second))
}

var waiting = map[string]string{
	"silent": "build() { setsid sleep " + sleeps + " & echo waiting; exec sleep " + sleeps + "; }\n",
	"chatty": "build() { echo waiting; while :; do echo line; sleep 0.1; done; }\n",
}

func isWaiting(b api.Build, _ []api.Attempt, log string) bool {
	return b.Status.Running() && strings.Contains(log, "\nwaiting")
}

// A worker that is killed, or told twice to end, leaves nothing running although its
// builds are root's, and its successor builds.
func TestAKilledWorkerLeavesNothing(t *testing.T) {
	need(t)
	startMirror(t)
	for name, build := range waiting {
		s := startSite(t, map[string]map[string]string{name: source(name, "", build+packageNothing), "next": source("next", "", packageNothing)})
		w := s.worker(t, "one")
		s.create(t, name, name)
		s.wait(t, name, name, isWaiting)
		if len(left()) == 0 {
			t.Fatal("nothing is there to be left")
		}
		w.Kill()
		nothingLeft(t, time.Minute)
		if _, err := s.client.CancelBuilds(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		s.worker(t, "one")
		s.create(t, "next", "next")
		s.allBuilt(t, "next", 1)
	}
	s := startSite(t, map[string]map[string]string{"silent": source("silent", "", waiting["silent"]+packageNothing)})
	w := s.worker(t, "one")
	s.create(t, "silent", "silent")
	s.wait(t, "silent", "silent", isWaiting)
	for range 2 {
		if err := w.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second) // they would be one
	}
	nothingLeft(t, time.Minute)
}

// Cancelling ends a build, also when others run; one that neither writes nor computes is
// ended, and one that computes is not.
func TestCancelAndStallLeaveNothing(t *testing.T) {
	need(t)
	startMirror(t)
	s := startSite(t, map[string]map[string]string{
		"silent": source("silent", "", waiting["silent"]+packageNothing), "next": source("next", "", packageNothing),
		"busy": source("busy", "", "build() { timeout 50 bash -c 'while :; do :; done' || :; }\n"+packageNothing),
	}, "--stall-timeout", "25s")
	s.worker(t, "one", "--jobs", "2")
	s.create(t, "silent", "silent")
	s.wait(t, "silent", "silent", isWaiting)
	s.create(t, "next", "next")
	s.allBuilt(t, "next", 1)
	if _, err := s.client.CancelBuilds(t.Context(), "silent"); err != nil {
		t.Fatal(err)
	}
	nothingLeft(t, time.Minute)

	s.create(t, "busy", "busy")
	s.create(t, "stalls", "silent")
	s.wait(t, "stalls", "silent", func(_ api.Build, attempts []api.Attempt, log string) bool {
		if len(attempts) == 0 || attempts[0].Outcome == "" {
			return false
		}
		if attempts[0].Outcome != buildbtw.OutcomeStalled || attempts[0].Message != "no output and no CPU use for 25 s" {
			t.Fatalf("%+v\n%s", attempts, log)
		}
		return true
	})
	if _, err := s.client.CancelBuilds(t.Context(), "stalls"); err != nil {
		t.Fatal(err)
	}
	s.allBuilt(t, "busy", 1)
	nothingLeft(t, time.Minute)
}

// The reason of a failure is what a packager has to know, in the words of the real
// programs.
func TestReasons(t *testing.T) {
	need(t)
	m := startMirror(t)
	const oneFile = "source = file\n\tsha256sums = 0000000000000000000000000000000000000000000000000000000000000000"
	signed := source("signature", "source = file\n\tsource = file.sig\n\tsha256sums = SKIP\n\tsha256sums = SKIP\n\tvalidpgpkeys = 0123456789ABCDEF0123456789ABCDEF01234567", packageNothing)
	key, err := os.ReadFile(filepath.Join(*distribution, "key.asc"))
	if err != nil {
		t.Fatal(err)
	}
	run(t, "bash", "-ec", `echo text >"$1/file"; gpg --batch --quiet --yes --output "$1/file.sig" --detach-sign "$1/file"`, "bash", m.released)
	signature, err := os.ReadFile(filepath.Join(m.released, "file.sig"))
	if err != nil {
		t.Fatal(err)
	}
	signed["file"], signed["file.sig"], signed["keys/pgp/0123456789ABCDEF0123456789ABCDEF01234567.asc"] = "text\n", string(signature), string(key)
	sum := source("checksum", oneFile, packageNothing)
	sum["file"] = "text\n"
	sources := map[string]map[string]string{
		"building":  source("building", "", "build() { echo '==> ERROR: Aborting...'; false; }\n"+packageNothing),
		"checking":  source("checking", "", "check() { false; }\n"+packageNothing),
		"packing":   source("packing", "", "package() { false; }\n"),
		"missing":   source("missing", "depends = namcap\n\tmakedepends = nosuchpkg", packageNothing),
		"versions":  source("versions", "depends = namcap>=9", packageNothing),
		"checksum":  sum,
		"signature": signed,
		"syntax":    source("syntax", "", "build() {\n"),
		"unnamed":   source("unnamed", "", "makedepends+=(nosuchpkg)\n"+packageNothing),
	}
	want := map[string]string{
		"building": "build() failed", "checking": "check() failed", "packing": "package() failed",
		"missing":   "the dependencies cannot be installed: target not found: nosuchpkg",
		"versions":  "the dependencies cannot be installed: target not found: namcap>=9",
		"checksum":  "the sources could not be verified: One or more files did not pass the validity check",
		"signature": "the sources could not be verified: One or more PGP signatures could not be verified",
		"syntax":    "PKGBUILD",
		"unnamed":   "target not found: nosuchpkg",
	}
	for runner, start := range map[string]func(*site){
		"pkgctl": func(s *site) { s.worker(t, "one", "--jobs", "2") },
		"vm":     func(s *site) { s.guestWorker(t) },
	} {
		s := startSite(t, sources)
		start(s)
		for name := range sources {
			s.create(t, name, name)
		}
		for name := range sources {
			list := s.builds(t, name)
			attempts, err := s.client.Attempts(t.Context(), list[0].ID)
			if err != nil || len(attempts) != 1 || attempts[0].Outcome != buildbtw.OutcomeFailed || !strings.Contains(attempts[0].Message, want[name]) {
				t.Errorf("%s, %s: want %q: %v %+v\n%s", runner, name, want[name], err, attempts, s.log(t.Context(), list[0].ID))
			}
		}
	}
}

// A mirror that has lost a file is nobody's fault, be it one of the chroot's or a
// dependency after the long log of a new chroot; and the build goes on when it is back.
func TestAMirrorThatLostAFile(t *testing.T) {
	need(t)
	m := startMirror(t)
	s := startSite(t, map[string]map[string]string{"wants": source("wants", "makedepends = samples", packageNothing)})
	s.worker(t, "one")
	const long = 21 << 10
	for _, test := range []struct {
		file, says string
		least      int // of the log, in bytes
	}{
		{"a-package-of-the-base-077-1-1-any.pkg.tar.zst", "the chroot could not be made ready: ", 0},
		{"samples-1-1-any.pkg.tar.zst", "the dependencies could not be downloaded: ", long},
	} {
		run(t, "rm", "-rf", archbuild)
		m.lose(test.file, true)
		name := "wants-" + test.file[:1]
		s.create(t, name, "wants")
		s.wait(t, name, "wants", func(_ api.Build, attempts []api.Attempt, log string) bool {
			i := slices.IndexFunc(attempts, func(a api.Attempt) bool { return a.Number == 1 && a.Outcome != "" })
			if i < 0 {
				return false
			}
			first, want := attempts[i], test.says+"failed retrieving file '"+test.file+"' from "+mirrorAddress+" : The requested URL returned error: 404"
			if first.Outcome != buildbtw.OutcomeInfrastructure || first.Message != want {
				t.Fatalf("want %q: %+v\n%s", want, attempts, log)
			}
			before, _, found := strings.Cut(log, "error: failed retrieving file")
			if !found || len(before) < test.least {
				t.Fatalf("%d bytes are before the failure, want %d:\n%s", len(before), test.least, log)
			}
			return true
		})
		m.lose(test.file, false)
		s.wait(t, name, "wants", func(b api.Build, _ []api.Attempt, _ string) bool { return b.Status == buildbtw.StatusBuilt })
	}
}

// A chroot that is not sound any more is the machine's fault, and made anew.
func TestABrokenChrootIsMadeAnew(t *testing.T) {
	need(t)
	startMirror(t)
	s := startSite(t, map[string]map[string]string{
		"plain": source("plain", "", packageNothing), "lib32-plain": source("lib32-plain", "depends = plain", packageNothing),
	})
	s.worker(t, "one")
	s.create(t, "first", "plain")
	s.allBuilt(t, "first", 2)
	run(t, "rm", archbuild+"/x86_64/1/root/.arch-chroot")
	s.create(t, "second", "plain")
	for _, b := range s.builds(t, "second") {
		attempts, err := s.client.Attempts(t.Context(), b.ID)
		if err != nil || b.Status != buildbtw.StatusBuilt {
			t.Errorf("%+v %v", b, err)
		}
		for _, a := range attempts {
			if a.Outcome != buildbtw.OutcomeBuilt && (a.Outcome != buildbtw.OutcomeInfrastructure || !strings.Contains(a.Message, "does not appear to be an Arch chroot")) {
				t.Errorf("%s: %+v", b.Pkgbase, a)
			}
		}
	}
}
