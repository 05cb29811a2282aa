package makepkg

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"buildbtw/pacman/alpm"
	"buildbtw/runners"
)

// Bounds of a run of namcap.
const (
	namcapTime   = 3 * time.Minute
	namcapOutput = 1 << 20 // bytes that are read of what it writes
)

// namcap has the program of that name look at the packages, in the sandbox of the build. It is the
// one that the build's dependencies brought, else this machine's. That it is missing, or fails,
// changes nothing about the build.
func (b *build) namcap(ctx context.Context, result runners.Result) runners.Result {
	program := b.namcapProgram()
	if program == "" {
		return result
	}
	packages, err := b.packages()
	if err != nil || len(packages) == 0 {
		return result
	}
	ctx, cancel := context.WithTimeout(ctx, namcapTime)
	defer cancel()
	fmt.Fprintln(b.log, "==> Checking the packages with namcap")
	said := &head{left: namcapOutput}
	exit, err := b.run(ctx, step{args: append([]string{program}, packages...), env: b.makepkgEnv(), dir: b.place.build, overlay: true, also: said})
	if err != nil || !exit.Success() {
		why := exit.String()
		if err != nil {
			why = err.Error()
		}
		fmt.Fprintf(b.log, "==> WARNING: namcap could not check the packages: %s\n", why)
		return result
	}
	return result.WithNamcap(b.job, said.kept.String())
}

// namcapProgram returns the path of namcap as the build sees it; empty when there is none.
func (b *build) namcapProgram() string {
	const path = "/usr/bin/namcap"
	inRoot := filepath.Join(b.job.Work, "root", path)
	if info, err := os.Stat(inRoot); err == nil && info.Mode().IsRegular() {
		if b.options.Isolation == None { // nothing lies over the machine's directories
			return inRoot
		}
		return path
	}
	found, err := exec.LookPath("namcap")
	if err != nil || b.options.Isolation == Sandbox && !strings.HasPrefix(found, "/usr/") && !strings.HasPrefix(found, "/bin/") {
		return ""
	}
	return found
}

// packages returns the paths of the packages that were built, as the build sees them, without the
// debug package.
func (b *build) packages() ([]string, error) {
	entries, err := os.ReadDir(b.job.Output)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, e := range entries {
		name, _, _, err := alpm.ParseFilename(e.Name())
		if err == nil && e.Type().IsRegular() && name != alpm.DebugName(b.job.Pkgbase) {
			paths = append(paths, b.place.pkgdest+"/"+e.Name())
		}
	}
	return paths, nil
}

// head keeps the beginning of what is written to it.
type head struct {
	kept bytes.Buffer
	left int
}

func (h *head) Write(p []byte) (int, error) {
	n := min(len(p), h.left)
	h.left -= n
	h.kept.Write(p[:n])
	return len(p), nil
}
