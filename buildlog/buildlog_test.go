package buildlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"

	"go.uber.org/goleak"

	"buildbtw"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// id is the name of an attempt that began since names have random parts.
func id(attempt int64) buildbtw.AttemptName {
	return buildbtw.AttemptName{ID: attempt, Random: "5f0c"}
}

func pathOf(l *Logs, attempt int64) string { return filepath.Join(l.dir, l.path(id(attempt))) }

func indexOf(l *Logs, attempt int64) string {
	return filepath.Join(l.dir, l.indexPath(id(attempt)))
}

func openLogs(t testing.TB) *Logs {
	t.Helper()
	l, err := Open(filepath.Join(t.TempDir(), "logs"))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func mustAppend(t testing.TB, l *Logs, attempt, offset int64, text string) int64 {
	t.Helper()
	end, err := l.Append(id(attempt), offset, strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return end
}

func content(t testing.TB, l *Logs, attempt int64) string {
	t.Helper()
	r, size, err := l.Reader(t.Context(), id(attempt))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	if err != nil || int64(len(text)) != size {
		t.Fatalf("%d bytes, size %d, %v", len(text), size, err)
	}
	return string(text)
}

func TestChunksAreRepeatableAndGapsRefused(t *testing.T) {
	t.Parallel()
	l := openLogs(t)
	steps := []struct {
		offset int64
		text   string
		end    int64
		gap    bool
	}{
		{offset: 1, text: "x", end: 0, gap: true},
		{offset: 0, text: "hello ", end: 6},
		{offset: 0, text: "hello ", end: 6},
		{offset: 0, text: "hel", end: 6},
		{offset: 3, text: "lo world", end: 11},
		{offset: 11, text: "", end: 11},
		{offset: 12, text: "x", end: 11, gap: true},
		{offset: -1, text: "x", end: 11, gap: true},
	}
	for i, s := range steps {
		end, err := l.Append(id(7), s.offset, strings.NewReader(s.text))
		var gap *OffsetError
		if errors.As(err, &gap) != s.gap || !s.gap && err != nil {
			t.Errorf("step %d: error %v", i, err)
		}
		if end != s.end || s.gap && gap != nil && gap.End != s.end {
			t.Errorf("step %d: end %d, %v; want %d", i, end, gap, s.end)
		}
	}
	if got := content(t, l, 7); got != "hello world" {
		t.Errorf("log is %q", got)
	}
	if size, err := l.Size(t.Context(), id(7)); size != 11 || err != nil {
		t.Errorf("size %d, %v", size, err)
	}
}

func TestALogThatDoesNotExistIsEmpty(t *testing.T) {
	t.Parallel()
	l := openLogs(t)
	if _, err := l.Append(id(1), 5, strings.NewReader("x")); err == nil {
		t.Error("a gap at the beginning was accepted")
	}
	if got := content(t, l, 1); got != "" {
		t.Errorf("got %q", got)
	}
	text, offset, err := l.Tail(t.Context(), id(1), 5)
	if len(text) != 0 || offset != 0 || err != nil {
		t.Errorf("tail %q, %d, %v", text, offset, err)
	}
}

func TestAFullLogDropsTextAndSaysSoOnce(t *testing.T) {
	t.Parallel()
	l := openLogs(t)
	l.maxSize = 10
	offset := mustAppend(t, l, 1, 0, "0123456789") // just full: nothing dropped
	if got := content(t, l, 1); got != "0123456789" {
		t.Errorf("log is %q", got)
	}
	for range 3 {
		next := mustAppend(t, l, 1, offset, "more")
		if next != offset+4 {
			t.Errorf("after %d: go on from %d, want %d", offset, next, offset+4)
		}
		offset = next
	}
	if got := content(t, l, 1); got != "0123456789"+fullMark {
		t.Errorf("log is %q", got)
	}
	if end := mustAppend(t, l, 2, 0, "0123456789abc"); end != 13 || content(t, l, 2) != "0123456789"+fullMark {
		t.Errorf("end %d, log %q", end, content(t, l, 2))
	}
}

func TestAChunkCutOffLeavesItsBeginning(t *testing.T) {
	t.Parallel()
	l := openLogs(t)
	cut := io.MultiReader(strings.NewReader("begin"), iotest.ErrReader(io.ErrUnexpectedEOF))
	end, err := l.Append(id(1), 0, cut)
	if end != 5 || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("end %d, %v", end, err)
	}
	if end := mustAppend(t, l, 1, 0, "beginning"); end != 9 || content(t, l, 1) != "beginning" {
		t.Errorf("end %d, log %q", end, content(t, l, 1))
	}
}

func TestATornWriteIsSentAgain(t *testing.T) {
	t.Parallel()
	l := openLogs(t)
	mustAppend(t, l, 1, 0, "0123456789")
	if err := os.Truncate(pathOf(l, 1), 4); err != nil { // as after a power failure
		t.Fatal(err)
	}
	var gap *OffsetError
	if _, err := l.Append(id(1), 10, strings.NewReader("ab")); !errors.As(err, &gap) || gap.End != 4 {
		t.Fatalf("got %v", err)
	}
	mustAppend(t, l, 1, gap.End, "456789ab")
	if got := content(t, l, 1); got != "0123456789ab" {
		t.Errorf("log is %q", got)
	}
}

func TestAFullDiskIsTold(t *testing.T) {
	t.Parallel()
	l := openLogs(t)
	mustAppend(t, l, 1, 0, "x") // makes the directory
	const full = 1<<8 | 7       // the device numbers of /dev/full, null(4)
	if err := syscall.Mknod(pathOf(l, 2), syscall.S_IFCHR|0o666, full); err != nil {
		t.Skip("devices cannot be made here: ", err)
	}
	if _, err := l.Append(id(2), 0, strings.NewReader("x")); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("got %v", err)
	}
}

// TestTheDirectoryOfLogsMayBeDeleted deletes it under a running server.
func TestTheDirectoryOfLogsMayBeDeleted(t *testing.T) {
	t.Parallel()
	l := openLogs(t)
	mustAppend(t, l, 1, 0, "gone")
	if err := os.RemoveAll(l.dir); err != nil {
		t.Fatal(err)
	}
	if got := content(t, l, 1); got != "" {
		t.Errorf("read %q", got)
	}
	mustAppend(t, l, 2, 0, "new")
	if got := content(t, l, 2); got != "new" {
		t.Errorf("read %q", got)
	}
}

// TestLinksOutOfTheDirectoryAreNotFollowed has a link in the place of a log, of
// its index, and of the directory of both.
func TestLinksOutOfTheDirectoryAreNotFollowed(t *testing.T) {
	t.Parallel()
	l := openLogs(t)
	mustAppend(t, l, 1, 0, "x") // makes the directory
	outside := t.TempDir()
	secret := filepath.Join(outside, "secret")
	err := errors.Join(os.WriteFile(secret, []byte("secret"), 0o600),
		os.Symlink(secret, pathOf(l, 2)), os.Symlink(outside, filepath.Dir(pathOf(l, 5*shard))),
		os.Symlink(filepath.Join(outside, "made"), indexOf(l, 1)+".new"))
	if err != nil {
		t.Fatal(err)
	}
	for _, attempt := range []int64{2, 5 * shard} {
		if text, _, err := l.Tail(t.Context(), id(attempt), 5); err == nil && len(text) > 0 {
			t.Errorf("read %q", text)
		}
		if _, err := l.Append(id(attempt), 0, strings.NewReader("overwritten")); err == nil {
			t.Errorf("attempt %d: written", attempt)
		}
	}
	mustAppend(t, l, 1, 1, strings.Repeat("line\n", 2*worthKeeping/5))
	open(t, l, 1).Close()
	files, err := os.ReadDir(outside)
	text, _ := os.ReadFile(secret)
	if err != nil || len(files) != 1 || string(text) != "secret" {
		t.Errorf("outside: %v, %q, %v", files, text, err)
	}
}

func TestTail(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 3*tailBlock)
	tests := []struct {
		name, log string
		lines     int
		want      string
	}{
		{"fewer lines than asked", "a\nb\n", 5, "a\nb\n"},
		{"some", "a\nb\nc\n", 2, "b\nc\n"},
		{"last without newline", "a\nb\nc", 2, "b\nc"},
		{"empty lines count", "a\n\n\n", 2, "\n\n"},
		{"none", "a\n", 0, ""},
		{"one", "a\nb\n", 1, "b\n"},
		{"over several blocks", "a\n" + long + "\n" + long + "\n", 2, long + "\n" + long + "\n"},
		{"newline at a block's edge", "a\n" + long[:tailBlock-1] + "\n", 1, long[:tailBlock-1] + "\n"},
		{"a line longer than the bound", strings.Repeat("y", MaxTail+9), 1, strings.Repeat("y", MaxTail)},
	}
	l := openLogs(t)
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			mustAppend(t, l, int64(i), 0, tt.log)
			text, offset, err := l.Tail(t.Context(), id(int64(i)), tt.lines)
			if err != nil || string(text) != tt.want {
				t.Errorf("got %.50q (%d bytes), %v", text, len(text), err)
			}
			if want := int64(len(tt.log) - len(tt.want)); offset != want {
				t.Errorf("offset %d, want %d", offset, want)
			}
		})
	}
}

func TestTailIsTheEndOfAnyText(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[ab\n]{0,40}`).Draw(t, "text")
		lines := rapid.IntRange(1, 8).Draw(t, "lines")
		all := strings.SplitAfter(text, "\n")
		if all[len(all)-1] == "" {
			all = all[:len(all)-1]
		}
		want := strings.Join(all[max(0, len(all)-lines):], "")
		offset, err := startOfLines(strings.NewReader(text), int64(len(text)), lines)
		if err != nil || text[offset:] != want {
			t.Fatalf("got %q, %v; want %q", text[offset:], err, want)
		}
	})
}

func TestReaderSeeks(t *testing.T) {
	t.Parallel()
	l := openLogs(t)
	mustAppend(t, l, 1, 0, "0123456789")
	r, _, err := l.Reader(t.Context(), id(1))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := r.Seek(-3, io.SeekEnd); err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(r); string(text) != "789" || err != nil {
		t.Errorf("got %q, %v", text, err)
	}
}

func TestFollowGivesEverythingOnceWhileManyWrite(t *testing.T) {
	t.Parallel()
	l := openLogs(t)
	const attempts, chunks = 4, 200
	var all sync.WaitGroup
	for attempt := range int64(attempts) {
		done := make(chan struct{})
		finished := func() bool {
			select {
			case <-done:
				return true
			default:
				return false
			}
		}
		var text strings.Builder
		for i := range chunks {
			fmt.Fprintf(&text, "line %d\n", i)
		}
		want := text.String()
		for range 3 {
			all.Go(func() {
				var got bytes.Buffer
				for piece, err := range l.Follow(t.Context(), id(attempt), 0, finished) {
					if err != nil {
						t.Error(err)
					}
					got.Write(piece)
				}
				if got.String() != want {
					t.Errorf("follower of %d got %d bytes, want %d", attempt, got.Len(), len(want))
				}
			})
		}
		all.Go(func() {
			offset := int64(0)
			for i := range chunks {
				offset = mustAppend(t, l, attempt, offset, fmt.Sprintf("line %d\n", i))
			}
			close(done)
			l.Changed(id(attempt))
		})
	}
	all.Wait()
	if len(l.open) != 0 {
		t.Errorf("%d logs are still held", len(l.open))
	}
}

func TestRepeatedAppendsAtTheSameTimeWriteOnce(t *testing.T) {
	t.Parallel()
	l := openLogs(t)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { mustAppend(t, l, 1, 0, "0123456789") })
	}
	all.Wait()
	if got := content(t, l, 1); got != "0123456789" {
		t.Errorf("log is %q", got)
	}
}

func TestFollowStartsInTheMiddleAndEndsWithItsContext(t *testing.T) {
	t.Parallel()
	l := openLogs(t)
	mustAppend(t, l, 1, 0, "0123456789")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var pieces []string
	var last error
	for piece, err := range l.Follow(ctx, id(1), 7, func() bool { return false }) {
		if err != nil {
			last = err
			continue
		}
		pieces = append(pieces, string(piece))
		cancel()
	}
	if len(pieces) != 1 || pieces[0] != "789" || !errors.Is(last, context.Canceled) {
		t.Errorf("got %q, %v", pieces, last)
	}
}

func TestAFollowerThatLeavesIsForgotten(t *testing.T) {
	t.Parallel()
	l := openLogs(t)
	mustAppend(t, l, 1, 0, "text")
	for range l.Follow(t.Context(), id(1), 0, func() bool { return false }) {
		break
	}
	if len(l.open) != 0 {
		t.Errorf("%d logs are still held", len(l.open))
	}
}

func TestWhoWatchesAllLogsHearsWhichGrew(t *testing.T) {
	t.Parallel()
	logs := openLogs(t)
	sub := logs.WatchAll()
	defer sub.Cancel()
	for _, attempt := range []int64{7, 9, 7} {
		size, err := logs.Size(t.Context(), id(attempt))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := logs.Append(id(attempt), size, strings.NewReader("line\n")); err != nil {
			t.Fatal(err)
		}
	}
	if grown, _ := sub.Take(); !slices.Equal(grown, []int64{7, 9}) {
		t.Errorf("grown: %v", grown)
	}
	if _, err := logs.Append(id(9), 0, strings.NewReader("line\n")); err != nil { // sent again
		t.Fatal(err)
	}
	if grown, ok := sub.Take(); ok {
		t.Errorf("%v grew by what they had already", grown)
	}
}
