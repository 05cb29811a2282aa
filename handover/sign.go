package handover

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"buildbtw"
	"buildbtw/internal/guard"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/signing"
	"buildbtw/signing/keyring"
	"buildbtw/store"
)

// acceptedKeys returns the public keys that a target accepts, read anew from their file, so
// that a change of keys needs no restart; nil: packages of this target are not signed.
func (h *Handover) acceptedKeys(target string) (*keyring.Keyring, error) {
	i := slices.IndexFunc(h.Targets, func(t buildbtw.Target) bool { return t.Name == target })
	if i < 0 || h.Targets[i].Keys == "" {
		return nil, nil
	}
	keys, err := keyring.Load(h.Targets[i].Keys)
	if err != nil {
		return nil, buildbtw.Unavailable("target %s: %w", target, err)
	}
	return keys, nil
}

// Signs reports whether the packages of a target need signatures. Without a Handover
// nothing is released.
func (h *Handover) Signs(target string) bool {
	return h != nil && slices.ContainsFunc(h.Targets, func(t buildbtw.Target) bool { return t.Name == target && t.Keys != "" })
}

// signatures returns the signatures of the packages of a release, by the SHA-256 of their
// files, by keys that are valid now. When some lack one, the release waits for signatures
// from now on.
func (h *Handover) signatures(ctx context.Context, r store.ReleaseRow, add []pacmanrepo.Adopted) (signed map[string][]byte, waits bool, err error) {
	signed, err = h.validSignatures(ctx, r, add)
	if err != nil || signed == nil {
		return nil, false, err
	}
	if !slices.ContainsFunc(digests(add), func(f string) bool { return signed[f] == nil }) {
		return signed, false, nil
	}
	list, err := h.Generations.SigningFiles(ctx, add)
	if err != nil {
		return nil, false, err
	}
	return nil, true, h.Store.WaitForSignatures(ctx, r.ID, list)
}

// SigningList returns what a signer signs of a release: the list of its files. The error is
// Conflict when the release does not wait for signatures.
func (h *Handover) SigningList(ctx context.Context, id int64) (signing.List, error) {
	r, err := h.Store.Release(ctx, id)
	if err != nil {
		return signing.List{}, err
	}
	if r.State != buildbtw.ReleaseSigning {
		return signing.List{}, buildbtw.Conflict("release %d is %s; it needs no signatures", id, r.State.Words())
	}
	files, err := h.Store.SigningFiles(ctx, id)
	if err != nil {
		return signing.List{}, err
	}
	l := signing.List{
		Format: signing.Format, Release: r.ID, Target: r.Target, Buildspace: r.Buildspace, Iteration: r.Iteration, From: r.FromTarget, Set: r.Digest, Base: r.Base,
	}
	for _, f := range files {
		l.Files = append(l.Files, signing.File{Name: f.Name, Size: f.Size, SHA256: f.SHA256, State: f.State})
	}
	return l, l.Validate()
}

// Waiting returns how many files of a release that waits for signatures have one.
func (h *Handover) Waiting(ctx context.Context, r store.ReleaseRow) (store.SigningProgress, error) {
	keys, err := h.acceptedKeys(r.Target)
	if err != nil || keys == nil {
		return store.SigningProgress{}, err
	}
	return h.Store.SigningProgress(ctx, r.ID, keys.Valid(h.Now()))
}

// AddSignatures verifies signatures of a release's files, and stores them when all are valid;
// with the last one the release is handed over. What was stored before may be sent again.
func (h *Handover) AddSignatures(ctx context.Context, actor string, id int64, signatures []signing.Signature) (store.SigningProgress, error) {
	r, err := h.Store.Release(ctx, id)
	if err != nil {
		return store.SigningProgress{}, err
	}
	keys, err := h.acceptedKeys(r.Target)
	if err != nil {
		return store.SigningProgress{}, err
	}
	if keys == nil {
		return store.SigningProgress{}, buildbtw.Conflict("packages of target %s are not signed", r.Target)
	}
	if r.State != buildbtw.ReleaseSigning {
		return h.sentAgain(ctx, r, keys, signatures)
	}
	verified, err := h.verify(ctx, r, keys, signatures)
	if err != nil {
		return store.SigningProgress{}, err
	}
	valid := keys.Valid(h.Now())
	if err := h.Store.AddSignatures(ctx, actor, id, verified, valid); err != nil {
		return store.SigningProgress{}, err
	}
	return h.Store.SigningProgress(ctx, id, valid)
}

// sentAgain accepts signatures that are stored already: a client whose answer was lost sends
// them again.
func (h *Handover) sentAgain(ctx context.Context, r store.ReleaseRow, keys *keyring.Keyring, signatures []signing.Signature) (store.SigningProgress, error) {
	files := make([]string, len(signatures))
	for i, s := range signatures {
		files[i] = s.SHA256
	}
	stored, err := h.Store.Signatures(ctx, files, keys.Valid(h.Now()))
	if err != nil {
		return store.SigningProgress{}, err
	}
	for _, s := range signatures {
		if !bytes.Equal(stored[s.SHA256].Packet, s.Packet) {
			return store.SigningProgress{}, buildbtw.Conflict("release %d is %s; it needs no signatures", r.ID, r.State.Words())
		}
	}
	return store.SigningProgress{Files: r.Packages, Signed: r.Packages}, nil
}

// verify returns the signatures with the keys that made them; Invalid when one is not of a
// file of the release, or is not valid.
func (h *Handover) verify(ctx context.Context, r store.ReleaseRow, keys *keyring.Keyring, signatures []signing.Signature) ([]buildbtw.Signature, error) {
	files, err := h.Store.SigningFiles(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	byName := map[string]buildbtw.SigningFile{}
	for _, f := range files {
		byName[f.Name] = f
	}
	verified := make([]buildbtw.Signature, len(signatures))
	for i, s := range signatures {
		f, ok := byName[s.Name]
		if !ok || f.SHA256 != s.SHA256 {
			return nil, buildbtw.Invalid("%.200q with SHA-256 %.64q is not a file of release %d", s.Name, s.SHA256, r.ID)
		}
		key, err := keys.Verify(signing.File{Name: f.Name, Size: f.Size, SHA256: f.SHA256, State: f.State}, s.Packet, h.Now())
		if err != nil {
			return nil, err
		}
		verified[i] = buildbtw.Signature{FileSHA256: f.SHA256, Key: key, Packet: s.Packet}
	}
	return verified, nil
}

// Sign asks the signer for signatures of all releases that wait for them. It may take as long
// as a person at a signing host takes. Why a release was not signed is noted with it; it is
// asked for again with growing pauses.
func (h *Handover) Sign(ctx context.Context) error {
	if h.Signer == nil {
		return nil
	}
	waiting, err := h.Store.Signing(ctx)
	failures := []error{err}
	h.unsigned.Keep(func(id int64) bool {
		return slices.ContainsFunc(waiting, func(r store.ReleaseRow) bool { return r.ID == id })
	})
	for _, r := range waiting {
		if !h.unsigned.Due(r.ID, h.Now()) {
			continue
		}
		if err := guard.Run(func() error { return h.sign(ctx, r) }); err != nil {
			failures = append(failures, h.notSigned(ctx, r, err))
			continue
		}
		h.unsigned.Done(r.ID)
	}
	return errors.Join(failures...)
}

func (h *Handover) sign(ctx context.Context, r store.ReleaseRow) error {
	l, err := h.SigningList(ctx, r.ID)
	if err != nil {
		return err
	}
	started := time.Now()
	signatures, err := h.Signer.Sign(ctx, l)
	if err != nil {
		return err
	}
	if _, err := h.AddSignatures(ctx, buildbtw.System, r.ID, signatures); err != nil {
		return err
	}
	h.Log.InfoContext(ctx, "the signer has signed a release", "release", r.ID, "target", r.Target, "files", len(signatures), "seconds", time.Since(started).Seconds())
	return nil
}

// notSigned notes why a release was not signed. The first error of several that are alike is
// returned.
func (h *Handover) notSigned(ctx context.Context, r store.ReleaseRow, cause error) error {
	if ctx.Err() != nil {
		return cause
	}
	if state, err := h.Store.Release(ctx, r.ID); err == nil && state.State != buildbtw.ReleaseSigning {
		return nil // it was given up, or somebody else signed it
	}
	if _, changed := h.unsigned.Note(r.ID, h.Now(), cause); !changed {
		return nil
	}
	return errors.Join(fmt.Errorf("release %d: %w", r.ID, cause), h.Store.NoteSigning(ctx, r.ID, "Not signed yet: "+buildbtw.MessageOf(cause)))
}
