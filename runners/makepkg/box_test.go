package makepkg_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"buildbtw"
	"buildbtw/internal/limit"
	"buildbtw/runners"
	"buildbtw/runners/makepkg"
)

// asks is a source whose build runs a script of bash.
func asks(script string) source { return source{name: "asks", edit: []string{"ASK", script}} }

// The users who run workers, by how their builds are to run.
const workerUID = "4321"

var workers = []struct {
	name   string
	root   bool
	subids bool   // the worker's user has some
	note   string // of how builds run
	uid    string // pattern of the id that a build's processes have outside
}{
	{"root", true, false, "a user of its own", `^1[89]\d{8}|20\d{8}$`},
	{"subordinate ids", false, true, "a subordinate id", `^1[0-6]\d{4}$`},
	{"ordinary", false, false, "this worker's own user", "^" + workerUID + "$"},
}

// Whoever runs the worker, a build sees no settings of the machine, may write
// nowhere but into its own directories, gets no further user namespace, and runs
// as the user that Notes names. The worker is this test's program, started again on a
// machine whose /etc has secrets in it.
func TestBoxOfEveryWorker(t *testing.T) {
	if name := os.Getenv("BUILDBTW_TEST_WORKER_OF"); name != "" {
		for _, w := range workers {
			if w.name == name {
				boxOfWorker(t, w.note, w.uid)
			}
		}
		return
	}
	t.Parallel()
	newRunner(t, makepkg.Options{}) // skips where it cannot work
	if os.Geteuid() != 0 {
		t.Skip("needs root, to show this machine with another /etc and to be several users")
	}
	for _, w := range workers {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			if _, err := exec.LookPath("newuidmap"); err != nil && w.subids {
				t.Skip("newuidmap is missing; run infrastructure/setup.sh test")
			}
			dir, err := os.MkdirTemp("/var/tmp", "buildbtw-box-") // the other user has to reach it
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = runners.RemoveTree(dir) })
			script := `set -e
cp -a /etc "$1/etc"; cp "$0" "$1/test"; cp -a testdata "$1/testdata"; mkdir "$1/tmp"
cd "$1/etc"
mkdir -p buildbtw gitlab-runner maven profile.d ssl/private
for f in buildbtw/worker-token buildbtw/executor.conf gitlab-runner/config.toml gitconfig npmrc pip.conf maven/settings.xml profile.d/proxy.sh ssl/private/key environment fonts/private; do
	mkdir -p "$(dirname "$f")"; echo s3cret >"$f"; chmod 644 "$f"
done
chmod 600 fonts/private buildbtw/worker-token
echo "worker:x:` + workerUID + `:` + workerUID + `::/:/bin/sh" >>passwd
if [ "$2" = subids ]; then echo worker:100000:65536 >subuid; echo worker:100000:65536 >subgid; else : >subuid; : >subgid; fi
[ "$3" = 0 ] || chown -R "$3:$3" fonts/private buildbtw "$1/tmp"
chmod 755 "$1"; cd "$1"
mount --bind "$1/etc" /etc
export TMPDIR=$1/tmp
exec setpriv --reuid "$3" --regid "$3" --clear-groups "$1/test" -test.run='^TestBoxOfEveryWorker$' -test.v`
			uid, ids := workerUID, "none"
			if w.root {
				uid = "0"
			}
			if w.subids {
				ids = "subids"
			}
			cmd := exec.CommandContext(t.Context(), "unshare", "--mount", "bash", "-c", script, os.Args[0], dir, ids, uid)
			cmd.Env = append(os.Environ(), "BUILDBTW_TEST_WORKER_OF="+w.name)
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.Contains(string(out), "--- PASS: TestBoxOfEveryWorker") {
				t.Errorf("%v\n%s", err, out)
			}
			left, err := os.ReadDir(filepath.Join(dir, "tmp"))
			if err != nil || len(left) > 0 {
				t.Errorf("files of builds are left: %v, %v", left, err)
			}
		})
	}
}

// boxOfWorker builds as the user who runs this process.
func boxOfWorker(t *testing.T, note, uid string) {
	run, r := newRunner(t, makepkg.Options{Limits: limit.Limits{Memory: 1 << 30, Processes: 500, Disk: 1 << 30}}), newRepository(t)
	var notes []string
	for _, n := range run.Notes() {
		notes = append(notes, n.Text)
	}
	if text := strings.Join(notes, "\n"); !strings.Contains(text, note) || strings.Contains(text, "can make user namespaces") {
		t.Errorf("notes:\n%s", text)
	}
	for name, shown := range map[string]bool{"/etc/buildbtw/worker-token": false, "/etc/fonts/private": true, "/usr/local/etc/wgetrc": true, "/home/x/token": false} {
		if run.Shows(name) != shown {
			t.Errorf("%s is shown: %v", name, !shown)
		}
	}
	seconds := fmt.Sprint(2_000_000 + os.Getpid())
	job := asks(`set +e
  test "$(id -u)" = 1000 || echo WRONG user
  for f in /etc/buildbtw /etc/gitlab-runner /etc/gitconfig /etc/npmrc /etc/pip.conf /etc/maven/settings.xml /etc/profile.d/proxy.sh /etc/ssl/private /etc/environment /etc/shadow /etc/fonts/private; do
    ! ls -d $f 2>/dev/null || echo WRONG seen $f
  done
  test -z "$(ls -A /usr/local/etc 2>/dev/null)" || echo WRONG settings in /usr/local
  ! grep -rs s3cret /etc /usr/local/etc /opt || echo WRONG a secret
  for f in /etc/ld.so.cache /etc/nsswitch.conf /etc/passwd /etc/ssl/certs; do ls -d $f >/dev/null || echo WRONG missing $f; done
  getent hosts localhost >/dev/null || echo WRONG names
  for d in / /dev /run /var /etc /opt /usr /usr/local/etc /var/lib /home /mnt; do ! touch $d/x 2>/dev/null || echo WRONG written in $d; done
  for d in /tmp /var/tmp /dev/shm /home/build /build /startdir /pkgdest; do touch $d/x || echo WRONG not writable $d; rm -f $d/x; done
  ! unshare --user true 2>/dev/null || echo WRONG a user namespace
  ! unshare --user --map-root-user true 2>/dev/null || echo WRONG a user namespace
  test "$(( $(stat -f -c '%b * %S' /dev/shm) ))" = 536870912 || echo WRONG shared memory $(stat -f -c '%b * %S' /dev/shm)
  test "$(ulimit -c)" = 0 || echo WRONG core
  mkdir /tmp/closed && touch /tmp/closed/f && chmod 0 /tmp/closed
  sleep `+seconds).prepare(t, r)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var log syncBuffer
	done := make(chan runners.Result, 1)
	go func() { done <- run.Build(ctx, job, &log) }()
	waitFor(t, "the sleep", func() bool { return sleeping(t, seconds) == 1 || len(done) > 0 })
	if got := userOf(t, seconds); !regexp.MustCompile(uid).MatchString(got) {
		t.Errorf("the build ran as user %s, not %s", got, uid)
	}
	cancel()
	if result := <-done; result.Outcome != buildbtw.OutcomeCancelled || strings.Contains(log.String(), "WRONG") {
		t.Errorf("%s %q\n%s", result.Outcome, result.Message, log.String())
	}
	small := newRunner(t, makepkg.Options{Limits: limit.Limits{Disk: 32 << 20}})
	full := asks("mkdir closed; cd closed; head -c 40M /dev/zero >big; chmod 0 .; sleep 1000").prepare(t, r)
	b := execute(t, small, full)
	if b.Outcome != buildbtw.OutcomeFailed || b.Message != "used more than 32 MiB of disk" {
		t.Errorf("%s %q\n%s", b.Outcome, b.Message, b.log)
	}
	b = build(t, run, r, asks("true"))
	if b.Outcome != buildbtw.OutcomeBuilt || b.err != nil {
		t.Errorf("%s %q %v\n%s", b.Outcome, b.Message, b.err, b.log)
	}
	for _, dir := range []string{filepath.Dir(job.Work), filepath.Dir(full.Work)} {
		if err := runners.RemoveTree(dir); err != nil {
			t.Error(err)
		}
	}
	if strings.Contains(note, "subordinate") { // what a worker leaves that is killed
		dir := t.TempDir() + "/left"
		if out, err := exec.Command("unshare", "--user", "--map-root-user", "--map-auto", "bash", "-c", `mkdir -p "$0/a/b" && chown -R 7:7 "$0" && chmod 700 "$0"`, dir).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if err := runners.RemoveTree(dir); err != nil {
			t.Error(err)
		}
	}
}

// userOf returns who runs the sleep of that many seconds.
func userOf(t *testing.T, seconds string) string {
	t.Helper()
	names, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if text, err := os.ReadFile(name); err != nil || string(text) != "sleep\x00"+seconds+"\x00" {
			continue
		}
		status, err := os.ReadFile(filepath.Join(filepath.Dir(name), "status"))
		if err != nil {
			t.Fatal(err)
		}
		return regexp.MustCompile(`(?m)^Uid:\t(\d+)`).FindStringSubmatch(string(status))[1]
	}
	return "of no process"
}

// A build that uses more than it may is ended, and what is said of it comes from
// what was seen of it, not from what it printed.
func TestLimits(t *testing.T) {
	t.Parallel()
	o := makepkg.Options{Limits: limit.Limits{Memory: 300 << 20, Processes: 60, Disk: 64 << 20}}
	run, r := newRunner(t, o), newRepository(t)
	hold := func(path string) string { return "head -c 80M /dev/zero >" + path + "; sleep 1000" }
	for name, test := range map[string]struct{ script, message string }{
		"memory":              {`for i in 1 2 3 4 5; do (head -c 100M /dev/zero | tail -c 100M | sleep 1000) & done; sleep 1000`, "used more than 300 MiB of memory"},
		"memory without name": {`exec 3>/dev/shm/f; rm /dev/shm/f; head -c 140M /dev/zero >&3; for i in 1 2 3; do (head -c 80M /dev/zero | tail -c 80M | sleep 1000) & done; sleep 1000`, "used more than 300 MiB of memory"},
		"processes":           {`for i in {1..90}; do sleep 1000 & done; wait`, "used more than 60 processes"},
		"disk":                {hold("big"), "used more than 64 MiB of disk"},
		"disk in tmp":         {hold("/tmp/big"), "used more than 64 MiB of disk"},
		"disk without name":   {"exec 3>/var/tmp/f; rm /var/tmp/f; " + hold("/proc/self/fd/3") + "; cat <&3", "used more than 64 MiB of disk"},
		"disk out of sight":   {"mkdir closed; cd closed; chmod 300 .; " + hold("big"), "used more than 64 MiB of disk"},
		"words of a machine":  {"echo 'No space left on device'; head -c 80M /dev/zero >big; sleep 1000", "used more than 64 MiB of disk"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if testing.Short() && name != "processes" && name != "disk" {
				t.Skip("runs makepkg several times; not with -short")
			}
			b := build(t, run, r, asks(test.script))
			if b.Outcome != buildbtw.OutcomeFailed || b.Message != test.message {
				t.Errorf("%s %q, want failed %q\n%s", b.Outcome, b.Message, test.message, b.log)
			}
			if !strings.Contains(b.log, "==> Limits: 300 MiB of memory, 60 processes, 64 MiB of disk") {
				t.Errorf("the log does not begin with the limits:\n%s", b.log)
			}
		})
	}
	t.Run("no limit is reached", func(t *testing.T) {
		t.Parallel()
		mustBuild(t, run, r, asks("head -c 20M /dev/zero >small; for i in {1..20}; do sleep 0.1 & done; wait; head -c 100M /dev/zero | tail -c 100M | tail -c 1"))
	})
}
