package devtools

import (
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"buildbtw/cmd/internal/cmdtest"
)

// A PKGBUILD that tries: its top level, which devtools runs outside of the chroot, and
// build(), as root of the chroot, which pacman's hooks are.
func TestNothingOfAPackageRunsOutsideOrReachesTheNetwork(t *testing.T) {
	need(t)
	startMirror(t)
	s := startSite(t, map[string]map[string]string{})
	at, err := url.Parse(s.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	try := `
touch /var/tmp/pkgbuild-was-here /tmp/pkgbuild-was-here 2>/dev/null
echo "TOP $(id -u) $(cat /proc/sys/kernel/hostname) $(ls -d ` + *distribution + ` /tmp/` + user + ` 2>/dev/null)"
sudo -n id -un 2>/dev/null | sed 's/^/SUDO /'
build() {
	for at in 127.0.0.1/` + at.Port() + ` 127.0.0.1/8099; do (exec 3<>/dev/tcp/$at) 2>/dev/null && echo "REACHED $at"; done
	grep -v lo: /proc/net/dev | grep : | sed 's/^/INTERFACE /'
	! grep @ /proc/net/unix || echo ABSTRACT
}
`
	dir := filepath.Join(s.dir, "sources/hostile")
	if err := cmdtest.Commit(dir, "main", "first", source("hostile", "", try+packageNothing)); err != nil {
		t.Fatal(err)
	}
	s.worker(t, "one")
	err = cmdtest.Poll(t.Context(), patience, func() (bool, error) {
		list, err := s.client.Sources(t.Context())
		return len(list) == 1, err
	})
	if err != nil {
		t.Fatal(err)
	}
	s.create(t, "hostile", "hostile")
	s.allBuilt(t, "hostile", 1)
	log := s.log(t.Context(), s.builds(t, "hostile")[0].ID)
	for line := range strings.Lines(log) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch word {
		case "TOP":
			// Its id there is builduser's, or fakeroot's 0.
			if !strings.Contains(rest, " arch-nspawn-") || strings.Contains(rest, "/") {
				t.Errorf("it ran on the machine itself, or saw its files: %s", line)
			}
		case "SUDO", "REACHED", "INTERFACE", "ABSTRACT":
			t.Error(line)
		}
	}
	if !strings.Contains(log, "\nTOP 2147") {
		t.Errorf("it has tried nothing:\n%s", log)
	}
	for _, name := range []string{"/var/tmp/pkgbuild-was-here", "/tmp/pkgbuild-was-here"} {
		if _, err := os.Stat(name); err == nil {
			t.Errorf("%s is there: the PKGBUILD was run on the machine itself", name)
		}
	}
}

// doctor says at once what a build would fail of.
func TestDoctorKnowsWhatSudoMustAllow(t *testing.T) {
	need(t)
	s := startSite(t, map[string]map[string]string{})
	old, err := os.ReadFile("/etc/sudoers.d/" + user)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := os.WriteFile("/etc/sudoers.d/"+user, old, 0o440); err != nil {
			t.Error(err)
		}
	}()
	for _, test := range []struct {
		rule, says string
		ok         bool
	}{
		{"ALL=(ALL:ALL) NOPASSWD: ALL", "ok    runner pkgctl", true},
		{"ALL=(ALL:ALL) ALL", "a password is required", false},
		{"ALL=(ALL:ALL) NOPASSWD: /usr/bin/makechrootpkg, /usr/bin/mkarchroot, /usr/bin/true", "NOPASSWD: ALL", false},
	} {
		if err := os.WriteFile("/etc/sudoers.d/"+user, []byte(user+" "+test.rule+"\n"), 0o440); err != nil {
			t.Fatal(err)
		}
		run(t, "install", "-d", "-o", user, s.dir+"/doctor")
		cmd := exec.CommandContext(t.Context(), "setpriv", "--reuid="+user, "--regid="+user, "--init-groups", "--", "buildbtw-worker", "doctor", "--runner", "pkgctl", "--server-url", s.server.URL, "--worker-token-file", s.token(), "--work-dir", s.dir+"/doctor")
		cmd.Env = append(os.Environ(), "HOME=/tmp/"+user, "USER="+user)
		out, err := cmd.CombinedOutput()
		if strings.Contains(string(out), "ok    runner pkgctl") != test.ok || !strings.Contains(string(out), test.says) {
			t.Errorf("%s: %v\n%s", test.rule, err, out)
		}
	}
}
