package retention_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/buildlog"
	"buildbtw/objects/objectstest"
	"buildbtw/offload"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/publish"
	"buildbtw/retention"
	"buildbtw/runners"
	"buildbtw/runners/fake"
	"buildbtw/scheduler/schedulertest"
	"buildbtw/store"
)

const day = 24 * time.Hour

// world is a server with logs, whose builds the test executes.
type world struct {
	*schedulertest.Server
	logs   *buildlog.Logs
	keeper *retention.Keeper
	policy store.RetentionPolicy
	texts  map[buildbtw.AttemptName]string // of the logs that were written
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{Server: schedulertest.New(t), policy: store.DefaultRetention(), texts: map[buildbtw.AttemptName]string{}}
	w.policy.Newest = 1
	w.restart(t)
	return w
}

// restart makes everything anew over the same data, as after a crash.
func (w *world) restart(t testing.TB) {
	t.Helper()
	w.Restart(t)
	logs, err := buildlog.Open(filepath.Join(filepath.Dir(w.Sources), "logs"))
	if err != nil {
		t.Fatal(err)
	}
	logs.Now = func() time.Time { return time.Now().Add(365 * day) } // files have the time of the disk: all logs rest
	w.logs = logs
	w.keeper = retention.New(retention.Config{
		Store: w.DB.Store, Repos: w.Repos, Logs: logs, Policy: w.policy, Log: slog.New(slog.DiscardHandler), Now: w.DB.Clock.Now,
	})
}

func (w *world) pass(t testing.TB) {
	t.Helper()
	if err := w.keeper.Pass(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (w *world) create(t testing.TB, name string, sources ...string) {
	t.Helper()
	settings := buildbtw.DefaultSettings()
	settings.Scope, settings.CutOff = buildbtw.ScopeAll, false
	var changesets []buildbtw.Changeset
	for _, source := range sources {
		changesets = append(changesets, buildbtw.Changeset{Source: source, Ref: "main"})
	}
	_, err := w.DB.CreateBuildspace(t.Context(), "anna", buildbtw.Buildspace{Name: name, Settings: settings}, changesets)
	if err != nil {
		t.Fatal(err)
	}
	w.Settle(t)
}

// work builds all there is, and returns what was built.
func (w *world) work(t testing.TB) (built []string) {
	t.Helper()
	for {
		w.Pass(t, "reuse")
		c := w.DB.Claim(t, "worker")
		if c == nil {
			return built
		}
		w.build(t, c)
		built = append(built, c.Build.Pkgbase)
	}
}

func (w *world) build(t testing.TB, c *store.Claimed) {
	t.Helper()
	text := fmt.Sprintf("==> Making package: %s %s\n%s", c.Build.Pkgbase, c.Attempt.Name(), strings.Repeat("cc\n", 1000))
	if _, err := w.logs.Append(c.Attempt.Name(), 0, strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	w.texts[c.Attempt.Name()] = text
	srcinfos, err := w.Mirror.ReadSrcinfos(t.Context(), []string{c.Build.Commit})
	if err != nil {
		t.Fatal(err)
	}
	job := runners.Job{
		Job: api.Job{
			Pkgbase: c.Build.Pkgbase, Pkgnames: c.Build.Pkgnames, Version: c.Build.Version, Architecture: c.Build.Architecture,
			Srcinfo: string(srcinfos[c.Build.Commit].Text), SourceDate: c.Attempt.ID, // other bytes each time
		},
		Tree: filepath.Join(w.Sources, c.Build.Source), Output: t.TempDir(), Work: t.TempDir(),
	}
	if r := (fake.Runner{}).Build(t.Context(), job, io.Discard); r.Outcome != buildbtw.OutcomeBuilt {
		t.Fatalf("the fake runner: %+v", r)
	}
	files, err := os.ReadDir(job.Output)
	if err != nil {
		t.Fatal(err)
	}
	report := publish.Report{Outcome: buildbtw.OutcomeBuilt}
	for _, file := range files {
		data, err := os.ReadFile(filepath.Join(job.Output, file.Name()))
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(data)
		f := store.PackageFile{Filename: file.Name(), SHA256: hex.EncodeToString(sum[:])}
		p, err := w.Repos.Stage(t.Context(), pacmanrepo.Upload{
			Attempt: c.Attempt.Name(), Filename: f.Filename, SHA256: f.SHA256, Size: int64(len(data)),
			Pkgbase: c.Build.Pkgbase, Pkgnames: c.Build.Pkgnames, Version: c.Build.Version, Architecture: c.Build.Architecture,
		}, bytes.NewReader(data))
		if err == nil {
			err = w.DB.AddPackage(t.Context(), c.Attempt.Lease, p)
		}
		if err != nil {
			t.Fatal(err)
		}
		report.Files = append(report.Files, f)
	}
	if status, err := w.Publisher.Finish(t.Context(), c.Attempt.Lease, report); err != nil || status != buildbtw.StatusBuilt {
		t.Fatalf("finish %s: %s, %v", c.Build.Pkgbase, status, err)
	}
}

// iterations returns all that people see, by buildspace and number.
func (w *world) iterations(t testing.TB) []store.IterationRow {
	t.Helper()
	spaces, _, err := w.DB.Buildspaces(t.Context(), store.BuildspaceFilter{})
	if err != nil {
		t.Fatal(err)
	}
	var all []store.IterationRow
	for _, s := range spaces {
		rows, err := w.DB.Iterations(t.Context(), s.Name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, rows...)
	}
	return all
}

// check compares the disk with the database: all that must stay can be read, and no other file
// is there.
func (w *world) check(t testing.TB) {
	t.Helper()
	w.DB.Check(t)
	repositories := map[string]bool{}
	stays := map[buildbtw.AttemptName]bool{} // attempts whose logs must be there
	for _, it := range w.iterations(t) {
		name := buildbtw.RepositoryName(it.Buildspace, it.Number)
		own, err := w.DB.OwnAttempts(t.Context(), it.ID)
		if err != nil {
			t.Fatal(err)
		}
		builds, _, err := w.DB.Builds(t.Context(), store.BuildFilter{Buildspace: it.Buildspace, Iteration: it.Number, Limit: 500})
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range builds {
			attempts, err := w.DB.Attempts(t.Context(), b.ID)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range attempts {
				stays[a.Name()] = it.LogsRemovedAt == nil || !slices.Contains(own, a.Name())
			}
			if b.ReusedFrom != 0 {
				if _, err := w.DB.Build(t.Context(), b.ReusedFrom); err != nil {
					t.Errorf("%s of %s is reused from a build that is gone: %v", b.Pkgbase, name, err)
				}
			}
		}
		if it.ArchivedAt == nil {
			packages, err := w.DB.RepositoryPackages(t.Context(), name, "x86_64")
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range packages {
				f, err := w.Repos.OpenFile(name, "x86_64", p.Filename)
				if err != nil {
					t.Errorf("%s must stay: %v", p.Filename, err)
					continue
				}
				h := sha256.New()
				_, err = io.Copy(h, f)
				if f.Close(); err != nil || hex.EncodeToString(h.Sum(nil)) != p.SHA256 {
					t.Errorf("%s of %s has other bytes, %v", p.Filename, name, err)
				}
			}
		}
		repositories[name] = it.ArchivedAt == nil
	}
	names, err := w.Repos.Names()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if !repositories[name] {
			t.Errorf("repository %s is still there", name)
		}
	}
	left := map[buildbtw.AttemptName]bool{}
	if err := w.logs.Stored(t.Context(), func(s buildlog.Stored) bool { left[s.Attempt] = true; return true }); err != nil {
		t.Fatal(err)
	}
	for attempt, text := range w.texts {
		if left[attempt] != stays[attempt] {
			t.Errorf("the log of %s is there: %t, must be: %t", attempt, left[attempt], stays[attempt])
		}
		if !stays[attempt] {
			continue
		}
		tail, _, err := w.logs.Tail(t.Context(), attempt, 2000)
		if err != nil || string(tail) != text {
			t.Errorf("the log of %s is another one, %v", attempt, err)
		}
	}
}

// chain pushes a, b that depends on it, and c on top.
func (w *world) chain(t testing.TB, version string) {
	t.Helper()
	w.Push(t, "a", schedulertest.Srcinfo("a", version))
	w.Push(t, "b", schedulertest.Srcinfo("b", "1", "a"))
	w.Push(t, "c", schedulertest.Srcinfo("c", "1", "b"))
}

func (w *world) push(t testing.TB, source, version string, depends ...string) {
	t.Helper()
	w.Push(t, source, schedulertest.Srcinfo(source, version, depends...))
	w.Settle(t)
	w.work(t)
}

// TestIterationsAreRemovedByAge has packages go first, then logs, then all; the newest stays.
func TestIterationsAreRemovedByAge(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.chain(t, "1")
	w.create(t, "demo", "a")
	w.work(t)
	w.push(t, "a", "2")
	w.check(t)
	want := func(archived, logs bool, iterations int) {
		t.Helper()
		plan, err := w.keeper.DryRun(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		before := len(w.iterations(t))
		w.pass(t)
		all := w.iterations(t)
		if len(all) != iterations {
			t.Fatalf("%d iterations, want %d", len(all), iterations)
		}
		if iterations == 2 {
			if old := all[1]; (old.ArchivedAt != nil) != archived || (old.LogsRemovedAt != nil) != logs {
				t.Errorf("after %s: archived %v, logs removed %v", w.DB.Clock.Now(), old.ArchivedAt, old.LogsRemovedAt)
			}
		}
		if len(plan.Iterations) == 0 && len(all) != before {
			t.Error("more was removed than the dry run said")
		}
		if again, err := w.keeper.DryRun(t.Context()); err != nil || len(again.Iterations) > 0 {
			t.Errorf("after the pass this is due: %+v, %v", again, err)
		}
		w.check(t)
	}
	want(false, false, 2)
	w.DB.Clock.Advance(30 * day)
	plan, err := w.keeper.DryRun(t.Context())
	if err != nil || len(plan.Iterations) != 1 || plan.Packages != 3 || plan.Frees == 0 || plan.Iterations[0].Remove != store.RemovePackages {
		t.Errorf("dry run: %+v, %v", plan, err)
	}
	want(true, false, 2)
	w.DB.Clock.Advance(150 * day)
	want(true, true, 2)
	w.DB.Clock.Advance(185 * day)
	want(true, true, 1)
}

// TestSharedPackagesStay archives the iteration that built them: the files have a second name,
// and its history stays for as long as somebody has them.
func TestSharedPackagesStay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.chain(t, "1")
	w.create(t, "demo", "b", "c")
	w.work(t)
	w.push(t, "c", "2", "b") // reuses b
	w.DB.Clock.Advance(400 * day)
	w.pass(t)
	w.check(t)
	all := w.iterations(t)
	if len(all) != 1 {
		// c alone was built again, so b's run is of iteration 1.
		if old := all[1]; old.ArchivedAt == nil {
			t.Errorf("iteration 1: %+v", old)
		}
	} else {
		t.Error("iteration 1 is gone, and with it the run that built what iteration 2 has")
	}
	err := w.keeper.Remove(t.Context(), "anna", "demo", 1, store.RemoveAll)
	if buildbtw.KindOf(err) != buildbtw.KindConflict || !strings.Contains(buildbtw.MessageOf(err), "archive it instead") {
		t.Errorf("delete of what others have: %v", err)
	}
	// What was archived is no result for others, what has the same packages is.
	w.create(t, "other", "b", "c")
	if built := w.work(t); len(built) != 0 {
		t.Errorf("built again: %v", built)
	}
	w.check(t)
}

func TestWhatIsPinnedOrGoesOnStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.chain(t, "1")
	w.create(t, "demo", "a")
	w.work(t)
	w.push(t, "a", "2")
	w.push(t, "a", "3")
	if err := w.DB.Pin(t.Context(), "anna", "demo", 1, true); err != nil {
		t.Fatal(err)
	}
	w.DB.Clock.Advance(1000 * day)
	w.pass(t)
	w.check(t)
	all := w.iterations(t)
	if len(all) != 2 || all[0].Number != 3 || all[1].Number != 1 || all[1].ArchivedAt != nil {
		t.Fatalf("left: %+v", all)
	}
	for _, refused := range []struct {
		number int
		what   store.Removal
		words  string
	}{
		{1, store.RemovePackages, "pinned"}, {1, store.RemoveAll, "pinned"}, {3, store.RemovePackages, "being built"}, {0, store.RemoveAll, "stop it first"},
	} {
		err := w.keeper.Remove(t.Context(), "anna", "demo", refused.number, refused.what)
		if buildbtw.KindOf(err) != buildbtw.KindConflict || !strings.Contains(buildbtw.MessageOf(err), refused.words) {
			t.Errorf("remove %s of #%d: %v", refused.what, refused.number, err)
		}
	}
	if err := w.DB.Pin(t.Context(), "anna", "demo", 1, false); err != nil {
		t.Fatal(err)
	}
	w.pass(t)
	w.check(t)
	if all := w.iterations(t); len(all) != 1 {
		t.Errorf("left: %+v", all)
	}
}

// TestAnArchivedBuildspaceStartsAnew: its packages are gone, so it cannot go on where it was.
func TestAnArchivedBuildspaceStartsAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.chain(t, "1")
	w.create(t, "demo", "a")
	w.work(t)
	if _, err := w.DB.StopBuildspace(t.Context(), "anna", "demo"); err != nil {
		t.Fatal(err)
	}
	if err := w.keeper.Remove(t.Context(), "anna", "demo", 0, store.RemovePackages); err != nil {
		t.Fatal(err)
	}
	w.pass(t)
	w.check(t)
	if _, err := w.DB.StartBuildspace(t.Context(), "anna", "demo"); err != nil {
		t.Fatal(err)
	}
	w.Settle(t)
	if built := w.work(t); len(built) != 3 {
		t.Errorf("built %v", built)
	}
	if all := w.iterations(t); len(all) != 2 || all[0].Number != 2 {
		t.Errorf("iterations: %+v", all)
	}
	w.check(t)
}

func TestADeletedBuildspaceLeavesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.chain(t, "1")
	w.create(t, "demo", "a")
	w.work(t)
	w.push(t, "a", "2")
	if _, err := w.DB.StopBuildspace(t.Context(), "anna", "demo"); err != nil {
		t.Fatal(err)
	}
	if err := w.keeper.Remove(t.Context(), "anna", "demo", 0, store.RemoveAll); err != nil {
		t.Fatal(err)
	}
	if _, err := w.DB.Buildspace(t.Context(), "demo"); buildbtw.KindOf(err) != buildbtw.KindNotFound {
		t.Errorf("it is still seen: %v", err)
	}
	_, err := w.DB.CreateBuildspace(t.Context(), "anna", buildbtw.Buildspace{Name: "demo", Settings: buildbtw.DefaultSettings()}, []buildbtw.Changeset{{Source: "a", Ref: "main"}})
	if buildbtw.KindOf(err) != buildbtw.KindConflict || !strings.Contains(buildbtw.MessageOf(err), "being deleted") {
		t.Errorf("made anew before its files are gone: %v", err)
	}
	w.pass(t)
	w.check(t)
	w.create(t, "demo", "a")
	if built := w.work(t); len(built) != 3 {
		t.Errorf("built %v", built)
	}
	w.check(t)
}

// TestOrphansAreFoundAndStayUntilSomebodyRemovesThem throws a database away.
func TestOrphansAreFoundAndStayUntilSomebodyRemovesThem(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.chain(t, "1")
	w.create(t, "demo", "a")
	w.work(t)
	dir := filepath.Join(filepath.Dir(w.Sources), "repos", "lost_7", "os", "x86_64")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "x-1-1-x86_64.pkg.tar.zst"), make([]byte, 100_000), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(filepath.Join(filepath.Dir(w.Sources), "repos", "lost_7"), time.Unix(0, 0), time.Unix(0, 0)); err != nil {
		t.Fatal(err)
	}
	lost := buildbtw.AttemptName{ID: 1, Random: "abcd"} // of another database: the id is known here
	if _, err := w.logs.Append(lost, 0, strings.NewReader("text\n")); err != nil {
		t.Fatal(err)
	}
	w.DB.Clock.Advance(365 * day) // the files have the time of the disk
	w.keeper.Policy = store.RetentionPolicy{Newest: 1}
	w.pass(t)
	o, err := w.keeper.Orphans(t.Context())
	if err != nil || !slices.Equal(o.Repositories, []string{"lost_7"}) || !slices.Equal(o.Logs, []buildbtw.AttemptName{lost}) || o.Frees < 100_000 {
		t.Fatalf("orphans: %+v, %v", o, err)
	}
	if kept, ok := w.keeper.Kept(); !ok || kept.Logs != 4 || kept.Iterations != 1 || kept.Database == 0 || kept.Repositories.Bytes < 100_000 || len(kept.Orphans.Logs) != 1 {
		t.Errorf("measured: %+v", kept)
	}
	if _, err := w.keeper.RemoveOrphans(t.Context(), 2, 1); buildbtw.KindOf(err) != buildbtw.KindConflict {
		t.Errorf("others than were seen: %v", err)
	}
	if _, err := w.keeper.RemoveOrphans(t.Context(), 1, 1); err != nil {
		t.Fatal(err)
	}
	w.check(t)
}

// TestOrphansInObjectStorageAreFoundAndRemoved has a log of another database there.
func TestOrphansInObjectStorageAreFoundAndRemoved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.chain(t, "1")
	w.create(t, "demo", "a")
	w.work(t)
	bucket := &objectstest.Memory{}
	mover := offload.New(offload.Config{
		Store: w.DB.Store, Logs: w.logs, Bucket: bucket, Location: "s3://files/", After: time.Hour, Log: slog.New(slog.DiscardHandler), Now: w.logs.Now,
	})
	w.keeper.Moved = mover
	lost := buildbtw.AttemptName{ID: 1, Random: "abcd"} // of another database: the id is known here
	if _, err := w.logs.Append(lost, 0, strings.NewReader("text\n")); err != nil {
		t.Fatal(err)
	}
	for attempt := range w.texts {
		if _, err := w.logs.Compress(t.Context(), attempt); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.logs.Compress(t.Context(), lost); err != nil {
		t.Fatal(err)
	}
	if err := mover.Pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	moved := len(w.texts) + 2 // the log that nothing names, and the name of the owner
	if keys := bucket.Keys(); len(keys) != moved {
		t.Fatalf("in the bucket: %q; want %d", keys, moved)
	}
	o, err := w.keeper.Orphans(t.Context())
	if err != nil || !slices.Equal(o.Logs, []buildbtw.AttemptName{lost}) || o.Frees == 0 {
		t.Fatalf("orphans: %+v, %v", o, err)
	}
	if _, err := w.keeper.RemoveOrphans(t.Context(), 0, 2); buildbtw.KindOf(err) != buildbtw.KindConflict || len(bucket.Keys()) != moved {
		t.Errorf("others than were seen: %v", err)
	}
	if _, err := w.keeper.RemoveOrphans(t.Context(), 0, 1); err != nil || len(bucket.Keys()) != moved-1 {
		t.Errorf("removed: %v; in the bucket: %q", err, bucket.Keys())
	}
	for attempt, want := range w.texts {
		r, _, err := w.logs.Reader(t.Context(), attempt)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		_ = r.Close() // what was read counts
		if err != nil || string(text) != want {
			t.Errorf("the log of %s reads differently afterwards (%v)", attempt, err)
		}
	}
}

// fuse is a context that ends after it was looked at so many times: a crash at any place.
type fuse struct {
	context.Context //nolint:containedctx // it is one
	left            atomic.Int64
}

func newFuse(ctx context.Context, left int) *fuse {
	f := &fuse{Context: ctx}
	f.left.Store(int64(left))
	return f
}

func (f *fuse) Err() error {
	if f.left.Add(-1) < 0 {
		return context.Canceled
	}
	return f.Context.Err()
}

// TestRandomWorlds makes iterations that share packages, pins, archives and deletes them, and
// crashes in the middle of passes.
func TestRandomWorlds(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			randomWorld(t, rand.New(rand.NewPCG(seed+1, 7)))
		})
	}
}

func randomWorld(t *testing.T, r *rand.Rand) {
	t.Helper()
	w := newWorld(t)
	w.policy = store.RetentionPolicy{Newest: 1 + r.IntN(2), Packages: 10 * day, Logs: 20 * day, History: 30 * day}
	w.chain(t, "1")
	w.restart(t)
	sources := []string{"a", "b", "c"}
	depends := map[string][]string{"b": {"a"}, "c": {"b"}}
	w.create(t, "x", "b", "c")
	w.create(t, "y", "a")
	w.work(t)
	ctx, pinned := t.Context(), map[int64]bool{} // with their packages
	for step := range 8 {
		w.DB.Clock.Advance(time.Duration(1+r.IntN(12)) * day)
		source := sources[r.IntN(len(sources))]
		w.Push(t, source, schedulertest.Srcinfo(source, fmt.Sprint(step+2), depends[source]...))
		w.Settle(t)
		if r.IntN(4) > 0 {
			w.work(t)
		}
		all := w.iterations(t)
		it := all[r.IntN(len(all))]
		var err error
		switch r.IntN(6) {
		case 0:
			pin := r.IntN(2) == 0
			pinned[it.ID] = pin && it.ArchivedAt == nil
			err = w.DB.Pin(ctx, "anna", it.Buildspace, it.Number, pin)
		case 1:
			err = w.keeper.Remove(ctx, "anna", it.Buildspace, it.Number, store.RemovePackages)
		case 2:
			err = w.keeper.Remove(ctx, "anna", it.Buildspace, it.Number, store.RemoveAll)
		}
		if err != nil && buildbtw.KindOf(err) != buildbtw.KindConflict {
			t.Fatal(err)
		}
		if r.IntN(2) == 0 {
			_ = w.keeper.Pass(newFuse(ctx, r.IntN(120)))
			w.restart(t)
		}
		w.pass(t)
		w.check(t)
		for _, it := range w.iterations(t) {
			if it.ArchivedAt != nil && (it.State == buildbtw.IterationReady || pinned[it.ID]) {
				t.Errorf("%s #%d is archived: %+v", it.Buildspace, it.Number, it)
			}
		}
	}
	if built := w.work(t); len(w.iterations(t)) == 0 {
		t.Errorf("nothing is left; built %v", built)
	}
	w.check(t)
}

// lose has a's build handed out, and its worker unheard of for so long that it is lost.
func (w *world) lose(t *testing.T, text string, meanwhile func()) *store.Claimed {
	t.Helper()
	w.chain(t, "1")
	w.create(t, "demo", "a", "c")
	c := w.DB.Claim(t, "worker")
	if c == nil {
		t.Fatal("nothing to build")
	}
	if _, err := w.logs.Append(c.Attempt.Name(), 0, strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	w.texts[c.Attempt.Name()] = text
	meanwhile()
	w.DB.Clock.Advance(day)
	if over, err := w.DB.ExpireLeases(t.Context()); err != nil || len(over) != 1 {
		t.Fatalf("lost: %+v, %v", over, err)
	}
	return c
}

// plain returns whether a log is there, not compressed.
func (w *world) plain(t *testing.T, attempt buildbtw.AttemptName) (plain bool) {
	t.Helper()
	if err := w.logs.Stored(t.Context(), func(s buildlog.Stored) bool {
		plain = plain || s.Attempt == attempt && s.Plain
		return true
	}); err != nil {
		t.Fatal(err)
	}
	return plain
}

func TestTheLogOfALostAttemptIsLeftAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	text := strings.Repeat("cc -c file.c\n", 1000)
	c := w.lose(t, text, func() {})
	unfinished, err := w.DB.UnfinishedAttempts(t.Context())
	if err != nil || !slices.Equal(unfinished, []buildbtw.AttemptName{c.Attempt.Name()}) {
		t.Fatalf("the lost attempt cannot return: %v, %v", unfinished, err)
	}
	w.DB.Clock.Advance(1000 * day)
	w.pass(t)
	if !w.plain(t, c.Attempt.Name()) {
		t.Fatal("the log of an attempt that may return was compressed or removed")
	}
	if _, err := w.logs.Append(c.Attempt.Name(), int64(len(text)), strings.NewReader("done\n")); err != nil {
		t.Errorf("it cannot go on: %v", err)
	}
	w.texts[c.Attempt.Name()] += "done\n"
	again := w.DB.Claim(t, "other")
	if again == nil || again.Build.ID != c.Build.ID {
		t.Fatalf("claimed %+v", again)
	}
	w.pass(t) // another attempt has begun, so the lost one does not return
	if w.plain(t, c.Attempt.Name()) {
		t.Error("the log of an attempt that is over was not compressed")
	}
	w.check(t)
}

// TestWhatMayReturnIsNeverOfAnOldIteration: its logs go by age, and nobody must go on with them.
func TestWhatMayReturnIsNeverOfAnOldIteration(t *testing.T) {
	t.Parallel()
	push := func(w *world, t *testing.T) {
		w.Push(t, "c", schedulertest.Srcinfo("c", "2", "b"))
		w.Settle(t)
		w.Pass(t, "reuse")
	}
	for _, first := range []string{"lost", "pushed"} {
		t.Run(first, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if first == "lost" {
				w.lose(t, "==> Making package: a\n", func() {})
				push(w, t)
			} else {
				w.lose(t, "==> Making package: a\n", func() { push(w, t) })
			}
			if all := w.iterations(t); len(all) != 2 || all[1].State != buildbtw.IterationSuperseded {
				t.Fatalf("iterations: %+v", all)
			}
			if unfinished, err := w.DB.UnfinishedAttempts(t.Context()); err != nil || len(unfinished) > 0 {
				t.Errorf("may return: %v, %v", unfinished, err)
			}
			w.DB.Clock.Advance(1000 * day)
			w.pass(t)
			w.check(t)
		})
	}
}

// TestWhatIsRemovedIsNotMadeAgain: the checks that build lost packages again know what was
// removed, at a start and later.
func TestWhatIsRemovedIsNotMadeAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.chain(t, "1")
	w.create(t, "demo", "a")
	w.work(t)
	w.push(t, "a", "2")
	w.create(t, "stopped", "c")
	w.work(t)
	if _, err := w.DB.StopBuildspace(t.Context(), "anna", "stopped"); err != nil {
		t.Fatal(err)
	}
	for _, r := range []struct {
		space  string
		number int
	}{{"demo", 1}, {"stopped", 0}} {
		if err := w.keeper.Remove(t.Context(), "anna", r.space, r.number, store.RemovePackages); err != nil {
			t.Fatal(err)
		}
	}
	events := func() int {
		list, err := w.DB.Events(t.Context(), store.EventFilter{Limit: 500})
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	look := func(when string) {
		t.Helper()
		before := events()
		if err := w.Prepare(t.Context()); err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		w.Pass(t, "integrity")
		if built := w.work(t); len(built) > 0 {
			t.Errorf("%s: built again: %v", when, built)
		}
		if n := events(); n != before {
			t.Errorf("%s: %d events more", when, n-before)
		}
	}
	look("marked")
	w.pass(t)
	w.check(t)
	look("removed")
	w.restart(t)
	look("after a restart")
	w.check(t) // no repository came back
}
