// Package hints carries the news that something changed from those who change it
// to those who show it. News may be merged but never pile up: who is slow learns
// all at once. Feed is between packages of the server, Hub between the server and
// the pages that are open.
package hints

import "sync"

// Feed gives news to its subscribers.
type Feed[T any] struct {
	// Merge joins news that a subscriber has not taken yet with newer ones. It is
	// called with locks held and must bound the result. Without it the newest news
	// are all that counts.
	Merge func(older, newer T) T

	mu  sync.Mutex
	all map[*Subscription[T]]struct{}
}

// Subscription collects news until its holder takes them.
type Subscription[T any] struct {
	C <-chan struct{} // holds a token when there are news

	feed    *Feed[T]
	token   chan struct{}
	mu      sync.Mutex
	pending T
	any     bool
}

// Subscribe begins a subscription. Whoever looks at the subject subscribes first,
// or a change in between is missed. Cancel must be called.
func (f *Feed[T]) Subscribe() *Subscription[T] {
	token := make(chan struct{}, 1)
	s := &Subscription[T]{C: token, token: token, feed: f}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.all == nil {
		f.all = map[*Subscription[T]]struct{}{}
	}
	f.all[s] = struct{}{}
	return s
}

// Cancel ends the subscription.
func (s *Subscription[T]) Cancel() {
	s.feed.mu.Lock()
	defer s.feed.mu.Unlock()
	delete(s.feed.all, s)
}

// Publish never waits for a subscriber.
func (f *Feed[T]) Publish(news T) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for s := range f.all {
		s.put(news)
	}
}

func (s *Subscription[T]) put(news T) {
	s.mu.Lock()
	if s.any && s.feed.Merge != nil {
		news = s.feed.Merge(s.pending, news)
	}
	s.pending, s.any = news, true
	s.mu.Unlock()
	select {
	case s.token <- struct{}{}:
	default: // the last token was not received yet
	}
}

// Take returns the news since the last Take; not ok when there are none.
func (s *Subscription[T]) Take() (news T, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	news, ok = s.pending, s.any
	var none T
	s.pending, s.any = none, false
	return news, ok
}
