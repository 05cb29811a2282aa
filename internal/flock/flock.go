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
	return take(path, os.O_RDWR|os.O_CREATE)
}

// TakeDir is like Take for a directory, whose lock nobody can delete. Some file
// systems, such as NFS, have none: then the error is another one than ErrLocked.
func TakeDir(path string) (*Lock, error) { return take(path, os.O_RDONLY|syscall.O_DIRECTORY) }

func take(path string, flags int) (*Lock, error) {
	f, err := os.OpenFile(path, flags, 0o600)
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

// Release frees the lock; doing it again, or without a lock, changes nothing. The file stays:
// removing it would let two processes lock two files of the same name.
func (l *Lock) Release() error {
	if l == nil {
		return nil
	}
	// A program that is just being started may have the file open for a moment
	// longer, until it is executed; closing alone would leave the lock to it.
	err := syscall.Flock(int(l.file.Fd()), syscall.LOCK_UN)
	if closed := l.file.Close(); errors.Is(closed, os.ErrClosed) {
		return nil
	} else if closed != nil {
		return closed
	}
	return err
}
