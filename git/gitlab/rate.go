package gitlab

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// maxPause bounds the pauses that GitLab may ask for. Its limits are per
// minute; a longer pause is more likely a broken proxy.
const maxPause = 15 * time.Minute

// pause delays all requests of a client while GitLab asks for it.
type pause struct {
	now      func() time.Time
	patience time.Duration

	mu    sync.Mutex
	until time.Time
}

// note reads the rate limit from an answer: Retry-After of a refusal, or that
// no request is left until the limit is reset.
func (p *pause) note(answer *http.Response) {
	wait := retryAfter(answer, p.now())
	if answer.StatusCode != http.StatusTooManyRequests && answer.Header.Get("RateLimit-Remaining") != "0" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if until := p.now().Add(wait); until.After(p.until) {
		p.until = until
	}
}

// left returns how long requests are to be held back from now.
func (p *pause) left() (wait time.Duration, until time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.until.Sub(p.now()), p.until
}

// Wait implements the library's limiter: it delays a request for as long as
// GitLab asked. When that is longer than a call may last it fails at once, for
// the caller to try later.
func (p *pause) Wait(ctx context.Context) error {
	wait, until := p.left()
	if wait <= 0 {
		return nil
	}
	if wait > p.patience {
		return &pausedError{until}
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(wait):
		return nil
	}
}

// pausedError is the error of a request that was not sent because GitLab asked
// to wait.
type pausedError struct{ until time.Time }

func (e *pausedError) Error() string { return "waiting until " + e.until.UTC().Format(time.RFC3339) }

// retryAfter returns the pause that an answer asks for: Retry-After in seconds or
// as a time, else RateLimit-Reset (seconds since 1970), else none.
func retryAfter(answer *http.Response, now time.Time) time.Duration {
	text := answer.Header.Get("Retry-After")
	if seconds, err := strconv.ParseInt(text, 10, 32); err == nil {
		return within(time.Duration(seconds) * time.Second)
	}
	if at, err := http.ParseTime(text); err == nil {
		return within(at.Sub(now))
	}
	if at, err := strconv.ParseInt(answer.Header.Get("RateLimit-Reset"), 10, 64); err == nil {
		return within(time.Unix(at, 0).Sub(now))
	}
	return 0
}

func within(d time.Duration) time.Duration { return min(max(d, 0), maxPause) }

// worthRetrying reports whether the same request may fare better in a moment.
func (c *Client) worthRetrying(ctx context.Context, answer *http.Response, err error) (bool, error) {
	switch {
	case ctx.Err() != nil:
		return false, ctx.Err()
	case answer == nil:
		return !errors.Is(err, errElsewhere), nil
	case answer.StatusCode == http.StatusTooManyRequests:
		return retryAfter(answer, c.config.Now()) <= c.config.Patience, nil
	}
	return answer.StatusCode >= http.StatusInternalServerError, nil
}

// backoff returns the pause before a retry: the one that GitLab asks for, and
// at least twice as long as the pause before.
func (c *Client) backoff(_, _ time.Duration, attempt int, answer *http.Response) time.Duration {
	wait := min(c.config.Pause<<min(attempt, 10), c.config.Patience)
	if answer != nil {
		wait = max(wait, min(retryAfter(answer, c.config.Now()), c.config.Patience))
	}
	return wait
}
