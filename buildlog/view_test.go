package buildlog

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"buildbtw/internal/ansi"
)

func open(t testing.TB, l *Logs, attempt int64) *View {
	t.Helper()
	v, err := l.View(t.Context(), id(attempt))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// split gives the lines of a text as an editor counts them.
func split(text string) []string {
	lines := strings.Split(text, "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

// checkLines compares lines that were read with all there are.
func checkLines(t interface{ Fatalf(string, ...any) }, got []Line, all []string, first int64) {
	for i, line := range got {
		want := all[first-1+int64(i)]
		if line.Number != first+int64(i) || line.Size != int64(len(want)) {
			t.Fatalf("line %d of %d bytes, want %d of %d", line.Number, line.Size, first+int64(i), len(want))
		}
		if len(want) <= MaxLine && string(line.Text) != want {
			t.Fatalf("line %d is %.60q, want %.60q", line.Number, line.Text, want)
		}
		if len(want) > MaxLine && (len(line.Text) > MaxLine || !strings.Contains(want, string(line.Text))) {
			t.Fatalf("line %d: %d bytes that are no part of it", line.Number, len(line.Text))
		}
	}
}

// drawLog makes a log of lines of all lengths: many short ones, some longer than
// the distance of kept starts, some longer than a block.
func drawLog(t *rapid.T) string {
	random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
	var b strings.Builder
	for range rapid.IntRange(0, 25).Draw(t, "groups") {
		switch random.IntN(12) {
		case 0:
			b.WriteString(strings.Repeat("x", random.IntN(3*interval)))
		case 1:
			b.WriteString(strings.Repeat("yz", random.IntN(block*2/3)))
		case 2:
			b.WriteString(strings.Repeat("\n", random.IntN(2000)))
		case 3:
			b.WriteString("progress 1%\rprogress 100%\r")
		case 4:
			b.WriteString("\xff\xfe\x00 \x1b[31merror: \x1b[0m")
		default:
			for i := range random.IntN(400) {
				fmt.Fprintf(&b, "line %d %s\n", i, strings.Repeat("w", random.IntN(200)))
			}
		}
		if random.IntN(4) > 0 {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

func TestAnyWindowIsAPartOfTheSplitLog(t *testing.T) {
	t.Parallel()
	l := openLogs(t)
	attempt := int64(0)
	rapid.Check(t, func(rt *rapid.T) {
		attempt++
		text := drawLog(rt)
		// It grows in pieces, and is looked at in between.
		for end := 0; end < len(text); {
			n := min(rapid.IntRange(1, 2<<20).Draw(rt, "piece"), len(text)-end)
			mustAppend(t, l, attempt, int64(end), text[end:end+n])
			end += n
			if rapid.Bool().Draw(rt, "look") {
				v := open(t, l, attempt)
				if want := int64(len(split(text[:end]))); v.Lines() != want {
					rt.Fatalf("%d lines after %d bytes, want %d", v.Lines(), end, want)
				}
				v.Close()
			}
		}
		v := open(t, l, attempt)
		defer v.Close()
		all := split(text)
		if v.Lines() != int64(len(all)) || v.Size() != int64(len(text)) {
			rt.Fatalf("%d lines, %d bytes, want %d, %d", v.Lines(), v.Size(), len(all), len(text))
		}
		for range 10 {
			first := rapid.Int64Range(1, int64(len(all))+1).Draw(rt, "first")
			n := rapid.IntRange(1, 300).Draw(rt, "n")
			got, err := v.From(first, n)
			if err != nil {
				rt.Fatal(err)
			}
			if want := min(n, len(all)-int(first)+1); len(got) > want || len(got) == 0 && want > 0 {
				rt.Fatalf("%d lines from %d, want %d", len(got), first, want)
			}
			checkLines(rt, got, all, first)
			got, err = v.Before(first, n)
			if err != nil {
				rt.Fatal(err)
			}
			if want := min(n, int(first)-1); len(got) > want || len(got) == 0 && want > 0 {
				rt.Fatalf("%d lines before %d, want %d", len(got), first, want)
			}
			checkLines(rt, got, all, first-int64(len(got)))
		}
	})
}

func TestALookOutsideOfTheLogIsEmpty(t *testing.T) {
	t.Parallel()
	l := openLogs(t)
	mustAppend(t, l, 2, 0, "a\nb\n")
	for attempt, lines := range map[int64]int64{1: 0, 2: 2} {
		v := open(t, l, attempt)
		defer v.Close()
		if v.Lines() != lines {
			t.Errorf("%d lines, want %d", v.Lines(), lines)
		}
		past, err := v.From(3, 5)
		before, errBefore := v.Before(1, 5)
		if len(past)+len(before) > 0 || err != nil || errBefore != nil {
			t.Errorf("got %v, %v; %v, %v", past, err, before, errBefore)
		}
		if got, err := v.From(-5, 1<<40); int64(len(got)) != lines || err != nil {
			t.Errorf("from line -5 on: %v, %v", got, err)
		}
		if got, err := v.Before(1<<60, 1<<40); int64(len(got)) != lines || err != nil {
			t.Errorf("before line 2^60: %v, %v", got, err)
		}
	}
}

func TestLongLinesAreCut(t *testing.T) {
	t.Parallel()
	const huge = 10 << 20
	l := openLogs(t)
	mustAppend(t, l, 1, 0, "first\n"+strings.Repeat("x", huge)+"\n"+strings.Repeat("downloading 99%\r", huge/16)+"done\nlast")
	v := open(t, l, 1)
	defer v.Close()
	got, err := v.From(1, 10)
	if err != nil || len(got) != 4 {
		t.Fatalf("%d lines, %v", len(got), err)
	}
	for i, want := range []string{"first", strings.Repeat("x", MaxLine), "doneloading 99%", "last"} {
		if text := string(ansi.Plain(got[i].Text)); text != want {
			t.Errorf("line %d says %.40q (%d bytes)", i+1, text, len(text))
		}
	}
	if got[1].Size != huge {
		t.Errorf("line 2 has %d bytes", got[1].Size)
	}
}

func TestAWindowIsBoundedInBytes(t *testing.T) {
	t.Parallel()
	l := openLogs(t)
	mustAppend(t, l, 1, 0, strings.Repeat(strings.Repeat("x", MaxLine)+"\n", 500))
	v := open(t, l, 1)
	defer v.Close()
	from, err := v.From(10, 500)
	if err != nil || len(from) != maxWindow/MaxLine || from[0].Number != 10 {
		t.Errorf("%d lines from %d on, %v", len(from), from[0].Number, err)
	}
	before, err := v.Before(501, 500)
	if err != nil || len(before) != maxWindow/MaxLine || before[len(before)-1].Number != 500 {
		t.Errorf("%d lines, the last is %d, %v", len(before), before[len(before)-1].Number, err)
	}
}

// bigLog is a log of a few MB whose index is worth keeping.
func bigLog() string {
	var b strings.Builder
	for i := range 60_000 {
		fmt.Fprintf(&b, "[%d] compiling something with flags that make the line longer\n", i+1)
	}
	return b.String()
}

func TestTheIndexIsStoredAndNeverTrustedBlindly(t *testing.T) {
	t.Parallel()
	text := bigLog()
	other := strings.ReplaceAll(text, "compiling", "combining, as it were,")
	damage := map[string]func(t *testing.T, l *Logs) string{
		"nothing":         func(*testing.T, *Logs) string { return text },
		"index gone":      func(t *testing.T, l *Logs) string { return change(t, text, os.Remove(indexOf(l, 1))) },
		"index cut short": func(t *testing.T, l *Logs) string { return change(t, text, os.Truncate(indexOf(l, 1), 1000)) },
		"index emptied":   func(t *testing.T, l *Logs) string { return change(t, text, os.Truncate(indexOf(l, 1), 0)) },
		"index changed":   func(t *testing.T, l *Logs) string { return change(t, text, flip(indexOf(l, 1))) },
		"log cut short":   func(t *testing.T, l *Logs) string { return change(t, text[:1000], os.Truncate(pathOf(l, 1), 1000)) },
		"another log": func(t *testing.T, l *Logs) string {
			return change(t, other, os.WriteFile(pathOf(l, 1), []byte(other), 0o644))
		},
		"log of zeros": func(t *testing.T, l *Logs) string {
			return change(t, zeros, os.WriteFile(pathOf(l, 1), []byte(zeros), 0o644))
		},
		"index is a place": func(t *testing.T, l *Logs) string {
			return change(t, text, os.Remove(indexOf(l, 1)), os.Mkdir(indexOf(l, 1), 0o755))
		},
	}
	for name, do := range damage {
		t.Run(name, func(t *testing.T) {
			l := openLogs(t)
			mustAppend(t, l, 1, 0, text)
			open(t, l, 1).Close()
			if _, err := os.Stat(indexOf(l, 1)); err != nil {
				t.Fatalf("no index is stored: %v", err)
			}
			want := do(t, l)
			v := open(t, l, 1)
			defer v.Close()
			all := split(want)
			if v.Lines() != int64(len(all)) {
				t.Errorf("%d lines, want %d", v.Lines(), len(all))
			}
			for _, first := range []int64{1, int64(len(all))/2 + 1, int64(len(all))} {
				got, err := v.From(first, 100)
				if err != nil || len(got) == 0 {
					t.Fatalf("from %d: %d lines, %v", first, len(got), err)
				}
				checkLines(t, got, all, first)
			}
		})
	}
}

var zeros = strings.Repeat("\x00", 3<<20) + "\n"

// change gives the log that there is after something was done.
func change(t *testing.T, log string, done ...error) string {
	t.Helper()
	for _, err := range done {
		if err != nil {
			t.Fatal(err)
		}
	}
	return log
}

// flip changes one digit of a stored index, so that it is still JSON.
func flip(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	at := bytes.Index(text, []byte(`"offset":`)) + len(`"offset":`)
	text[at] = '1' + (text[at]-'0')%9
	return os.WriteFile(path, text, 0o644)
}

func TestAStoredIndexIsUsed(t *testing.T) {
	t.Parallel()
	l := openLogs(t)
	text := bigLog() + "==> ERROR: the only one"
	mustAppend(t, l, 1, 0, text)
	open(t, l, 1).Close()
	// A digit in the middle of the log changes nothing that an index that is used
	// would notice, but a new one would find another line.
	f, err := os.OpenFile(pathOf(l, 1), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	at := strings.Index(text, "[30000]")
	if _, err := f.WriteAt([]byte("\n"), int64(at)); err != nil || f.Close() != nil {
		t.Fatal(err)
	}
	v := open(t, l, 1)
	defer v.Close()
	if errs, found := v.Errors(); found != 1 || errs[0].Line != 60_001 {
		t.Errorf("errors %+v", errs)
	}
	if v.Lines() != 60_001 {
		t.Errorf("%d lines: the log was looked through again", v.Lines())
	}
}

func TestALogThatGrowsIsIndexedBeforeAnybodyAsks(t *testing.T) {
	t.Parallel()
	l := openLogs(t)
	text := bigLog()
	offset := int64(0)
	for offset < 2*indexStep {
		offset = mustAppend(t, l, 1, offset, text)
	}
	f, size, err := l.openFile(t.Context(), id(1))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if x := l.loadIndex(l.indexPath(id(1)), f, size); x.Scanned < offset-indexStep || len(x.Starts) == 0 {
		t.Errorf("the stored index goes to %d of %d", x.Scanned, offset)
	}
}

// TestALongLogTakesLittleMemory counts what the process allocates. It must not be
// parallel: then no other test runs meanwhile.
func TestALongLogTakesLittleMemory(t *testing.T) {
	l := openLogs(t)
	l.patient = time.Hour         // one search to the end, however busy the machine is
	mustAppend(t, l, 1, 0, "x\n") // makes the directory
	if err := os.WriteFile(pathOf(l, 1), bytes.Repeat([]byte(bigLog()), 15), 0o644); err != nil {
		t.Fatal(err)
	}
	allocated := func(do func()) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		do()
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	var v *View
	if n := allocated(func() { v = open(t, l, 1) }); n > 4<<20 {
		t.Errorf("%d bytes for the first look at %d", n, v.Size())
	}
	defer v.Close()
	if n := allocated(func() { searchAll(t, v, Query{Text: "NOT THERE", IgnoreCase: true}, 10) }); n > 4<<20 {
		t.Errorf("%d bytes for a search through %d", n, v.Size())
	}
	if n := allocated(func() {
		if lines, err := v.From(v.Lines()/2, 400); err != nil || len(lines) != 400 {
			t.Errorf("%d lines, %v", len(lines), err)
		}
	}); n > 1<<20 {
		t.Errorf("%d bytes for a window", n)
	}
}

func TestLookingWhileItGrows(t *testing.T) {
	t.Parallel()
	l := openLogs(t)
	const lines = 30_000
	var all sync.WaitGroup
	done := make(chan struct{})
	for range 3 {
		all.Go(func() {
			seen := int64(0)
			for over := false; !over; {
				select {
				case <-done:
					over = true
				default:
				}
				v := open(t, l, 1)
				if v.Lines() < seen {
					t.Errorf("%d lines, there were %d", v.Lines(), seen)
				}
				seen = v.Lines()
				got, err := v.Before(seen+1, 5)
				if err != nil {
					t.Error(err)
				}
				for _, line := range got {
					if want := "line " + strconv.FormatInt(line.Number, 10) + " error: of many"; line.Number < seen && string(line.Text) != want {
						t.Errorf("line %d says %q", line.Number, line.Text)
					}
				}
				if _, err := v.Search(t.Context(), Query{Text: "LINE 7 ", IgnoreCase: true}, 1, 5); err != nil {
					t.Error(err)
				}
				v.Close()
			}
			if seen != lines {
				t.Errorf("%d lines at the end", seen)
			}
		})
	}
	all.Go(func() {
		defer close(done)
		var b bytes.Buffer
		offset := int64(0)
		for i := range lines {
			fmt.Fprintf(&b, "line %d error: of many\n", i+1)
			if i%500 == 499 {
				offset = mustAppend(t, l, 1, offset, b.String())
				b.Reset()
			}
		}
	})
	all.Wait()
	v := open(t, l, 1)
	defer v.Close()
	errs, found := v.Errors()
	if found != maxFound || len(errs) != maxErrors || errs[0].Line != 1 || errs[maxErrors-lastKept-1].Line != maxErrors-lastKept || errs[maxErrors-1].Line != maxFound {
		t.Errorf("%d errors found, %d kept, from %+v to %+v", found, len(errs), errs[0], errs[len(errs)-1])
	}
}

func TestErrorsAndPhasesAreFound(t *testing.T) {
	t.Parallel()
	lines := []struct{ text, kind string }{
		{"==> Making package: zeppelin 7.4-1 (Wed 25 Nov 2026)", "phase"},
		{"\x1b[1m\x1b[32m==>\x1b(B\x1b[m\x1b[1m Starting build()...\x1b(B\x1b[m", "phase"},
		{"checking for error: handling... no-error:", "compiler"},
		{"cc -DMSG=no-error: -c x.c", ""},
		{"\x1b[01m\x1b[Kx.c:3:5:\x1b[m\x1b[K \x1b[01;31m\x1b[Kerror: \x1b[m\x1b[Kno such thing", "compiler"},
		{"x.c:3:5: fatal error: y.h: No such file or directory", "compiler"},
		{"error[E0432]: unresolved import `x`", "compiler"},
		{"configure: error: no acceptable C compiler found", "configure"},
		{"/usr/bin/ld: x.o: undefined reference to `frobnicate'", "linker"},
		{"collect2: error: ld returned 1 exit status", "linker"},
		{"make[2]: *** [Makefile:12: all] Error 1", "make"},
		{"ninja: build stopped: subcommand failed.", "make"},
		{"CMake Error at CMakeLists.txt:3 (find_package):", "cmake"},
		{"meson.build:7:0: ERROR: Dependency \"x\" not found", "other"},
		{"FAILED tests/test_x.py::test_y - AssertionError", "tests"},
		{"[  FAILED  ] Suite.Case (0 ms)", "tests"},
		{"test x::y ... FAILED", "tests"},
		{"--- FAIL: TestX (0.00s)", "tests"},
		{"# FAIL:  0", ""},
		{"not ok 3 - it floats", "tests"},
		{"not ok 3 - it floats # TODO later", ""},
		{" 3/12 suite:case FAIL 0.02s", "tests"},
		{"write: No space left on device", "disk"},
		{"cc1plus: out of memory allocating 65536 bytes", "memory"},
		{"Traceback (most recent call last):", "python"},
		{"thread 'main' panicked at src/main.rs:3", "rust"},
		{"/bin/sh: line 1: frob: command not found", "shell"},
		{"0 errors, 0 warnings", ""},
		{"==> ERROR: A failure occurred in build().", "makepkg"},
		{"    Aborting...", ""},
		{"==> Finished making: zeppelin 7.4-1", "phase"},
	}
	l := openLogs(t)
	offset := int64(0)
	for _, line := range lines { // one by one: half a line must not count
		offset = mustAppend(t, l, 1, offset, line.text[:len(line.text)/2])
		open(t, l, 1).Close()
		offset = mustAppend(t, l, 1, offset, line.text[len(line.text)/2:]+"\n")
	}
	v := open(t, l, 1)
	defer v.Close()
	errs, _ := v.Errors()
	kinds := map[int64]Mark{}
	for _, m := range append(slices.Clone(errs), v.Phases()...) {
		kinds[m.Line] = m
	}
	for i, line := range lines {
		m := kinds[int64(i+1)]
		if m.Kind != line.kind {
			t.Errorf("%q is of kind %q, want %q", line.text, m.Kind, line.kind)
		}
		if want := strings.TrimSpace(string(ansi.Plain([]byte(line.text)))); m.Kind != "" && m.Text != want {
			t.Errorf("%q is shown as %q", want, m.Text)
		}
	}
}

// Every rule's word must be in what its pattern finds, or it finds nothing.
func TestEveryRuleHasAWordOfItsPattern(t *testing.T) {
	t.Parallel()
	plain := regexp.MustCompile(`\\d\+|\(\?i\)|\\`)
	for _, r := range rules {
		if len(r.word) < 6 {
			t.Errorf("%q is short: it makes the search slow", r.word)
		}
		if p := plain.ReplaceAllString(r.pattern, ""); !strings.Contains(p, strings.TrimSpace(r.word)) {
			t.Errorf("%s: %q is not in %s", r.kind, r.word, r.pattern)
		}
	}
}

func FuzzIndex(f *testing.F) {
	f.Add([]byte("a\nb"), uint16(1))
	f.Add([]byte("\n\n\r\n\xff==> ERROR: x\n"), uint16(3))
	f.Add(bytes.Repeat([]byte("error: \n"), 20), uint16(7))
	f.Fuzz(func(t *testing.T, text []byte, cut uint16) {
		if len(text) == 0 {
			return
		}
		text = bytes.Repeat(text, 1+interval/len(text)) // so that starts are kept
		find := newFinder()
		var once, twice index
		if err := once.extend(t.Context(), find, bytes.NewReader(text), int64(len(text))); err != nil {
			t.Fatal(err)
		}
		for _, size := range []int{min(int(cut)*3, len(text)), len(text)} {
			if err := twice.extend(t.Context(), find, bytes.NewReader(text), int64(size)); err != nil {
				t.Fatal(err)
			}
		}
		if fmt.Sprint(once) != fmt.Sprint(twice) {
			t.Errorf("at once %+v, in two parts %+v", once, twice)
		}
		if want := int64(bytes.Count(text, newline)); once.Lines != want || !once.sound(bytes.NewReader(text)) {
			t.Errorf("%d lines, want %d: %+v", once.Lines, want, once)
		}
	})
}
