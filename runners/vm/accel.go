package vm

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"buildbtw/internal/atomicfile"
	"buildbtw/internal/proc"
	"buildbtw/runners"
)

// How QEMU executes a guest's instructions.
const (
	accelAuto = "auto"
	accelKVM  = "kvm"
	accelTCG  = "tcg"
)

// probeTime bounds a guest with KVM that only reports that it is up. Where
// KVM works it needs a second; where the device is there but useless, as in some
// guests of clouds, the kernel hangs at its start for ever.
const (
	probeTime    = 10 * time.Second
	probeTimeTCG = 60 * time.Second
)

// accelerator returns the accelerator that works, and stores it until the
// machine or the kernel changes. It boots the configured kernel with KVM, since
// /dev/kvm may exist and yet not work, and then without.
func (q *qemu) accelerator(ctx context.Context) (string, error) {
	notes := notebook{q.CacheDir}
	key := "accelerator " + q.Accel + " " + bootID() + " " + stamp(q.Guest.Kernel)
	if known := notes.read(key); known == accelKVM || known == accelTCG {
		return known, nil
	}
	found, err := q.tryAccelerators(ctx)
	if err == nil {
		notes.write(key, found)
	}
	return found, err
}

func (q *qemu) tryAccelerators(ctx context.Context) (string, error) {
	var failures []string
	for _, accel := range []string{accelKVM, accelTCG} {
		if q.Accel != accelAuto && q.Accel != accel {
			continue
		}
		if _, err := os.Stat("/dev/kvm"); accel == accelKVM && err != nil {
			failures = append(failures, "kvm: there is no /dev/kvm")
			continue
		}
		err := q.bootOnce(ctx, accel)
		if err == nil {
			return accel, nil
		}
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		failures = append(failures, accel+": "+err.Error())
	}
	return "", fmt.Errorf("no guest can be started with the kernel %s: %s", q.Guest.Kernel, strings.Join(failures, "; "))
}

// bootOnce boots a guest that prints that it is up and ends.
func (q *qemu) bootOnce(ctx context.Context, accel string) error {
	dir, err := os.MkdirTemp("", "buildbtw-probe-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var image bytes.Buffer
	if err := writeInitramfs(&image, q.Guest, nil); err != nil {
		return err
	}
	files := guestFiles{dir}
	if err := os.WriteFile(files.initramfs(), image.Bytes(), 0o600); err != nil {
		return err
	}
	limit := probeTime
	if accel == accelTCG {
		limit = max(probeTimeTCG, q.Boot) // as long as a guest that builds may take
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("a guest has not started in %s", limit))
	defer cancel()
	said := proc.NewTail(saidLimit)
	exit, err := runners.Command{
		Args: append(q.base(accel), "-m", "256", "-initrd", files.initramfs(), "-append", "console=ttyS0 quiet panic=-1 buildbtw.probe"),
		Dir:  dir, Env: []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", "TMPDIR=" + dir}, Output: said,
		Mark: runners.Mark(dir), Grace: time.Second,
	}.Run(ctx)
	switch {
	case err != nil:
		return err
	case strings.Contains(oneLine(said), readyLine):
		return nil
	case exit.Killed != nil:
		return exit.Killed
	}
	return fmt.Errorf("%s: %s", exit, oneLine(said))
}

// saidLimit bounds the output of a program in messages, in bytes.
const saidLimit = 1000

// oneLine returns the end of a program's output as one line, for an error.
func oneLine(t *proc.Tail) string {
	return strings.Join(strings.Fields(strings.ToValidUTF8(t.String(), "")), " ")
}

// bootID changes with every start of the machine.
func bootID() string {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// stamp changes when a file does.
func stamp(file string) string {
	info, err := os.Stat(file)
	if err != nil {
		return file
	}
	return fmt.Sprintf("%s %d %d", file, info.Size(), info.ModTime().UnixNano())
}

// notebook stores results that took long to find out, a file for each kind: the
// programs of one job are many processes.
type notebook struct{ dir string }

// noteLimit bounds a note in bytes.
const noteLimit = 4 << 10

func (n notebook) file(key string) string {
	kind, _, _ := strings.Cut(key, " ")
	return filepath.Join(n.dir, kind)
}

// own reports whether nobody else can have written the notes.
func (n notebook) own() bool {
	info, err := os.Lstat(n.dir)
	if n.dir == "" || err != nil || !info.IsDir() || info.Mode().Perm()&0o022 != 0 {
		return false
	}
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(s.Uid) == os.Geteuid()
}

// read returns the value that was written for this very key, or nothing.
func (n notebook) read(key string) string {
	if !n.own() {
		return ""
	}
	text, err := os.ReadFile(n.file(key))
	if err != nil || len(text) > noteLimit {
		return ""
	}
	found, value, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	if found != key {
		return ""
	}
	return value
}

// write stores a value. A failure is ignored: the value is then found out
// again.
func (n notebook) write(key, value string) {
	if n.dir == "" || os.MkdirAll(n.dir, 0o700) != nil || !n.own() {
		return
	}
	_ = atomicfile.WriteBytes(n.file(key), 0o600, []byte(key+"\n"+value+"\n"))
}
