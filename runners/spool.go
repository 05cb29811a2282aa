package runners

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"buildbtw/api"
)

// maxLog bounds the log of one attempt, in bytes. A build that prints without
// end must not fill the disk; later output is dropped.
const maxLog = 512 << 20

// spool is the log of an attempt on its way to the server: a file, so that it
// outlives the server's absence. Writes come from the build, reads from the pump.
type spool struct {
	file *os.File
	hide *strings.Replacer // of directories of this machine, in the worker's own lines
	wake chan struct{}     // holds a token when there is something new

	mu     sync.Mutex
	size   int64
	limit  int64
	cut    bool // the limit was passed
	closed bool
	err    error // the first one of writing
}

func newSpool(path string) (*spool, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make the log file: %w", err)
	}
	return &spool{file: f, wake: make(chan struct{}, 1), limit: maxLog}, nil
}

// Write appends and never fails: a build must not die of a broken pipe because of
// its log. Err returns the error.
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
	text := fmt.Sprintf("==> "+format+"\n", args...)
	if s.hide != nil {
		text = s.hide.Replace(text)
	}
	_, _ = io.WriteString(s, text) // never fails
}

// end marks the log as complete.
func (s *spool) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.notify()
}

// notify is called with mu held.
func (s *spool) notify() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// state returns the length, and whether that is final.
func (s *spool) state() (size int64, closed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.size, s.closed
}

// Err returns the first error of writing: mostly a full disk.
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

// logPump sends a spool to the server, in order and without gaps, whatever happens
// to the server in between.
type logPump struct {
	client   *api.Client
	lease    string
	spool    *spool
	interval time.Duration // between two chunks, unless a full one waits

	base int64 // where the spool's first byte lies in the server's log
	sent int64 // bytes of the spool that the server has
}

// run ends when the spool is closed and delivered (nil), when ctx ends, or when
// the server refuses the log for good.
func (p *logPump) run(ctx context.Context) error {
	// The server's log ends beyond 0 when a worker that was killed has begun the
	// same attempt before.
	var err error
	if p.base, err = p.append(ctx, 0, nil); err != nil {
		return err
	}
	buffer := make([]byte, api.MaxLogChunk)
	for {
		size, closed := p.spool.state()
		switch {
		case p.sent < size:
			if err := p.send(ctx, buffer); err != nil {
				return err
			}
			if size-p.sent < api.MaxLogChunk && !closed {
				pauseOrClosed(ctx, p.interval, p.spool)
			}
		case closed:
			return nil
		default:
			select {
			case <-p.spool.wake:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	}
}

// send delivers one chunk, or finds out from where to go on.
func (p *logPump) send(ctx context.Context, buffer []byte) error {
	chunk, err := p.spool.chunk(buffer, p.sent)
	if err != nil {
		return err
	}
	end, err := p.append(ctx, p.base+p.sent, chunk)
	if err != nil {
		return err
	}
	size, _ := p.spool.state()
	if end < p.base || end > p.base+size {
		return fmt.Errorf("the server's log ends at %d, which is none of this attempt's offsets (%d to %d)", end, p.base, p.base+size)
	}
	p.sent = end - p.base
	return nil
}

// append sends a chunk until it is delivered, refused, or ctx ends: the client
// gives up sooner than a log may. It returns the end of the server's log, also
// when that is another than expected.
func (p *logPump) append(ctx context.Context, offset int64, chunk []byte) (int64, error) {
	for {
		end, err := p.client.AppendLog(ctx, p.lease, offset, chunk)
		var moved *api.OffsetError
		if errors.As(err, &moved) {
			return moved.Offset, nil
		}
		if err == nil || ctx.Err() != nil || !api.Temporary(err) {
			return end, err
		}
		Pause(ctx, time.Second)
	}
}

// pauseOrClosed waits for d, but no longer than until the spool is complete.
func pauseOrClosed(ctx context.Context, d time.Duration, s *spool) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			return
		case <-s.wake:
			if _, closed := s.state(); closed {
				return
			}
		}
	}
}

// Pause waits for d or until ctx ends.
func Pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
