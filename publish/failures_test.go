package publish_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/publish"
	"buildbtw/store"
)

// staged returns the files that an attempt's upload left below the staging
// directory, by their base name.
func (f *fixture) staged(t *testing.T, name string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(f.Sources, "..", "staging", "*", "*", name))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: %v %v", name, found, err)
	}
	return found[0]
}

// TestDamagedUploadEndsTheAttemptInWords has one file after the other damaged
// after the intention was stored; start and loop go on, and the build is put back.
func TestDamagedUploadEndsTheAttemptInWords(t *testing.T) {
	t.Parallel()
	write := func(text string) func(string) error {
		return func(path string) error { return os.WriteFile(path, []byte(text), 0o600) }
	}
	for name, c := range map[string]struct {
		file   string
		damage func(string) error
	}{
		"entry":         {"entry.tar.zst", write("damaged")},
		"empty entry":   {"entry.tar.zst", write("")},
		"interface":     {"interface.json", write("{")},
		"cut package":   {"lib-1-1-x86_64.pkg.tar.zst", write("x")},
		"gone package":  {"lib-1-1-x86_64.pkg.tar.zst", os.Remove},
		"half an entry": {"entry.tar.zst", func(path string) error { return os.Truncate(path, 100) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			c2, report := f.claimed(t)
			if _, err := f.Store.BeginPublish(t.Context(), c2.Attempt.Lease, report.Files); err != nil {
				t.Fatal(err)
			}
			if err := c.damage(f.staged(t, c.file)); err != nil {
				t.Fatal(err)
			}
			f.Restart(t)
			if err := f.Prepare(t.Context()); err != nil {
				t.Fatalf("the start ended: %v", err)
			}
			if s := f.DB.Statuses(t, "work"); s["lib"] != buildbtw.StatusPending {
				t.Errorf("builds: %v", s)
			}
			if !f.said(t, "work", "lib", "cannot be read any more") {
				t.Error("nothing says why")
			}
			f.DB.Check(t)
		})
	}
}

// counter counts what is logged.
type counter struct {
	slog.Handler
	n *int
}

func (c counter) Enabled(context.Context, slog.Level) bool { return true }

func (c counter) Handle(_ context.Context, r slog.Record) error {
	if r.Level == slog.LevelError {
		*c.n++
	}
	return nil
}

// TestFailedPublicationEndsNeitherStartNorLoop has a repository that cannot be
// read for an hour, and then can.
func TestFailedPublicationEndsNeitherStartNorLoop(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c, report := f.claimed(t)
	if _, err := f.Store.BeginPublish(t.Context(), c.Attempt.Lease, report.Files); err != nil {
		t.Fatal(err)
	}
	database := filepath.Join(f.Sources, "..", "repos", "work_1", "os", "x86_64", "work.files.tar.zst")
	if err := errors.Join(os.Rename(database, database+".away"), os.Mkdir(database, 0o755)); err != nil {
		t.Fatal(err)
	}
	f.Restart(t)
	if err := f.Prepare(t.Context()); err != nil {
		t.Fatalf("the start ended: %v", err)
	}
	tries := 0
	config := publish.Config{Store: f.Store, Repos: f.Repos, Mirror: f.Mirror, Log: slog.New(counter{slog.DiscardHandler, &tries}), Now: f.DB.Clock.Now}
	p := publish.New(config)
	pass := func(p *publish.Publisher) {
		t.Helper()
		f.DB.Clock.Advance(10 * time.Second)
		if err := p.CompleteAll(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for range 360 {
		pass(p)
	}
	// In every pass at first, then after 20 s, 40 s … 10 min; the same words are
	// logged once.
	attempts, err := f.Store.Attempts(t.Context(), c.Build.ID)
	if err != nil || len(attempts) != 1 || !strings.Contains(attempts[0].Message, "not published yet (14 tries so far)") {
		t.Errorf("people read %+v, %v", attempts, err)
	}
	if s := f.DB.Statuses(t, "work"); s["lib"] != buildbtw.StatusBuilding || tries != 1 {
		t.Errorf("logged %d times in an hour, builds: %v", tries, s)
	}
	config.Repos = nil
	pass(publish.New(config)) // panics inside
	if err := errors.Join(os.Remove(database), os.Rename(database+".away", database)); err != nil {
		t.Fatal(err)
	}
	for range 60 {
		pass(p)
	}
	if s := f.DB.Statuses(t, "work"); s["lib"] != buildbtw.StatusBuilt {
		t.Errorf("builds: %v", s)
	}
	f.DB.Check(t)
}

// TestPublicationThatFailsForTooLongIsGivenUp has a repository that stays as it is.
func TestPublicationThatFailsForTooLongIsGivenUp(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.stuck(t)
	for range 12 * 60 {
		f.DB.Clock.Advance(10 * time.Second)
		f.Pass(t, "rescue")
	}
	attempts, err := f.Store.Attempts(t.Context(), c.Build.ID)
	if err != nil || attempts[0].Outcome != buildbtw.OutcomeInfrastructure || !strings.Contains(attempts[0].Message, "in 20 tries") {
		t.Errorf("%+v, %v", attempts, err)
	}
	if s := f.DB.Statuses(t, "work"); s["lib"] != buildbtw.StatusPending || !f.said(t, "work", "lib", "could not be published in 20 tries") {
		t.Errorf("builds: %v", s)
	}
	f.DB.Check(t)
}

// stuck has an attempt whose packages cannot be published.
func (f *fixture) stuck(t *testing.T) *store.Claimed {
	t.Helper()
	c, report := f.claimed(t)
	database := filepath.Join(f.Sources, "..", "repos", "work_1", "os", "x86_64", "work.files.tar.zst")
	if err := errors.Join(os.Rename(database, database+".away"), os.Mkdir(database, 0o755)); err != nil {
		t.Fatal(err)
	}
	f.Restart(t)
	if _, err := f.Publisher.Finish(t.Context(), c.Attempt.Lease, report); err == nil {
		t.Fatal("published")
	}
	return c
}

func TestAnAdministratorAbandonsAPublication(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	c := f.stuck(t)
	row, err := f.Publisher.Abandon(t.Context(), "anna", c.Build.ID)
	if err != nil || row.Status != buildbtw.StatusPending {
		t.Fatalf("%+v, %v", row, err)
	}
	attempts, err := f.Store.Attempts(t.Context(), c.Build.ID)
	if err != nil || attempts[0].Outcome != buildbtw.OutcomeInfrastructure || attempts[0].Message != "Publishing its packages was abandoned by anna." {
		t.Errorf("%+v, %v", attempts, err)
	}
	events, err := f.Store.Events(t.Context(), store.EventFilter{BuildID: c.Build.ID})
	if n := len(slices.DeleteFunc(events, func(e store.EventRow) bool { return e.Actor != "anna" })); n != 1 || err != nil {
		t.Errorf("%d events of anna's, %v", n, err)
	}
	if _, err := f.Publisher.Abandon(t.Context(), "anna", c.Build.ID); buildbtw.KindOf(err) != buildbtw.KindConflict {
		t.Errorf("once more: %v", err)
	}
	f.DB.Check(t)
}

// TestADamagedRepositoryIsMadeAnew damages the databases of a repository in every
// way between two publications, and before their packages are reused.
func TestADamagedRepositoryIsMadeAnew(t *testing.T) {
	t.Parallel()
	write := func(text string) func(string) error {
		return func(path string) error { return os.WriteFile(path, []byte(text), 0o600) }
	}
	for name, damage := range map[string]func(string) error{
		"garbage": write("garbage"), "empty": write(""), "cut": func(path string) error { return os.Truncate(path, 100) },
	} {
		for _, files := range [][]string{{"work.files.tar.zst"}, {"work.db.tar.zst"}, {"work.files.tar.zst", "work.db.tar.zst"}} {
			t.Run(name+" "+strings.Join(files, " "), func(t *testing.T) {
				t.Parallel()
				f := newFixture(t)
				f.three(t)
				f.SpaceWith(t, "work", everything, "lib")
				f.Pass(t, "sync", "iterate")
				damageAll := func() {
					t.Helper()
					for _, file := range files {
						if err := damage(filepath.Join(f.Sources, "..", "repos", "work_1", "os", "x86_64", file)); err != nil {
							t.Fatal(err)
						}
					}
					f.Restart(t)
					f.Pass(t, "sync")
				}
				f.build(t, f.DB.Claim(t, "worker"))
				damageAll()
				f.wantBuilt(t, "app", "leaf")
				f.wantListed(t, "work_1", "app-1-1", "leaf-1-1", "lib-1-1")
				damageAll()
				f.SpaceWith(t, "again", everything, "lib")
				f.Pass(t, "sync", "iterate")
				f.wantBuilt(t)
				f.wantListed(t, "again_1", "app-1-1", "leaf-1-1", "lib-1-1")
				f.Pass(t, "prune") // nothing is written there any more
				f.wantListed(t, "work_1", "app-1-1", "leaf-1-1", "lib-1-1")
			})
		}
	}
}
