package main_test

import (
	"bytes"
	"flag"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/cmd/internal/cmdtest"
)

// wholePackage is set by make test-vm.
var wholePackage = flag.Bool("executor.vm", false, "build a whole package in a guest, which takes minutes where there is no KVM")

// TestWholePackageInAGuest has a guest with this machine's file system build a
// library of the demo with makepkg: a job, a lease, a machine that boots, the
// server's repository at 10.0.2.2, a package, and pacman's database with it.
func TestWholePackageInAGuest(t *testing.T) {
	t.Parallel()
	if !*wholePackage {
		t.Skip("this takes minutes; make test-vm runs it")
	}
	root, err := cmdtest.Root()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), filepath.Join(root, "infrastructure/guest-kernel.sh")).Output()
	if err != nil {
		t.Fatalf("there is no kernel for guests: %v", err)
	}
	kernel, modules, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	s := newSite(t, map[string]string{"libcalc": demoSource})
	s.runner.Env = append(s.runner.Env, "BUILDBTW_RUNNER=vm", "BUILDBTW_VM_BACKEND=qemu", "BUILDBTW_VM_ROOT=host", "BUILDBTW_VM_SCRIPT=makepkg",
		"BUILDBTW_VM_KERNEL="+kernel, "BUILDBTW_VM_MODULES="+modules, "BUILDBTW_VM_MEMORY=1024", "BUILDBTW_PATIENCE=1s",
		"BUILDBTW_VM_BOOT="+cmdtest.OnBusyMachine(5*time.Minute).String())
	start := time.Now()
	raw := bytes.Replace(s.response("libcalc", nil), []byte(`"timeout":60`), fmt.Appendf(nil, `"timeout":%.0f`, min(cmdtest.OnBusyMachine(15*time.Minute), 2*time.Hour).Seconds()), 1)
	result := s.play(s.parse(raw), nil)
	if result.State != "success" || s.build("libcalc").Status != buildbtw.StatusBuilt {
		t.Fatalf("%+v", result)
	}
	t.Logf("a whole package took %s", time.Since(start).Round(time.Second))
}
