package baserepo_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/pacman/baserepo"
)

func TestABaseThatLostMuchIsNotBelievedWithoutAPerson(t *testing.T) {
	t.Parallel()
	m := newMirror(t)
	hours := 0
	put := func(n int) {
		hours++
		m.put(corePath+".db", madeUp(t, n), day.Add(time.Duration(hours)*time.Hour))
	}
	put(1000)
	dir := t.TempDir()
	b := open(t, dir, baserepo.Options{}, m.core())
	refresh(t, b)
	if _, err := b.Accept(t.Context(), "core", ""); buildbtw.KindOf(err) != buildbtw.KindNotFound {
		t.Errorf("nothing was refused: %v", err)
	}
	put(990) // one in a hundred
	if got := refresh(t, b)[0]; !got.Changed || len(b.Lost()) != 0 {
		t.Fatalf("what may go: %+v, %+v", got, b.Lost())
	}
	put(979) // of 990 nine may go
	got := b.Refresh(t.Context())[0]
	lost := b.Lost()
	if got.Changed || got.Packages != 990 || !strings.Contains(got.Warning, "it has lost 11 of 990 packages (package-979, package-980") || len(lost) != 1 || lost[0].After != 979 || len(lost[0].Names) != 11 {
		t.Fatalf("what may not go: %+v, %+v", got, lost)
	}
	if _, ok := b.Snapshot().Package("package-985"); !ok {
		t.Error("the last good copy is not used")
	}
	if b.Refresh(t.Context()); len(b.Lost()) != 1 {
		t.Error("the second time it was believed")
	}
	if again := open(t, dir, baserepo.Options{}, m.core()); again.Refresh(t.Context())[0].Packages != 990 || len(again.Lost()) != 1 {
		t.Error("after a restart it was believed")
	}
	put(990) // it comes back
	if got := refresh(t, b)[0]; !got.Changed || len(b.Lost()) != 0 {
		t.Errorf("what came back: %+v, %+v", got, b.Lost())
	}

	put(900)
	b.Refresh(t.Context())
	seen := b.Lost()[0]
	if _, err := b.Accept(t.Context(), "core", lost[0].Digest); buildbtw.KindOf(err) != buildbtw.KindConflict {
		t.Errorf("other names were accepted: %v", err)
	}
	if _, err := b.Accept(t.Context(), "extra", seen.Digest); buildbtw.KindOf(err) != buildbtw.KindNotFound {
		t.Errorf("a repository that is not there: %v", err)
	}
	put(880) // between the look and the word it lost more
	if _, err := b.Accept(t.Context(), "core", seen.Digest); buildbtw.KindOf(err) != buildbtw.KindConflict || !hasPackage(b, 895) {
		t.Errorf("more than was seen went: %v", err)
	}
	now := b.Lost()[0]
	accepted, err := b.Accept(t.Context(), "core", now.Digest)
	if err != nil || len(accepted.Names) != 110 || len(b.Lost()) != 0 || hasPackage(b, 895) || !hasPackage(b, 879) {
		t.Errorf("accepted: %+v, %v; still refused: %+v", accepted, err, b.Lost())
	}
	put(800) // one word is for one time
	if b.Refresh(t.Context()); len(b.Lost()) != 1 {
		t.Error("what was accepted once is accepted for ever")
	}
}

func hasPackage(b *baserepo.Base, n int) bool {
	_, ok := b.Snapshot().Package(fmt.Sprintf("package-%d", n))
	return ok
}

// TestWhatMovesToAnotherBaseRepositoryIsNotLost has extra take what core gives up.
func TestWhatMovesToAnotherBaseRepositoryIsNotLost(t *testing.T) {
	t.Parallel()
	m := newMirror(t)
	core, extra := madeUp(t, 40), madeUp(t, 10)
	m.put(corePath+".db", core, day)
	m.put("/extra/os/x86_64/extra.db", extra, day)
	repos := []baserepo.Repo{m.core(), {Name: "extra", URL: m.URL + "/$repo/os/$arch/"}}
	b := open(t, t.TempDir(), baserepo.Options{}, repos...)
	refresh(t, b)
	m.put(corePath+".db", extra, day.Add(time.Hour))
	m.put("/extra/os/x86_64/extra.db", core, day.Add(time.Hour))
	b.Refresh(t.Context()) // core is looked at before extra has them
	refresh(t, b)
	if lost := b.Lost(); len(lost) != 0 || b.Refresh(t.Context())[0].Packages != 10 {
		t.Errorf("moved, and taken for lost: %+v", lost)
	}
	if e, _ := b.Snapshot().Package("package-30"); e.Repo != "extra" {
		t.Errorf("it is in %q", e.Repo)
	}
}

// TestListsOfFilesFollowADatabaseThatWasAccepted has a repository lose nearly all it had.
func TestListsOfFilesFollowADatabaseThatWasAccepted(t *testing.T) {
	t.Parallel()
	m := newMirror(t)
	put := func(n int, at time.Time) {
		var pkgs []pkg
		for i := range n {
			name := fmt.Sprint("package-", i)
			pkgs = append(pkgs, pkg{name: name, base: name, version: "1-1", files: []string{"usr/lib/" + name}})
		}
		db, files := repoAdd(t, ".gz", pkgs...)
		m.put(corePath+".db", db, at)
		m.put(corePath+".files", files, at)
	}
	put(20, day)
	b := open(t, t.TempDir(), baserepo.Options{}, m.core())
	refresh(t, b)
	put(2, day.Add(time.Hour))
	b.Refresh(t.Context())
	if _, err := b.Accept(t.Context(), "core", b.Lost()[0].Digest); err != nil {
		t.Fatal(err)
	}
	if got := refresh(t, b)[0]; got.Packages != 2 || got.Warning != "" {
		t.Errorf("after the word: %+v", got)
	}
}
