package runners

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"buildbtw"
	"buildbtw/buildlog"
	"buildbtw/internal/limit"
)

// How much room there is on the file systems of a build, in bytes.
const (
	roomToBegin = 256 << 20 // with less no build begins
	roomGone    = 16 << 20  // with less a disk is full
	roomAmple   = 1 << 30   // nothing that needed this much was refused: the disk was not full
)

// roomPause is the time between two looks at a file system.
const roomPause = 250 * time.Millisecond

// Room returns how many bytes the user of this process can still write to a directory's
// file system: 0 when it can make no more files there.
func Room(dir string) (int64, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return 0, fmt.Errorf("ask for the free space of %s: %w", dir, err)
	}
	if fs.Files > 0 && fs.Ffree == 0 {
		return 0, nil
	}
	return int64(fs.Bavail) * int64(fs.Bsize), nil //nolint:unconvert // other types on other architectures; disks are smaller than 8 EiB
}

// Writer is a Runner that also writes to directories which are not the job's own, such
// as that of a chroot.
type Writer interface {
	Writes() []string
}

func (t *attempt) writes() []string {
	if w, ok := t.runner.(Writer); ok {
		return w.Writes()
	}
	return nil
}

// room is how much a file system had free while a build ran.
type room struct {
	dir          string
	began, least int64
}

// roomWatch looks at file systems again and again.
type roomWatch struct {
	rooms []room
	stop  chan struct{}
	done  sync.WaitGroup
}

// watchRoom begins to look at the file systems of the directories; one that cannot be
// asked is left out.
func watchRoom(dirs ...string) *roomWatch {
	w := &roomWatch{stop: make(chan struct{})}
	for _, dir := range dirs {
		if free, err := Room(dir); err == nil {
			w.rooms = append(w.rooms, room{dir, free, free})
		}
	}
	w.done.Go(func() {
		tick := time.NewTicker(roomPause)
		defer tick.Stop()
		for {
			select {
			case <-w.stop:
				return
			case <-tick.C:
				w.look()
			}
		}
	})
	return w
}

func (w *roomWatch) look() {
	for i := range w.rooms {
		if free, err := Room(w.rooms[i].dir); err == nil {
			w.rooms[i].least = min(w.rooms[i].least, free)
		}
	}
}

// end looks once more, and returns the file system on which was the least room.
func (w *roomWatch) end() room {
	close(w.stop)
	w.done.Wait()
	w.look()
	tightest := room{least: -1}
	for _, r := range w.rooms {
		if tightest.least < 0 || r.least < tightest.least {
			tightest = r
		}
	}
	return tightest
}

// CheckRoom returns why no build may be asked for: a directory for builds has too little
// room. What cannot be asked has enough.
func CheckRoom(dir string) error {
	free, err := Room(dir)
	if err != nil || free >= roomToBegin {
		return nil //nolint:nilerr // what cannot be asked has enough
	}
	return fmt.Errorf("no build is taken: %s are free in %s, and a build needs at least %s to begin; make room there", limit.Bytes(free), dir, limit.Bytes(roomToBegin))
}

// enoughRoom returns why a build cannot begin in a directory. Other builds of this
// worker may have taken the room: then the machine is not to blame.
func (t *attempt) enoughRoom(dir string) (Result, bool) {
	free, err := Room(dir)
	if err != nil || free >= roomToBegin {
		return Result{}, true
	}
	r := Infrastructure("the worker has no room to build: %s are free in its work directory", limit.Bytes(free))
	r.Blameless = t.agent.running.Load() > 1
	return r, false
}

// faultTail is how much of the end of a log may blame the machine, in bytes.
const faultTail = 32 << 10

// judge compares a failure with the free space and memory of the machine. A full disk is
// no evidence against the machine, because a build may have filled it. Messages of the
// package's own code come last, and count unless the machine's numbers contradict them.
func (t *attempt) judge(r Result, least room) Result {
	if r.Outcome != buildbtw.OutcomeFailed && r.Outcome != buildbtw.OutcomeInfrastructure {
		return r
	}
	full := least.least >= 0 && least.least < roomGone
	if r.Outcome == buildbtw.OutcomeInfrastructure {
		r.Blameless = r.Blameless || full
		return r
	}
	if !r.PackageCode {
		return r
	}
	message := func(cause string) string { return cause + " (" + r.Message + ")" }
	if full {
		found := Infrastructure("%s", message(fmt.Sprintf("the disk was full: %s were left of the %s that were free when the build began", limit.Bytes(least.least), limit.Bytes(least.began))))
		found.Blameless, found.NotChecked = true, r.NotChecked
		return found
	}
	if err := tryToWrite(filepath.Dir(t.job.Work)); err != nil {
		found := Infrastructure("%s", message("nothing can be written to the work directory any more: "+err.Error()))
		found.Blameless, found.NotChecked = isFull(err), r.NotChecked
		return found
	}
	var refuted []string
	if least.least >= roomAmple {
		refuted = append(refuted, buildlog.DiskFull)
	}
	if r.MemoryKnown {
		refuted = append(refuted, buildlog.Killed, buildlog.NoMemory)
	}
	if cause := buildlog.MachineFault(t.spool.tail(faultTail), refuted...); cause != "" {
		doubt := Infrastructure("%s", message("perhaps "+cause))
		doubt.Doubtful, doubt.NotChecked = true, r.NotChecked
		return doubt
	}
	return r
}

// tryToWrite returns why a file cannot be written to the disk of a directory: statfs(2)
// does not include quotas.
func tryToWrite(dir string) error {
	f, err := os.CreateTemp(dir, "room-")
	if err == nil {
		_, err = f.Write(make([]byte, 64<<10))
		err = errors.Join(err, f.Sync(), f.Close(), os.Remove(f.Name()))
	}
	var reason syscall.Errno
	if errors.As(err, &reason) {
		return reason
	}
	return err
}

// isFull reports whether an error says that there is no room on a disk, or in a quota.
func isFull(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }
