package buildlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// rested makes a log old enough to be compressed.
func rested(t testing.TB, l *Logs, attempt int64) {
	t.Helper()
	old := l.Now().Add(-2 * restingTime)
	if err := os.Chtimes(pathOf(l, attempt), old, old); err != nil {
		t.Fatal(err)
	}
}

func compress(t testing.TB, l *Logs, attempt int64) int64 {
	t.Helper()
	rested(t, l, attempt)
	saved, err := l.Compress(t.Context(), id(attempt))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(pathOf(l, attempt)); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("the plain log is still there: %v", err)
	}
	return saved
}

// longText has lines of odd lengths, so that frames begin within lines.
func longText(size int) string {
	r := rand.New(rand.NewPCG(1, 2))
	var b strings.Builder
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, "[%d] cc -c file%d.c %s\n", i, i, strings.Repeat("x", r.IntN(200)))
		if i%5000 == 4999 {
			fmt.Fprintf(&b, "file%d.c:3: error: no such thing\n", i)
		}
	}
	return b.String()
}

func TestACompressedLogReadsAsBefore(t *testing.T) {
	t.Parallel()
	l := openLogs(t)
	text := longText(5*frameText + 12345)
	mustAppend(t, l, 1, 0, text)
	before := viewed(t, l)
	saved := compress(t, l, 1)
	if saved < int64(len(text))/2 {
		t.Errorf("%d of %d bytes were given back", saved, len(text))
	}
	if got := content(t, l, 1); got != text {
		t.Fatalf("read %d bytes, wrote %d", len(got), len(text))
	}
	if size, err := l.Size(t.Context(), id(1)); err != nil || size != int64(len(text)) {
		t.Errorf("size %d, %v", size, err)
	}
	rapid.Check(t, func(t *rapid.T) {
		from := rapid.IntRange(0, len(text)).Draw(t, "from")
		n := rapid.IntRange(0, min(2*frameText, len(text)-from)).Draw(t, "n")
		r, _, err := l.Reader(t.Context(), id(1))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		got := make([]byte, n)
		if _, err := r.Seek(int64(from), io.SeekStart); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(r, got); err != nil || string(got) != text[from:from+n] {
			t.Fatalf("%d bytes from %d differ: %v", n, from, err)
		}
	})
	tail, from, err := l.Tail(t.Context(), id(1), 7)
	if err != nil || string(tail) != text[from:] || strings.Count(string(tail), "\n") != 7 {
		t.Errorf("tail from %d: %.80q, %v", from, tail, err)
	}
	if after := viewed(t, l); after != before {
		t.Errorf("the view was\n%s\nand is\n%s", before, after)
	}
	if err := os.Remove(indexOf(l, 1)); err != nil {
		t.Fatal(err)
	}
	if after := viewed(t, l); after != before {
		t.Error("an index made from the compressed log differs")
	}
	var followed strings.Builder
	for part, err := range l.Follow(t.Context(), id(1), 100, func() bool { return true }) {
		if err != nil {
			t.Fatal(err)
		}
		followed.Write(part)
	}
	if followed.String() != text[100:] {
		t.Errorf("followed %d bytes", followed.Len())
	}
	if again, err := l.Compress(t.Context(), id(1)); again != 0 || err != nil {
		t.Errorf("compressed again: %d, %v", again, err)
	}
}

// viewed is all that the viewer shows of log 1.
func viewed(t *testing.T, l *Logs) string {
	t.Helper()
	v, err := l.View(t.Context(), id(1))
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	errs, found := v.Errors()
	lines, err := v.From(v.Lines()/2, 50)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(v.Size(), v.Lines(), errs, found, lines)
}

func TestALogThatStillGrowsIsNotCompressed(t *testing.T) {
	t.Parallel()
	l := openLogs(t)
	mustAppend(t, l, 1, 0, "text\n")
	if saved, err := l.Compress(t.Context(), id(1)); saved != 0 || err != nil {
		t.Errorf("%d, %v", saved, err)
	}
	if _, err := os.Stat(pathOf(l, 1)); err != nil {
		t.Error(err)
	}
	if saved, err := l.Compress(t.Context(), id(2)); saved != 0 || err != nil {
		t.Errorf("a log that is not there: %d, %v", saved, err)
	}
}

func TestAppendingToACompressedLogGoesOn(t *testing.T) {
	t.Parallel()
	l := openLogs(t)
	text := longText(frameText + 100)
	end := mustAppend(t, l, 1, 0, text)
	compress(t, l, 1)
	if got := mustAppend(t, l, 1, end-5, text[end-5:]+"more\n"); got != end+5 {
		t.Errorf("end %d, want %d", got, end+5)
	}
	if content(t, l, 1) != text+"more\n" {
		t.Error("the log is another one")
	}
	if _, err := os.Stat(pathOf(l, 1) + ".zst"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the compressed log is still there: %v", err)
	}
	compress(t, l, 1)
	if content(t, l, 1) != text+"more\n" {
		t.Error("compressed again, the log is another one")
	}
}

// TestACrashWhileCompressingLosesNothing puts the disk into each state between two steps.
func TestACrashWhileCompressingLosesNothing(t *testing.T) {
	t.Parallel()
	l := openLogs(t)
	text := longText(2 * frameText)
	mustAppend(t, l, 1, 0, text)
	states := map[string]func(plain []byte) error{
		"half of the new file": func([]byte) error { return os.WriteFile(pathOf(l, 1)+".zst.new", []byte("half"), 0o600) },
		"both files":           func(plain []byte) error { return os.WriteFile(pathOf(l, 1), plain, 0o600) },
		"both, the log longer": func(plain []byte) error { return os.WriteFile(pathOf(l, 1), append(plain, "x\n"...), 0o600) },
	}
	for name, crash := range states {
		plain := []byte(content(t, l, 1))
		if err := crash(plain); err != nil {
			t.Fatal(err)
		}
		want := string(plain)
		if strings.Contains(name, "longer") {
			want += "x\n"
		}
		if content(t, l, 1) != want {
			t.Errorf("%s: the log is another one", name)
		}
		if _, err := os.Stat(pathOf(l, 1)); err == nil {
			compress(t, l, 1)
		}
		if content(t, l, 1) != want {
			t.Errorf("%s, compressed again: the log is another one", name)
		}
	}
}

func TestADamagedCompressedLogIsAnError(t *testing.T) {
	t.Parallel()
	l := openLogs(t)
	mustAppend(t, l, 1, 0, longText(2*frameText))
	compress(t, l, 1)
	path := pathOf(l, 1) + ".zst"
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, damage := range map[string]func([]byte) []byte{
		"cut":          func(b []byte) []byte { return b[:len(b)-3] },
		"empty":        func([]byte) []byte { return nil },
		"other bytes":  func(b []byte) []byte { b[len(b)/3] ^= 0x55; return b },
		"huge table":   func(b []byte) []byte { copy(b[len(b)-9:], "\xff\xff\xff\xff"); return b },
		"other frames": func(b []byte) []byte { return b[1:] },
	} {
		if err := os.WriteFile(path, damage(append([]byte(nil), whole...)), 0o600); err != nil {
			t.Fatal(err)
		}
		r, _, err := l.Reader(t.Context(), id(1))
		if err == nil {
			_, err = io.Copy(io.Discard, r)
			_ = r.Close()
		}
		if !errors.Is(err, errCompressed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestALogCanBeReadWhileItIsCompressedAndExpanded(t *testing.T) {
	t.Parallel()
	l := openLogs(t)
	text := longText(frameText + 999)
	mustAppend(t, l, 1, 0, text)
	ctx, stop := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for ctx.Err() == nil {
				r, size, err := l.Reader(t.Context(), id(1))
				if err != nil {
					t.Error(err)
					return
				}
				got, err := io.ReadAll(io.LimitReader(r, size))
				_ = r.Close()
				if err != nil || !strings.HasPrefix(string(got), text) {
					t.Errorf("%d bytes, %v", len(got), err)
					return
				}
			}
		})
	}
	end := int64(len(text))
	for range 20 {
		compress(t, l, 1)
		end = mustAppend(t, l, 1, end, "m\n")
	}
	stop()
	readers.Wait()
}

func TestRemovingALogLeavesNothingOfIt(t *testing.T) {
	t.Parallel()
	l := openLogs(t)
	mustAppend(t, l, 1, 0, longText(2<<20))
	mustAppend(t, l, 2, 0, "other\n")
	viewed(t, l)
	compress(t, l, 1)
	var stored []Stored
	if err := l.Stored(t.Context(), func(s Stored) bool { stored = append(stored, s); return true }); err != nil {
		t.Fatal(err)
	}
	if len(stored) != 2 {
		t.Fatalf("stored: %v", stored)
	}
	for _, s := range stored {
		if s.Plain != (s.Attempt == id(2)) || s.Bytes == 0 || time.Since(s.Modified) > 24*time.Hour {
			t.Errorf("stored: %+v", s)
		}
	}
	freed, err := l.Remove(t.Context(), id(1))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range stored {
		if s.Attempt == id(1) && s.Bytes != freed {
			t.Errorf("freed %d of %d bytes", freed, s.Bytes)
		}
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(pathOf(l, 1)), id(1).String()+"*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	if content(t, l, 1) != "" || content(t, l, 2) != "other\n" {
		t.Error("the wrong log went")
	}
	if freed, err := l.Remove(t.Context(), id(1)); freed != 0 || err != nil {
		t.Errorf("removed again: %d, %v", freed, err)
	}
}
