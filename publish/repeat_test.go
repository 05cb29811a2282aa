package publish_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"buildbtw"
	"buildbtw/pacman/alpm"
	"buildbtw/publish"
	"buildbtw/scheduler/schedulertest"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

// made is what one build makes: a package of lib for each name, with a file of that content.
type made struct {
	pkgname, content string
	buildInfo        string
}

// packageOf is a package file as makepkg makes one, with one file.
func packageOf(t *testing.T, m made) []byte {
	t.Helper()
	var b bytes.Buffer
	packed, err := zstd.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	archive := tar.NewWriter(packed)
	for _, f := range [][2]string{
		{".BUILDINFO", "format = 2\npkgname = " + m.pkgname + "\n" + m.buildInfo},
		{".PKGINFO", fmt.Sprintf("pkgname = %s\npkgbase = lib\npkgver = 1-1\narch = x86_64\nsize = %d\n", m.pkgname, len(m.content))},
		{"usr/share/" + m.pkgname, m.content},
	} {
		h := &tar.Header{Name: f[0], Mode: 0o644, Size: int64(len(f[1])), ModTime: time.Unix(1_700_000_000, 0), Typeflag: tar.TypeReg}
		if err := archive.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := archive.Write([]byte(f[1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	if err := packed.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// uploaded uploads packages of a claimed build, and returns what its worker reports.
func (f *fixture) uploaded(t *testing.T, c *store.Claimed, packages []made, installed ...string) publish.Report {
	t.Helper()
	r := publish.Report{Outcome: buildbtw.OutcomeBuilt}
	for _, m := range packages {
		path := filepath.Join(t.TempDir(), alpm.Filename(m.pkgname, "1-1", "x86_64", "zst"))
		if err := os.WriteFile(path, packageOf(t, m), 0o600); err != nil {
			t.Fatal(err)
		}
		r.Files = append(r.Files, f.upload(t, c, path))
	}
	for _, line := range installed {
		p, err := alpm.ParseInstalled(line)
		if err != nil {
			t.Fatal(err)
		}
		r.Installed = append(r.Installed, p)
	}
	return r
}

// repeating is a server on which lib was built, and is being built a second time.
func repeating(t *testing.T, first []made, installed ...string) (f *fixture, lib, second *store.Claimed) {
	t.Helper()
	db := storetest.NewWith(t, func(o *store.Options) { o.CanCompare, o.Reproduce = true, true })
	f = &fixture{Server: schedulertest.NewOn(t, db)}
	var srcinfo strings.Builder
	srcinfo.WriteString("pkgbase = lib\n\tpkgver = 1\n\tpkgrel = 1\n\tarch = x86_64\n")
	for _, m := range first {
		if !strings.HasSuffix(m.pkgname, "-debug") { // nobody promises it
			srcinfo.WriteString("\npkgname = " + m.pkgname + "\n")
		}
	}
	f.Push(t, "lib", srcinfo.String())
	f.Space(t, "work", "lib")
	f.Pass(t, "sync", "iterate")
	lib = f.DB.Claim(t, "one")
	f.finish(t, lib, f.uploaded(t, lib, first, installed...))
	f.Pass(t, "repeat", "compare", "rescue")
	second = f.DB.Claim(t, "two")
	if second == nil || second.Build.RepeatOf != lib.Build.ID {
		t.Fatalf("claimed %+v, want the second build of lib", second)
	}
	f.Pass(t, "repeat", "compare", "rescue") // leave it running
	return f, lib, second
}

func (f *fixture) finish(t *testing.T, c *store.Claimed, r publish.Report) {
	t.Helper()
	status, err := f.Publisher.Finish(t.Context(), c.Attempt.Lease, r)
	if err != nil || status != buildbtw.StatusBuilt {
		t.Fatalf("finish build %d: %s, %v", c.Build.ID, status, err)
	}
}

// wantRepeat compares what is known of the second build of lib, whose packages must be gone, while
// those of the first are as they were.
func (f *fixture) wantRepeat(t *testing.T, lib *store.Claimed, want buildbtw.RepeatResult, lines ...string) {
	t.Helper()
	all, err := f.Store.Repeats(t.Context(), []int64{lib.Build.ID})
	if err != nil {
		t.Fatal(err)
	}
	r := all[lib.Build.ID]
	if r.Result != want || len(r.Lines) != len(lines) {
		t.Fatalf("%s, %q; want %s, %q", r.Result, r.Lines, want, lines)
	}
	for i, line := range lines {
		if !strings.Contains(r.Lines[i], line) {
			t.Errorf("line %d is %q, want %q in it", i, r.Lines[i], line)
		}
	}
	if staged, err := f.Repos.Staged(); err != nil || len(staged) != 0 {
		t.Errorf("packages of the second build stay behind: %v %v", staged, err)
	}
	if s := f.DB.Statuses(t, "work"); s["lib"] != buildbtw.StatusBuilt {
		t.Errorf("builds: %v", s)
	}
	f.DB.Check(t)
}

// TestSecondBuildsAreCompared: what two builds made, and what is said of it.
func TestSecondBuildsAreCompared(t *testing.T) {
	t.Parallel()
	one := []made{{pkgname: "lib", content: "hello"}, {pkgname: "lib-docs", content: "docs"}}
	changed := func(change func([]made)) []made {
		list := slices.Clone(one)
		change(list)
		return list
	}
	for name, c := range map[string]struct {
		first, second       []made
		firstHad, secondHad []string
		want                buildbtw.RepeatResult
		lines               []string
	}{
		"the same": {first: one, second: one, want: buildbtw.RepeatSame},
		"the same, with other packages installed": {
			first: one, second: one, firstHad: []string{"gcc 14-1"}, secondHad: []string{"gcc 15-1"}, want: buildbtw.RepeatSame,
		},
		"other content": {
			first: one, second: changed(func(l []made) { l[0].content = "hallo" }), want: buildbtw.RepeatOther,
			lines: []string{`lib-1-1-x86_64.pkg.tar.zst: usr/share/lib: content differs at byte 1: "ello", and "allo"`},
		},
		"both packages": {
			first: one, second: changed(func(l []made) { l[0].content, l[1].content = "hallo", "longer" }), want: buildbtw.RepeatOther,
			lines: []string{"lib-1-1-x86_64.pkg.tar.zst: usr/share/lib: content", "lib-docs-1-1-x86_64.pkg.tar.zst: usr/share/lib-docs: size 4, and 6"},
		},
		"only in .BUILDINFO": {
			first: one, second: changed(func(l []made) { l[0].buildInfo = "builddir = /other\n" }), want: buildbtw.RepeatOther,
			lines: []string{"lib-1-1-x86_64.pkg.tar.zst: .BUILDINFO: size"},
		},
		"other content, with other packages installed": {
			first: one, second: changed(func(l []made) { l[0].content = "hallo" }), want: buildbtw.RepeatFailed,
			firstHad: []string{"gcc 14-1", "gone 1-1"}, secondHad: []string{"gcc 15-1"},
			lines: []string{"other packages were installed", "gcc 14-1 → 15-1", "gone 1-1 → not installed"},
		},
		"a further package in the second": {
			first: one, second: append(slices.Clone(one), made{pkgname: "lib-debug", content: "x"}), want: buildbtw.RepeatOther,
			lines: []string{"lib-debug-1-1-x86_64.pkg.tar.zst: only the second build made it"},
		},
		"a package that the second has not": {
			first: append(slices.Clone(one), made{pkgname: "lib-debug", content: "x"}), second: one, want: buildbtw.RepeatOther,
			lines: []string{"lib-debug-1-1-x86_64.pkg.tar.zst: only the first build made it"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, lib, second := repeating(t, c.first, c.firstHad...)
			report := f.uploaded(t, second, c.second, c.secondHad...)
			for range 2 { // the second time because the answer was lost
				f.finish(t, second, report)
			}
			f.wantRepeat(t, lib, c.want, c.lines...)
			if _, err := f.Repos.Verify(t.Context(), "work_1"); err != nil {
				t.Error(err)
			}
			f.Pass(t, "repeat")
			if again := f.DB.Claim(t, "two"); again != nil {
				t.Errorf("build %d is begun after the result", again.Build.ID)
			}
		})
	}
}

// TestComparisonAfterACrash: what was to be compared when the server ended is compared afterwards, by the loop of
// second builds; the start does not wait for it.
func TestComparisonAfterACrash(t *testing.T) {
	t.Parallel()
	first := []made{{pkgname: "lib", content: "hello"}}
	f, lib, second := repeating(t, first)
	report := f.uploaded(t, second, []made{{pkgname: "lib", content: "hallo"}})
	if _, err := f.Store.BeginPublish(t.Context(), second.Attempt.Lease, report.Files); err != nil {
		t.Fatal(err)
	}
	f.Restart(t)
	f.DB.Clock.Advance(time.Hour) // much longer than the lease
	if err := f.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s := standingOf(t, f, second.Build.ID); s != buildbtw.StatusBuilding {
		t.Fatalf("the second build is %s after the start", s)
	}
	f.Pass(t, "repeat")
	f.wantRepeat(t, lib, buildbtw.RepeatOther, "usr/share/lib: content differs")
	f.finish(t, second, report) // its worker asks once more
}

// TestFilesOfAComparisonThatAreGone: the digests still tell that the bytes differ, and the lines say
// which file cannot be looked into.
func TestFilesOfAComparisonThatAreGone(t *testing.T) {
	t.Parallel()
	first, other := []made{{pkgname: "lib", content: "hello"}}, []made{{pkgname: "lib", content: "hallo"}}
	for _, gone := range []string{"first", "second"} {
		t.Run(gone, func(t *testing.T) {
			t.Parallel()
			f, lib, second := repeating(t, first)
			report := f.uploaded(t, second, other)
			root := filepath.Join(f.Sources, "..")
			removed := 0
			sum := sha256.Sum256(packageOf(t, map[string]made{"first": first[0], "second": other[0]}[gone]))
			digest := hex.EncodeToString(sum[:])
			err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
				if err != nil || !d.Type().IsRegular() {
					return err
				}
				data, err := os.ReadFile(path)
				if err != nil {
					return err
				}
				if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) == digest {
					removed++
					return os.Remove(path)
				}
				return nil
			})
			if err != nil || removed == 0 {
				t.Fatalf("%d files removed, %v", removed, err)
			}
			f.finish(t, second, report)
			f.wantRepeat(t, lib, buildbtw.RepeatOther, "the bytes differ; where cannot be said: the "+gone+" package is not there any more")
		})
	}
}

// TestComparisonWithWhatIsBuiltAgain: a second build that ends after its first was given up is compared with nothing.
func TestComparisonWithWhatIsBuiltAgain(t *testing.T) {
	t.Parallel()
	first := []made{{pkgname: "lib", content: "hello"}}
	f, lib, second := repeating(t, first)
	report := f.uploaded(t, second, first)
	packages, err := f.Store.BuildPackages(t.Context(), lib.Build.ID)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := f.Store.RebuildLost(t.Context(), lib.Build.ID, packages); !again || err != nil {
		t.Fatal(again, err)
	}
	f.finish(t, second, report)
	if s := standingOf(t, f, lib.Build.ID); s != buildbtw.StatusPending {
		t.Errorf("lib is %s", s)
	}
	sides, ok, err := f.Store.RepeatSides(t.Context(), second.Build.ID)
	if ok || err != nil {
		t.Errorf("%+v, %v, %v", sides, ok, err)
	}
	f.DB.Check(t)
}

func standingOf(t *testing.T, f *fixture, id int64) buildbtw.Status {
	t.Helper()
	row, err := f.Store.Build(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return row.Status
}
