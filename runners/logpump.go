package runners

import (
	"context"
	"errors"
	"fmt"
	"time"

	"buildbtw/api"
)

// logPump brings a spool to the server, in order and without gaps, whatever
// happens to the server in between.
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
	if err := p.begin(ctx); err != nil {
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

// begin learns where the server's log of this attempt ends. That is beyond 0
// when a worker that was killed has begun the same attempt before.
func (p *logPump) begin(ctx context.Context) error {
	end, err := p.append(ctx, 0, nil)
	var moved *api.OffsetError
	if errors.As(err, &moved) {
		end, err = moved.Offset, nil
	}
	p.base = end
	return err
}

// send delivers one chunk, or learns from where to go on.
func (p *logPump) send(ctx context.Context, buffer []byte) error {
	chunk, err := p.spool.chunk(buffer, p.sent)
	if err != nil {
		return err
	}
	end, err := p.append(ctx, p.base+p.sent, chunk)
	var moved *api.OffsetError
	if errors.As(err, &moved) {
		end, err = moved.Offset, nil
	}
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

// append repeats a chunk until it is delivered, refused, or ctx ends: the client
// gives up sooner than a log may.
func (p *logPump) append(ctx context.Context, offset int64, chunk []byte) (int64, error) {
	for {
		end, err := p.client.AppendLog(ctx, p.lease, offset, chunk)
		if err == nil || ctx.Err() != nil || !api.Temporary(err) {
			return end, err
		}
		pause(ctx, time.Second)
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

// pause waits for d or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
