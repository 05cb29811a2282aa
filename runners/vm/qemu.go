package vm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"buildbtw/internal/proc"
	"buildbtw/internal/shell"
	"buildbtw/runners"
)

// Ways of starting guests.
const (
	backendVMExec = "vmexec"
	backendQEMU   = "qemu"
)

// backend returns the configured way of starting guests, or the one that is there.
func (o Options) backend() string {
	if o.Backend != "" {
		return o.Backend
	}
	if _, err := exec.LookPath(o.VMExec); err != nil && o.Guest.Kernel != "" {
		return backendQEMU
	}
	return backendVMExec
}

// Values of Guest.Root besides a file.
const (
	rootNone = "none"
	rootHost = "host"
)

// qemu boots guests itself: a kernel with an initramfs that is made here.
type qemu struct {
	Options
}

func newQEMU(o Options) *qemu {
	o.QEMU = cmp.Or(o.QEMU, "qemu-system-"+qemuArchitecture(runtime.GOARCH))
	o.Guest.Busybox = cmp.Or(o.Guest.Busybox, "/bin/busybox")
	o.Guest.Format = cmp.Or(o.Guest.Format, "qcow2")
	if o.Guest.VirtioFSD == "" {
		for _, path := range []string{"/usr/lib/virtiofsd", "/usr/lib/qemu/virtiofsd", "/usr/libexec/virtiofsd"} {
			if _, err := os.Stat(path); err == nil {
				o.Guest.VirtioFSD = path
				break
			}
		}
	}
	return &qemu{o}
}

func qemuArchitecture(goarch string) string {
	switch goarch {
	case "amd64":
		return "x86_64"
	case "arm64":
		return "aarch64"
	}
	return goarch
}

// probe implements machine.
func (q *qemu) probe(ctx context.Context) error {
	if q.Guest.Kernel == "" || q.Guest.Root == "" {
		return errors.New("the vm runner needs vmexec (pacman -S vmexec), or for QEMU alone a kernel and a root file system: --vm-kernel, --vm-root")
	}
	needs := []string{q.Guest.Kernel, q.Guest.Busybox}
	if q.Guest.Root == rootHost {
		needs = append(needs, cmp.Or(q.Guest.VirtioFSD, "/usr/lib/virtiofsd"))
	}
	for _, file := range needs {
		if _, err := os.Stat(file); err != nil {
			return fmt.Errorf("the vm runner needs %s: apt install qemu-system-x86 busybox-static, or pacman -S qemu-base virtiofsd busybox (%w)", file, err)
		}
	}
	if _, err := exec.LookPath(q.QEMU); err != nil {
		return fmt.Errorf("the vm runner needs QEMU: apt install qemu-system-x86, or pacman -S qemu-base (%w)", err)
	}
	if q.hasImage() {
		if err := q.checkImage(ctx, q.Guest.Root, q.ImageSHA256); err != nil {
			return err
		}
	}
	_, err := q.accelerator(ctx)
	return err
}

func (q *qemu) hasImage() bool { return q.Guest.Root != rootNone && q.Guest.Root != rootHost }

// modules returns those that a guest cannot do without.
func (q *qemu) modules() []string {
	list := []string{"virtio_pci", "virtio_blk", "virtio_net"}
	switch {
	case q.Guest.Root == rootHost:
		list = append(list, "virtiofs", "overlay")
	case q.hasImage():
		list = append(list, "ext4", "btrfs", "xfs")
	}
	return list
}

// run implements machine.
func (q *qemu) run(ctx context.Context, g guest) (runners.Exit, error) {
	accel, err := q.accelerator(ctx)
	if err != nil {
		return runners.Exit{}, err
	}
	if q.hasImage() {
		if err := q.checkImage(ctx, q.Guest.Root, q.ImageSHA256); err != nil {
			return runners.Exit{}, err
		}
	}
	files := guestFiles{dir: g.job.Work}
	if err := q.prepare(files, g); err != nil {
		return runners.Exit{}, err
	}
	stop, err := q.shareRoot(ctx, files, g)
	if err != nil {
		return runners.Exit{}, err
	}
	defer stop()
	args, err := q.arguments(files, g, accel)
	if err != nil {
		return runners.Exit{}, err
	}
	exit, err := runners.Command{
		Args: args, Dir: g.job.Work, Env: q.environment(g), Output: g.log, Mark: g.job.Mark,
		Stall: time.Duration(g.job.StallSeconds * float64(time.Second)), Idle: guestIdle, Grace: time.Second,
	}.Run(ctx)
	if err != nil || exit.Killed != nil {
		return exit, err
	}
	return exit, readDisk(files.output(), g.out)
}

// guestIdle is the part of one processor under which a guest counts as idle: its
// clock, and QEMU's own work. Measured with software emulation: 0.5 percent.
const guestIdle = 0.02

// guestFiles are the files that make up a guest.
type guestFiles struct{ dir string }

func (f guestFiles) initramfs() string { return filepath.Join(f.dir, "initramfs") }
func (f guestFiles) input() string     { return filepath.Join(f.dir, "input.disk") }
func (f guestFiles) output() string    { return filepath.Join(f.dir, "output.disk") }
func (f guestFiles) socket() string    { return filepath.Join(f.dir, "root.sock") }

func (q *qemu) prepare(f guestFiles, g guest) error {
	if err := writeFile(f.initramfs(), func(w io.Writer) error { return writeInitramfs(w, q.Guest, q.modules()) }); err != nil {
		return fmt.Errorf("make the guest's initramfs: %w", err)
	}
	if err := writeDisk(f.input(), g.in); err != nil {
		return fmt.Errorf("make the guest's disk: %w", err)
	}
	if err := emptyDisk(f.output(), int64(q.DiskMiB)<<20); err != nil {
		return fmt.Errorf("make the guest's disk: %w", err)
	}
	return nil
}

func writeFile(name string, write func(io.Writer) error) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := write(f); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// environment returns the environment of a guest's programs. Their temporary
// files, which can be as large as the disk, lie in the job's directory, which
// is removed.
func (*qemu) environment(g guest) []string {
	return []string{"PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LANG=C.UTF-8", "HOME=" + g.job.Work, "TMPDIR=" + g.job.Work}
}

// arguments returns the command line of QEMU. The guest's network has a door and
// nothing else: neither this machine nor another, nor a name server.
func (q *qemu) arguments(f guestFiles, g guest, accel string) ([]string, error) {
	command, err := g.door.Command()
	if err != nil {
		return nil, err
	}
	for i := range command {
		command[i] = shell.Quote(command[i])
	}
	args := append(q.base(accel), "-name", g.name(),
		"-m", fmt.Sprint(q.MemoryMiB), "-smp", fmt.Sprint(q.CPUs),
		"-initrd", f.initramfs(), "-append", q.commandLine(),
		"-drive", "if=virtio,format=raw,readonly=on,file="+commas(f.input()),
		"-drive", "if=virtio,format=raw,cache=unsafe,file="+commas(f.output()),
		"-netdev", "user,id=net,restrict=on,guestfwd=tcp:"+doorAddress+":80-cmd:"+commas(strings.Join(command, " ")), "-device", "virtio-net-pci,netdev=net,romfile=")
	switch {
	case q.Guest.Root == rootHost:
		args = append(args, "-object", fmt.Sprintf("memory-backend-memfd,id=memory,size=%dM,share=on", q.MemoryMiB), "-numa", "node,memdev=memory",
			"-chardev", "socket,id=root,path="+commas(f.socket()), "-device", "vhost-user-fs-pci,chardev=root,tag=hostroot")
	case q.hasImage():
		args = append(args, "-drive", "if=virtio,snapshot=on,format="+q.Guest.Format+",file="+commas(q.Guest.Root))
	}
	return args, nil
}

// base returns the arguments for all guests: no devices but those named, the console
// on standard output.
func (q *qemu) base(accel string) []string {
	cpu := "max"
	if accel == accelKVM {
		cpu = "host"
	}
	return []string{
		q.QEMU, "-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio", "-no-reboot",
		"-accel", accel, "-cpu", cpu, "-kernel", q.Guest.Kernel,
	}
}

func (q *qemu) commandLine() string {
	root := q.Guest.Root
	if q.hasImage() {
		root = "disk"
	}
	line := "console=ttyS0 quiet loglevel=3 panic=-1 buildbtw.root=" + root
	if q.Guest.Partition != "" {
		line += " buildbtw.partition=" + q.Guest.Partition
	}
	return line
}

// commas doubles commas, which QEMU's options end with.
func commas(s string) string { return strings.ReplaceAll(s, ",", ",,") }

// shareRoot serves the build machine's root file system to the guest, read-only
// as the guest mounts it; its user has the same access as virtiofsd's user.
func (q *qemu) shareRoot(ctx context.Context, f guestFiles, g guest) (stop func(), err error) {
	if q.Guest.Root != rootHost {
		return func() {}, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	said := proc.NewTail(saidLimit)
	var failure error // to be read when it has ended
	go func() {
		defer close(ended)
		_, failure = runners.Command{
			Args: []string{q.Guest.VirtioFSD, "--socket-path=" + f.socket(), "-o", "source=/,cache=always,sandbox=chroot"},
			Dir:  g.job.Work, Env: q.environment(g), Output: said, Mark: g.job.Mark, Grace: time.Second,
		}.Run(ctx)
	}()
	stop = func() {
		cancel()
		<-ended
	}
	limit := time.NewTimer(10 * time.Second)
	defer limit.Stop()
	for {
		if _, err := os.Stat(f.socket()); err == nil {
			return stop, nil
		}
		select {
		case <-ended:
		case <-limit.C:
		case <-time.After(20 * time.Millisecond):
			continue
		}
		stop()
		if failure != nil {
			return nil, fmt.Errorf("start virtiofsd: %w", failure)
		}
		return nil, fmt.Errorf("virtiofsd does not serve the root file system: %s", oneLine(said))
	}
}
