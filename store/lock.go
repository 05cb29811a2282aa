package store

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"buildbtw"
)

// lock is held while a process uses the data. The kernel frees it when the
// process ends, however that happens.
type lock struct{ file *os.File }

func acquire(path string) (*lock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock file: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return &lock{f}, nil
	}
	_ = f.Close() // nothing was written
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, buildbtw.Conflict("another buildbtw server uses this data directory; stop it first, or choose another one with --data-dir")
	}
	return nil, fmt.Errorf("lock the database: %w", err)
}

// release leaves the file where it is: removing it would let two processes lock
// two different files of the same name. Doing it again changes nothing.
func (l *lock) release() error {
	err := l.file.Close()
	if errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}
