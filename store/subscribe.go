package store

import "sync"

// subscribers are told of commits. The zero value is ready.
type subscribers struct {
	mu   sync.Mutex
	next int
	all  map[int]chan struct{}
}

// Subscribe gives a channel that holds a token whenever something was committed
// since the last receive. Subscribe before looking, or a change in between is
// missed. Cancel must be called.
func (s *Store) Subscribe() (changed <-chan struct{}, cancel func()) {
	return s.subscribers.add()
}

func (s *subscribers) add() (<-chan struct{}, func()) {
	c := make(chan struct{}, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[int]chan struct{}{}
	}
	key := s.next
	s.next++
	s.all[key] = c
	return c, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.all, key)
	}
}

// notify never waits: who has not taken the last token yet will look anyway.
func (s *subscribers) notify() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.all {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}
