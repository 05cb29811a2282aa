// Package vm is the runner that builds in a virtual machine which is thrown
// away afterwards: with vmexec if it is installed, otherwise with QEMU
// directly. Either way the guest gets the source and a script, and a result
// file that the script writes decides how the build ended: the exit codes of
// the programs in between only show whether the machine worked.
//
// Measurements and sources for both: docs/toolchain.md, sections 4, 5, 7.
package vm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"buildbtw"
	"buildbtw/infrastructure"
	"buildbtw/runners"
	"buildbtw/runners/fetch"
)

// Options are the runner's settings; the zero value is right on Arch Linux with
// vmexec.
type Options struct {
	Backend string // vmexec or qemu; empty: vmexec where it is installed, else qemu
	VMExec  string // the program; empty: vmexec
	QEMU    string // the program; empty: qemu-system- and the machine's architecture

	Image       string // of vmexec: archlinux or a file; of qemu: see Guest
	ImageSHA256 string // of an image that is a file, in hexadecimal; empty: not checked

	Guest Guest // booted by QEMU directly

	MemoryMiB int           // of the guest; 0: 4096
	CPUs      int           // of the guest; 0: 2. vmexec gives it all there are
	DiskMiB   int           // largest output of a guest; 0: 8192
	Accel     string        // auto, kvm or tcg; empty: auto, which boots something to find out
	Boot      time.Duration // until the guest has to be up; 0: 3 min

	Script   string // name of a script of infrastructure/guest, or a file; empty: devtools
	Packager string // for .PKGINFO; empty: the guest's default
	Jobs     int    // of make; 0: CPUs
	// Environment has HOME and the XDG directories, in which vmexec finds its
	// images and its state.
	Environment []string

	// Fetcher fetches the sources; nil: one without settings.
	Fetcher *fetch.Fetcher

	CacheDir string // for results of checks of images and accelerators; empty: none is stored
}

// Guest is the system that QEMU boots when there is no vmexec.
type Guest struct {
	Kernel  string // bzImage or the like
	Modules string // directory of the kernel's modules; empty: it needs none
	Busybox string // a static one; empty: /bin/busybox

	// Root is the file system that builds see: none, the guest's memory, for
	// tests; host, the build machine's own over virtiofs; or an image file with
	// systemd in it.
	Root      string
	Partition string // of the image: its number; empty: the image has none
	Format    string // of the image: raw or qcow2; empty: qcow2
	VirtioFSD string // for Root host; empty: where Debian and Arch have it
}

// Runner implements runners.Runner.
type Runner struct {
	options Options
	machine machine
}

// machine starts a guest and waits for its end.
type machine interface {
	// probe returns why guests cannot be started here, and how to mend it.
	probe(ctx context.Context) error

	// run passes the directory in to the guest, and fills the directory out
	// with the files that the guest has left. Output goes to log.
	run(ctx context.Context, g guest) (runners.Exit, error)
}

// guest is one virtual machine, for one attempt.
type guest struct {
	job     runners.Job
	in, out string      // directories
	log     io.Writer   // output of the guest
	door    *fetch.Door // its only way out; nil: vmexec's network

	unverified string   // why signatures of sources cannot be verified
	missing    []string // names of dependencies that this machine does not have, whose file system the guest's is
}

// name returns a name that identifies the guest in a list of processes.
func (g guest) name() string {
	return "buildbtw-" + g.job.BuildID + "-" + fmt.Sprint(g.job.Attempt)
}

// New makes a runner; Probe reports whether it can work here. The error is an
// invalid setting.
func New(o Options) (*Runner, error) {
	o.MemoryMiB, o.CPUs, o.DiskMiB = cmp.Or(o.MemoryMiB, 4096), cmp.Or(o.CPUs, 2), cmp.Or(o.DiskMiB, 8192)
	o.Boot, o.Jobs = cmp.Or(o.Boot, 3*time.Minute), cmp.Or(o.Jobs, o.CPUs)
	o.VMExec, o.Image = cmp.Or(o.VMExec, "vmexec"), cmp.Or(o.Image, "archlinux")
	o.Accel, o.Script = cmp.Or(o.Accel, accelAuto), cmp.Or(o.Script, "devtools")
	if o.Fetcher == nil {
		o.Fetcher, _ = fetch.New(fetch.Options{}) // without settings none is invalid
	}
	r := &Runner{options: o}
	switch o.backend() {
	case backendVMExec:
		r.machine = &vmexec{Options: o}
	case backendQEMU:
		r.machine = newQEMU(o)
	default:
		return nil, fmt.Errorf("unknown way of starting guests %q; choose vmexec or qemu", o.Backend)
	}
	if o.Accel != accelAuto && o.Accel != accelKVM && o.Accel != accelTCG {
		return nil, fmt.Errorf("unknown accelerator %q; choose auto, kvm or tcg", o.Accel)
	}
	if _, err := script(o.Script); err != nil {
		return nil, err
	}
	return r, nil
}

// script returns the text of the script that the guest runs.
func script(name string) (string, error) {
	if text, ok := infrastructure.GuestScript(name); ok {
		return text, nil
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return "", fmt.Errorf("read the script for guests: %w", err)
	}
	return string(text), nil
}

// Name implements runners.Runner.
func (*Runner) Name() string { return "vm" }

// Probe implements runners.Runner.
func (r *Runner) Probe(ctx context.Context) error {
	if err := r.options.Fetcher.Probe(ctx); err != nil {
		return err
	}
	return r.machine.probe(ctx)
}

// Build implements runners.Runner.
func (r *Runner) Build(ctx context.Context, job runners.Job, log io.Writer) runners.Result {
	g := guest{job: job, in: filepath.Join(job.Work, "in"), out: filepath.Join(job.Work, "out")}
	sources := filepath.Join(job.Work, "srcdest")
	unverified, result, failed := r.options.Fetcher.Prepare(ctx, job, sources, log)
	if failed {
		return result
	}
	g.unverified = unverified
	if _, ours := r.machine.(*qemu); ours {
		door, err := r.options.Fetcher.OpenDoor(ctx, job)
		if err != nil {
			return runners.Infrastructure("%v", err)
		}
		defer door.Close()
		g.door = door
	}
	if r.options.Guest.Root == rootHost {
		g.missing = missingHere(ctx, job)
	}
	if err := r.fill(g, sources); err != nil {
		return runners.Infrastructure("prepare the guest: %v", err)
	}
	watch := &runners.LogWatch{}
	up, stop := untilReady(ctx, r.options.Boot)
	defer stop()
	console := &readyWriter{to: io.MultiWriter(log, watch), ready: up.ready}
	g.log = console
	exit, err := r.machine.run(up, g)
	if ctx.Err() != nil {
		return runners.Result{Outcome: buildbtw.OutcomeCancelled, Message: context.Cause(ctx).Error()}
	}
	return r.judge(g, end{exit, err, context.Cause(up), console.begun()}, watch)
}

// end is how a guest ended.
type end struct {
	exit runners.Exit
	err  error // it could not be started, or its result not be read
	boot error // why it was ended before it was up
	up   bool  // it began with its script: then the package may have broken it
}

// judge returns the outcome of a guest that ended. Its result decides, if there is
// one.
func (r *Runner) judge(g guest, e end, watch *runners.LogWatch) runners.Result {
	var stall *runners.StallError
	broken := func(format string, args ...any) runners.Result {
		result := runners.Infrastructure(format, args...)
		result.Doubtful = e.up
		return result
	}
	switch {
	case errors.Is(e.boot, errNotUp):
		return runners.Infrastructure("the guest had not started after %s", r.options.Boot)
	case errors.As(e.exit.Killed, &stall):
		return runners.Result{Outcome: buildbtw.OutcomeStalled, Message: stall.Error()}
	case e.err != nil:
		return broken("%v", e.err)
	}
	result, err := readResult(g.out)
	if err != nil {
		return broken("the guest ended without a result (%s; the program ended with %s)", err, e.exit)
	}
	if err := collect(g); err != nil {
		return broken("fetch the packages out of the guest: %v", err)
	}
	return result.judge(watch).WithNotChecked(result.unchecked).WithInstalled(result.installed)
}
