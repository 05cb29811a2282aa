package gitmirror_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"buildbtw"
	"buildbtw/git/gitmirror"
)

// What a PKGBUILD prints goes through exec, and no more of it is kept than is read.
// Not parallel: it measures what is allocated.
func TestAPkgbuildCannotFillTheMemoryOrTheMirror(t *testing.T) {
	needMakepkg(t)
	dir, m := t.TempDir(), openMirror(t)
	for slug, text := range map[string]string{
		"out": "head -c 300M /dev/zero\n" + testPKGBUILD, "err": "head -c 300M /dev/zero >&2\n" + testPKGBUILD,
	} {
		write(t, filepath.Join(dir, slug, "PKGBUILD"), text)
	}
	large := filepath.Join(dir, "large", ".SRCINFO")
	plainSource(t, filepath.Dir(large))
	write(t, large, "pkgbase = large\n")
	if err := os.Truncate(large, 52<<20); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	broken := syncDir(t, m, dir).Broken
	runtime.ReadMemStats(&after)
	if grown := (after.TotalAlloc - before.TotalAlloc) >> 20; grown > 40 {
		t.Errorf("%d MB were allocated for 600 MB of output", grown)
	}
	for _, slug := range []string{"out", "large"} {
		if err := broken[slug]; err == nil || !strings.Contains(buildbtw.MessageOf(err), "bytes") {
			t.Errorf("%s: %v, want how many bytes may be read", slug, err)
		}
	}
	if broken["err"] != nil || len(broken) != 2 {
		t.Errorf("broken: %v", broken)
	}
	if tips := tipsOf(t, m); len(tips) != 1 {
		t.Errorf("committed: %v, want the one that only wrote to its log", tips)
	}
}

// Git would load a whole object to print it: it is asked for the size first.
func TestWhatIsTooLargeIsNotLoadedByGitEither(t *testing.T) {
	t.Parallel()
	dir, m := t.TempDir(), openMirror(t)
	newSource(t, filepath.Join(dir, "a"), "x")
	blob := commitFile(t, filepath.Join(dir, "a"), ".SRCINFO", strings.Repeat("x", gitmirror.MaxSrcinfo+1))
	write(t, filepath.Join(dir, "message"), strings.Repeat("x", gitmirror.MaxSrcinfo+1))
	write(t, filepath.Join(dir, "a", ".SRCINFO"), "small")
	gitIn(t, filepath.Join(dir, "a"), "commit", "--quiet", "-a", "-F", filepath.Join(dir, "message"))
	message := gitIn(t, filepath.Join(dir, "a"), "rev-parse", "HEAD")
	mustSync(t, m, dir)
	asked := m.ReadsWhole(t.Context(), blob+":.SRCINFO", message)
	if len(asked) != 0 {
		t.Errorf("whole contents of %v were asked for", asked)
	}
	infos, err := m.ReadSrcinfos(t.Context(), []string{blob, message})
	if err != nil || buildbtw.KindOf(infos[blob].Err) != buildbtw.KindTooLarge || buildbtw.KindOf(infos[message].Err) != buildbtw.KindTooLarge {
		t.Errorf("%v, %v, %v", err, infos[blob].Err, infos[message].Err)
	}
}
