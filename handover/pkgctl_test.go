package handover_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/handover"
	"buildbtw/release"
	"buildbtw/signing/keyring"
	"buildbtw/store"
)

// newDistribution is a fixture whose target is the base repository core itself, by db-update.
func newDistribution(t *testing.T) *signed {
	t.Helper()
	s := newSigned(t)
	s.restartPkgctl(buildbtw.Pkgctl{Host: "repos.example.org"})
	return s
}

func (s *signed) restartPkgctl(p buildbtw.Pkgctl) {
	s.t.Helper()
	s.restart(buildbtw.Target{Name: "core", Kind: buildbtw.TargetPkgctl, Keys: s.keys, Pkgctl: p})
	s.Now = time.Now // the keys are of today
}

// staged releases all that can go until a packager is asked to hand it over.
func (s *signed) staged() int64 {
	s.t.Helper()
	r, l := s.waiting()
	_, err := s.AddSignatures(s.t.Context(), "bob", r.ID, s.sign(s.key, l))
	s.must(err)
	s.must(s.Advance(s.t.Context()))
	s.isIn(r.ID, buildbtw.ReleaseWaiting)
	return r.ID
}

// took writes the base's database as db-update would leave it, with these files of a bundle.
func (s *signed) took(files []handover.BundleFile, more ...string) {
	s.t.Helper()
	for _, f := range files {
		more = append(more, fmt.Sprintf("NAME %s VERSION %s BASE %s SHA256SUM %s", f.Pkgname, f.Version, f.Pkgbase, f.SHA256))
	}
	s.writeBase(more...)
}

func TestAReleaseIsHandedOverByAPackager(t *testing.T) {
	t.Parallel()
	s := newDistribution(t)
	r, l := s.waiting()
	if _, err := s.Bundle(t.Context(), r.ID); buildbtw.KindOf(err) != buildbtw.KindConflict || !strings.Contains(err.Error(), "bbtw release sign 1") {
		t.Errorf("a bundle before it is signed: %v", err)
	}
	_, err := s.AddSignatures(t.Context(), "bob", r.ID, s.sign(s.key, l))
	s.must(err)
	s.must(s.Advance(t.Context()))
	s.isIn(r.ID, buildbtw.ReleaseWaiting)

	b, err := s.Bundle(t.Context(), r.ID)
	s.must(err)
	if b.Host != "repos.example.org" || len(b.Files) != 2 || len(b.Units) != 2 || b.Units[0].Pkgbase != "app" || b.Units[0].Tagged {
		t.Fatalf("%+v", b)
	}
	for _, f := range b.Files {
		file, err := s.Repos.OpenFile(buildbtw.RepositoryName("work", 1), "x86_64", f.Name)
		s.must(err)
		text := make([]byte, f.Size)
		_, err = file.Read(text)
		s.must(err)
		s.must(file.Close())
		if words, by := s.gpg.Status(text, f.Signature); by != s.key || f.Repository != "core" {
			t.Errorf("%s to %s: gpg says %v", f.Name, f.Repository, words)
		}
	}

	// The tag of a version counts once it is pushed, at the commit that was built, and signed by a
	// key of the distribution.
	stranger := s.gpg.Key("ed25519", "0")
	for _, c := range []struct{ how, fault string }{
		{"--annotate", "it is not signed"},
		{"--local-user=" + stranger, stranger + " is not among the accepted ones"},
		{"--local-user=" + s.key, ""},
	} {
		cmd := exec.CommandContext(t.Context(), "git", "-c", "user.name=Anna", "-c", "user.email=anna@example.org", "-C", filepath.Join(s.Sources, "lib"), "tag", "--force", c.how, "--message", "lib 1-1", "1-1")
		cmd.Env = append(os.Environ(), "GNUPGHOME="+s.gpg.Dir)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git tag %s: %v\n%s", c.how, err, out)
		}
		s.Pass(t, "sync")
		b, err = s.Bundle(t.Context(), r.ID)
		s.must(err)
		if u := b.Units[1]; b.Units[0].Tagged || u.Tagged != (c.fault == "") || !strings.Contains(u.TagFault, c.fault) || c.fault == "" && u.TagFault != "" {
			t.Errorf("%s: %+v", c.how, b.Units)
		}
	}
	if keys, err := keyring.Read(bytes.NewReader(b.Keys)); err != nil || !slices.Equal(keys.Fingerprints(), []string{s.key}) {
		t.Errorf("the bundle's keys: %v, %v", keys, err)
	}

	s.restartPkgctl(buildbtw.Pkgctl{Host: "repos.example.org"}) // a restart forgets nothing
	s.must(s.Advance(t.Context()))
	s.isIn(r.ID, buildbtw.ReleaseWaiting)
	old := "NAME app VERSION 0.9-1 DEPENDS lib"
	s.took(b.Files[1:], old)
	row, err := s.Look(t.Context(), r.ID)
	if err != nil || row.State != buildbtw.ReleaseWaiting || !strings.Contains(row.Message, "1 of 2 packages are in the repositories. Missing: app-1-1-x86_64.pkg.tar.zst") {
		t.Errorf("a part of it is there: %+v, %v", row, err)
	}
	if _, err := s.Bundle(t.Context(), r.ID); buildbtw.KindOf(err) != buildbtw.KindConflict || !strings.Contains(err.Error(), "1 of 2 packages") {
		t.Errorf("a bundle meanwhile: %v", err)
	}
	if _, err := s.Withdraw(t.Context(), "alice", r.ID, false); buildbtw.KindOf(err) != buildbtw.KindUnconfirmed {
		t.Errorf("given up meanwhile: %v", err)
	}
	before := s.state()
	s.took(b.Files)
	s.checkAfter(r, before)
	if row, err = s.Look(t.Context(), r.ID); err != nil || row.State != buildbtw.ReleaseReleased || row.FinishedAt == nil {
		t.Errorf("all of it is there: %+v, %v", row, err)
	}
	if _, err := s.Withdraw(t.Context(), "alice", r.ID, true); buildbtw.KindOf(err) != buildbtw.KindConflict || !strings.Contains(err.Error(), "pkgctl db remove") {
		t.Errorf("withdrawn from a distribution: %v", err)
	}
	set, err := s.Catalog.Release(t.Context(), "work", 0, "")
	s.must(err)
	if len(set.Goes) > 0 || !slices.Equal(set.Present, []string{"app", "lib"}) {
		t.Errorf("afterwards %v go, and %v are there", set.Goes, set.Present)
	}
	events, err := s.Store.Events(t.Context(), store.EventFilter{Buildspace: "work", Limit: 500})
	s.must(err)
	text, err := json.Marshal(events)
	s.must(err)
	for _, words := range []string{"waits until its repository has the packages", "1 of 2 packages are in the repositories", "released 2 packages to core"} {
		if !strings.Contains(string(text), words) {
			t.Errorf("no event says %q", words)
		}
	}
}

func TestOneReleaseOfADistributionWaitsAtATime(t *testing.T) {
	t.Parallel()
	s := newDistribution(t)
	first := s.staged()
	s.iterate("lib", "2")
	second := s.begin()
	s.must(s.Advance(t.Context()))
	if row := s.row(second.ID); row.State != buildbtw.ReleaseHandingOver || !strings.Contains(row.Message, fmt.Sprintf("Waits until release %d", first)) {
		t.Errorf("%+v", row)
	}
	row, err := s.Withdraw(t.Context(), "alice", first, false)
	if err != nil || row.State != buildbtw.ReleaseWithdrawn || row.Message != "Given up before it was handed over." {
		t.Errorf("%+v, %v", row, err)
	}
	s.must(s.Advance(t.Context()))
	s.isIn(second.ID, buildbtw.ReleaseSigning)
}

// TestNeverAnotherSetIsHandedOver: the base moves while a release waits.
func TestNeverAnotherSetIsHandedOver(t *testing.T) {
	t.Parallel()
	s := newDistribution(t)
	id := s.staged()
	s.writeBase("NAME lib VERSION 0.9-1", "NAME app VERSION 7.0-1 DEPENDS lib") // app is not newer any more
	if _, err := s.Bundle(t.Context(), id); buildbtw.KindOf(err) != buildbtw.KindConflict || !strings.Contains(err.Error(), "app is held") || !strings.Contains(err.Error(), "confirm it again") {
		t.Fatalf("another set: %v", err)
	}
	s.isIn(id, buildbtw.ReleaseChecked)
	_, err := s.Confirm(t.Context(), "alice", id, s.row(id).Digest)
	s.must(err)
	s.must(s.Advance(t.Context()))
	b, err := s.Bundle(t.Context(), id)
	s.must(err)
	if len(b.Files) != 1 || b.Files[0].Pkgname != "lib" {
		t.Errorf("%+v", b.Files)
	}

	// Somebody else releases the same version, with other bytes.
	s.writeBase("NAME lib VERSION 1-1 SHA256SUM "+strings.Repeat("0", 64), "NAME app VERSION 7.0-1 DEPENDS lib")
	if _, err := s.Bundle(t.Context(), id); buildbtw.KindOf(err) != buildbtw.KindConflict || !strings.Contains(err.Error(), "built elsewhere") {
		t.Errorf("a foreign file: %v", err)
	}
	if row := s.row(id); row.State != buildbtw.ReleaseWaiting || !strings.Contains(row.Message, "Give this release up") {
		t.Errorf("%+v", row)
	}
}

func TestWhatDbUpdateWouldRefuseIsHeld(t *testing.T) {
	t.Parallel()
	s := newDistribution(t)
	held := func(words string) {
		t.Helper()
		set, err := s.Catalog.Release(t.Context(), "work", 0, "")
		s.must(err)
		if len(set.Held) == 0 || !slices.ContainsFunc(set.Held, func(h release.Held) bool { return strings.Contains(h.Reason(), words) }) {
			t.Errorf("%q is not why one is held: %+v", words, set.Held)
		}
	}
	s.restartPkgctl(buildbtw.Pkgctl{Host: "h", Packagers: []string{"example.org"}})
	held("none of this distribution's")
	s.restartPkgctl(buildbtw.Pkgctl{Host: "h", Suffix: "-testing"})
	held("have no core-testing")
	s.restartPkgctl(buildbtw.Pkgctl{Host: "h"})
	s.writeBase("NAME app VERSION 0.9-1 DEPENDS lib") // lib would be a new one
	s.restartPkgctl(buildbtw.Pkgctl{Host: "h"})
	held("does not say where new ones go")

	// What was built with a package that no repository has had cannot be built again.
	s.writeBase("NAME lib VERSION 0.9-1", "NAME app VERSION 0.9-1 DEPENDS lib")
	s.restartPkgctl(buildbtw.Pkgctl{Host: "h"})
	s.must(os.WriteFile(filepath.Join(s.Sources, "lib", ".fake"), []byte("installed=ghost 9-1\n"), 0o600))
	s.iterate("lib", "2")
	held("it was built with ghost 9-1, which no repository has had")

	// What was built with a package of the release goes only together with that.
	s.must(os.WriteFile(filepath.Join(s.Sources, "lib", ".fake"), []byte("installed=app 1-3\ninstalled=app 0.5-1\n"), 0o600)) // the third build of app
	s.iterate("lib", "3")
	set, err := s.Catalog.Release(t.Context(), "work", 0, "")
	if err != nil || set.Versions["app"] != "1-3" {
		t.Fatalf("%v, %v", set.Versions, err)
	}
	if set, err = s.Catalog.Release(t.Context(), "work", 0, ""); err != nil || !slices.Equal(set.Goes, []string{"app", "lib"}) {
		t.Errorf("%v go (%v); %+v", set.Goes, err, set.Held)
	}
	_, err = s.Store.AddWaivers(t.Context(), "alice", "work", []buildbtw.Waiver{{Kind: buildbtw.WaiverHold, Name: "app", Reason: "not yet"}})
	s.must(err)
	if set, err = s.Catalog.Release(t.Context(), "work", 0, ""); err != nil || len(set.Goes) > 0 {
		t.Errorf("%v go without what they were built with, %v", set.Goes, err)
	}
}

// TestWhatWaitsForItsRepositoryIsKept: its packages are fetched from the iteration.
func TestWhatWaitsForItsRepositoryIsKept(t *testing.T) {
	t.Parallel()
	s := newDistribution(t)
	s.staged()
	_, err := s.Store.StopBuildspace(t.Context(), "ann", "work")
	s.must(err)
	err = s.Store.RemoveIteration(t.Context(), "ann", "work", 1, store.RemovePackages)
	if buildbtw.KindOf(err) != buildbtw.KindConflict || !strings.Contains(err.Error(), "a release of it is open") {
		t.Errorf("packages that a packager is to hand over: %v", err)
	}
}
