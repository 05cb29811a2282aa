package pacmanrepo

import (
	"context"
	"hash/maphash"
)

// locks makes writers of one repository wait for each other. There is a fixed
// number of them, so now and then two repositories share one.
type locks struct {
	seed maphash.Seed
	held [64]chan struct{} // a token inside means locked
}

func newLocks() *locks {
	l := &locks{seed: maphash.MakeSeed()}
	for i := range l.held {
		l.held[i] = make(chan struct{}, 1)
	}
	return l
}

// lock waits until nobody writes to the repository, or until ctx is done.
func (l *locks) lock(ctx context.Context, repository string) (unlock func(), err error) {
	held := l.held[maphash.String(l.seed, repository)%uint64(len(l.held))]
	select {
	case held <- struct{}{}:
		return func() { <-held }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
