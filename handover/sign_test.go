package handover_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/handover"
	"buildbtw/signing"
	"buildbtw/signing/agent"
	"buildbtw/signing/gpgtest"
	"buildbtw/store"
)

// signed is a fixture whose target stable requires signatures by a key.
type signed struct {
	*fixture
	gpg  *gpgtest.Home
	key  string
	keys string // the file with the accepted keys
}

func newSigned(t *testing.T) *signed {
	t.Helper()
	s := &signed{gpg: gpgtest.New(t), fixture: newFixture(t), keys: filepath.Join(t.TempDir(), "keys.asc")}
	s.key = s.gpg.Key("ed25519", "0")
	s.accept(s.key)
	s.restartSigned()
	return s
}

func (s *signed) restartSigned() {
	s.t.Helper()
	s.restart(buildbtw.Target{Name: "stable", Kind: buildbtw.TargetServed, Keys: s.keys})
	s.Now = time.Now // the keys are of today
}

// accept makes these the keys that the target accepts.
func (s *signed) accept(keys ...string) {
	s.t.Helper()
	s.must(os.WriteFile(s.keys, s.gpg.Public(keys...), 0o600))
}

func (s *signed) sign(key string, l signing.List) []signing.Signature {
	s.t.Helper()
	a, err := agent.Find(s.t.Context(), s.gpg.Dir, key, nil)
	s.must(err)
	signatures, err := a.Sign(s.t.Context(), l)
	s.must(err)
	return signatures
}

// waiting begins a release and returns its list.
func (s *signed) waiting() (store.ReleaseRow, signing.List) {
	s.t.Helper()
	r := s.begin()
	s.must(s.Advance(s.t.Context()))
	s.isIn(r.ID, buildbtw.ReleaseSigning)
	l, err := s.SigningList(s.t.Context(), r.ID)
	s.must(err)
	return r, l
}

func (s *signed) isIn(id int64, state buildbtw.ReleaseState) {
	s.t.Helper()
	if r := s.row(id); r.State != state {
		s.t.Fatalf("release %d is %s instead of %s: %s", id, r.State, state, r.Message)
	}
}

func (s *signed) content(file string) string {
	s.t.Helper()
	return s.contentOf("stable", file)
}

func (s *signed) contentOf(target, file string) string {
	s.t.Helper()
	f, err := s.Generations.OpenFile(target, "x86_64", file)
	s.must(err)
	defer f.Close()
	text, err := io.ReadAll(f)
	s.must(err)
	return string(text)
}

func TestAReleaseIsShownWithAllItsSignatures(t *testing.T) {
	t.Parallel()
	s := newSigned(t)
	stranger := s.gpg.Key("ed25519", "0")
	r, l := s.waiting()
	if len(l.Files) != 2 || l.Release != r.ID || l.Target != "stable" || l.Buildspace != "work" || l.Iteration != 1 {
		t.Fatalf("the list is %+v", l)
	}
	good, foreign := s.sign(s.key, l), s.sign(stranger, l)
	swapped := []signing.Signature{good[0]}
	swapped[0].Packet = good[1].Packet
	renamed := []signing.Signature{good[0]}
	renamed[0].Name = "other-1-1-x86_64.pkg.tar.zst"
	for words, signatures := range map[string][]signing.Signature{
		"not among the accepted ones": foreign,
		"made for other contents":     swapped,
		"not a file of release 1":     renamed,
		"no OpenPGP packet":           {{Name: good[0].Name, SHA256: good[0].SHA256}},
		// All or none of what is sent is stored.
		stranger + " is not": {good[0], foreign[1]},
	} {
		if _, err := s.AddSignatures(t.Context(), "bob", r.ID, signatures); buildbtw.KindOf(err) != buildbtw.KindInvalid || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v", words, err)
		}
	}
	for i, want := range []store.SigningProgress{{Files: 2, Signed: 1}, {Files: 2, Signed: 2}} {
		for range 2 { // twice
			if got, err := s.AddSignatures(t.Context(), "bob", r.ID, good[i:i+1]); err != nil || got != want && i == 0 {
				t.Errorf("%+v, %v", got, err)
			}
		}
		if got, err := s.Waiting(t.Context(), s.row(r.ID)); err != nil || got != want {
			t.Errorf("%+v, %v", got, err)
		}
	}
	s.isIn(r.ID, buildbtw.ReleaseHandingOver)
	s.must(s.Advance(t.Context()))
	s.isIn(r.ID, buildbtw.ReleaseReleased)
	for _, f := range l.Files {
		if words, by := s.gpg.Status([]byte(s.content(f.Name)), []byte(s.content(f.Name+".sig"))); by != s.key {
			t.Errorf("gpg says of %s: %v", f.Name, words)
		}
	}
	if _, err := s.AddSignatures(t.Context(), "bob", r.ID, good); err != nil {
		t.Errorf("sent again after the release: %v", err)
	}
	if _, err := s.AddSignatures(t.Context(), "bob", r.ID, swapped); buildbtw.KindOf(err) != buildbtw.KindConflict {
		t.Errorf("others after the release: %v", err)
	}
	if _, err := s.SigningList(t.Context(), r.ID); buildbtw.KindOf(err) != buildbtw.KindConflict {
		t.Errorf("a list of what is released: %v", err)
	}

	// What is withdrawn and released again needs no new signatures.
	_, err := s.Withdraw(t.Context(), "alice", r.ID, true)
	s.must(err)
	again := s.begin()
	s.must(s.Advance(t.Context()))
	s.isIn(again.ID, buildbtw.ReleaseReleased)
}

func TestARetiredKeyDoesNotCount(t *testing.T) {
	t.Parallel()
	s := newSigned(t)
	next := s.gpg.Key("rsa2048", "0")
	r, l := s.waiting()
	_, err := s.AddSignatures(t.Context(), "bob", r.ID, s.sign(s.key, l))
	s.must(err)
	s.accept(next) // before it is handed over
	s.must(s.Advance(t.Context()))
	s.isIn(r.ID, buildbtw.ReleaseSigning)
	_, err = s.AddSignatures(t.Context(), "bob", r.ID, s.sign(next, l))
	s.must(err)
	s.must(s.Advance(t.Context()))
	s.isIn(r.ID, buildbtw.ReleaseReleased)
	if words, by := s.gpg.Status([]byte(s.content(l.Files[0].Name)), []byte(s.content(l.Files[0].Name+".sig"))); by != next {
		t.Errorf("gpg says %v", words)
	}
}

func TestWhatChangesWhileAReleaseWaits(t *testing.T) {
	t.Parallel()
	s := newSigned(t)
	r, l := s.waiting()
	s.restartSigned() // a restart forgets nothing
	s.must(s.Advance(t.Context()))
	s.isIn(r.ID, buildbtw.ReleaseSigning)
	s.writeBase("NAME lib VERSION 0.9-1", "NAME app VERSION 7.0-1 DEPENDS lib") // app is not newer any more
	_, err := s.AddSignatures(t.Context(), "bob", r.ID, s.sign(s.key, l))
	s.must(err)
	s.must(s.Advance(t.Context()))
	s.isIn(r.ID, buildbtw.ReleaseChecked)

	// A signature that was made before the set changed is stored; the rest is enough.
	row := s.row(r.ID)
	_, err = s.Store.ConfirmRelease(t.Context(), "alice", r.ID, row.Digest)
	s.must(err)
	s.must(s.Advance(t.Context()))
	s.isIn(r.ID, buildbtw.ReleaseReleased)
}

func TestAReleaseThatNobodySignsIsGivenUp(t *testing.T) {
	t.Parallel()
	s := newSigned(t)
	r, l := s.waiting()
	row, err := s.Withdraw(t.Context(), "alice", r.ID, false)
	if err != nil || row.State != buildbtw.ReleaseWithdrawn {
		t.Fatal(row, err)
	}
	if _, err := s.AddSignatures(t.Context(), "bob", r.ID, s.sign(s.key, l)); buildbtw.KindOf(err) != buildbtw.KindConflict {
		t.Errorf("signed too late: %v", err)
	}
	next, list := s.waiting()
	if next.ID == r.ID || !bytes.Equal(list.Files[0].State, l.Files[0].State) {
		t.Errorf("release %d has the list %+v", next.ID, list)
	}
}

// signerFunc is a signer.
type signerFunc func(l signing.List) ([]signing.Signature, error)

func (f signerFunc) Sign(_ context.Context, l signing.List) ([]signing.Signature, error) { return f(l) }

func TestTheSignerIsAskedUntilItSigns(t *testing.T) {
	t.Parallel()
	s := newSigned(t)
	answers := []error{buildbtw.Unavailable("the card is away"), buildbtw.Conflict("the signer refused: not on Sundays")}
	stranger := s.gpg.Key("ed25519", "0")
	asked := 0
	s.signer = signerFunc(func(l signing.List) ([]signing.Signature, error) {
		asked++
		switch {
		case asked <= len(answers):
			return nil, answers[asked-1]
		case asked == len(answers)+1:
			return s.sign(stranger, l), nil
		}
		return s.sign(s.key, l), nil
	})
	s.restartSigned()
	s.must(s.Sign(t.Context())) // nothing waits
	r, _ := s.waiting()
	for _, words := range []string{"Not signed yet: the card is away", "Not signed yet: the signer refused: not on Sundays", stranger + " is not among the accepted ones"} {
		if err := s.Sign(t.Context()); err == nil {
			t.Error("no error")
		}
		if row := s.row(r.ID); row.State != buildbtw.ReleaseSigning || !strings.Contains(row.Message, words) {
			t.Errorf("release %d is %s: %s", r.ID, row.State, row.Message)
		}
	}
	s.must(s.Sign(t.Context()))
	s.isIn(r.ID, buildbtw.ReleaseHandingOver)
	s.must(s.Sign(t.Context()))
	s.must(s.Advance(t.Context()))
	s.isIn(r.ID, buildbtw.ReleaseReleased)
	if row := s.row(r.ID); asked != 4 || row.Message != "" {
		t.Errorf("asked %d times; %q", asked, row.Message)
	}
}

func TestKeysThatCannotBeRead(t *testing.T) {
	t.Parallel()
	s := newSigned(t)
	r := s.begin()
	s.must(os.WriteFile(s.keys, []byte("nothing"), 0o600))
	if err := s.Advance(t.Context()); buildbtw.KindOf(err) != buildbtw.KindUnavailable {
		t.Errorf("handed over without keys: %v", err)
	}
	s.isIn(r.ID, buildbtw.ReleaseHandingOver) // it is tried again
	if _, err := handover.New(t.Context(), s.Config); err == nil {
		t.Error("a start without keys")
	}
	s.accept(s.key)
	s.Now = func() time.Time { return time.Now().Add(time.Minute) } // it has rested
	s.must(s.Advance(t.Context()))
	s.isIn(r.ID, buildbtw.ReleaseSigning)
}

// TestSignaturesMoveWithTheirPackages: what testing has signed goes to stable without another one,
// as long as stable accepts the key.
func TestSignaturesMoveWithTheirPackages(t *testing.T) {
	t.Parallel()
	s := newSigned(t)
	targets := twoTargets()
	targets[0].Keys, targets[1].Keys = s.keys, s.keys
	s.restart(targets...)
	s.Now = time.Now
	s.must(s.Advance(t.Context()))
	set, err := s.Catalog.Release(t.Context(), "work", 0, "testing")
	s.must(err)
	row, err := s.Create(t.Context(), "alice", handover.Wish{Buildspace: "work", Target: "testing", Digest: set.Digest})
	s.must(err)
	s.must(s.Advance(t.Context()))
	l, err := s.SigningList(t.Context(), row.ID)
	s.must(err)
	_, err = s.AddSignatures(t.Context(), "bob", row.ID, s.sign(s.key, l))
	s.must(err)
	s.must(s.Advance(t.Context()))
	s.isIn(row.ID, buildbtw.ReleaseReleased)

	other := s.gpg.Key("ed25519", "0")
	s.accept(other) // another key is asked for by now
	refused := s.beginMove()
	s.must(s.Advance(t.Context()))
	s.isIn(refused.ID, buildbtw.ReleaseSigning)
	_, err = s.Withdraw(t.Context(), "alice", refused.ID, true)
	s.must(err)
	s.accept(s.key, other)
	moved := s.beginMove()
	s.must(s.Advance(t.Context()))
	s.isIn(moved.ID, buildbtw.ReleaseReleased)
	for _, f := range l.Files {
		if words, by := s.gpg.Status([]byte(s.content(f.Name)), []byte(s.content(f.Name+".sig"))); by != s.key {
			t.Errorf("gpg says of %s: %v", f.Name, words)
		}
	}
	for name, d := range readDatabase(t, filepath.Join(s.dir, "targets", "stable", "current", "os", "x86_64", "stable.db.tar.zst")) {
		if d.one("PGPSIG") == "" {
			t.Errorf("the database has no signature of %s", name)
		}
	}
}
