package backup_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/backup"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

// data is a data directory with a database that is in use, and some files.
func data(t *testing.T) (*storetest.DB, string) {
	t.Helper()
	db := storetest.New(t)
	dir := filepath.Dir(db.Path)
	if filepath.Base(db.Path) != "buildbtw.sqlite" {
		t.Fatalf("the database is called %s", db.Path)
	}
	for name, text := range map[string]string{
		"repos/work_1/os/x86_64/lib-1-1-x86_64.pkg.tar.zst":   "lib",
		"repos/work_1/os/x86_64/work.db.tar.zst":              "database",
		"logs/0/1-ab.log":                                     "one line\n",
		"sources.git/HEAD":                                    "ref: refs/heads/main\n",
		"sources.git/objects/pack/pack-1.pack":                "objects",
		"sources.git/objects/pack/tmp_pack_x":                 "unfinished",
		"blobs/aa/aab":                                        "of a later version",
		"workers/local-1/secret":                              "a secret",
		"staging/1-ab/.buildbtw-tmp-1":                        "unfinished",
		"before-migration/20260101T000000-schema-0001.sqlite": "old",
	} {
		write(t, filepath.Join(dir, name), text)
	}
	if err := os.Symlink("work.db.tar.zst", filepath.Join(dir, "repos/work_1/os/x86_64/work.db")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "logs/outside")); err != nil {
		t.Fatal(err)
	}
	released := filepath.Join(dir, "targets/stable/1/os/x86_64")
	if err := os.MkdirAll(released, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(filepath.Join(dir, "repos/work_1/os/x86_64/lib-1-1-x86_64.pkg.tar.zst"), filepath.Join(released, "lib-1-1-x86_64.pkg.tar.zst")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("1", filepath.Join(dir, "targets/stable/current")); err != nil {
		t.Fatal(err)
	}
	return db, dir
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// clock ticks by a second at each call, so that every backup has a name of its own.
func clock() func() time.Time {
	now := storetest.Start()
	return func() time.Time { now = now.Add(time.Second); return now }
}

func info(t *testing.T, path string) fs.FileInfo {
	t.Helper()
	i, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// files lists what is below a directory, with contents and links.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if to, err := os.Readlink(path); err == nil {
			found[name] = "-> " + to
			return nil
		}
		text, err := os.ReadFile(path)
		if !strings.HasPrefix(name, "buildbtw.sqlite") {
			found[name] = string(text)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestABackupSaysWhatLiesInObjectStorage(t *testing.T) {
	t.Parallel()
	db, dir := data(t)
	for _, o := range []store.MovedObject{{Key: "logs/1-ab.log.zst", Bytes: 3 << 20}, {Key: "logs/2-ab.log.zst", Bytes: 1}} {
		if err := db.NoteObject(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	place := filepath.Join(t.TempDir(), "backups")
	written, err := backup.Write(t.Context(), dir, place, backup.Options{Now: clock(), Version: "1.2"})
	if err != nil || !slices.ContainsFunc(written.Left, func(s string) bool { return strings.HasPrefix(s, "2 files in object storage, 4 MiB") }) {
		t.Errorf("left out: %q (%v)", written.Left, err)
	}
}

func TestBackupAndRestoreOfADirectoryInUse(t *testing.T) {
	t.Parallel()
	db, dir := data(t)
	db.Iterate(t, db.NewBuildspace(t, "work"), storetest.Plan("lib", "app: lib"))
	place := filepath.Join(t.TempDir(), "backups")
	o := backup.Options{Now: clock(), Version: "1.2"}
	first, err := backup.Write(t.Context(), dir, place, o)
	if err != nil {
		t.Fatal(err)
	}
	if len(first.Left) != 1 || !strings.Contains(first.Left[0], "logs/outside") {
		t.Errorf("left out: %q", first.Left)
	}
	if checked, err := backup.Verify(t.Context(), place, o); err != nil || checked.Dir != first.Dir || checked.Files != first.Files {
		t.Errorf("verified %+v, %v", checked, err)
	}
	err = filepath.WalkDir(place, func(path string, _ fs.DirEntry, err error) error {
		if err == nil && info(t, path).Mode().Perm()&0o077 != 0 {
			t.Errorf("others may read %s", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}

	to := filepath.Join(t.TempDir(), "new", "data")
	restored, err := backup.Restore(t.Context(), place, to, o)
	if err != nil || restored.Schema == 0 || !restored.Made.Equal(first.Made) || restored.Version != "1.2" || restored.Aside != "" {
		t.Fatalf("restored %+v, %v", restored, err)
	}
	want := files(t, dir)
	for _, name := range []string{"logs/outside", "sources.git/objects/pack/tmp_pack_x", "workers/local-1/secret", "staging/1-ab/.buildbtw-tmp-1", "before-migration/20260101T000000-schema-0001.sqlite"} {
		delete(want, name)
	}
	if got := files(t, to); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("restored %v, want %v", got, want)
	}
	lib, released := "repos/work_1/os/x86_64/lib-1-1-x86_64.pkg.tar.zst", "targets/stable/1/os/x86_64/lib-1-1-x86_64.pkg.tar.zst"
	if a, b := info(t, filepath.Join(to, lib)), info(t, filepath.Join(to, released)); !os.SameFile(a, b) {
		t.Error("two names of one file take the space of two")
	}
	if a, b := info(t, filepath.Join(to, lib)), info(t, filepath.Join(dir, lib)); a.Mode() != b.Mode() || !a.ModTime().Equal(b.ModTime()) {
		t.Errorf("mode and time are %s %s, want %s %s", a.Mode(), a.ModTime(), b.Mode(), b.ModTime())
	}
	s, err := store.Open(t.Context(), filepath.Join(to, "buildbtw.sqlite"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if builds, _, err := s.Builds(t.Context(), store.BuildFilter{Buildspace: "work"}); err != nil || len(builds) != 2 {
		t.Errorf("%d builds, %v", len(builds), err)
	}
}

func TestASecondBackupCopiesOnlyWhatChanged(t *testing.T) {
	t.Parallel()
	_, dir := data(t)
	place, o := t.TempDir(), backup.Options{Now: clock(), Keep: 2}
	first, err := backup.Write(t.Context(), dir, place, o)
	if err != nil {
		t.Fatal(err)
	}
	lib, log := "repos/work_1/os/x86_64/lib-1-1-x86_64.pkg.tar.zst", "logs/0/1-ab.log"
	write(t, filepath.Join(dir, log), "one line\nanother\n")
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(filepath.Join(dir, "blobs/aa/aab"), later, later); err != nil { // touched, with the same content
		t.Fatal(err)
	}
	second, err := backup.Write(t.Context(), dir, place, o)
	if err != nil {
		t.Fatal(err)
	}
	if second.Copied != 2 || second.Files != first.Files { // database and log
		t.Errorf("copied %d of %d files, want 2 of %d", second.Copied, second.Files, first.Files)
	}
	for name, same := range map[string]bool{lib: true, "blobs/aa/aab": true, log: false} {
		if os.SameFile(info(t, filepath.Join(first.Dir, name)), info(t, filepath.Join(second.Dir, name))) != same {
			t.Errorf("%s is the same file: %t, want %t", name, !same, same)
		}
	}
	if text, err := os.ReadFile(filepath.Join(first.Dir, log)); err != nil || string(text) != "one line\n" {
		t.Errorf("the first backup has %q, %v", text, err)
	}
	// Of the same size and time, as a build made again can be.
	before := info(t, filepath.Join(dir, lib))
	if err := os.Remove(filepath.Join(dir, lib)); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, lib), "LIB")
	if err := os.Chtimes(filepath.Join(dir, lib), before.ModTime(), before.ModTime()); err != nil {
		t.Fatal(err)
	}
	third, err := backup.Write(t.Context(), dir, place, o)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(third.Dir, lib)); err != nil || string(text) != "LIB" {
		t.Errorf("the third backup has %q, %v", text, err)
	}
	list, err := backup.List(place)
	if err != nil || !slices.Equal(list, []string{second.Dir, third.Dir}) {
		t.Errorf("kept %v, %v", list, err)
	}
	for _, one := range list {
		if s, err := backup.Verify(t.Context(), one, o); err != nil {
			t.Errorf("%s: %v, %v", one, s.Left, err)
		}
	}
}

func TestDamageOfABackupIsFound(t *testing.T) {
	t.Parallel()
	_, dir := data(t)
	lib, log := "repos/work_1/os/x86_64/lib-1-1-x86_64.pkg.tar.zst", "logs/0/1-ab.log"
	for name, test := range map[string]struct {
		damage   func(t *testing.T, of string)
		says     string
		restores bool // with the file left out
	}{
		"a file is cut":     {func(t *testing.T, of string) { truncate(t, filepath.Join(of, lib), 1) }, lib + " has 1 bytes instead of 3", true},
		"a bit is another":  {func(t *testing.T, of string) { write(t, filepath.Join(of, log), "One line\n") }, log + " has another content", true},
		"a file is gone":    {func(t *testing.T, of string) { remove(t, filepath.Join(of, log)) }, log + " is missing", true},
		"the manifest ends": {func(t *testing.T, of string) { truncate(t, filepath.Join(of, "MANIFEST"), 500) }, "its end is missing", false},
		"the manifest is another": {func(t *testing.T, of string) {
			text, err := os.ReadFile(filepath.Join(of, "MANIFEST"))
			if err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(of, "MANIFEST"), strings.Replace(string(text), log, "../../../x.log", 1))
		}, "its digest is another", false},
		"no manifest":          {func(t *testing.T, of string) { remove(t, filepath.Join(of, "MANIFEST")) }, "it has no file MANIFEST", false},
		"the database is cut":  {func(t *testing.T, of string) { truncate(t, filepath.Join(of, "buildbtw.sqlite"), 8192) }, "database of the backup is damaged", false},
		"the database is gone": {func(t *testing.T, of string) { remove(t, filepath.Join(of, "buildbtw.sqlite")) }, "buildbtw.sqlite is missing", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			place, o := t.TempDir(), backup.Options{Now: clock()}
			made, err := backup.Write(t.Context(), dir, place, o)
			if err != nil {
				t.Fatal(err)
			}
			test.damage(t, made.Dir)
			s, err := backup.Verify(t.Context(), place, o)
			if said := fmt.Sprint(s.Left, err); err == nil || !strings.Contains(said, test.says) {
				t.Errorf("verify says %s, want %q", said, test.says)
			}
			to := t.TempDir()
			restored, err := backup.Restore(t.Context(), place, to, o)
			if (err == nil) != test.restores || test.restores && len(restored.Left) == 0 {
				t.Errorf("restored %+v, %v", restored, err)
			}
			if err != nil && len(files(t, to)) != 0 {
				t.Errorf("a restore that was refused left %v", files(t, to))
			}
			// The next backup is not spoiled by it.
			if next, err := backup.Write(t.Context(), dir, place, o); err != nil {
				t.Error(err)
			} else if test.says != log+" has another content" { // bytes of a link are not read again
				if s, err := backup.Verify(t.Context(), next.Dir, o); err != nil {
					t.Errorf("the next backup: %v, %v", s.Left, err)
				}
			}
		})
	}
}

func truncate(t *testing.T, path string, size int64) {
	t.Helper()
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func TestAnUnfinishedBackupIsNoBackup(t *testing.T) {
	t.Parallel()
	_, dir := data(t)
	place := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	now := clock()
	_, err := backup.Write(ctx, dir, place, backup.Options{Now: now, Progress: func(backup.Progress) { cancel() }})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	write(t, filepath.Join(place, ".writing", "MANIFEST"), "of a crash")
	if list, err := backup.List(place); err != nil || len(list) != 0 {
		t.Errorf("backups: %v, %v", list, err)
	}
	if _, err := backup.Restore(t.Context(), place, t.TempDir(), backup.Options{}); buildbtw.KindOf(err) != buildbtw.KindNotFound {
		t.Errorf("restored from nothing: %v", err)
	}
	s, err := backup.Write(t.Context(), dir, place, backup.Options{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := backup.Verify(t.Context(), s.Dir, backup.Options{}); err != nil {
		t.Error(err)
	}
}

func TestRestoreRefusesWhatIsInUseOrNotEmpty(t *testing.T) {
	t.Parallel()
	db, dir := data(t)
	place, o := t.TempDir(), backup.Options{Now: clock()}
	if _, err := backup.Write(t.Context(), dir, place, o); err != nil {
		t.Fatal(err)
	}
	replace := o
	replace.Replace = true
	if _, err := backup.Restore(t.Context(), place, dir, replace); buildbtw.KindOf(err) != buildbtw.KindConflict || !strings.Contains(err.Error(), "stop it first") {
		t.Errorf("a directory in use: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := backup.Restore(t.Context(), place, dir, o); buildbtw.KindOf(err) != buildbtw.KindConflict || !strings.Contains(err.Error(), "is not empty") {
		t.Errorf("a directory that is not empty: %v", err)
	}
	write(t, filepath.Join(dir, "logs/0/2-cd.log"), "later")
	s, err := backup.Restore(t.Context(), place, dir, replace)
	if err != nil || s.Aside == "" {
		t.Fatalf("%+v, %v", s, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "logs/0/2-cd.log")); err == nil {
		t.Error("what was there before was not moved aside")
	}
	if text, err := os.ReadFile(filepath.Join(s.Aside, "logs/0/2-cd.log")); err != nil || string(text) != "later" {
		t.Errorf("it is not aside: %q, %v", text, err)
	}
	if err := backup.Unfinished(dir); err != nil {
		t.Error(err)
	}
	write(t, filepath.Join(dir, "restore-unfinished"), "")
	if err := backup.Unfinished(dir); buildbtw.KindOf(err) != buildbtw.KindConflict {
		t.Errorf("an unfinished restore: %v", err)
	}
	if again, err := backup.Restore(t.Context(), place, dir, replace); err != nil || again.Aside == s.Aside {
		t.Errorf("repeated: %+v, %v", again, err)
	}
	if err := backup.Unfinished(dir); err != nil {
		t.Error(err)
	}
}

func TestBackupsDoNotLieInTheData(t *testing.T) {
	t.Parallel()
	_, dir := data(t)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	for _, place := range []string{dir, filepath.Join(dir, "backups", "new"), filepath.Join(link, "backups"), filepath.Dir(dir)} {
		if _, err := backup.Write(t.Context(), dir, place, backup.Options{}); buildbtw.KindOf(err) != buildbtw.KindInvalid {
			t.Errorf("%s: %v", place, err)
		}
	}
	if _, err := backup.Write(t.Context(), t.TempDir(), t.TempDir(), backup.Options{}); buildbtw.KindOf(err) != buildbtw.KindNotFound {
		t.Errorf("no data: %v", err)
	}
}
