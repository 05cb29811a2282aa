// Package guard runs a function for each item of a list so that no item's error or panic
// stops the others, and retries an item that failed with growing pauses.
package guard

import (
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
)

// PanicError is a panic that was caught. Its message has no stack, so that the
// same panic again has the same message.
type PanicError struct {
	Value any
	Stack []byte // where it happened
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Run calls f and returns its error; a panic becomes a *PanicError.
func Run(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = caught(p)
		}
	}()
	return f()
}

func caught(p any) *PanicError {
	if e, ok := p.(*PanicError); ok { // of a Group
		return e
	}
	return &PanicError{p, debug.Stack()}
}

// Group is a sync.WaitGroup whose Wait panics when one of its goroutines did: a
// panic in a goroutine ends the whole program, one in Wait the caller's work.
// The zero value is ready.
type Group struct {
	wait  sync.WaitGroup
	mu    sync.Mutex
	first *PanicError
}

// Go runs f in a goroutine.
func (g *Group) Go(f func()) {
	g.wait.Go(func() {
		defer func() {
			if p := recover(); p != nil {
				g.mu.Lock()
				defer g.mu.Unlock()
				if g.first == nil {
					g.first = caught(p)
				}
			}
		}()
		f()
	})
}

// Wait returns when all have returned, and panics with the first panic as a
// *PanicError.
func (g *Group) Wait() {
	g.wait.Wait()
	if g.first != nil {
		panic(g.first)
	}
}

// Apart calls f for all items at once and, when that fails, for one after the other, so
// that one keeps no other from it. It returns those for which it failed.
func Apart[T any](items []T, f func([]T) error) (failed []T, err error) {
	if len(items) == 0 || Run(func() error { return f(items) }) == nil {
		return nil, nil
	}
	var failures []error
	for i := range items {
		one := items[i : i+1]
		if err := Run(func() error { return f(one) }); err != nil {
			failed, failures = append(failed, items[i]), append(failures, err)
		}
	}
	return failed, errors.Join(failures...)
}
