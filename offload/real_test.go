package offload_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/buildlog"
	"buildbtw/objects"
	"buildbtw/objects/objectstest"
	"buildbtw/offload"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

func right() objects.Credentials {
	return objects.Credentials{Key: objectstest.Key, Secret: objectstest.Secret}
}

// TestLogsInARealStorage moves logs, loses the server, and has it back.
func TestLogsInARealStorage(t *testing.T) {
	t.Parallel()
	s := objectstest.Start(t, os.Getenv(objectstest.BinaryVariable))
	w := newWorld(t)
	w.bucket = s.Bucket("farm", right())
	w.restart(t)
	text := longText(100_000)
	w.packed(t, id(1), text)
	w.packed(t, id(2), "short\n")
	w.pass(t)
	if w.onDisk(id(1)) || w.onDisk(id(2)) {
		t.Fatal("the logs are still on the disk")
	}
	w.restart(t)
	if w.text(t, id(1)) != text || w.text(t, id(2)) != "short\n" {
		t.Error("a log reads differently")
	}
	w.restart(t) // nothing is remembered
	s.Down()
	if _, err := w.read(t.Context(), id(1)); buildbtw.KindOf(err) != buildbtw.KindUnavailable {
		t.Errorf("without the server: %v", err)
	}
	w.packed(t, id(3), "of an outage\n")
	if err := w.mover.Pass(t.Context()); buildbtw.KindOf(err) != buildbtw.KindUnavailable || !w.onDisk(id(3)) {
		t.Errorf("a pass without the server: %v", err)
	}
	s.Up()
	w.bucket = s.Bucket("farm", right()) // the other one rests for some seconds
	w.restart(t)
	w.pass(t)
	if w.onDisk(id(3)) || w.text(t, id(3)) != "of an outage\n" || w.text(t, id(1)) != text {
		t.Error("after the outage something is missing")
	}
	if _, err := w.logs.Remove(t.Context(), id(1)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.Dir + "/" + objectstest.Name + "/farm/" + key(id(1))); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a removed log is still in the storage: %v", err)
	}
	if err := offload.Try(t.Context(), w.bucket); err != nil {
		t.Error(err)
	}
}

// killed is a bucket that ends the process after a put.
type killed struct{ objects.Bucket }

func (k killed) Open(ctx context.Context, of string, offset, size int64) (io.ReadCloser, error) {
	if strings.HasPrefix(of, "logs/") {
		if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
			return nil, err
		}
		<-ctx.Done()
	}
	return k.Bucket.Open(ctx, of, offset, size)
}

// killedVariable has, for the process that is killed, the database, the logs and the storage.
const killedVariable = "BUILDBTW_TEST_KILLED"

// TestMovesUntilKilled is the process of the next test.
func TestMovesUntilKilled(t *testing.T) {
	of := strings.Split(os.Getenv(killedVariable), " ")
	if len(of) != 3 {
		t.Skip("skipped: it is the process that TestAKilledProcessLosesNothing kills")
	}
	db, err := store.Open(t.Context(), of[0], store.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	logs, err := buildlog.Open(of[1])
	if err != nil {
		t.Fatal(err)
	}
	l, err := objects.ParseLocation(of[2])
	if err != nil {
		t.Fatal(err)
	}
	b, err := objects.Open(l, right())
	if err != nil {
		t.Fatal(err)
	}
	m := offload.New(offload.Config{
		Store: db, Logs: logs, Bucket: killed{b}, After: time.Hour, Log: slog.New(slog.DiscardHandler),
		Now: func() time.Time { return time.Now().Add(1000 * 24 * time.Hour) },
	})
	t.Fatal(m.Pass(t.Context()))
}

// TestAKilledProcessLosesNothing kills a process between put and record.
func TestAKilledProcessLosesNothing(t *testing.T) {
	t.Parallel()
	s := objectstest.Start(t, os.Getenv(objectstest.BinaryVariable))
	w := newWorld(t)
	w.packed(t, id(1), "text\n")
	path := t.TempDir() + "/killed.sqlite"
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestMovesUntilKilled$")
	cmd.Env = append(os.Environ(), killedVariable+"="+strings.Join([]string{path, w.dir, s.URL("farm")}, " "))
	out, err := cmd.CombinedOutput()
	var ended *exec.ExitError
	if !errors.As(err, &ended) || ended.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the process ended with %v: %s", err, out)
	}
	if _, err := os.Stat(s.Dir + "/" + objectstest.Name + "/farm/" + key(id(1))); err != nil || !w.onDisk(id(1)) {
		t.Fatalf("it was killed too early or too late: in the storage %v, on the disk %v", err, w.onDisk(id(1)))
	}
	db, err := store.Open(t.Context(), path, store.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	w.db = &storetest.DB{Store: db, Clock: w.db.Clock}
	w.bucket = s.Bucket("farm", right())
	w.restart(t)
	if w.text(t, id(1)) != "text\n" {
		t.Error("after the kill the log cannot be read")
	}
	w.pass(t)
	if w.onDisk(id(1)) || w.text(t, id(1)) != "text\n" {
		t.Error("the next pass did not move it")
	}
}

// BenchmarkColdPage opens a log of 28 MB in the storage and reads 400 lines in its middle; nothing
// of it was read before.
func BenchmarkColdPage(b *testing.B) {
	s := objectstest.Start(b, os.Getenv(objectstest.BinaryVariable))
	w := newWorld(b)
	w.bucket = s.Bucket("farm", right())
	w.restart(b)
	w.packed(b, id(1), longText(800_000))
	v, err := w.logs.View(b.Context(), id(1)) // stores the index
	if err != nil {
		b.Fatal(err)
	}
	v.Close()
	w.pass(b)
	for b.Loop() {
		w.restart(b)
		v, err := w.logs.View(b.Context(), id(1))
		if err != nil {
			b.Fatal(err)
		}
		if lines, err := v.From(400_000, 400); err != nil || len(lines) != 400 {
			b.Fatal(len(lines), err)
		}
		v.Close()
	}
}
