// Package flock takes locks that the kernel frees when the process ends, however
// that happens (flock(2)).
package flock

import (
	"errors"
	"os"
	"syscall"
)

// ErrLocked is returned while another process, or another part of this one, has
// the lock.
var ErrLocked = errors.New("the lock is taken")

// Lock is a lock on a file.
type Lock struct{ file *os.File }

// Take locks the file at path, which is created if it is missing. It returns
// ErrLocked instead of waiting.
func Take(path string) (*Lock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return &Lock{f}, nil
	}
	f.Close() // nothing was written
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, ErrLocked
	}
	return nil, &os.PathError{Op: "flock", Path: path, Err: err}
}

// Release frees the lock; doing it again changes nothing. The file stays:
// removing it would let two processes lock two files of the same name.
func (l *Lock) Release() error {
	err := l.file.Close()
	if errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}
