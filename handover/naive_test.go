package handover_test

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
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
	if strings.HasSuffix(path, "core.db") {
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

// state is what users of the target see.
type state struct {
	target, view map[string]desc
	unmet        []string // "app needs lib"
	bytes        string   // of the target's database
}

func (f *fixture) state() state {
	f.t.Helper()
	s := state{view: readDatabase(f.t, filepath.Join(f.dir, "base", "core.db"))}
	path := filepath.Join(f.dir, "targets", "stable", "current", "os", "x86_64", "stable.db.tar.zst")
	s.target = readDatabase(f.t, path)
	if text, err := os.ReadFile(path); err == nil {
		s.bytes = string(text)
	}
	for name, d := range s.view {
		for _, mine := range s.target {
			if mine.one("BASE") == d.one("BASE") || mine.one("NAME") == name {
				delete(s.view, name)
			}
		}
	}
	for name, d := range s.target {
		s.view[name] = d
	}
	for name, d := range s.view {
		for _, need := range d["DEPENDS"] {
			met := false
			for _, other := range s.view {
				offers := append([]string{other.one("NAME"), other.one("NAME") + "=" + other.one("VERSION")}, other["PROVIDES"]...)
				met = met || slices.Contains(offers, need)
			}
			if !met {
				s.unmet = append(s.unmet, name+" needs "+need)
			}
		}
	}
	slices.Sort(s.unmet)
	return s
}

// checkAfter checks a release: no new unmet dependency, the target has what it had without
// what was replaced, and the set; every file has the digest that the database says.
func (f *fixture) checkAfter(r store.ReleaseRow, before state) {
	f.t.Helper()
	now := f.state()
	for _, line := range now.unmet {
		if !slices.Contains(before.unmet, line) {
			f.t.Errorf("after release %d %s, and nothing has it", r.ID, line)
		}
	}
	units, err := f.Store.ReleaseUnits(f.t.Context(), r.ID)
	f.must(err)
	want := map[string]string{} // version by pkgname
	for name, d := range before.target {
		if !slices.ContainsFunc(units, func(u buildbtw.ReleaseUnit) bool { return u.Goes && u.Pkgbase == d.one("BASE") }) {
			want[name] = d.one("VERSION")
		}
	}
	for _, u := range units {
		for _, name := range u.Pkgnames {
			want[name] = u.Version
		}
	}
	got := map[string]string{}
	for name, d := range now.target {
		got[name] = d.one("VERSION")
		f.checkFile(d)
	}
	if d := cmp.Diff(want, got); d != "" {
		f.t.Errorf("after release %d the target has (-want +got):\n%s", r.ID, d)
	}
}

func (f *fixture) checkFile(d desc) {
	f.t.Helper()
	data, err := os.ReadFile(filepath.Join(f.dir, "targets", "stable", "current", "os", "x86_64", d.one("FILENAME")))
	f.must(err)
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != d.one("SHA256SUM") {
		f.t.Errorf("%s is not the file that the database lists", d.one("FILENAME"))
	}
}
