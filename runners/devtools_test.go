package runners_test

import (
	"strings"
	"testing"

	"buildbtw"
	"buildbtw/runners"
)

// The words are those of devtools 1.5.0, makepkg and pacman 6.0.2, after a log as long
// as that of a new chroot on Arch Linux.
func TestDevtoolsWordsAndCodes(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("installing a-package-of-the-base-001...\n", 1000)
	const dying = "==> ERROR: Build failed, check /var/lib/archbuild/buildbtw/x86_64/1/build/build\n"
	const cannot = "==> ERROR: 'pacman' failed to install missing dependencies.\n==> Missing dependencies:\n  -> abacus\n  -> bash\n==> Checking buildtime dependencies...\n==> ERROR: Could not resolve all dependencies.\n" + dying
	for _, test := range []struct {
		code     int
		log      string
		outcome  buildbtw.Outcome
		message  string
		doubtful bool
	}{
		{code: 101, log: "==> ERROR: '/x/root' does not appear to be an Arch chroot.\n", outcome: "infrastructure", message: "the chroot could not be made ready: '/x/root' does not appear to be an Arch chroot"},
		{code: 101, log: "==> ERROR: chroot '/x/root' is not at version v6. Please rebuild.\n", outcome: "infrastructure", message: "the chroot could not be made ready: chroot '/x/root' is not at version v6. Please rebuild"},
		{code: 101, log: "error: failed retrieving file 'core.db' from 127.0.0.1:8099 : Failed to connect\nerror: failed to synchronize all databases (unexpected error)\n==> ERROR: Failed to install packages to new root\n==> ERROR: Failed to install all packages\n", outcome: "infrastructure", message: "the chroot could not be made ready: failed retrieving file 'core.db' from 127.0.0.1:8099 : Failed to connect"},
		{code: 101, log: "error: target not found: base-devel\n==> ERROR: Failed to install all packages\n", outcome: "infrastructure", message: "the chroot could not be made ready: target not found: base-devel"},
		{code: 102, log: "error: target not found: bash\n", outcome: "failed", message: "the dependencies cannot be installed: target not found: bash"},
		{code: 102, log: "error: failed retrieving file 'samples-1-1-any.pkg.tar.zst' from 127.0.0.1:8099 : The requested URL returned error: 404\nwarning: failed to retrieve some files\nerror: failed to commit transaction (unexpected error)\n", outcome: "infrastructure", message: "the dependencies could not be downloaded: failed retrieving file 'samples-1-1-any.pkg.tar.zst' from 127.0.0.1:8099 : The requested URL returned error: 404"},
		{code: 102, log: ":: File /c/calc-2.1-3-x86_64.pkg.tar.zst is corrupted (invalid or corrupted package (checksum)).\nDo you want to delete it? [Y/n] \nerror: failed to commit transaction (invalid or corrupted package (checksum))\n", outcome: "infrastructure", message: "the dependencies could not be downloaded: File /c/calc-2.1-3-x86_64.pkg.tar.zst is corrupted (invalid or corrupted package (checksum))"},
		{code: 103, log: ":: unable to satisfy dependency 'libcalc.so=1-64' required by calc\nerror: failed to prepare transaction (could not satisfy dependencies)\n", outcome: "failed", message: "the dependencies cannot be installed: unable to satisfy dependency 'libcalc.so=1-64' required by calc"},
		{code: 104, log: "    file ... FAILED\n==> ERROR: One or more files did not pass the validity check!\n", outcome: "failed", message: "the sources could not be verified: One or more files did not pass the validity check"},
		{code: 104, log: "    file ... FAILED (unknown public key ABC)\n==> ERROR: One or more PGP signatures could not be verified!\n", outcome: "failed", message: "the sources could not be verified: One or more PGP signatures could not be verified"},
		{code: 105, log: "==> ERROR: Aborting...\n==> ERROR: A failure occurred in build().\n    Aborting...\n" + dying, outcome: "failed", message: "build() failed"},
		{code: 105, log: "error: target not found: bash\n" + cannot, outcome: "failed", message: "target not found: bash"},
		{code: 105, log: cannot, outcome: "failed", message: "missing: abacus, bash"},
		{code: 105, log: ":: File /c/calc-2.1-3-x86_64.pkg.tar.zst is corrupted (invalid or corrupted package (checksum)).\n" + cannot, outcome: "infrastructure", message: "the build could not be begun: File /c/calc-2.1-3-x86_64.pkg.tar.zst is corrupted (invalid or corrupted package (checksum))", doubtful: true},
		{code: 105, log: "sudo: unable to resolve host x: Name or service not known\nerror: target not found: nosuch\n" + cannot, outcome: "failed", message: "target not found: nosuch"},
		{code: 1, log: "sudo: a password is required\n", outcome: "infrastructure", message: "devtools could not be run: sudo: a password is required (exit code 1)"},
		{code: 126, log: "", outcome: "infrastructure", message: "devtools could not be run: no reason given (exit code 126)"},
	} {
		var watch runners.LogWatch
		for _, part := range []string{long[:len(long)/2], long[len(long)/2:], test.log} {
			if _, err := watch.Write([]byte(part)); err != nil {
				t.Fatal(err)
			}
		}
		got := runners.JudgeDevtools(&watch, test.code, test.log)
		if blameless := strings.Contains(test.log, "failed retrieving") || test.code == 102 && got.Outcome == "infrastructure"; got.Blameless != blameless {
			t.Errorf("%d %q: blameless %v", test.code, test.log, got.Blameless)
		}
		if got.Outcome != test.outcome || got.Message != test.message || got.Doubtful != test.doubtful {
			t.Errorf("%d %q:\n got %+v\nwant %s: %s", test.code, test.log, got, test.outcome, test.message)
		}
	}
}
