package runners

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/internal/atomicfile"
	"buildbtw/internal/flock"
)

// Sheller is a Runner that can open a shell in the directories of a build that failed, in
// the same box: without network, as the user who built.
type Sheller interface {
	// Shells returns why it cannot on this machine; nil when it can.
	Shells() error

	// Shell runs a command there, or without one an interactive shell, with this
	// process's standard input and outputs, and returns the exit code. The job has the
	// directories of the build, and no lease. terminal is the value of TERM in the shell.
	Shell(ctx context.Context, job Job, terminal string, command []string) (code int, err error)
}

// Bounds of the failed builds whose directories a worker keeps. The oldest go first, also
// when less than roomAmple is free.
const (
	keptMost  = 5
	keptBytes = 20 << 30 // of all together
)

// Files in the directory of an attempt that is kept, beside those that the build could
// write to.
const (
	keptName = "kept.json"
	keptLock = "kept.lock" // a shell has it
)

// Kept is a failed build whose directories a worker keeps.
type Kept struct {
	Job    api.Job   `json:"job"` // without its lease
	Runner string    `json:"runner"`
	Until  time.Time `json:"until"`
	Bytes  int64     `json:"bytes"` // on disk

	dir  string
	lock *flock.Lock
}

// Build returns the build as its runner takes it.
func (k *Kept) Build() Job {
	return Job{Job: k.Job, Tree: filepath.Join(k.dir, "source"), Output: filepath.Join(k.dir, "output"), Work: filepath.Join(k.dir, "work")}
}

// Close lets the worker remove the directories when their time is over.
func (k *Kept) Close() error { return k.lock.Release() }

// OpenKept returns the newest failed attempt of a build, by id, that the worker keeps in its
// work directory. The worker does not remove it before Close. The error is NotFound when
// there is none.
func OpenKept(workDir, build string) (*Kept, error) {
	all, err := readKept(workDir)
	if err != nil {
		return nil, err
	}
	var builds buildbtw.Names
	for _, k := range slices.Backward(all) {
		if k.Job.BuildID != build {
			builds = append(builds, k.Job.BuildID)
			continue
		}
		if !k.Until.After(time.Now()) {
			continue
		}
		if k.lock, err = flock.Take(filepath.Join(k.dir, keptLock)); errors.Is(err, flock.ErrLocked) {
			return nil, buildbtw.Conflict("another shell is open in build %s", build)
		}
		if err != nil {
			return nil, fmt.Errorf("open the directories of build %s: %w", build, err)
		}
		return k, nil
	}
	if len(builds) == 0 {
		return nil, buildbtw.NotFound("no failed build is kept in %s; a worker that runs with --keep-failed keeps them. Is this its machine, and its --work-dir or --name?", workDir)
	}
	return nil, buildbtw.NotFound("build %s is not kept in %s (any more); there are %s", build, workDir, builds.Summary())
}

// readKept lists the kept attempts in a work directory, the first that ends first.
func readKept(workDir string) ([]*Kept, error) {
	entries, err := os.ReadDir(workDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look for failed builds: %w", err)
	}
	var all []*Kept
	for _, e := range entries {
		dir := filepath.Join(workDir, e.Name())
		text, err := os.ReadFile(filepath.Join(dir, keptName))
		k := &Kept{dir: dir}
		if err == nil && json.Unmarshal(text, k) == nil {
			all = append(all, k)
		}
	}
	slices.SortFunc(all, func(a, b *Kept) int { return cmp.Or(a.Until.Compare(b.Until), cmp.Compare(a.dir, b.dir)) })
	return all, nil
}

// keeps reports whether the directories of an attempt that ended so are kept.
func (t *attempt) keeps(outcome buildbtw.Outcome) bool {
	s, ok := t.runner.(Sheller)
	failed := outcome == buildbtw.OutcomeFailed || outcome == buildbtw.OutcomeTimedOut || outcome == buildbtw.OutcomeStalled
	return ok && failed && t.agent.KeepFailed > 0 && t.lease.ended() == nil && s.Shells() == nil
}

// keep makes the directory of an attempt that has ended one that is kept. Of what the
// worker had there for itself nothing stays, and of the job no lease.
func (w *workDir) keep(dir string, k Kept) error {
	if err := os.Remove(filepath.Join(dir, "log")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("keep a failed build: %w", err)
	}
	k.Job.Lease = ""
	k.Bytes = bytesOnDisk(dir)
	text, err := json.Marshal(k)
	if err == nil {
		err = atomicfile.WriteBytes(filepath.Join(dir, keptName), 0o600, text)
	}
	if err != nil {
		return fmt.Errorf("keep a failed build: %w", err)
	}
	return nil
}

// bytesOnDisk returns about how much space a directory takes; what cannot be listed counts
// as nothing.
func bytesOnDisk(dir string) (n int64) {
	_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // see above
		}
		if info, err := e.Info(); err == nil {
			if s, ok := info.Sys().(*syscall.Stat_t); ok {
				n += s.Blocks * 512
			}
		}
		return nil
	})
	return n
}

// sweepKept removes kept attempts whose time is over, and the first to end while there are
// more than may be kept, or little room is left. None may be kept for longer than longest.
// One in which a shell is open stays until the next sweep. It returns when that is due.
func (w *workDir) sweepKept(clock func() time.Time, longest time.Duration) (next time.Time, err error) {
	w.sweeping.Lock()
	defer w.sweeping.Unlock()
	all, err := readKept(w.path)
	now := clock() // not before those that were read were kept
	var bytes int64
	for _, k := range all {
		bytes += k.Bytes
	}
	next = now.Add(longest)
	left := len(all)
	for _, k := range all {
		free, roomErr := Room(w.path)
		short := roomErr == nil && free < roomAmple
		if k.Until.After(now) && !k.Until.After(now.Add(longest)) && left <= keptMost && bytes <= keptBytes && !short {
			if k.Until.Before(next) {
				next = k.Until
			}
			continue
		}
		lock, lockErr := flock.Take(filepath.Join(k.dir, keptLock))
		if lockErr != nil && errors.Is(lockErr, flock.ErrLocked) {
			next = now.Add(time.Minute)
			continue
		}
		removeErr := RemoveTree(k.dir)
		_ = lock.Release() // of a file that is gone
		if err = errors.Join(err, removeErr); removeErr == nil {
			left, bytes = left-1, bytes-k.Bytes
		}
	}
	return next, err
}

// sweepKept removes what is no longer to be kept until ctx ends.
func (a *Agent) sweepKept(ctx context.Context) {
	for ctx.Err() == nil {
		next, err := a.work.sweepKept(time.Now, a.KeepFailed)
		if err != nil {
			a.Log.Error("failed builds that were kept are left", "error", err)
		}
		Pause(ctx, min(max(time.Until(next), time.Second), time.Minute))
	}
}
