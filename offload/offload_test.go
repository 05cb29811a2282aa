package offload_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/buildlog"
	"buildbtw/objects"
	"buildbtw/objects/objectstest"
	"buildbtw/offload"
	"buildbtw/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

// world is a server's logs, some of which lie in a bucket.
type world struct {
	db     *storetest.DB
	dir    string
	logs   *buildlog.Logs
	memory *objectstest.Memory
	bucket objects.Bucket
	mover  *offload.Mover
	warned *bytes.Buffer
}

func newWorld(t testing.TB) *world {
	t.Helper()
	memory := &objectstest.Memory{}
	w := &world{db: storetest.New(t), dir: t.TempDir(), memory: memory, bucket: memory, warned: &bytes.Buffer{}}
	w.restart(t)
	return w
}

// restart makes everything in memory anew, as after a crash.
func (w *world) restart(t testing.TB) {
	t.Helper()
	logs, err := buildlog.Open(w.dir)
	if err != nil {
		t.Fatal(err)
	}
	logs.Now = func() time.Time { return time.Now().Add(365 * 24 * time.Hour) } // files have the time of the disk: all logs rest
	w.logs = logs
	w.mover = offload.New(offload.Config{
		Store: w.db.Store, Logs: logs, Bucket: w.bucket, Location: "s3://files/ at here", After: 24 * time.Hour,
		Log: slog.New(slog.NewTextHandler(w.warned, nil)), Now: func() time.Time { return logs.Now().Add(w.db.Clock.Now().Sub(storetest.Start())) },
	})
}

func id(n int64) buildbtw.AttemptName { return buildbtw.AttemptName{ID: n, Random: "ab12"} }

// packed writes a log and compresses it.
func (w *world) packed(t testing.TB, attempt buildbtw.AttemptName, text string) {
	t.Helper()
	if _, err := w.logs.Append(attempt, 0, strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	if saved, err := w.logs.Compress(t.Context(), attempt); err != nil || saved == 0 {
		t.Fatal(saved, err)
	}
}

func (w *world) path(attempt buildbtw.AttemptName) string {
	return filepath.Join(w.dir, "0", attempt.String()+".log.zst")
}

func (w *world) onDisk(attempt buildbtw.AttemptName) bool {
	_, err := os.Stat(w.path(attempt))
	return err == nil
}

func (w *world) pass(t testing.TB) {
	t.Helper()
	if err := w.mover.Pass(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (w *world) text(t testing.TB, attempt buildbtw.AttemptName) string {
	t.Helper()
	text, err := w.read(t.Context(), attempt)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func (w *world) read(ctx context.Context, attempt buildbtw.AttemptName) (string, error) {
	r, size, err := w.logs.Reader(ctx, attempt)
	if err != nil {
		return "", err
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	if err == nil && int64(len(text)) != size {
		err = fmt.Errorf("%d bytes of %d", len(text), size)
	}
	return string(text), err
}

func longText(lines int) string {
	var b strings.Builder
	for i := range lines {
		fmt.Fprintf(&b, "[%d] cc -c file%d.c -o %x\n", i, i, i*i*7919)
	}
	b.WriteString("file.c:3:1: error: no such thing\n")
	return b.String()
}

func key(attempt buildbtw.AttemptName) string { return "logs/" + attempt.String() + ".log.zst" }

var errAway = buildbtw.Unavailable("the object storage is away")

func away(string, string) error { return errAway }

func TestAMovedLogReadsAsBefore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	text := longText(60_000)
	w.packed(t, id(1), text)
	w.packed(t, id(2), "short\n")
	if _, err := w.logs.Append(id(3), 0, strings.NewReader("hot\n")); err != nil {
		t.Fatal(err)
	}
	w.pass(t)
	if w.onDisk(id(1)) || w.onDisk(id(2)) || !slices.Equal(w.memory.Keys(), []string{"buildbtw-owner", key(id(1)), key(id(2))}) {
		t.Fatalf("in the bucket: %q", w.memory.Keys())
	}
	w.restart(t)
	if w.text(t, id(1)) != text || w.text(t, id(2)) != "short\n" || w.text(t, id(3)) != "hot\n" {
		t.Error("a log reads differently")
	}
	v, err := w.logs.View(t.Context(), id(1))
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	lines, err := v.From(40_000, 3)
	if err != nil || len(lines) != 3 || !strings.HasPrefix(string(lines[0].Text), "[39999] ") {
		t.Errorf("line 40,000 is %v (%v)", lines, err)
	}
	if _, found := v.Errors(); found != 1 {
		t.Errorf("it has %d errors", found)
	}
	tail, _, err := w.logs.Tail(t.Context(), id(1), 1)
	if err != nil || string(tail) != "file.c:3:1: error: no such thing\n" {
		t.Errorf("it ends with %q (%v)", tail, err)
	}
	if s := w.mover.State(); s.Files != 0 { // a pass counts
		t.Errorf("before a pass: %+v", s)
	}
	w.pass(t)
	if s := w.mover.State(); s.Files != 2 || s.Missing != 0 || s.Waiting != 0 || s.Trouble != "" {
		t.Errorf("afterwards: %+v", s)
	}
}

func TestALogThatIsStillNeededOnTheDiskStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	space := w.db.NewBuildspace(t, "demo")
	w.db.Iterate(t, space, storetest.Plan("a"))
	running := w.db.Claim(t, "worker").Attempt.Name()
	w.packed(t, running, "of a build that runs\n")
	w.packed(t, id(77), "old\n")
	fresh := time.Now().Add(366 * 24 * time.Hour)
	w.packed(t, id(78), "new\n")
	if err := os.Chtimes(w.path(id(78)), fresh, fresh); err != nil {
		t.Fatal(err)
	}
	w.pass(t)
	if !w.onDisk(running) || w.onDisk(id(77)) || !w.onDisk(id(78)) {
		t.Errorf("on the disk: running %v, old %v, new %v", w.onDisk(running), w.onDisk(id(77)), w.onDisk(id(78)))
	}
}

// TestTheStorageIsAway goes on with what is on the disk, and says of the rest that it cannot be read
// now. Passes pause, longer each time.
func TestTheStorageIsAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.packed(t, id(1), "cold\n")
	w.pass(t)
	w.restart(t)
	var asked atomic.Int64
	w.memory.Fail = func(string, string) error {
		asked.Add(1)
		return errAway
	}
	w.packed(t, id(2), "hot\n")
	if _, err := w.read(t.Context(), id(1)); buildbtw.KindOf(err) != buildbtw.KindUnavailable {
		t.Errorf("the cold log: %v", err)
	}
	if size, err := w.logs.Size(t.Context(), id(1)); size != 5 || err != nil {
		t.Errorf("its size is %d (%v)", size, err)
	}
	if w.text(t, id(2)) != "hot\n" {
		t.Error("the hot log is another")
	}
	var passes []bool
	for range 16 {
		before := asked.Load()
		if err := w.mover.Pass(t.Context()); buildbtw.KindOf(err) != buildbtw.KindUnavailable {
			t.Fatalf("a pass: %v", err)
		}
		passes = append(passes, asked.Load() > before)
		w.db.Clock.Advance(time.Minute)
	}
	if want := []bool{true, true, false, true, false, false, false, true, false, false, false, false, false, false, false, true}; !slices.Equal(passes, want) {
		t.Errorf("minutes in which the storage was asked: %v, want %v", passes, want)
	}
	if s := w.mover.State(); s.Trouble != buildbtw.MessageOf(errAway) || !w.onDisk(id(2)) {
		t.Errorf("state %+v", s)
	}
	w.memory.Fail = nil
	w.db.Clock.Advance(time.Hour)
	w.pass(t)
	if w.text(t, id(1)) != "cold\n" || w.onDisk(id(2)) || w.mover.State().Trouble != "" {
		t.Errorf("afterwards: %+v", w.mover.State())
	}
}

// TestACrashLosesNothing ends a pass after each step that it takes.
func TestACrashLosesNothing(t *testing.T) {
	t.Parallel()
	for _, after := range []string{"put", "record"} {
		t.Run(after, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.packed(t, id(1), "text\n")
			file, err := os.ReadFile(w.path(id(1)))
			if err != nil {
				t.Fatal(err)
			}
			if after == "put" {
				w.memory.Fail = func(operation, of string) error {
					if operation == "open" && of == key(id(1)) {
						return errors.New("the process ended")
					}
					return nil
				}
				if err := w.mover.Pass(t.Context()); err == nil {
					t.Fatal("the pass ended well")
				}
				w.memory.Fail = nil
				if _, ok, err := w.db.MovedObject(t.Context(), key(id(1))); ok || err != nil {
					t.Fatalf("it is recorded: %v (%v)", ok, err)
				}
			} else {
				w.pass(t)
				if err := os.WriteFile(w.path(id(1)), file, 0o600); err != nil { // it was not removed
					t.Fatal(err)
				}
				past := time.Now().Add(-time.Hour)
				if err := os.Chtimes(w.path(id(1)), past, past); err != nil {
					t.Fatal(err)
				}
			}
			w.restart(t)
			if !w.onDisk(id(1)) || w.text(t, id(1)) != "text\n" {
				t.Error("the log cannot be read after the crash")
			}
			puts := 0
			w.memory.Fail = func(operation, _ string) error {
				if operation == "put" {
					puts++
				}
				return nil
			}
			w.pass(t)
			if w.onDisk(id(1)) || w.text(t, id(1)) != "text\n" || puts != 0 {
				t.Errorf("after the next pass: on the disk %v, put again %d times", w.onDisk(id(1)), puts)
			}
		})
	}
}

// TestWhatCannotBeReadBackStays has a storage that returns other bytes, or fewer.
func TestWhatCannotBeReadBackStays(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func([]byte) []byte{
		"other bytes": func(data []byte) []byte { return append([]byte{data[0] ^ 1}, data[1:]...) },
		"cut off":     func(data []byte) []byte { return data[:len(data)-1] },
		"nothing":     func([]byte) []byte { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.packed(t, id(1), "text\n")
			w.memory.Change = func(of string, data []byte) []byte {
				if of != key(id(1)) {
					return data
				}
				return change(data)
			}
			if err := w.mover.Pass(t.Context()); err == nil {
				t.Error("the pass succeeded")
			}
			if _, ok, err := w.db.MovedObject(t.Context(), key(id(1))); !w.onDisk(id(1)) || ok || err != nil {
				t.Errorf("on the disk %v, recorded %v (%v)", w.onDisk(id(1)), ok, err)
			}
		})
	}
}

func TestARemovedLogIsRemovedInTheStorage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.packed(t, id(1), "text\n")
	w.pass(t)
	w.memory.Fail = away
	if _, err := w.logs.Remove(t.Context(), id(1)); buildbtw.KindOf(err) != buildbtw.KindUnavailable {
		t.Errorf("removing while the storage is away: %v", err)
	}
	w.memory.Fail = nil
	if w.text(t, id(1)) != "text\n" {
		t.Error("the log is gone")
	}
	for range 2 {
		if _, err := w.logs.Remove(t.Context(), id(1)); err != nil {
			t.Error(err)
		}
	}
	if _, ok, err := w.db.MovedObject(t.Context(), key(id(1))); ok || err != nil || len(w.memory.Keys()) != 1 {
		t.Errorf("recorded %v (%v), in the bucket %q", ok, err, w.memory.Keys())
	}
	if w.text(t, id(1)) != "" {
		t.Error("the removed log can be read")
	}
}

// TestTheBucketIsCompared finds what was lost there, and what only the bucket has, as after an older
// database was restored.
func TestTheBucketIsCompared(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for n := range int64(3) {
		w.packed(t, id(n+1), longText(int(n)))
	}
	w.pass(t)
	if err := w.memory.Remove(t.Context(), key(id(1))); err != nil {
		t.Fatal(err)
	}
	if err := w.db.ForgetObject(t.Context(), key(id(2))); err != nil {
		t.Fatal(err)
	}
	if err := w.memory.Put(t.Context(), objects.Object{Key: "logs/photo.jpg", Size: 3}, strings.NewReader("jpg")); err != nil {
		t.Fatal(err)
	}
	w.restart(t)
	w.pass(t)
	if _, err := w.read(t.Context(), id(1)); buildbtw.KindOf(err) != buildbtw.KindNotFound || !strings.Contains(err.Error(), "not there any more") {
		t.Errorf("a lost log: %v", err)
	}
	if w.text(t, id(2)) != longText(1) || w.text(t, id(3)) != longText(2) {
		t.Error("a log reads differently")
	}
	if s := w.mover.State(); s.Files != 3 || s.Missing != 1 {
		t.Errorf("state %+v", s)
	}
	if !strings.Contains(w.warned.String(), "logs/photo.jpg") {
		t.Errorf("nothing is said of what is no log: %s", w.warned)
	}
	var orphans []buildbtw.AttemptName
	err := w.mover.Orphans(t.Context(), func(attempt buildbtw.AttemptName, _ int64) bool {
		orphans = append(orphans, attempt)
		return true
	})
	if err != nil || len(orphans) != 3 { // the database knows none of these attempts
		t.Errorf("orphans: %v (%v)", orphans, err)
	}
}

// TestAPassThatHasNothingToMoveAsksTheStorage finds out that it is away, and that the bucket was
// emptied.
func TestAPassThatHasNothingToMoveAsksTheStorage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.packed(t, id(1), "text\n")
	w.pass(t)
	w.memory.Fail = away
	if err := w.mover.Pass(t.Context()); buildbtw.KindOf(err) != buildbtw.KindUnavailable || w.mover.State().Trouble == "" {
		t.Errorf("while the storage is away: %v, %+v", err, w.mover.State())
	}
	w.memory.Fail = nil
	w.db.Clock.Advance(time.Hour)
	for _, of := range w.memory.Keys() {
		if err := w.memory.Remove(t.Context(), of); err != nil {
			t.Fatal(err)
		}
	}
	w.pass(t)
	if s := w.mover.State(); s.Missing != 1 || s.Trouble != "" || !slices.Equal(w.memory.Keys(), []string{"buildbtw-owner"}) {
		t.Errorf("after the bucket was emptied: %+v, in it: %q", s, w.memory.Keys())
	}
}

func TestAnotherDatabasesBucketIsLeftAlone(t *testing.T) {
	t.Parallel()
	w, other := newWorld(t), newWorld(t)
	w.packed(t, id(1), "text\n")
	w.pass(t)
	other.bucket = w.memory
	other.restart(t)
	other.packed(t, id(2), "text\n")
	err := other.mover.Pass(t.Context())
	if buildbtw.KindOf(err) != buildbtw.KindConflict || !other.onDisk(id(2)) || len(w.memory.Keys()) != 2 || other.mover.State().Trouble == "" {
		t.Errorf("%v; in the bucket: %q", err, w.memory.Keys())
	}
}

func TestWithoutItsStorageAMovedLogSaysWhatToDo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.packed(t, id(1), "text\n")
	w.pass(t)
	w.bucket = nil
	w.restart(t)
	w.pass(t)
	_, err := w.read(t.Context(), id(1))
	if buildbtw.KindOf(err) != buildbtw.KindUnavailable || !strings.Contains(err.Error(), "--object-storage") {
		t.Errorf("without a storage: %v", err)
	}
}
