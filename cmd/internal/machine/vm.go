package machine

import (
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"buildbtw/cmd/internal/cli"
	"buildbtw/runners"
	"buildbtw/runners/vm"
)

// VM are the settings of the runner vm.
type VM struct {
	backend, image, imageSHA256     string
	kernel, modules, busybox        string
	root, partition, format, script string
	memory, cpus, disk              int
	accel, cacheDir                 string
	boot                            time.Duration
}

func (v *VM) flags(f *pflag.FlagSet) {
	cli.Word(f, &v.backend, "vm-backend", "", "of runner vm: vmexec or qemu (default: vmexec where it is installed)", "vmexec", "qemu")
	f.StringVar(&v.image, "vm-image", "archlinux", "of runner vm with vmexec: its name of an image, or a file")
	f.StringVar(&v.imageSHA256, "vm-image-sha256", "", "of runner vm: digest that an image which is a file must have")
	f.StringVar(&v.kernel, "vm-kernel", "", "of runner vm with QEMU: the kernel to boot")
	f.StringVar(&v.modules, "vm-modules", "", "of runner vm with QEMU: directory of that kernel's modules")
	f.StringVar(&v.busybox, "vm-busybox", "/bin/busybox", "of runner vm with QEMU: a static busybox")
	f.StringVar(&v.root, "vm-root", "", "of runner vm with QEMU: a disk image with systemd in it, or host for this machine's own file system")
	f.StringVar(&v.partition, "vm-partition", "", "of runner vm with QEMU: number of the image's partition with the root file system")
	cli.Word(f, &v.format, "vm-format", "qcow2", "of runner vm with QEMU: format of the image, qcow2 or raw", "qcow2", "raw")
	f.StringVar(&v.script, "vm-script", "devtools", "of runner vm: what the guest runs: devtools, makepkg, or a file")
	cli.Number(f, &v.memory, "vm-memory", 4096, 64, cli.Many, "of runner vm: memory of a guest in MiB")
	cli.Number(f, &v.cpus, "vm-cpus", 2, 1, 4096, "of runner vm: processors of a guest; vmexec gives it all")
	cli.Number(f, &v.disk, "vm-output", 8192, 1, cli.Many, "of runner vm with QEMU: how much may come out of a guest, in MiB")
	cli.Word(f, &v.accel, "vm-accel", "auto", "of runner vm: kvm, tcg, or auto, which boots a guest to find out", "kvm", "tcg", "auto")
	cli.Time(f, &v.boot, "vm-boot", 3*time.Minute, time.Second, 24*time.Hour, "of runner vm: how long a guest may take to start")
	f.StringVar(&v.cacheDir, "vm-cache-dir", "/var/tmp/buildbtw-vm", "of runner vm: where it is noted what was found out of images and KVM")
}

func (v *VM) runner(b *Builders) (runners.Runner, error) {
	fetcher, err := b.fetcher(false)
	if err != nil {
		return nil, err
	}
	r, err := vm.New(vm.Options{
		Fetcher: fetcher,
		Backend: v.backend, Image: v.image, ImageSHA256: v.imageSHA256,
		Guest: vm.Guest{
			Kernel: v.kernel, Modules: v.modules, Busybox: v.busybox,
			Root: v.root, Partition: v.partition, Format: v.format,
		},
		MemoryMiB: v.memory, CPUs: v.cpus, DiskMiB: v.disk, Accel: v.accel, Boot: v.boot,
		Script: v.script, Packager: b.Packager, Jobs: v.cpus, CacheDir: v.cacheDir, Environment: homes(),
	})
	if err != nil {
		return nil, cli.Usage(err)
	}
	return r, nil
}

// homes returns the environment entries that say where programs keep their things.
func homes() []string {
	return slices.DeleteFunc(os.Environ(), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return name != "HOME" && !strings.HasPrefix(name, "XDG_")
	})
}
