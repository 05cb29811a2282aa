package scheduler

import "time"

// outage keeps a loop away from a service that is down: after each failure
// twice as long.
type outage struct {
	pause time.Duration
	until time.Time
}

const (
	firstOutage = 5 * time.Second
	maxOutage   = 5 * time.Minute
)

// over reports whether the service may be asked again.
func (o *outage) over(now time.Time) bool { return !now.Before(o.until) }

// failed notes another failure.
func (o *outage) failed(now time.Time) {
	o.pause = min(max(2*o.pause, firstOutage), maxOutage)
	o.until = now.Add(o.pause)
}

// ended notes that the service works.
func (o *outage) ended() { *o = outage{} }
