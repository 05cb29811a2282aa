package devtools

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/cmd/internal/cmdtest"
)

// kernel is KERNEL:MODULES of guests.
var kernel = flag.String("devtools.kernel", "", "kernel and directory of modules, with a colon between, to build in a guest, too")

// guestWorker starts a worker whose guests are this machine, with the script that a guest
// of Arch Linux has.
func (s *site) guestWorker(t *testing.T) {
	t.Helper()
	root, err := cmdtest.Root()
	if err != nil {
		t.Fatal(err)
	}
	bin := openDir(t)
	run(t, "install", "-m", "755", filepath.Join(root, "cmd/internal/devtools/testdata/vmexec"), bin)
	cache := filepath.Join(s.dir, "vm")
	run(t, "install", "-d", "-o", user, cache)
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	s.worker(t, "one", "--runner", "vm", "--vm-backend", "vmexec", "--vm-cache-dir", cache)
}

// The guest's script builds with the library of its buildspace, and tells whose fault a
// failure is, as the runner pkgctl does: TestReasons has it fail.
func TestTheGuestsScript(t *testing.T) {
	need(t)
	startMirror(t)
	s := twoLibraries(t)
	s.guestWorker(t)
	for _, branch := range []string{"main", "other"} {
		s.create(t, branch, map[string]string{"main": "lib", "other": "lib/other"}[branch], "app")
		s.allBuilt(t, branch, 2)
		s.sees(t, branch, branch)
	}
}

// The same script in a guest that QEMU boots from this machine's file systems. It gets the
// distribution and the buildspace through its one door, which it closes before it builds.
func TestTheGuestsScriptInAGuest(t *testing.T) {
	need(t)
	if *kernel == "" {
		t.Skip("this takes many minutes where there is no KVM; with BUILDBTW_DEVTOOLS_GUEST=yes it is run")
	}
	startMirror(t)
	s := twoLibraries(t)
	image, modules, _ := strings.Cut(*kernel, ":")
	s.startWorker(t, "one", "root", "--runner", "vm", "--vm-backend", "qemu", "--vm-root", "host", "--vm-kernel", image, "--vm-modules", modules, "--vm-memory", "6144",
		"--vm-cache-dir", openDir(t), "--vm-boot", "10m", "--fetch-allow", mirrorAddress)
	s.create(t, "other", "lib/other", "app")
	begun := time.Now()
	err := cmdtest.Poll(t.Context(), 2*time.Hour, func() (bool, error) {
		list, err := s.client.Builds(t.Context(), api.BuildFilter{Buildspace: "other", Iteration: api.Latest})
		if buildbtw.KindOf(err) == buildbtw.KindNotFound {
			return false, nil
		}
		return err == nil && len(list) == 2 && !slices.ContainsFunc(list, func(b api.Build) bool { return b.Status.Active() }), err
	})
	if err != nil {
		t.Fatal(err)
	}
	s.allBuilt(t, "other", 2)
	s.sees(t, "other", "other")
	t.Logf("two packages took %s", time.Since(begun).Round(time.Second))
}
