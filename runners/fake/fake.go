// Package fake is a runner that makes tiny but real packages without running
// anything from the source. It is for tests and for working on the pages; a file
// .fake in the source tree controls it.
package fake

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"buildbtw"
	"buildbtw/pacman/alpm"
	"buildbtw/pacman/srcinfo"
	"buildbtw/runners"
)

// Runner implements runners.Runner. The zero value is ready.
type Runner struct{}

// Name implements runners.Runner.
func (Runner) Name() string { return "fake" }

// Probe implements runners.Runner; the fake runner needs nothing.
func (Runner) Probe(context.Context) error { return nil }

// Build makes the packages, prints the lines and ends as the file .fake of the source says.
func (Runner) Build(ctx context.Context, job runners.Job, log io.Writer) runners.Result {
	w, err := readWish(job)
	if err != nil {
		return runners.Failed("%v", err)
	}
	result := w.build(ctx, job, log).WithInstalled(w.installed)
	if len(w.namcap) > 0 {
		result = result.WithNamcap(job, strings.Join(w.namcap, "\n"))
	}
	return result
}

func (w wish) build(ctx context.Context, job runners.Job, log io.Writer) runners.Result {
	info, err := srcinfo.Parse([]byte(job.Srcinfo))
	if err != nil {
		return runners.Failed("read .SRCINFO: %v", err)
	}
	fmt.Fprintf(log, "==> Making package: %s %s (fake)\n", job.Pkgbase, job.Version)
	if !w.work(ctx, log) {
		return runners.Result{Outcome: buildbtw.OutcomeCancelled, Message: context.Cause(ctx).Error()}
	}
	switch w.outcome {
	case "failed":
		fmt.Fprintln(log, w.message) // as a compiler prints why, before makepkg's line
		fmt.Fprintln(log, "==> ERROR: A failure occurred in build().")
		return runners.PackageFailed("%s", w.message)
	case "infrastructure":
		return runners.Infrastructure("%s", w.message)
	case "exit0-no-package":
		return runners.Result{Outcome: buildbtw.OutcomeBuilt}
	}
	job.Version = cmp.Or(w.version, job.Version)
	if err := makePackages(job, info, w); err != nil {
		return runners.Infrastructure("make the package: %v", err)
	}
	fmt.Fprintf(log, "==> Finished making: %s %s\n", job.Pkgbase, job.Version)
	return runners.Result{Outcome: buildbtw.OutcomeBuilt}
}

// wish is the content of a .fake file. Its lines are key=value:
//
//	sleep=2s            work that long
//	log-lines=1000      print that many lines meanwhile
//	phase=build         before that say that the phase begins; each has these lines; may be repeated
//	outcome=failed      built (default), failed, infrastructure, hang, exit0-no-package
//	outcome.1=failed    the same for one attempt only
//	outcome.base=built  the same for the build on the base alone
//	message=…           the reason of a failure
//	version=2-1         of the packages, as pkgver() makes another one
//	size=1000000        bytes of incompressible content in each package
//	soname=libx.so.2    the first package provides libx.so=2-64
//	file=usr/lib/x      the first package has that file, too; may be repeated
//	differs=yes         the first package has a file that is another one each time
//	installed=x 2-1     say that this package was installed; may be repeated
//	namcap=x W: Empty   say that namcap wrote this line; may be repeated
type wish struct {
	sleep    time.Duration
	lines    int
	phases   []string
	outcome  string
	message  string
	version  string
	size     int64
	provides string
	files    []string

	installed []alpm.Installed
	namcap    []string
	differs   bool
}

// Limits of the values in a .fake file.
const (
	maxLines = 10_000_000
	maxSize  = 4 << 30
)

func readWish(job runners.Job) (wish, error) {
	w := wish{outcome: "built", message: "build() failed, as the source asks for"}
	root, err := os.OpenRoot(job.Tree)
	if err != nil {
		return w, fmt.Errorf("open the source: %w", err)
	}
	defer func() { _ = root.Close() }() // nothing is lost with it
	f, err := root.Open(".fake")
	if errors.Is(err, fs.ErrNotExist) {
		return w, nil
	}
	if err != nil {
		return w, fmt.Errorf("open .fake: %w", err)
	}
	defer f.Close()
	lines := bufio.NewScanner(io.LimitReader(f, 64<<10))
	own := "outcome." + strconv.Itoa(job.Attempt)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		key, value, found := strings.Cut(line, "=")
		if key == own || key == "outcome.base" && job.OfBase() {
			key = "outcome"
		}
		if !found {
			return w, fmt.Errorf(".fake line %d: %q is not key=value", n, line)
		}
		if err := w.set(key, value); err != nil {
			return w, fmt.Errorf(".fake line %d: %w", n, err)
		}
	}
	return w, lines.Err()
}

func (w *wish) set(key, value string) (err error) {
	switch key {
	case "sleep":
		w.sleep, err = time.ParseDuration(value)
	case "log-lines":
		w.lines, err = strconv.Atoi(value)
	case "phase":
		w.phases = append(w.phases, value)
	case "size":
		w.size, err = strconv.ParseInt(value, 10, 64)
	case "version":
		w.version = value
	case "message":
		w.message = value
	case "soname":
		library, version, found := strings.Cut(value, ".so.")
		if !found {
			return fmt.Errorf("soname %q is not like libx.so.2", value)
		}
		w.provides = fmt.Sprintf("%s.so=%s-64", library, version)
	case "file":
		if !filepath.IsLocal(value) {
			return fmt.Errorf("file %q is not inside the package", value)
		}
		w.files = append(w.files, value)
	case "differs":
		w.differs = value == "yes"
	case "installed":
		p, err := alpm.ParseInstalled(value)
		w.installed = append(w.installed, p)
		return err
	case "namcap":
		w.namcap = append(w.namcap, value)
	case "outcome":
		w.outcome = value
		return checkOutcome(value)
	default:
		if !strings.HasPrefix(key, "outcome.") { // another attempt's
			return fmt.Errorf("unknown key %q", key)
		}
		return checkOutcome(value)
	}
	if err == nil && (w.lines < 0 || w.lines > maxLines || w.size < 0 || w.size > maxSize) {
		return fmt.Errorf("%s=%s is out of range", key, value)
	}
	return err
}

func checkOutcome(value string) error {
	switch value {
	case "built", "failed", "infrastructure", "hang", "exit0-no-package":
		return nil
	}
	return fmt.Errorf("unknown outcome %q", value)
}

// work prints and sleeps; false means that ctx ended. A hang lasts until then.
func (w *wish) work(ctx context.Context, log io.Writer) bool {
	out := bufio.NewWriter(log)
	phases := w.phases
	if len(phases) == 0 {
		phases = []string{""}
	}
	for _, phase := range phases {
		if phase != "" {
			fmt.Fprintf(out, "==> Starting %s()...\n", phase)
		}
		for i := range w.lines {
			fmt.Fprintf(out, "line %d of %d\n", i+1, w.lines)
		}
	}
	if out.Flush() != nil {
		return false
	}
	var done <-chan time.Time
	if w.outcome != "hang" {
		timer := time.NewTimer(w.sleep)
		defer timer.Stop()
		done = timer.C
	}
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return false
	}
}
