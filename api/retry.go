package api

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"time"

	"buildbtw"
)

// Backoff configures how often and after which pauses a safe call is repeated.
// Pauses double from First to Max; each is shortened by a random part of up to
// a half, so that many machines do not come back at the same moment.
type Backoff struct {
	First time.Duration // 0: 200 ms
	Max   time.Duration // 0: 5 s
	Tries int           // all tries of a call that the server answers with "later" or breaks; 0: 4

	// Patience is how long an unreachable server is waited for. Tries to
	// connect do not count as Tries then. 0: they do.
	Patience time.Duration

	// Notify is called at every pause; may be nil.
	Notify func(err error, pause time.Duration)

	// Random returns numbers in [0,1); nil: math/rand.
	Random func() float64
}

// internalTries bounds how often an internal fault of the server is asked for
// again: it may be a passing one, but rarely is.
const internalTries = 3

// repeat calls try until it succeeds, fails for good, or the limits are reached,
// and returns its last error.
func (c *Client) repeat(ctx context.Context, try func() error) error {
	b := c.options.Backoff
	var waited time.Duration
	for failures := 0; ; {
		err := try()
		if err == nil || ctx.Err() != nil || !Temporary(err) || errors.Is(err, errScheme) || isTooLarge(err) {
			return err
		}
		if !b.waits(err, waited) {
			failures++
			if failures >= b.tries(err) {
				return err
			}
		}
		pause := b.pause(waited)
		if b.Notify != nil {
			b.Notify(err, pause)
		}
		if sleep(ctx, pause) != nil {
			return err
		}
		waited += pause
	}
}

// isTooLarge reports whether a proxy refuses a body for its size: the same one again is
// refused, too.
func isTooLarge(err error) bool {
	var foreign *foreignError
	return errors.As(err, &foreign) && foreign.status == http.StatusRequestEntityTooLarge
}

// Temporary reports whether the same call may succeed later: no answer came,
// the server asked for patience, or it has an internal fault.
func Temporary(err error) bool {
	var e *buildbtw.Error
	return errors.As(err, &e) && e.Kind.Passes()
}

// waits reports whether the server cannot be reached and patience is left.
func (b Backoff) waits(err error, waited time.Duration) bool {
	var n *NetworkError
	return errors.As(err, &n) && n.Dial && waited < b.Patience
}

func (b Backoff) tries(err error) int {
	tries := cmp.Or(b.Tries, 4)
	if buildbtw.KindOf(err) == buildbtw.KindInternal {
		return min(tries, internalTries)
	}
	return tries
}

// pause returns the next pause from the sum of those before: waiting as long again
// as one has waited already doubles it each time.
func (b Backoff) pause(waited time.Duration) time.Duration {
	random := rand.Float64
	if b.Random != nil {
		random = b.Random
	}
	full := min(max(cmp.Or(b.First, 200*time.Millisecond), waited), cmp.Or(b.Max, 5*time.Second))
	return full - time.Duration(random()*float64(full)/2)
}

// sleep waits for d; it returns the context's error when that ends first.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
