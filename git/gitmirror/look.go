package gitmirror

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"buildbtw"
)

// Limits of a pass. A slow source does not delay the others: reading it goes on beside
// the passes, and after failures it has pauses of its own.
const (
	parallel = 3 // sources that are worked at, besides the slow ones
	maxSlow  = 4 // sources that take longer than patience

	patience  = 5 * time.Second  // a source may hold up others so long
	passTime  = 10 * time.Second // length of a pass; the next one continues with the rest
	scanTime  = 20 * time.Second // for the list of a directory of sources
	fetchTime = 10 * time.Minute // for all that is done for one source

	firstPause   = 30 * time.Second // after a failure; each further one doubles it
	longestPause = 30 * time.Minute
)

// Look is how the look at one source stands, where there is anything to say.
type Look struct {
	Since time.Time // when the work began that is still under way; zero: none
	Next  time.Time // when it is tried again after a failure, unless it changes before; zero: with every pass
}

// state is the state of a source between passes. It may be lost at any time.
type state struct {
	began    time.Time // of the work under way; zero: none
	slow     bool      // the work holds a place among the slow ones
	cancel   context.CancelCauseFunc
	err      error // why the last look failed, for people; nil: it did not
	failures int   // in a row
	next     time.Time
	print    string // footprint of the source when it failed; empty: unknown
}

// looks are the states of all sources, and the places of those that are worked at.
type looks struct {
	mu     sync.Mutex
	of     map[string]*state // by slug
	places chan struct{}     // holds a token for each source that the pass waits for
	slow   chan struct{}     // holds a token for each that it does not wait for
	wrote  bool              // something was fetched or committed since the last pass looked
	ended  func()            // called when work ended that no pass waits for; may be nil
	under  sync.WaitGroup    // the work that is under way
}

// errCrowded ends the work at a slow source when too many others are slow.
var errCrowded = errors.New("it takes long, and so do others at the same time")

// OnLate sets a function that is called when the work at a source has ended that
// took longer than a pass waits: the next pass has news. It is called before the
// first pass.
func (m *Mirror) OnLate(f func()) { m.looks.ended = f }

// LookNow ends the pause of a source after failures, or of all when slug is empty,
// so that the next pass tries it again.
func (m *Mirror) LookNow(slug string) {
	m.footprints.forget(slug)
	m.looks.mu.Lock()
	defer m.looks.mu.Unlock()
	for name, s := range m.looks.of {
		if slug == "" || slug == name {
			s.next = time.Time{}
			m.seen.Delete(name)
		}
	}
}

// Wait waits until no work at sources is under way. It is called after the context
// of the passes has ended.
func (m *Mirror) Wait() { m.looks.under.Wait() }

// begin marks a source as being read and returns true, or returns false while it is being
// read already or, if its footprint is unknown, in its pause.
func (l *looks) begin(slug string, now time.Time, cancel context.CancelCauseFunc) (*state, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.of[slug]
	if s == nil {
		s = &state{}
		l.of[slug] = s
	}
	if !s.began.IsZero() || s.print == "" && now.Before(s.next) {
		return nil, false
	}
	s.began, s.cancel = now, cancel
	return s, true
}

// rest returns the error of the last look at a source in its pause, as long as the
// source looks the same. Otherwise it returns nil.
func (l *looks) rest(s *state, now time.Time, print string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.err != nil && s.print == print && now.Before(s.next) {
		return s.err
	}
	return nil
}

// hasFailed reports whether the last look at a source failed.
func (l *looks) hasFailed(s *state) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return s.failures > 0
}

// outcome is how the work at a source ended.
type outcome struct {
	wrote bool
	err   error
	print string // footprint of the source; empty: unknown

	cheap   bool // the error was found by a look, which may be repeated with every pass
	resting bool // the source is in its pause and looks the same; nothing was tried
	stopped bool // the server stops, or the source is gone
}

// work does one source's work. settled is called once, when the work has ended or
// takes so long that nobody should wait for it.
//
// A patience of 0 has no end.
func (m *Mirror) work(ctx context.Context, c candidate, s *state, patience time.Duration, settled func(), do func(context.Context) outcome) {
	l := &m.looks
	defer l.under.Done()
	late, over := false, false // guarded by l.mu
	settle := sync.OnceFunc(func() {
		<-l.places
		settled()
	})
	// The error is set at once: in a file system that hangs, nothing reaches the
	// work, and it may never end.
	giveUp := func(why error) {
		s.err = buildbtw.Unavailable("source %s: %w", c.slug, why)
		s.cancel(s.err)
		l.leaveSlow(s)
	}
	after := func(d time.Duration, f func()) *time.Timer {
		return time.AfterFunc(d, func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			if !over {
				f()
			}
		})
	}
	if patience > 0 {
		defer after(patience, func() {
			late = true
			select {
			case l.slow <- struct{}{}:
				s.slow = true
			default:
				giveUp(errCrowded)
			}
			settle()
		}).Stop()
	}
	defer after(fetchTime, func() { giveUp(fmt.Errorf("it took longer than %v", fetchTime)) }).Stop()
	o := guarded(ctx, c, do)
	l.mu.Lock()
	over = true
	l.leaveSlow(s)
	s.cancel(nil)
	l.record(s, m.now(), o, late)
	l.mu.Unlock()
	settle()
	if late && l.ended != nil {
		l.ended()
	}
}

// guarded calls do and converts a panic to an error of the source.
func guarded(ctx context.Context, c candidate, do func(context.Context) outcome) (o outcome) {
	defer func() {
		if p := recover(); p != nil {
			o.err = &buildbtw.Error{
				Kind: buildbtw.KindInternal, Message: fmt.Sprintf("source %s makes the server fail, which is a fault of buildbtw; the cause is in its log", c.slug),
				Err: fmt.Errorf("panic: %v\n%s", p, debug.Stack()),
			}
		}
	}()
	o = do(ctx)
	if o.err == nil {
		return o
	}
	if cause := context.Cause(ctx); cause != nil {
		o.err, o.stopped = cause, buildbtw.KindOf(cause) != buildbtw.KindUnavailable
	}
	o.err = forPeople(c, o.err)
	return o
}

// leaveSlow is called with the mutex held.
func (l *looks) leaveSlow(s *state) {
	if s.slow {
		s.slow = false
		<-l.slow
	}
}

// record is called with the mutex held.
func (l *looks) record(s *state, now time.Time, o outcome, late bool) {
	s.began, s.err = time.Time{}, o.err
	l.wrote = l.wrote || o.wrote
	switch {
	case o.err == nil, o.stopped:
		*s = state{}
	case o.resting:
	case o.cheap && !late:
		s.failures, s.next, s.print = 0, time.Time{}, ""
	case errors.Is(o.err, errCrowded): // which is not its fault alone
		s.next, s.print = now.Add(firstPause), o.print
	default:
		s.failures++
		s.next = now.Add(min(firstPause<<min(s.failures-1, 10), longestPause))
		s.print = o.print
	}
}

// report adds how the sources stand, and returns how many wait for their turn or
// are worked at without being slow.
func (l *looks) report(r *Report, slugs []string, have map[string]sourceRefs) (waiting int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, slug := range slugs {
		s := l.of[slug]
		switch {
		case s == nil:
			continue
		case !s.began.IsZero() && !s.slow && s.err == nil:
			waiting++
		case s.err != nil:
			r.Broken[slug] = s.err
		case s.slow && len(have[slug]) == 0:
			r.Broken[slug] = buildbtw.Unavailable("source %s is being read for the first time, which takes longer than with others", slug)
		}
		if look := (Look{Since: s.began, Next: s.next}); look != (Look{}) {
			if r.Looks == nil {
				r.Looks = map[string]Look{}
			}
			r.Looks[slug] = look
		}
	}
	return waiting
}

// takeWrote reports whether anything was written since it was asked last.
func (l *looks) takeWrote() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	wrote := l.wrote
	l.wrote = false
	return wrote
}

// forget drops the states of sources that are gone, and returns those at which
// nobody works any more. Work at the others is told to end.
func (l *looks) forget(slugs []string) (idle []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, slug := range slugs {
		s := l.of[slug]
		if s != nil && !s.began.IsZero() {
			s.cancel(errors.New("the source is gone"))
			continue
		}
		delete(l.of, slug)
		idle = append(idle, slug)
	}
	return idle
}

// order puts the sources that are in the mirror first, then new ones, and those
// that failed last: a push is not to wait for an import.
func (l *looks) order(found []candidate, have map[string]sourceRefs) []candidate {
	l.mu.Lock()
	defer l.mu.Unlock()
	rank := func(c candidate) int {
		switch s := l.of[c.slug]; {
		case s != nil && s.failures > 0:
			return 2
		case len(have[c.slug]) == 0:
			return 1
		}
		return 0
	}
	found = slices.Clone(found)
	slices.SortStableFunc(found, func(a, b candidate) int { return rank(a) - rank(b) })
	return found
}
