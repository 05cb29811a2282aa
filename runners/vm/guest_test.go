package vm_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/runners"
	"buildbtw/runners/fetch"
	"buildbtw/runners/vm"
)

func TestMain(m *testing.M) {
	fetch.Inside()
	os.Exit(m.Run())
}

// guestKernel gives a kernel for guests and its modules. Debian's for clouds is
// fetched once, by infrastructure/guest-kernel.sh, into a directory outside the
// checkout. Without one the test is skipped, saying why.
func guestKernel(t *testing.T) (kernel, modules string) {
	t.Helper()
	if testing.Short() {
		t.Skip("no guest is booted with -short: emulating one takes its time")
	}
	for _, program := range []string{"qemu-system-x86_64", "/bin/busybox"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("no guest is booted: %s is missing; run infrastructure/setup.sh test", program)
		}
	}
	var said bytes.Buffer // of what it fetches, or why it cannot
	cmd := exec.CommandContext(t.Context(), "../../infrastructure/guest-kernel.sh")
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Skipf("no guest is booted: there is no kernel for it: %v: %s", err, bytes.TrimSpace(said.Bytes()))
	}
	kernel, modules, found := strings.Cut(strings.TrimSpace(string(out)), "\n")
	if !found {
		t.Fatalf("guest-kernel.sh said %q", out)
	}
	return kernel, modules
}

// guestOptions are those of a small guest that is emulated.
func guestOptions(t *testing.T, script string) vm.Options {
	t.Helper()
	kernel, modules := guestKernel(t)
	file := filepath.Join(t.TempDir(), "script.sh")
	if err := os.WriteFile(file, []byte(script), 0o644); err != nil {
		t.Fatal(err)
	}
	return vm.Options{
		Backend: "qemu", Accel: "tcg", Script: file, MemoryMiB: 256, CPUs: 1, DiskMiB: 64, Boot: 10 * time.Minute,
		Guest: vm.Guest{Kernel: kernel, Modules: modules, Root: "none"},
	}
}

func newRunner(t *testing.T, o vm.Options) *vm.Runner {
	t.Helper()
	r, err := vm.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// guestJob is a job with a small source.
func guestJob(t *testing.T) runners.Job {
	t.Helper()
	dir := t.TempDir()
	j := runners.Job{Tree: filepath.Join(dir, "source"), Output: filepath.Join(dir, "output"), Work: filepath.Join(dir, "work"), Mark: runners.Mark(dir)}
	for _, d := range []string{j.Tree, j.Output, j.Work} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(j.Tree, "PKGBUILD"), []byte("# the source\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	j.BuildID, j.Attempt, j.Pkgbase, j.Architecture, j.Version = "b1", 1, "tool", "x86_64", "1-1"
	j.Pkgnames, j.SourceDate = []string{"tool"}, 42
	j.Repository.Name = "curl"
	j.Srcinfo = "pkgbase = tool\n\tpkgver = 1\n\tpkgrel = 1\n\tarch = x86_64\n\npkgname = tool\n"
	return j
}

// pkgTar is a package as makepkg makes one.
func pkgTar(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	info := "pkgname = tool\npkgbase = tool\npkgver = 1-1\narch = x86_64\nsize = 1\n"
	if err := w.WriteHeader(&tar.Header{Name: ".PKGINFO", Mode: 0o644, Size: int64(len(info)), Typeflag: tar.TypeReg}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(info)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestGuestBoots boots a guest for real, in which a script fetches a file from
// this machine and returns it as its package with a result.
func TestGuestBoots(t *testing.T) {
	t.Parallel()
	o := guestOptions(t, `. ./job.env
mkdir -p /buildbtw/out/packages
echo "kernel $(uname -r), source: $(cat source/PKGBUILD), epoch $SOURCE_DATE_EPOCH"
wget -q -O "/buildbtw/out/packages/tool-1-1-$BUILDBTW_ARCH.pkg.tar" "$BUILDBTW_REPO_URL/tool.pkg.tar.zst" || exit 1
reach() {
	for address in $(cat source/reach); do
		wget -q -T 3 -O - "http://$address" && echo "REACHED $address $1"
	done
	http_proxy=http://10.0.2.100 wget -q -O - "http://$(head -n 1 source/reach).db" && echo "REACHED by the door $1"
	http_proxy=http://10.0.2.100 wget -q -O - "http://mirror.example/core.tar" && echo "REACHED no file of pacman's $1"
	nslookup example.org 10.0.2.3 >/dev/null 2>&1 && echo "REACHED a name server $1"
	echo "LOOKED $1"
}
reach before
wget -q -O - "$BUILDBTW_DOOR/closed"
wget -q -O - "$BUILDBTW_REPO_URL/tool.pkg.tar.zst" && echo "REACHED the repository"
reach after
ln -s /etc/passwd /buildbtw/out/packages/link-1-1-any.pkg.tar
echo 0 >/buildbtw/out/result
`)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := pkgTar(t)
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/repo/tool.pkg.tar.zst" {
			t.Errorf("the guest asked for %s", r.URL)
		} else {
			_, _ = w.Write(served)
		}
	})}
	go server.Serve(listener)
	defer server.Close()

	r := newRunner(t, o)
	if err := r.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	job := guestJob(t)
	job.Repository.URL = fmt.Sprintf("http://%s/repo", listener.Addr())
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	reach := fmt.Sprintf("127.0.0.1:%[1]s/api/v1/me\n10.0.2.2:%[1]s/api/v1/me\n10.0.2.100/api/v1/me\n10.0.2.100/repo/../api/v1/me\n169.254.169.254/latest\n", port)
	if err := os.WriteFile(filepath.Join(job.Tree, "reach"), []byte(reach), 0o644); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	start := time.Now()
	result := r.Build(t.Context(), job, &log)
	t.Logf("a guest took %s", time.Since(start).Round(100*time.Millisecond))
	if result.Outcome != buildbtw.OutcomeBuilt {
		t.Fatalf("%+v\n%s", result, &log)
	}
	if !strings.Contains(log.String(), "source: # the source, epoch 42\n") {
		t.Errorf("the guest's words are missing:\n%s", &log)
	}
	if said := log.String(); strings.Contains(said, "REACHED") || !strings.Contains(said, "LOOKED before\n") || !strings.Contains(said, "LOOKED after\n") {
		t.Errorf("the guest is not alone:\n%s", said)
	}
	files, err := runners.Collect(job, "vm")
	if err != nil || len(files) != 1 || files[0].Name != "tool-1-1-x86_64.pkg.tar" {
		t.Errorf("%v, %v\n%s", files, err, &log)
	}
	entries, err := os.ReadDir(job.Output)
	if err != nil || len(entries) != 1 {
		t.Errorf("more came out of the guest than its package: %v, %v", entries, err)
	}
}

// TestGuestsThatGoWrong are those whose end only a real machine shows; the others
// are in TestVMExecOutcomes.
func TestGuestsThatGoWrong(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, script string
		stall        float64
		outcome      buildbtw.Outcome
		says         string
	}{
		{"the guest dies", "echo 0 >/buildbtw/out/result; poweroff -f", 0, buildbtw.OutcomeInfrastructure, "without a result"},
		{"the guest hangs", "sleep 1000", 2, buildbtw.OutcomeStalled, "no output and no CPU use"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRunner(t, guestOptions(t, test.script))
			job := guestJob(t)
			job.StallSeconds = test.stall
			var log bytes.Buffer
			result := r.Build(t.Context(), job, &log)
			if result.Outcome != test.outcome || !strings.Contains(result.Message, test.says) {
				t.Errorf("%+v\n%s", result, &log)
			}
			if left := marked(t, job.Mark); left != "" {
				t.Errorf("the guest is still there: %s", left)
			}
		})
	}
}

// fakeInit stands for systemd in an image: it does what the unit says that the
// guest's first program has put there.
const fakeInit = `#!/bin/sh
export PATH=/bin
busybox mkdir -p /proc /tmp
unit=/etc/systemd/system/buildbtw.service
[ -L /etc/systemd/system/multi-user.target.wants/buildbtw.service ] || echo "the unit is not wanted"
cd "$(busybox sed -n 's/^WorkingDirectory=//p' $unit)"
systemctl() { busybox poweroff -f; }
for step in ExecStartPre ExecStart ExecStopPost; do
	line=$(busybox sed -n "s/^$step=-\\{0,1\\}//p" $unit)
	eval "set -- $line"
	eval "$3"
done
`

// TestGuestWithAnImage boots an image: its root file system is mounted, the job
// and a unit are put into it, its own init is started, and it stays as it was.
func TestGuestWithAnImage(t *testing.T) {
	t.Parallel()
	mkfs, err := exec.LookPath("mkfs.ext4")
	if err != nil {
		t.Skip("no image is made: mkfs.ext4 is missing")
	}
	o := guestOptions(t, "echo inside $(cat /etc/name) as $$; cat source/PKGBUILD; echo 0 >/buildbtw/out/result; echo scribble >/etc/name")
	tree := t.TempDir()
	busybox, err := os.ReadFile("/bin/busybox")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"bin/busybox": string(busybox), "sbin/init": fakeInit, "bin/bash": "#!/bin/sh\nexec sh \"$@\"\n", "etc/name": "image\n", "dev/none": "", "proc/none": ""} {
		if err := os.MkdirAll(filepath.Join(tree, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(tree, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, applet := range []string{"sh", "stty", "cat", "tar", "sync"} {
		if err := os.Symlink("busybox", filepath.Join(tree, "bin", applet)); err != nil {
			t.Fatal(err)
		}
	}
	image := filepath.Join(t.TempDir(), "image.raw")
	if out, err := exec.CommandContext(t.Context(), mkfs, "-q", "-d", tree, image, "32M").CombinedOutput(); err != nil {
		t.Fatalf("mkfs.ext4: %v: %s", err, out)
	}
	before, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	o.Guest.Root, o.Guest.Format = image, "raw"
	digest := sha256.Sum256(before)
	o.ImageSHA256 = hex.EncodeToString(digest[:])
	var log bytes.Buffer
	result := newRunner(t, o).Build(t.Context(), guestJob(t), &log)
	if result.Outcome != buildbtw.OutcomeBuilt || !strings.Contains(log.String(), "inside image as") || !strings.Contains(log.String(), "# the source") {
		t.Errorf("%+v\n%s", result, &log)
	}
	if after, err := os.ReadFile(image); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the image is another one now (%v)", err)
	}
}

// marked lists the processes of a build that are still there.
func marked(t *testing.T, mark string) string {
	t.Helper()
	names, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, name := range names {
		if text, err := os.ReadFile(name); err == nil && bytes.Contains(text, []byte(mark)) {
			found = append(found, name)
		}
	}
	return strings.Join(found, " ")
}
