package quota

import (
	"errors"
	"sync"
)

// Errors of Slots.
var (
	ErrFull   = errors.New("all slots are taken")                    // by whomever
	ErrCaller = errors.New("the caller has as many slots as it may") // itself
)

// Slots bounds how many things go on at the same time, in all and for each
// caller. It may be used from several goroutines at once.
type Slots struct {
	all, perCaller int

	mu    sync.Mutex
	taken int
	of    map[string]int // by caller; none is 0
}

// NewSlots returns slots for so many things in all, and for each caller.
func NewSlots(all, perCaller int) *Slots {
	return &Slots{all: all, perCaller: perCaller, of: map[string]int{}}
}

// Take takes a slot until free is called, once. The error is ErrFull or ErrCaller.
func (s *Slots) Take(caller string) (free func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.of[caller] >= s.perCaller:
		return nil, ErrCaller
	case s.taken >= s.all:
		return nil, ErrFull
	}
	s.taken++
	s.of[caller]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.taken--
		if s.of[caller]--; s.of[caller] == 0 {
			delete(s.of, caller)
		}
	}, nil
}
