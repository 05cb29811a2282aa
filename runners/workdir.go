package runners

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"buildbtw/internal/flock"
	"buildbtw/internal/proc"
)

// Names in a worker's directory. The lock file marks the directory as a
// worker's; nothing is ever removed from one without it.
const (
	lockName      = ".buildbtw-worker"
	attemptPrefix = "attempt-"
)

// workDir is the locked directory of one worker process.
type workDir struct {
	path     string
	lock     *flock.Lock
	sweeping sync.Mutex
}

// openWorkDir locks the directory for this process and ends the processes, then removes
// the files, that a predecessor that was killed has left there. Failed builds that it kept
// stay for as long as they may be kept now.
func openWorkDir(path string, keep time.Duration) (*workDir, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("find the work directory: %w", err)
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("make the work directory: %w", err)
	}
	info, err := os.Lstat(path)
	if err != nil {
		return nil, fmt.Errorf("look at the work directory: %w", err)
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); !ok || !info.IsDir() || int(owner.Uid) != os.Geteuid() {
		return nil, fmt.Errorf("the work directory %s is not a directory of the user who runs the worker", path)
	}
	lock, err := takeLock(filepath.Join(path, lockName))
	if errors.Is(err, flock.ErrLocked) {
		return nil, fmt.Errorf("another worker uses the work directory %s; give each its own --work-dir", path)
	}
	if err != nil {
		return nil, fmt.Errorf("lock the work directory: %w", err)
	}
	w := &workDir{path: path, lock: lock}
	proc.KillMarked(strings.TrimSuffix(Mark(filepath.Join(path, attemptPrefix)), "/")) // of whatever attempt
	old, err := filepath.Glob(filepath.Join(strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path), attemptPrefix+"*"))
	if err != nil {
		return w, fmt.Errorf("look for old attempts in %s: %w", path, err)
	}
	if _, err := w.sweepKept(time.Now, keep); err != nil {
		return w, err
	}
	kept, err := readKept(path)
	if err != nil {
		return w, err
	}
	for _, dir := range old {
		if slices.ContainsFunc(kept, func(k *Kept) bool { return k.dir == dir }) {
			continue
		}
		if err := RemoveTree(dir); err != nil {
			return w, err
		}
	}
	return w, nil
}

// ClearWorkDir ends the processes of a worker that was killed, then removes its files. It
// fails when the worker is still running.
func ClearWorkDir(path string) error {
	w, err := openWorkDir(path, 0)
	if w != nil {
		defer w.close()
	}
	return err
}

// Mark returns the beginning of the environment entry by which the processes of
// builds below a directory are known: an attempt's own, or all of a worker's.
func Mark(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	return "BUILDBTW_BUILD_IN=" + strings.TrimRight(dir, "/") + "/"
}

// lockPatience is how long a predecessor that is being killed is waited for.
const lockPatience = 5 * time.Second

func takeLock(path string) (*flock.Lock, error) {
	for end := time.Now().Add(lockPatience); ; {
		lock, err := flock.Take(path)
		if !errors.Is(err, flock.ErrLocked) || time.Now().After(end) {
			return lock, err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// attempt makes the directories of one attempt.
func (w *workDir) attempt(slot int) (dir string, err error) {
	dir, err = os.MkdirTemp(w.path, attemptPrefix+strconv.Itoa(slot)+"-")
	if err != nil {
		return "", fmt.Errorf("make the attempt's directory: %w", err)
	}
	for _, name := range []string{"output", "work"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			return "", fmt.Errorf("make the attempt's directory: %w", err)
		}
	}
	return dir, nil
}

// close lets the next worker have the directory.
func (w *workDir) close() { _ = w.lock.Release() }

// RemoveTree removes a directory that a build has written to. makepkg leaves
// directories behind that nobody may list, and processes that are being killed
// may still add files. A build may also have nested directories deeper than this
// process may hold open, or have run as one of this user's subordinate ids and lost
// its worker.
func RemoveTree(dir string) error {
	err := os.RemoveAll(dir)
	for try := 0; err != nil && try < 5; try++ {
		switch {
		case errors.Is(err, syscall.ENOTEMPTY):
			time.Sleep(20 * time.Millisecond)
		case try == 0:
			removeAsRoot(dir)
		default:
			openDirectories(dir)
		}
		err = os.RemoveAll(dir)
	}
	if err != nil {
		return fmt.Errorf("remove %s: %w", dir, err)
	}
	return nil
}

// removeAsRoot runs rm, which no depth of directories stops, as root of this user's
// subordinate ids where the machine allows that. Errors are left to the caller's own
// removal.
func removeAsRoot(dir string) {
	ways := [][]string{nil}
	if os.Geteuid() != 0 {
		ways = [][]string{{"unshare", "--user", "--map-root-user", "--map-auto"}, {"unshare", "--user", "--map-root-user"}, nil}
	}
	for _, way := range ways {
		args := append(way, "rm", "--recursive", "--force", "--", dir)
		if exec.CommandContext(context.Background(), args[0], args[1:]...).Run() == nil {
			return
		}
	}
}

// openDirectories lets the owner list and change every directory below dir, and
// nothing elsewhere, whatever links a process puts in their place meanwhile. A
// directory is changed before it is read, so the walk reaches everything. Errors
// are left to the removal.
func openDirectories(dir string) {
	_ = os.Chmod(dir, 0o700)
	root, err := os.OpenRoot(dir)
	if err != nil {
		return
	}
	defer func() { _ = root.Close() }() // nothing is lost with it
	_ = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			_ = root.Chmod(name, 0o700)
		}
		return nil
	})
}
