package buildlog

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A line is as old as the piece of the log that it came with, or as the one before when
// pieces come faster than times are recorded.
func TestLinesHaveTheTimeAtWhichTheyCame(t *testing.T) {
	t.Parallel()
	l := openLogs(t)
	begin := time.UnixMilli(1_800_000_000_000)
	now := begin
	l.Now = func() time.Time { return now }
	end := int64(0)
	for _, piece := range []struct {
		after time.Duration
		text  string
	}{
		{0, "==> Starting build()...\n"}, {500 * time.Millisecond, "fast\n"}, {90 * time.Second, "==> Starting check()...\nno"}, {time.Second, "t yet\n"},
	} {
		now = now.Add(piece.after)
		end = mustAppend(t, l, 1, end, piece.text)
	}
	v, err := l.View(t.Context(), id(1))
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	lines, err := v.From(1, 10)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, line := range lines {
		got = append(got, fmt.Sprint(string(line.Text[:2]), v.Time(line.Offset).Sub(begin)))
	}
	if want := "==0s fa0s ==1m30.5s no1m30.5s"; strings.Join(got, " ") != want {
		t.Errorf("%q, want %q", got, want)
	}
	phases := v.Phases()
	if len(phases) != 2 || v.Time(phases[1].Offset).Sub(v.Time(phases[0].Offset)) != 90500*time.Millisecond {
		t.Errorf("phases %+v", phases)
	}
}

// However long a build prints, and however often its log is opened anew, few times are
// recorded.
func TestTimesOfALogAreBounded(t *testing.T) {
	t.Parallel()
	l := openLogs(t)
	now := time.UnixMilli(1_800_000_000_000)
	l.Now = func() time.Time { return now }
	mustAppend(t, l, 1, 0, "==> Making package\n")
	const hours, step = 24, 2 * time.Second
	for i := range int64(hours * time.Hour / step) {
		l.stamp(id(1), i)
		now = now.Add(step)
	}
	info, err := os.Stat(filepath.Join(l.dir, l.stampPath(id(1))))
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() > 160<<10 {
		t.Errorf("%d bytes for %d hours", info.Size(), hours)
	}
}

// A log without times, and with damaged ones, is shown all the same.
func TestDamagedTimesAreNotShown(t *testing.T) {
	t.Parallel()
	l := openLogs(t)
	mustAppend(t, l, 1, 0, "one\ntwo\n")
	path := filepath.Join(l.dir, l.stampPath(id(1)))
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		damage := rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(rt, "damage")
		if err := os.WriteFile(path, append(bytes.Clone(whole), damage...), 0o600); err != nil {
			rt.Fatal(err)
		}
		v, err := l.View(context.Background(), id(1))
		if err != nil {
			rt.Fatal(err)
		}
		defer v.Close()
		before := time.Time{}
		for offset := range int64(8) {
			if at := v.Time(offset); at.Before(before) {
				rt.Errorf("the line at %d came at %v, the one before at %v", offset, at, before)
			} else {
				before = at
			}
		}
	})
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	v, err := l.View(t.Context(), id(1))
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if at := v.Time(4); !at.IsZero() {
		t.Errorf("a log without times has %v", at)
	}
}
