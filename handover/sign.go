package handover

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
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
	t := h.target(target)
	if t.Keys == "" {
		return nil, nil
	}
	keys, err := keyring.Load(t.Keys)
	if err != nil {
		return nil, buildbtw.Unavailable("target %s: %w", target, err)
	}
	return keys, nil
}

// Signs reports whether the packages of a target need signatures. Without a Handover
// nothing is released.
func (h *Handover) Signs(target string) bool {
	return h != nil && h.target(target).Keys != ""
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

// target returns a target of the settings; a zero one when there is none of that name.
func (h *Handover) target(name string) buildbtw.Target {
	i := slices.IndexFunc(h.Targets, func(t buildbtw.Target) bool { return t.Name == name })
	if i < 0 {
		return buildbtw.Target{}
	}
	return h.Targets[i]
}

// SignsDatabases reports whether the databases of a target need signatures. Without a Handover
// nothing is released.
func (h *Handover) SignsDatabases(target string) bool {
	return h != nil && h.target(target).SignedDatabases
}

// ShowsSignedDatabases reports whether a target whose databases need signatures shows such
// ones: not before its first release.
func (h *Handover) ShowsSignedDatabases(t store.TargetRow) (bool, error) {
	if !h.SignsDatabases(t.Name) || t.Generation == 0 {
		return false, nil
	}
	return h.Generations.HasSignedDatabases(t.Name, t.Generation)
}

// signDatabases adds to a generation, which is about to be written for a release, the
// signatures of its databases by keys that are valid now. When some lack one, the release waits
// for signatures from now on: of these databases, and of those of the givers after what the
// release takes from them has left. All these targets are locked.
func (h *Handover) signDatabases(ctx context.Context, r store.ReleaseRow, givers []string, n *pacmanrepo.NextGeneration) (waits bool, err error) {
	if !h.SignsDatabases(r.Target) {
		return false, nil
	}
	n.SignedDatabases = true
	files, err := h.Generations.Databases(ctx, *n)
	if err != nil {
		return false, err
	}
	for _, name := range givers {
		if !h.SignsDatabases(name) {
			continue
		}
		more, err := h.leavingDatabases(ctx, name, *n)
		if err != nil {
			return false, err
		}
		files = append(files, more...)
	}
	signed, err := h.signaturesOf(ctx, r.Target, files)
	if err != nil {
		return false, err
	}
	n.Signatures = maps.Clone(n.Signatures)
	if n.Signatures == nil {
		n.Signatures = map[string][]byte{}
	}
	maps.Copy(n.Signatures, signed)
	if !slices.ContainsFunc(files, func(f buildbtw.SigningFile) bool { return signed[f.SHA256] == nil }) {
		return false, nil
	}
	slices.SortFunc(files, func(a, b buildbtw.SigningFile) int { return strings.Compare(a.Name, b.Name) })
	return true, h.Store.WaitForSignatures(ctx, r.ID, files)
}

// signaturesOf returns the signatures of files by keys of a target that are valid now, by
// SHA-256.
func (h *Handover) signaturesOf(ctx context.Context, target string, files []buildbtw.SigningFile) (map[string][]byte, error) {
	keys, err := h.acceptedKeys(target)
	if err != nil || keys == nil {
		return nil, err
	}
	digests := make([]string, len(files))
	for i, f := range files {
		digests[i] = f.SHA256
	}
	have, err := h.Store.Signatures(ctx, digests, keys.Valid(h.Now()))
	if err != nil {
		return nil, err
	}
	signed := make(map[string][]byte, len(have))
	for sha256, s := range have {
		signed[sha256] = s.Packet
	}
	return signed, nil
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
	p, err := h.Store.SigningProgress(ctx, r.ID, keys.Valid(h.Now()))
	if err != nil || !h.SignsDatabases(r.Target) {
		return p, err
	}
	files, err := h.Store.SigningFiles(ctx, r.ID)
	p.Databases = len(files) > 0 && !isDatabase(files[0].Name)
	return p, err
}

func isDatabase(name string) bool {
	_, ok := signing.ParseDatabaseName(name)
	return ok
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
	if len(signatures) == 0 {
		return h.Waiting(ctx, r)
	}
	verified, err := h.verify(ctx, r, keys, signatures)
	if err != nil {
		// Those of its packages may be sent again while it waits for those of its databases.
		if p, again := h.sentAgain(ctx, r, keys, signatures); again == nil {
			return p, nil
		}
		return store.SigningProgress{}, err
	}
	valid := keys.Valid(h.Now())
	if err := h.Store.AddSignatures(ctx, actor, id, verified, valid); err != nil {
		return store.SigningProgress{}, err
	}
	p, err := h.Store.SigningProgress(ctx, id, valid)
	p.Databases = !isDatabase(signatures[0].Name) && h.SignsDatabases(r.Target)
	return p, err
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
		if len(s.Packet) == 0 || !bytes.Equal(stored[s.SHA256].Packet, s.Packet) {
			return store.SigningProgress{}, buildbtw.Conflict("release %d is %s; it needs no signatures", r.ID, r.State.Words())
		}
	}
	return store.SigningProgress{Files: r.Packages, Signed: r.Packages, Databases: !r.State.Over() && h.SignsDatabases(r.Target)}, nil
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
