package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"buildbtw"
	"buildbtw/internal/flock"
	"buildbtw/signing"
)

// signer signs what its policy allows, and remembers it.
type signer struct {
	policy signing.Policy
	log    log
	key    string // its fingerprint
	agent  signing.Signer
	now    func() time.Time

	mu   sync.Mutex
	past past // of the log
}

// Sign implements signing.Signer. What was signed before is answered with the same
// signatures. The log has the signatures before anybody else does.
func (s *signer) Sign(ctx context.Context, l signing.List) ([]signing.Signature, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	lock, err := flock.Take(s.log.path + ".lock")
	if errors.Is(err, flock.ErrLocked) {
		return nil, buildbtw.Unavailable("this signer is signing another list; try again when it is done")
	}
	if err != nil {
		return nil, fmt.Errorf("lock the log: %w", err)
	}
	defer func() { _ = lock.Release() }() // the kernel frees it at the latest when the process ends
	history, err := s.log.read(&s.past)
	if err != nil {
		return nil, err
	}
	e := entry{Record: signing.Record{
		At: s.now().UTC(), List: l.Digest(), Release: l.Release, Target: l.Target, Buildspace: l.Buildspace, Key: s.key,
	}}
	if err := s.policy.Check(l, history, s.key, e.At); err != nil {
		e.Refused = err.Error()
		return nil, errors.Join(err, s.log.append(e))
	}
	e.Signatures, err = s.missing(ctx, l, history.Before(l, s.key))
	if err != nil {
		return nil, err
	}
	if err := s.log.append(e); err != nil {
		return nil, err
	}
	return e.Signatures, nil
}

// missing signs the files of a list that have no signature from before, and returns those
// of all files in the list's order.
func (s *signer) missing(ctx context.Context, l signing.List, before map[string]signing.Signature) ([]signing.Signature, error) {
	fresh := l
	fresh.Files = slices.DeleteFunc(slices.Clone(l.Files), func(f signing.File) bool { return before[f.SHA256].Packet != nil })
	if len(fresh.Files) > 0 {
		signatures, err := s.agent.Sign(ctx, fresh)
		if err != nil {
			return nil, err
		}
		for _, g := range signatures {
			before[g.SHA256] = g
		}
	}
	all := make([]signing.Signature, len(l.Files))
	for i, f := range l.Files {
		all[i] = before[f.SHA256]
	}
	return all, nil
}
