package handover_test

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"buildbtw"
	"buildbtw/store"
)

// What follows is a second program that knows nothing of the first: it reads the files as
// they lie on disk and compares names as a person would.

// desc is the fields of a package.
type desc map[string][]string

func (d desc) one(field string) string { return strings.Join(d[field], " ") }

// readDatabase reads a database as pacman does.
func readDatabase(t *testing.T, path string) map[string]desc {
	t.Helper()
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var r io.Reader
	if strings.HasSuffix(path, ".db") {
		r, err = gzip.NewReader(f)
	} else {
		r, err = zstd.NewReader(f)
	}
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]desc{}
	for archive := tar.NewReader(r); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(h.Name, "/desc") {
			continue
		}
		text, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		d := desc{}
		for _, block := range strings.Split(string(text), "\n\n") {
			lines := strings.Split(strings.TrimSpace(block), "\n")
			d[strings.Trim(lines[0], "%")] = lines[1:]
		}
		if d["BASE"] == nil {
			d["BASE"] = d["NAME"]
		}
		all[d.one("NAME")] = d
	}
}

// state is what users of the targets see: target and bytes are those of the first one.
type state struct {
	target map[string]desc
	bytes  string
	all    map[string]shown // by target
}

// shown is what a target has, and what those who use it miss.
type shown struct {
	own   map[string]desc
	bytes string   // of its database
	unmet []string // "app needs lib"
}

// root is where the repository of a target lies.
func (f *fixture) root(t buildbtw.Target) string {
	switch t.Kind {
	case buildbtw.TargetPkgctl:
		return filepath.Join(f.dir, "base")
	case buildbtw.TargetDirectory:
		return filepath.Join(t.Path, "os", "x86_64")
	}
	return filepath.Join(f.dir, "targets", t.Name, "current", "os", "x86_64")
}

func (f *fixture) database(t buildbtw.Target) string {
	if t.Kind == buildbtw.TargetPkgctl {
		return filepath.Join(f.root(t), "core.db")
	}
	return filepath.Join(f.root(t), t.Name+".db.tar.zst")
}

func (f *fixture) state() state {
	f.t.Helper()
	s := state{all: map[string]shown{}}
	for i, t := range f.targets {
		one := shown{own: readDatabase(f.t, f.database(t)), unmet: f.unmet(t)}
		if text, err := os.ReadFile(f.database(t)); err == nil {
			one.bytes = string(text)
		}
		s.all[t.Name] = one
		if i == 0 {
			s.target, s.bytes = one.own, one.bytes
		}
	}
	return s
}

// unmet returns what packages miss that users of a target see: its own, those of the target
// behind it, and those of the base, the first of a name.
func (f *fixture) unmet(t buildbtw.Target) (list []string) {
	f.t.Helper()
	before := []buildbtw.Target{t}
	for _, behind := range f.targets {
		if behind.Name == t.After {
			before = append(before, behind)
		}
	}
	view := readDatabase(f.t, filepath.Join(f.dir, "base", "core.db"))
	slices.Reverse(before)
	for _, t := range before {
		own := readDatabase(f.t, f.database(t))
		for name, d := range view {
			for _, mine := range own {
				if mine.one("BASE") == d.one("BASE") || mine.one("NAME") == name {
					delete(view, name)
				}
			}
		}
		maps.Copy(view, own)
	}
	for name, d := range view {
		for _, need := range d["DEPENDS"] {
			met := false
			for _, other := range view {
				offers := append([]string{other.one("NAME"), other.one("NAME") + "=" + other.one("VERSION")}, other["PROVIDES"]...)
				met = met || slices.Contains(offers, need)
				if name, limit, ok := strings.Cut(need, "<"); ok && other.one("NAME") == name {
					met = met || below(other.one("VERSION"), limit)
				}
			}
			if !met {
				list = append(list, name+" needs "+need)
			}
		}
	}
	slices.Sort(list)
	return list
}

// below reports whether a version of numbers with points, and any pkgrel, is lower than another.
func below(version, limit string) bool {
	number := func(v string) []int {
		v, _, _ = strings.Cut(v, "-")
		var list []int
		for _, part := range strings.Split(v, ".") {
			n, _ := strconv.Atoi(part)
			list = append(list, n)
		}
		return list
	}
	return slices.Compare(number(version), number(limit)) < 0
}

// checkAfter checks a release: nobody misses anything new but by a decision, its target has what it had without
// what was replaced, and the set; the one that it was taken from has the rest, and all others
// what they had. Every file has the digest that its database says.
func (f *fixture) checkAfter(r store.ReleaseRow, before state) {
	f.t.Helper()
	now := f.state()
	units, err := f.Store.ReleaseUnits(f.t.Context(), r.ID)
	f.must(err)
	waivers, err := f.Store.Waivers(f.t.Context(), "work")
	f.must(err)
	for _, t := range f.targets {
		for _, line := range now.all[t.Name].unmet {
			name, _, _ := strings.Cut(line, " ")
			given := slices.ContainsFunc(waivers, func(w buildbtw.Waiver) bool { return w.Kind == buildbtw.WaiverBreak && w.Name == name })
			if !given && !slices.Contains(before.all[t.Name].unmet, line) {
				f.t.Errorf("after release %d, for users of %s, %s, and nothing has it", r.ID, t.Name, line)
			}
		}
		want := map[string]string{} // version by pkgname
		for name, d := range before.all[t.Name].own {
			goes := slices.ContainsFunc(units, func(u buildbtw.ReleaseUnit) bool { return u.Goes && u.Pkgbase == d.one("BASE") })
			if !goes || t.Name != r.Target && t.Name != r.FromTarget {
				want[name] = d.one("VERSION")
			}
		}
		for _, u := range units {
			for _, name := range u.Pkgnames {
				if t.Name == r.Target {
					want[name] = u.Version
				}
			}
		}
		f.wants(t, now, want, fmt.Sprintf("after release %d", r.ID))
	}
}

// wants checks that a target has these versions, by pkgname, and the files of them.
func (f *fixture) wants(t buildbtw.Target, now state, want map[string]string, when string) {
	f.t.Helper()
	got := map[string]string{}
	for name, d := range now.all[t.Name].own {
		got[name] = d.one("VERSION")
		if t.Kind != buildbtw.TargetPkgctl { // the tests make databases only of those
			f.checkFile(t, d)
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		f.t.Errorf("%s %s has (-want +got):\n%s", when, t.Name, d)
	}
}

// withdraw withdraws a release, and checks that all targets show the bytes of before, and have
// the files.
func (f *fixture) withdraw(id int64, before state) {
	f.t.Helper()
	row, err := f.Withdraw(f.t.Context(), "bob", id, true)
	f.must(err)
	if row.State != buildbtw.ReleaseWithdrawn {
		f.t.Errorf("withdrawn, release %d is %s", id, row.State)
	}
	now := f.state()
	for _, t := range f.targets {
		if t.Kind == buildbtw.TargetServed && now.all[t.Name].bytes != before.all[t.Name].bytes {
			f.t.Errorf("release %d is withdrawn, and %s has not the bytes of before", id, t.Name)
		}
		want := map[string]string{}
		for name, d := range before.all[t.Name].own {
			want[name] = d.one("VERSION")
			if is := now.all[t.Name].own[name]; is.one("SHA256SUM") != d.one("SHA256SUM") || is.one("FILENAME") != d.one("FILENAME") {
				want[name] += " as " + d.one("FILENAME")
			}
		}
		f.wants(t, now, want, fmt.Sprintf("with release %d withdrawn", id))
	}
}

func (f *fixture) checkFile(t buildbtw.Target, d desc) {
	f.t.Helper()
	data, err := os.ReadFile(filepath.Join(f.root(t), d.one("FILENAME")))
	f.must(err)
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != d.one("SHA256SUM") {
		f.t.Errorf("%s of %s is not the file that the database lists", d.one("FILENAME"), t.Name)
	}
}
