package runners

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// maxLog bounds the log of one attempt, in bytes. A build that prints without
// end must not fill the disk; what it prints later is dropped.
const maxLog = 512 << 20

// spool is the log of an attempt on its way to the server: a file, so that it
// outlives the server's absence. Writes come from the build, reads from the pump.
type spool struct {
	file *os.File
	wake chan struct{} // holds a token when there is something new

	mu     sync.Mutex
	size   int64
	limit  int64
	cut    bool // the limit was passed
	closed bool
	err    error // the first that writing met
}

func newSpool(path string) (*spool, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make the log file: %w", err)
	}
	return &spool{file: f, wake: make(chan struct{}, 1), limit: maxLog}, nil
}

// Write appends. It always says that all was written: a build must not die of a
// broken pipe because of its log. Err tells of trouble.
func (s *spool) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.cut || s.err != nil {
		return len(p), nil
	}
	chunk := p
	if s.size+int64(len(p)) > s.limit {
		s.cut = true
		chunk = fmt.Appendf(nil, "\n==> The log is longer than %d MiB; the rest is dropped.\n", s.limit>>20)
	}
	n, err := s.file.Write(chunk)
	s.size += int64(n)
	s.err = err
	s.notify()
	return len(p), nil
}

// Printf adds a line of the worker's own, in makepkg's manner.
func (s *spool) Printf(format string, args ...any) {
	fmt.Fprintf(s, "==> "+format+"\n", args...)
}

// end says that nothing more will be written.
func (s *spool) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.notify()
}

// notify needs mu.
func (s *spool) notify() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// state returns the length and whether it is final.
func (s *spool) state() (size int64, closed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.size, s.closed
}

// Err returns the first error that writing met: mostly a full disk.
func (s *spool) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// chunk reads at most len(buffer) bytes from offset on.
func (s *spool) chunk(buffer []byte, offset int64) ([]byte, error) {
	n, err := s.file.ReadAt(buffer, offset)
	if n > 0 || errors.Is(err, io.EOF) {
		return buffer[:n], nil
	}
	return nil, fmt.Errorf("read the log file at %d: %w", offset, err)
}

// tail returns up to n bytes of the end, for finding out why a build failed.
func (s *spool) tail(n int64) []byte {
	size, _ := s.state()
	text, err := s.chunk(make([]byte, min(n, size)), size-min(n, size))
	if err != nil {
		return nil
	}
	return text
}

func (s *spool) close() { s.file.Close() }
