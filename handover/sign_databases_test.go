package handover_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/handover"
	"buildbtw/scheduler/schedulertest"
	"buildbtw/signing"
	"buildbtw/store"
)

// newSignedDatabases has targets whose databases need signatures, too: stable, or those that are
// named, each before the one that was named before it.
func newSignedDatabases(t *testing.T, names ...string) *signed {
	t.Helper()
	s := newSigned(t)
	s.restartDatabases(names...)
	s.must(s.Advance(t.Context()))
	return s
}

func (s *signed) restartDatabases(names ...string) {
	s.t.Helper()
	if len(names) == 0 {
		names = []string{"stable"}
	}
	var targets []buildbtw.Target
	for i, name := range names {
		target := buildbtw.Target{Name: name, Kind: buildbtw.TargetServed, Keys: s.keys, SignedDatabases: true}
		if i > 0 {
			target.After = names[i-1]
		}
		targets = append(targets, target)
	}
	s.must(buildbtw.CheckTargets(targets))
	s.restart(targets...)
	s.Now = time.Now
}

// list returns what a release waits for, and the names of its files.
func (s *signed) list(id int64) (signing.List, []string) {
	s.t.Helper()
	s.isIn(id, buildbtw.ReleaseSigning)
	l, err := s.SigningList(s.t.Context(), id)
	s.must(err)
	var names []string
	for _, f := range l.Files {
		names = append(names, f.Name)
	}
	return l, names
}

func (s *signed) add(id int64, signatures []signing.Signature) store.SigningProgress {
	s.t.Helper()
	p, err := s.AddSignatures(s.t.Context(), "bob", id, signatures)
	s.must(err)
	return p
}

// pass signs what a release waits for, and advances.
func (s *signed) pass(id int64) {
	s.t.Helper()
	l, _ := s.list(id)
	s.add(id, s.sign(s.key, l))
	s.must(s.Advance(s.t.Context()))
}

// released signs what a release waits for until it is released.
func (s *signed) released(row store.ReleaseRow) store.ReleaseRow {
	s.t.Helper()
	s.must(s.Advance(s.t.Context()))
	for range 2 {
		if s.row(row.ID).State == buildbtw.ReleaseSigning {
			s.pass(row.ID)
		}
	}
	s.isIn(row.ID, buildbtw.ReleaseReleased)
	return s.row(row.ID)
}

// shows returns the two databases of a target with their signatures, and fails unless gpg says
// that these are good.
func (s *signed) shows(target string) string {
	s.t.Helper()
	var text strings.Builder
	for _, kind := range []string{"db", "files"} {
		name := target + "." + kind
		database, signature := s.contentOf(target, name), s.contentOf(target, name+".sig")
		if words, by := s.gpg.Status([]byte(database), []byte(signature)); by != s.key {
			s.t.Errorf("gpg says of %s: %v", name, words)
		}
		if other := s.contentOf(target, name+".tar.zst.sig"); other != signature {
			s.t.Errorf("%s has two signatures", name)
		}
		text.WriteString(database + signature)
	}
	return text.String()
}

var databasesOfStable = []string{"x86_64/stable.db.tar.zst", "x86_64/stable.files.tar.zst"}

func TestDatabasesAreSignedBeforeTheyAreShown(t *testing.T) {
	t.Parallel()
	s := newSignedDatabases(t)
	before := s.state().bytes
	r, packages := s.waiting()
	ofPackages := s.sign(s.key, packages)
	if p := s.add(r.ID, ofPackages); !p.Databases || p.Signed != 2 {
		t.Errorf("the packages are signed: %+v", p)
	}
	s.must(s.Advance(t.Context()))
	for range 2 { // the second time after a crash
		l, names := s.list(r.ID)
		if !slices.Equal(names, databasesOfStable) || l.Databases() != 2 || s.state().bytes != before {
			t.Fatalf("it waits for %v, or shows something", names)
		}
		s.restartDatabases()
		s.must(s.Advance(t.Context()))
	}
	s.add(r.ID, ofPackages) // sent again: the answer of before was lost
	if p, err := s.Waiting(t.Context(), s.row(r.ID)); err != nil || p != (store.SigningProgress{Files: 2}) {
		t.Errorf("%+v, %v", p, err)
	}
	l, _ := s.list(r.ID)
	half := s.sign(s.key, l)
	if p := s.add(r.ID, half[:1]); p != (store.SigningProgress{Files: 2, Signed: 1}) {
		t.Errorf("%+v", p)
	}
	s.must(s.Advance(t.Context()))
	if s.state().bytes != before {
		t.Fatal("it shows databases of which one has no signature")
	}
	s.add(r.ID, half)
	s.must(s.Advance(t.Context()))
	s.isIn(r.ID, buildbtw.ReleaseReleased)
	first := s.shows("stable")

	s.iterate("lib", "2")
	second := s.released(s.begin())
	if s.shows("stable") == first {
		t.Error("the second release shows the databases of the first")
	}
	_, err := s.Withdraw(t.Context(), "alice", second.ID, true)
	s.must(err)
	if s.shows("stable") != first {
		t.Error("withdrawing shows other databases or signatures than before")
	}
	// Before the first one nothing was signed.
	if _, err := s.Withdraw(t.Context(), "alice", r.ID, true); buildbtw.KindOf(err) != buildbtw.KindConflict || !strings.Contains(err.Error(), "nobody signed the databases that stable showed before release 1") {
		t.Errorf("withdrawn to databases that nobody signed: %v", err)
	}
	s.shows("stable")
}

func TestDatabasesOfAnotherReleaseMeanwhileAreSignedAnew(t *testing.T) {
	t.Parallel()
	s := newSignedDatabases(t)
	s.Push(t, "alone", "pkgbase = alone\n\tpkgver = 1\n\tpkgrel = 1\n\tarch = x86_64\n\npkgname = alone\n")
	s.SpaceWith(t, "other", func(x *buildbtw.Settings) { x.Scope = buildbtw.ScopeNone }, "alone")
	s.Settle(t)
	s.work()
	first := s.begin()
	set, err := s.Catalog.Release(t.Context(), "other", 0, "")
	s.must(err)
	second, err := s.Create(t.Context(), "alice", handover.Wish{Buildspace: "other", Digest: set.Digest})
	s.must(err)
	s.must(s.Advance(t.Context()))
	s.pass(first.ID)
	s.pass(second.ID)
	old, _ := s.list(second.ID)
	signatures := s.sign(s.key, old)
	s.pass(first.ID) // both wait for the databases; it shows its own
	s.isIn(first.ID, buildbtw.ReleaseReleased)
	shown := s.shows("stable")
	s.add(second.ID, signatures)
	s.must(s.Advance(t.Context()))
	anew, names := s.list(second.ID)
	if !slices.Equal(names, databasesOfStable) || anew.Files[0].SHA256 == old.Files[0].SHA256 || s.shows("stable") != shown {
		t.Fatalf("it waits for %v, as before, or shows something", names)
	}
	s.pass(second.ID)
	s.isIn(second.ID, buildbtw.ReleaseReleased)
	s.shows("stable")
	if now := s.state(); len(now.target) != 3 {
		t.Errorf("the target has %v", now.target)
	}

	// A key that is not accepted any more does not count for databases either.
	s.iterate("lib", "2")
	third := s.begin()
	s.must(s.Advance(t.Context()))
	s.pass(third.ID)
	l, _ := s.list(third.ID)
	next := s.gpg.Key("ed25519", "0")
	s.add(third.ID, s.sign(s.key, l))
	s.accept(next)
	s.key = next
	s.must(s.Advance(t.Context()))
	s.released(third)
	s.shows("stable")
}

// TestDatabasesOfBothTargetsAreSigned: what moves from testing to stable changes both.
func TestDatabasesOfBothTargetsAreSigned(t *testing.T) {
	t.Parallel()
	s := newSignedDatabases(t, "stable", "testing")
	release := func(to string) store.ReleaseRow {
		set, err := s.Catalog.Release(t.Context(), "work", 0, to)
		s.must(err)
		row, err := s.Create(t.Context(), "alice", handover.Wish{Buildspace: "work", Target: to, Digest: set.Digest})
		s.must(err)
		return s.released(row)
	}
	release("testing")
	tested := s.shows("testing")
	// Something has to be in stable, so that going back finds signed databases.
	s.Push(t, "alone", "pkgbase = alone\n\tpkgver = 1\n\tpkgrel = 1\n\tarch = x86_64\n\npkgname = alone\n")
	s.SpaceWith(t, "other", func(x *buildbtw.Settings) { x.Scope = buildbtw.ScopeNone }, "alone")
	s.Settle(t)
	s.work()
	set, err := s.Catalog.Release(t.Context(), "other", 0, "stable")
	s.must(err)
	row, err := s.Create(t.Context(), "alice", handover.Wish{Buildspace: "other", Digest: set.Digest})
	s.must(err)
	s.released(row)
	before := s.shows("stable")

	move := s.beginMove()
	s.must(s.Advance(t.Context()))
	_, names := s.list(move.ID)
	if want := append(slices.Clone(databasesOfStable), "x86_64/testing.db.tar.zst", "x86_64/testing.files.tar.zst"); !slices.Equal(names, want) {
		t.Fatalf("the move waits for %v", names)
	}
	s.pass(move.ID)
	s.isIn(move.ID, buildbtw.ReleaseReleased)
	s.shows("stable")
	if s.shows("testing") == tested {
		t.Error("testing has what it gave")
	}
	if now, _ := s.has("testing"); len(now) != 0 {
		t.Errorf("testing has %v", now)
	}
	_, err = s.Withdraw(t.Context(), "alice", move.ID, true)
	s.must(err)
	if s.shows("testing") != tested || s.shows("stable") != before {
		t.Error("withdrawing shows other databases or signatures than before")
	}

	// Testing changes after the move: what it had with the packages cannot be signed by withdrawing.
	again := s.released(s.beginMove())
	s.Push(t, "lib", schedulertest.Srcinfo("lib", "2"))
	s.Settle(t)
	s.work()
	release("testing")
	if _, err := s.Withdraw(t.Context(), "alice", again.ID, true); buildbtw.KindOf(err) != buildbtw.KindConflict || !strings.Contains(err.Error(), "testing has changed since it gave the packages") {
		t.Errorf("withdrawn: %v", err)
	}
	s.shows("testing")
	s.shows("stable")
}

func TestACrashNeverShowsUnsignedDatabases(t *testing.T) {
	t.Parallel()
	s := newSignedDatabases(t)
	s.released(s.begin())
	first := s.shows("stable")
	s.iterate("lib", "2")
	for crash := 1; ; crash++ {
		r := s.begin()
		if crash == 1 { // later all is signed
			s.must(s.Advance(t.Context()))
			s.pass(r.ID)
			l, _ := s.list(r.ID)
			s.add(r.ID, s.sign(s.key, l))
		}
		steps := 0
		s.step = func(string, string) error {
			if steps++; steps == crash {
				panic("crash")
			}
			return nil
		}
		err := s.Advance(t.Context())
		s.step = nil
		s.shows("stable")
		s.restartDatabases()
		s.must(s.Advance(t.Context()))
		s.isIn(r.ID, buildbtw.ReleaseReleased)
		if s.shows("stable") == first {
			t.Fatalf("after a crash at step %d it shows what was before", crash)
		}
		if err == nil {
			if crash < 15 {
				t.Errorf("only %d steps", crash)
			}
			return
		}
		_, err = s.Withdraw(t.Context(), "alice", r.ID, true)
		s.must(err)
		if s.shows("stable") != first {
			t.Fatalf("withdrawn after a crash at step %d it shows something else", crash)
		}
	}
}
