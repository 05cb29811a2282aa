// Package quota limits the requests of each caller: how many in a time (Rate), and how
// many at the same time (Slots). A caller is a string that the user of
// this package chooses, such as an address or a name.
package quota

import (
	"math"
	"time"

	"buildbtw/internal/lru"
)

// Rate bounds how often something happens for each caller, as a token bucket:
// burst times at once, and then perSecond times a second on the average. It
// remembers the callers that came last, so that its memory is bounded; whoever is
// forgotten begins anew. It may be used from several goroutines at once.
type Rate struct {
	perSecond, burst float64
	buckets          *lru.Cache[string, bucket]
}

// bucket is a token bucket: the tokens that a caller had left at a time.
type bucket struct {
	tokens float64
	at     time.Time
}

// NewRate returns a limit for each of the last callers, so many of them.
func NewRate(perSecond, burst float64, callers int) *Rate {
	return &Rate{perSecond: perSecond, burst: burst, buckets: lru.New[string, bucket](callers)}
}

// Take takes n tokens of a caller. When there are fewer it takes none and returns
// how long it will be until there are enough.
func (r *Rate) Take(caller string, now time.Time, n float64) (wait time.Duration, ok bool) {
	r.buckets.Update(caller, func(b bucket, known bool) bucket {
		b = r.filled(b, known, now)
		if b.tokens < n {
			wait = r.until(n - b.tokens)
			return b
		}
		ok = true
		b.tokens -= n
		return b
	})
	return wait, ok
}

// Wait returns the time until a caller has a token, 0 when there is one, without taking
// it. It is for requests that cost a token only when they fail, such as signing in.
func (r *Rate) Wait(caller string, now time.Time) time.Duration {
	b, known := r.buckets.Get(caller)
	if b = r.filled(b, known, now); b.tokens < 1 {
		return r.until(1 - b.tokens)
	}
	return 0
}

func (r *Rate) filled(b bucket, known bool, now time.Time) bucket {
	if !known {
		return bucket{tokens: r.burst, at: now}
	}
	since := max(now.Sub(b.at), 0) // the clock may be set back
	return bucket{tokens: min(r.burst, b.tokens+since.Seconds()*r.perSecond), at: now}
}

func (r *Rate) until(missing float64) time.Duration {
	return time.Duration(math.Ceil(missing / r.perSecond * float64(time.Second)))
}
