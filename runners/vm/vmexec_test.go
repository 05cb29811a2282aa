package vm_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/infrastructure"
	"buildbtw/runners"
	"buildbtw/runners/vm"
)

// standIn is a vmexec that behaves like the real one, with a fault.
func standIn(t *testing.T, fault string) string {
	t.Helper()
	text, err := os.ReadFile("testdata/vmexec")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "vmexec")
	if err := os.WriteFile(file, bytes.ReplaceAll(text, []byte("@FAULT@"), []byte(fault)), 0o755); err != nil {
		t.Fatal(err)
	}
	return file
}

func vmexecOptions(t *testing.T, fault, script string) vm.Options {
	t.Helper()
	file := filepath.Join(t.TempDir(), "script.sh")
	if err := os.WriteFile(file, []byte(script), 0o644); err != nil {
		t.Fatal(err)
	}
	return vm.Options{Backend: "vmexec", VMExec: standIn(t, fault), Script: file, Boot: 5 * time.Minute}
}

const goodScript = `. ./job.env
mkdir -p /buildbtw/out/packages
echo "building $BUILDBTW_PKGBASE from $(cat source/PKGBUILD) against $BUILDBTW_REPO_URL"
echo content >"/buildbtw/out/packages/tool-1-1-$BUILDBTW_ARCH.pkg.tar"
echo 0 >/buildbtw/out/result
exit 3 # nobody asks
`

func TestVMExecOutcomes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, fault, script string
		stall               float64
		outcome             buildbtw.Outcome
		blameless           bool
		says                string
	}{
		{name: "built, whatever the exit code", script: goodScript, outcome: buildbtw.OutcomeBuilt},
		{name: "the machine dies after the result", fault: "dies", script: goodScript, outcome: buildbtw.OutcomeBuilt},
		{name: "a QEMU is left", fault: "orphan", script: goodScript, outcome: buildbtw.OutcomeBuilt},
		{name: "exit code 0 and nothing done", fault: "lies", script: goodScript, outcome: buildbtw.OutcomeInfrastructure, says: "ended without a result"},
		{name: "no ssh", fault: "no-ssh", script: goodScript, outcome: buildbtw.OutcomeInfrastructure, says: "exit code 1"},
		{name: "never up", fault: "hangs", script: goodScript, outcome: buildbtw.OutcomeInfrastructure, says: "had not started after 1s"},
		{name: "hangs", script: "sleep 1000", stall: 0.5, outcome: buildbtw.OutcomeStalled, says: "no output"},
		{name: "build fails", script: "echo '==> ERROR: A failure occurred in check().'; printf '255\narchbuild\n' >/buildbtw/out/result", outcome: buildbtw.OutcomeFailed, says: "check() failed (archbuild exit code 255)"},
		{name: "words of a mirror that is down", script: "echo \"error: failed retrieving file 'core.db'\"; printf '255\narchbuild\n' >/buildbtw/out/result", outcome: buildbtw.OutcomeFailed, says: "failed retrieving file 'core.db'"},
		{name: "mirror is down while it is prepared", script: "echo \"error: failed retrieving file 'core.db'\"; printf '102\ndevtools\n' >/buildbtw/out/result", outcome: buildbtw.OutcomeInfrastructure, blameless: true, says: "could not be downloaded: failed retrieving file 'core.db'"},
		{name: "nothing provides it", script: "printf '4\nmakepkg\nnot-checked no-such-thing\nnot-checked b\n' >/buildbtw/out/result", outcome: buildbtw.OutcomeFailed, says: "not checked: no-such-thing, b (nothing here provides it); no reason given (makepkg exit code 4)"},
		{name: "the script knows", script: "printf 'infrastructure\nno room\n' >/buildbtw/out/result", outcome: buildbtw.OutcomeInfrastructure, says: "no room"},
		{name: "bad keys", script: "printf 'failed\nkeys/pgp\n' >/buildbtw/out/result", outcome: buildbtw.OutcomeFailed, says: "keys/pgp"},
		{name: "garbage", script: "echo built >/buildbtw/out/result", outcome: buildbtw.OutcomeInfrastructure, says: "no result"},
		{name: "a link for a result", script: "ln -s /etc/passwd /buildbtw/out/result", outcome: buildbtw.OutcomeInfrastructure, says: "no file"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			o := vmexecOptions(t, test.fault, test.script)
			if test.fault == "hangs" {
				o.Boot = time.Second
			}
			job := guestJob(t)
			job.StallSeconds = test.stall
			var log bytes.Buffer
			result := newRunner(t, o).Build(t.Context(), job, &log)
			if result.Outcome != test.outcome || result.Blameless != test.blameless || !strings.Contains(result.Message, test.says) {
				t.Errorf("%+v\n%s", result, &log)
			}
			if left := marked(t, job.Mark); left != "" {
				t.Errorf("processes are left: %s", left)
			}
			_, err := os.Stat(filepath.Join(job.Output, "tool-1-1-x86_64.pkg.tar"))
			if (err == nil) != (test.outcome == buildbtw.OutcomeBuilt) {
				t.Errorf("the package: %v", err)
			}
		})
	}
}

// A guest lists what was installed in it. The list of the guest's own packages comes last.
func TestWhatWasInstalledInTheGuestIsReported(t *testing.T) {
	t.Parallel()
	const result = "printf '4\nmakepkg\n' >/buildbtw/out/result; "
	for script, want := range map[string]string{
		result + "printf 'a-1-1\nno package\nb-1-1\nb-1:2-1\n' >/buildbtw/out/installed": "a 1-1\nb 1:2-1",
		result + "ln -s /buildbtw/out/result /buildbtw/out/installed":                    "",
		result: "",
	} {
		var log bytes.Buffer
		got := newRunner(t, vmexecOptions(t, "", script)).Build(t.Context(), guestJob(t), &log)
		if got.Outcome != buildbtw.OutcomeFailed || got.Installed != want {
			t.Errorf("%s: got %+v, want %q\n%s", script, got, want, &log)
		}
	}
}

func TestGuestSeesTheMachineUnderItsOwnAddress(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"http://127.0.0.1:8080/repo/x/os/x86_64": "http://10.0.2.2:8080/repo/x/os/x86_64",
		"http://localhost/repo":                  "http://10.0.2.2/repo",
		"http://[::1]:81/repo":                   "http://10.0.2.2:81/repo",
		"https://buildbtw.example.org/repo":      "https://buildbtw.example.org/repo",
	} {
		job := guestJob(t)
		job.Repository.URL = address
		var log bytes.Buffer
		newRunner(t, vmexecOptions(t, "", goodScript)).Build(t.Context(), job, &log)
		if !strings.Contains(log.String(), "against "+want+"\n") {
			t.Errorf("%s: %s", address, &log)
		}
	}
}

// The guest's own route is written in a script, where no constant reaches.
func TestTheGuestsRouteIsTheMachinesAddress(t *testing.T) {
	t.Parallel()
	if text, ok := infrastructure.GuestScript("init"); !ok || !strings.Contains(text, "default via "+buildbtw.HostFromGuest+"\n") {
		t.Errorf("init.sh has no default route via %s", buildbtw.HostFromGuest)
	}
}

// A guest may make its directory of packages a link to a directory of the build
// machine; nothing must be taken from there.
func TestLinksOutOfTheGuestAreNotFollowed(t *testing.T) {
	t.Parallel()
	secret := t.TempDir()
	if err := os.WriteFile(filepath.Join(secret, "tool-1-1-any.pkg.tar"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	job := guestJob(t)
	var log bytes.Buffer
	newRunner(t, vmexecOptions(t, "", "ln -s "+secret+" /buildbtw/out/packages; echo 0 >/buildbtw/out/result")).Build(t.Context(), job, &log)
	if entries, err := os.ReadDir(job.Output); err != nil || len(entries) > 0 {
		t.Errorf("%v, %v\n%s", entries, err, &log)
	}
	if _, err := os.Stat(filepath.Join(secret, "tool-1-1-any.pkg.tar")); err != nil {
		t.Error(err)
	}
}

func TestProbe(t *testing.T) {
	t.Parallel()
	image := filepath.Join(t.TempDir(), "image.qcow2")
	if err := os.WriteFile(image, []byte("an image"), 0o644); err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte("an image"))
	for _, test := range []struct {
		name, fault string
		change      func(o *vm.Options)
		says        string // empty: it works
	}{
		{name: "works"},
		{name: "too old", fault: "old", says: "vmexec 0.6 is too old"},
		{name: "says 0 and does nothing", fault: "lies", says: "cannot start a guest"},
		{name: "cannot boot", fault: "no-ssh", says: "ssh: connection timed out"},
		{name: "not there", change: func(o *vm.Options) { o.VMExec = "/nonexistent/vmexec" }, says: "pacman -S vmexec"},
		{name: "no such image", change: func(o *vm.Options) { o.Image = "gentoo" }, says: "vmexec pull gentoo"},
		{name: "image as asked for", change: func(o *vm.Options) { o.Image, o.ImageSHA256 = image, hex.EncodeToString(digest[:]) }},
		{name: "another image", change: func(o *vm.Options) { o.Image, o.ImageSHA256 = image, strings.Repeat("0", 64) }, says: "is not the one that was asked for"},
		{name: "digest of no file", change: func(o *vm.Options) { o.ImageSHA256 = strings.Repeat("0", 64) }, says: "needs --vm-image with a file"},
	} {
		o := vmexecOptions(t, test.fault, goodScript)
		o.CacheDir = t.TempDir()
		if test.change != nil {
			test.change(&o)
		}
		r := newRunner(t, o)
		for range 2 { // the second answer comes from the notes, where it was good
			err := r.Probe(t.Context())
			if (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
				t.Errorf("%s: %v", test.name, err)
			}
		}
	}
}

// An image that is exchanged between two builds is noticed, though the first was
// good.
func TestImageIsCheckedBeforeEveryBuild(t *testing.T) {
	t.Parallel()
	image := filepath.Join(t.TempDir(), "image.qcow2")
	digest := sha256.Sum256([]byte("an image"))
	o := vmexecOptions(t, "", goodScript)
	o.Image, o.ImageSHA256, o.CacheDir = image, hex.EncodeToString(digest[:]), t.TempDir()
	r := newRunner(t, o)
	for _, step := range []struct {
		text    string
		outcome buildbtw.Outcome
	}{{"an image", buildbtw.OutcomeBuilt}, {"an image", buildbtw.OutcomeBuilt}, {"another one", buildbtw.OutcomeInfrastructure}} {
		if err := os.WriteFile(image, []byte(step.text), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := r.Build(t.Context(), guestJob(t), &bytes.Buffer{}); got.Outcome != step.outcome {
			t.Errorf("%s: %+v", step.text, got)
		}
	}
}

// Notes that somebody else can have written are not believed.
func TestNotesOfOthersAreNotBelieved(t *testing.T) {
	t.Parallel()
	o := vmexecOptions(t, "", goodScript)
	o.CacheDir = t.TempDir()
	if err := newRunner(t, o).Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	spoil := func() {
		text, err := os.ReadFile("testdata/vmexec")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(o.VMExec, bytes.ReplaceAll(text, []byte("@FAULT@"), []byte("no-ssh")), 0o755); err != nil {
			t.Fatal(err)
		}
		stamp := time.Unix(1, 0)
		if err := os.Chtimes(o.VMExec, stamp, stamp); err != nil {
			t.Fatal(err)
		}
	}
	spoil()
	if err := newRunner(t, o).Probe(t.Context()); err == nil {
		t.Error("what was found of another vmexec is believed of this one")
	}
	o = vmexecOptions(t, "", goodScript)
	o.CacheDir = t.TempDir()
	if err := os.Chmod(o.CacheDir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := newRunner(t, o).Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(o.CacheDir); err != nil || len(entries) > 0 {
		t.Errorf("notes are kept where everybody can write: %v, %v", entries, err)
	}
}

func TestSettingsThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]vm.Options{
		"backend": {Backend: "xen"}, "accelerator": {Accel: "hyperv"}, "script": {Script: "/nonexistent/guest.sh"},
	} {
		if _, err := vm.New(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	var _ runners.Runner = newRunner(t, vm.Options{})
}

func TestGuestIsEndedWhenNobodyWantsIt(t *testing.T) {
	t.Parallel()
	r := newRunner(t, vmexecOptions(t, "orphan", "echo begun; sleep 1000"))
	job := guestJob(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var log bytes.Buffer
	result := r.Build(ctx, job, writerFunc(func(p []byte) {
		log.Write(p)
		if bytes.Contains(log.Bytes(), []byte("begun")) {
			cancel()
		}
	}))
	if !errors.Is(context.Cause(ctx), context.Canceled) {
		t.Errorf("the guest has not begun:\n%s", &log)
	}
	if result.Outcome != buildbtw.OutcomeCancelled || marked(t, job.Mark) != "" {
		t.Errorf("%+v, %q", result, marked(t, job.Mark))
	}
}

type writerFunc func([]byte)

func (f writerFunc) Write(p []byte) (int, error) {
	f(p)
	return len(p), nil
}
