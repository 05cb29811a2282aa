package gitmirror

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"buildbtw"
	"buildbtw/internal/proc"
)

// makepkgTimeout bounds makepkg --printsrcinfo, which takes about a second.
const makepkgTimeout = 60 * time.Second

// clockSlack is how much older than its PKGBUILD a .SRCINFO may be that was written
// with it: by git, tar or rsync, in any order.
const clockSlack = time.Minute

// withSrcinfo returns the files with a .SRCINFO that fits the PKGBUILD; otherwise
// makepkg makes one. The directory's own is used unless it says another version: if
// both are as they were committed, or if it is not older than the PKGBUILD and not the
// same as at the last snapshot, when other files have changed since.
func (m *Mirror) withSrcinfo(ctx context.Context, c candidate, files []file, last record) ([]file, error) {
	own, recipe := find(files, srcinfoName), find(files, pkgbuild)
	if recipe == nil || recipe.mode == modeLink {
		return nil, buildbtw.Invalid("the PKGBUILD is not a regular file")
	}
	if own != nil && !contradicts(recipe.data, own.data) {
		fresh := recipe.info.ModTime().Sub(own.info.ModTime()) < clockSlack && contentHash(*own) != last.srcinfo
		if fresh || c.history.has(c.dir, recipe, own) {
			return files, nil
		}
	}
	text, err := m.printSrcinfo(ctx, files)
	if err != nil {
		return nil, err
	}
	rest := slices.DeleteFunc(slices.Clone(files), func(f file) bool { return f.path == srcinfoName })
	return append(rest, file{path: srcinfoName, mode: modeFile, data: text}), nil
}

// refusedError is the error of a PKGBUILD that makepkg refuses, now and until it
// is changed.
type refusedError struct{ reason error }

func (e refusedError) Error() string { return e.reason.Error() }

func (e refusedError) Unwrap() error { return e.reason }

// printSrcinfo runs "makepkg --printsrcinfo" on a copy of the files. That
// executes the PKGBUILD, which anybody may have written: see sandboxed.
func (m *Mirror) printSrcinfo(ctx context.Context, files []file) ([]byte, error) {
	program, err := m.findProgram("makepkg")
	if err != nil {
		return nil, buildbtw.Unavailable("the .SRCINFO is missing, older than the PKGBUILD or of another version, and makepkg, which makes one, is not installed here; install it (Debian: apt install makepkg, Arch: pacman -S pacman) or commit a .SRCINFO")
	}
	dir, err := os.MkdirTemp("", "buildbtw-srcinfo-")
	if err != nil {
		return nil, fmt.Errorf("make .SRCINFO: %w", err)
	}
	defer os.RemoveAll(dir)
	if err := writeFiles(dir, files); err != nil {
		return nil, fmt.Errorf("make .SRCINFO: %w", err)
	}
	// The machine may have been busy: it is tried again.
	ctx, cancel := context.WithTimeoutCause(ctx, m.timeout, buildbtw.Unavailable("makepkg --printsrcinfo took longer than %g s", m.timeout.Seconds()))
	defer cancel()
	stdout, stderr := proc.NewHead(MaxSrcinfo), proc.NewTail(4<<10)
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	cmd, watch, err := m.sandboxed(ctx, dir, program, "--printsrcinfo")
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	mark := "BUILDBTW_SRCINFO_IN=" + dir + "/" // a box that is ended while it is made can leave its inner half behind
	cmd.Env = append(cmd.Env, mark)
	defer proc.KillMarked(mark)
	err = proc.Run(ctx, cmd, killAfter, func(pid int) {
		go func() {
			select {
			case over := <-watch.Over(ctx, pid):
				end(refuse("makepkg --printsrcinfo %v", over))
			case <-ctx.Done():
			}
		}()
	})
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case proc.ExitCode(err) > 0:
		return nil, refuse("makepkg cannot read the PKGBUILD: %s", lastErrors(stderr.String()))
	case stdout.Truncated():
		return nil, refuse("the .SRCINFO would have more than %d bytes", MaxSrcinfo)
	case err != nil:
		return nil, fmt.Errorf("run makepkg --printsrcinfo: %w", err)
	case len(stdout.Bytes()) == 0:
		return nil, refuse("makepkg --printsrcinfo printed nothing")
	}
	return stdout.Bytes(), nil
}

func refuse(format string, args ...any) error {
	return refusedError{buildbtw.Invalid(format, args...)}
}

// lastErrors returns the lines in which makepkg names a cause.
func lastErrors(text string) string {
	var causes []string
	for line := range strings.Lines(text) {
		if cause, ok := strings.CutPrefix(line, "==> ERROR: "); ok {
			causes = append(causes, strings.TrimSpace(cause))
		}
	}
	if len(causes) == 0 {
		return strings.TrimSpace(text)
	}
	return strings.Join(causes, "; ")
}

// writeFiles writes a copy of the files that the user nobody may read, in a
// directory that it may write to.
func writeFiles(dir string, files []file) (err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	for _, f := range files {
		if f.mode == modeLink {
			continue // could lead anywhere
		}
		if err := root.MkdirAll(filepath.Dir(f.path), 0o755); err != nil {
			return err
		}
		perm := fs.FileMode(0o644)
		if f.mode == modeExec {
			perm = 0o755
		}
		if err := root.WriteFile(f.path, f.data, perm); err != nil {
			return err
		}
	}
	if os.Geteuid() != 0 {
		return nil
	}
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, nobody, nobody) // so that the umask of the server does not matter
	})
}
