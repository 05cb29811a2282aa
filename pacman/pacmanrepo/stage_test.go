package pacmanrepo_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"buildbtw"
	"buildbtw/pacman/pacmanrepo"
)

func TestStageRefusesWhatTheBuildCannotGive(t *testing.T) {
	t.Parallel()
	good := pkg{name: "foo", ext: "zst", version: "1:1.0-2"}
	type upload = pacmanrepo.Upload
	tests := []struct {
		name   string
		pkg    pkg
		change func(*upload)
		body   func([]byte) io.Reader
		want   string // words of the refusal; empty: accepted
	}{
		{name: "what was announced", pkg: good},
		{name: "unknown size", pkg: good, change: func(u *upload) { u.Size = -1 }},
		{name: "any", pkg: pkg{name: "foo", ext: "xz", arch: "any"}},
		{name: "debug package", pkg: pkg{name: "foo-debug", base: "foo", ext: "zst"}, change: func(u *upload) { u.Pkgnames = []string{"foo"} }},
		{name: "foreign debug package", pkg: pkg{name: "bar-debug", base: "foo"}, change: func(u *upload) { u.Pkgnames = []string{"foo"} }, want: "has only: foo"},
		{name: "foreign pkgname", pkg: pkg{name: "evil", base: "foo"}, change: func(u *upload) { u.Pkgnames = []string{"foo", "bar"} }, want: "has only: foo, bar"},
		{name: "foreign pkgbase", pkg: pkg{name: "foo", base: "evil"}, change: func(u *upload) { u.Pkgbase = "foo" }, want: `pkgbase "evil"`},
		{name: "foreign architecture", pkg: pkg{name: "foo", arch: "aarch64"}, want: "this build is for x86_64"},
		{name: "other file name", pkg: good, change: func(u *upload) { u.Filename = "bar-1:1.0-2-x86_64.pkg.tar.zst" }, want: "says that it is foo-1:1.0-2"},
		{name: "other version", pkg: good, change: func(u *upload) { u.Version = "1:1.1-2" }, want: "no pkgver()"},
		{name: "pkgver() changed it", pkg: pkg{name: "foo", version: "1:1.1.r3-1"}, change: func(u *upload) { u.Version, u.VersionMayChange = "1:1.0-2", true }},
		{name: "pkgver() and pkgrel", pkg: good, change: func(u *upload) { u.Version, u.VersionMayChange = "1:1.1-3", true }, want: "changes only the pkgver"},
		{name: "pkgver() and only pkgrel", pkg: pkg{name: "foo", version: "1.0-1"}, change: func(u *upload) { u.Version, u.VersionMayChange = "1.0-2", true }, want: "changes only the pkgver"},
		{name: "pkgver() and epoch", pkg: good, change: func(u *upload) { u.Version, u.VersionMayChange = "1.1-2", true }, want: "changes only the pkgver"},
		{name: "second pkgname line", pkg: pkg{name: "foo", info: []string{"pkgname = bar"}}, want: "second pkgname"},
		{name: "unknown digest form", pkg: good, change: func(u *upload) { u.SHA256 = strings.ToUpper(u.SHA256) }, want: "no SHA-256 digest"},
		{name: "wrong digest", pkg: good, change: func(u *upload) { u.SHA256 = digest(nil) }, want: "but " + digest(nil) + " was announced"},
		{name: "shorter than announced", pkg: good, change: func(u *upload) { u.Size++ }, want: "were announced"},
		{name: "longer than announced", pkg: good, body: func(b []byte) io.Reader { return io.MultiReader(bytes.NewReader(b), strings.NewReader("x")) }, want: "were announced"},
		{name: "broken off", pkg: good, body: func(b []byte) io.Reader {
			return io.MultiReader(bytes.NewReader(b[:len(b)/2]), iotest.ErrReader(io.ErrUnexpectedEOF))
		}, want: "broke off"},
		{name: "path", pkg: good, change: func(u *upload) { u.Filename = "../foo-1.0-1-any.pkg.tar.zst" }, want: "no file name"},
		{name: "hidden", pkg: good, change: func(u *upload) { u.Filename = ".foo-1.0-1-any.pkg.tar.zst" }, want: "no file name"},
		{name: "NUL", pkg: good, change: func(u *upload) { u.Filename = "foo\x00-1.0-1-any.pkg.tar.zst" }, want: "no file name"},
		{name: "long", pkg: good, change: func(u *upload) { u.Filename = strings.Repeat("a", 300) + "-1.0-1-any.pkg.tar.zst" }, want: "at most"},
		{name: "no package name", pkg: good, change: func(u *upload) { u.Filename = "foo.tar.gz" }, want: "does not end in"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, dir := open(t, pacmanrepo.Options{})
			content := tt.pkg.bytes(t)
			u := tt.pkg.upload(7, content)
			if tt.change != nil {
				tt.change(&u)
			}
			body := io.Reader(bytes.NewReader(content))
			if tt.body != nil {
				body = tt.body(content)
			}
			got, err := r.Stage(t.Context(), u, body)
			if tt.want != "" {
				if err := hasKind(err, buildbtw.KindInvalid, tt.want); err != nil {
					t.Error(err)
				}
				nothingStaged(t, dir)
				return
			}
			want := buildbtw.Package{
				AttemptID: 7, Pkgname: tt.pkg.name, Version: tt.pkg.withDefaults().version, Architecture: tt.pkg.withDefaults().arch,
				Filename: tt.pkg.filename(), SHA256: digest(content), Size: int64(len(content)),
			}
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("error %v, (-want +got):\n%s", err, diff)
			}
		})
	}
}

// nothingStaged fails when a refused upload left a file behind.
func nothingStaged(t *testing.T, repos string) {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(filepath.Dir(repos), "staging", "*", "*"))
	hidden, err2 := filepath.Glob(filepath.Join(filepath.Dir(repos), "staging", "*", ".*"))
	if err := errors.Join(err, err2); err != nil || len(left)+len(hidden) > 0 {
		t.Errorf("left behind: %q %q (%v)", left, hidden, err)
	}
}

func TestStageRefusesDamagedPackages(t *testing.T) {
	t.Parallel()
	for _, ext := range []string{"zst", "xz", "gz", ""} {
		p := pkg{name: "foo", ext: ext}
		whole := p.bytes(t)
		for what, content := range map[string][]byte{"cut": whole[:len(whole)*2/3], "text": []byte("<html>"), "nothing": nil} {
			r, dir := open(t, pacmanrepo.Options{})
			_, err := r.Stage(t.Context(), p.upload(1, content), bytes.NewReader(content))
			if err := hasKind(err, buildbtw.KindInvalid, "no sound package"); err != nil {
				t.Errorf("%s, %s: %v", ext, what, err)
			}
			nothingStaged(t, dir)
		}
	}
}

func TestStageStopsAtTheLargestSize(t *testing.T) {
	t.Parallel()
	p := pkg{name: "foo", ext: "zst"}
	content := p.bytes(t)
	r, dir := open(t, pacmanrepo.Options{MaxPackage: int64(len(content)) - 1})
	for _, size := range []int64{-1, int64(len(content))} {
		u := p.upload(1, content)
		u.Size = size
		_, err := r.Stage(t.Context(), u, bytes.NewReader(content))
		if err := hasKind(err, buildbtw.KindTooLarge, "larger than the limit"); err != nil {
			t.Errorf("announced %d: %v", size, err)
		}
	}
	nothingStaged(t, dir)
}

func TestRepeatedUploadIsNotReadAgain(t *testing.T) {
	t.Parallel()
	r, _ := open(t, pacmanrepo.Options{})
	p := pkg{name: "foo", ext: "zst"}
	first := stage(t, r, 3, p)
	again, err := r.Stage(t.Context(), p.upload(3, p.bytes(t)), iotest.ErrReader(errors.New("must not be read")))
	if diff := cmp.Diff(first[0], again); err != nil || diff != "" {
		t.Errorf("error %v, (-first +again):\n%s", err, diff)
	}
}

func TestAnotherDigestReplacesTheStagedFile(t *testing.T) {
	t.Parallel()
	r, dir := open(t, pacmanrepo.Options{})
	create(t, r, x86)
	first := stage(t, r, 3, pkg{name: "foo", ext: "zst"})
	second := stage(t, r, 3, pkg{name: "foo", ext: "zst", salt: "rebuilt"})
	err := r.Publish(t.Context(), publication(3, first, x86))
	if err := hasKind(err, buildbtw.KindConflict, "upload it again"); err != nil {
		t.Error(err)
	}
	if err := r.Publish(t.Context(), publication(3, second, x86)); err != nil {
		t.Fatal(err)
	}
	verify(t, r)
	content, err := os.ReadFile(archFile(dir, x86, second[0].Filename))
	if err != nil || digest(content) != second[0].SHA256 {
		t.Errorf("published file has digest %s (%v), want %s", digest(content), err, second[0].SHA256)
	}
}

func TestRepoAddNeverSeesUnknownKeys(t *testing.T) {
	t.Parallel()
	p := pkg{name: "foo", info: []string{"tmpdir = /etc"}}
	content := p.bytes(t)
	r, dir := open(t, pacmanrepo.Options{Tool: pacmanrepo.ToolRepoAdd})
	_, err := r.Stage(t.Context(), p.upload(1, content), bytes.NewReader(content))
	if err := hasKind(err, buildbtw.KindInvalid, `"tmpdir"`); err != nil {
		t.Error(err)
	}
	// Taken in by the native tool, published after a restart with the other one.
	need(t, "repo-add")
	create(t, r, x86)
	data := filepath.Dir(dir)
	staged := stage(t, reopen(t, data, pacmanrepo.Options{}), 2, p)
	err = r.Publish(t.Context(), publication(2, staged, x86))
	if err := hasKind(err, buildbtw.KindInvalid, `"tmpdir"`); err != nil {
		t.Error(err)
	}
}

func TestFullDiskIsNoFaultOfThePackage(t *testing.T) {
	t.Parallel()
	small := t.TempDir()
	if err := syscall.Mount("tmpfs", small, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("cannot mount a small file system: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(small, 0); err != nil {
			t.Error(err)
		}
	})
	r, _ := open(t, pacmanrepo.Options{Staging: small})
	p := pkg{name: "foo", salt: strings.Repeat("x", 300<<10)}
	content := p.bytes(t)
	_, err := r.Stage(t.Context(), p.upload(1, content), bytes.NewReader(content))
	if !errors.Is(err, syscall.ENOSPC) || buildbtw.KindOf(err) != buildbtw.KindInternal {
		t.Errorf("got %v (%s)", err, buildbtw.KindOf(err))
	}
	stage(t, r, 1, pkg{name: "foo"}) // nothing of the first is in its way
	// Also the place for packages from another file system.
	create(t, r, x86)
	publish(t, r, 1, pkg{name: "foo"})
	verify(t, r)
}

func TestDiscardRemovesTheUploadsOfOneAttempt(t *testing.T) {
	t.Parallel()
	r, _ := open(t, pacmanrepo.Options{})
	stage(t, r, 1, pkg{name: "foo"})
	stage(t, r, 2, pkg{name: "foo"})
	if err := r.Discard(attemptName(1)); err != nil {
		t.Fatal(err)
	}
	got, err := r.Staged()
	if diff := cmp.Diff([]buildbtw.AttemptName{attemptName(2)}, got); err != nil || diff != "" {
		t.Errorf("error %v, (-want +got):\n%s", err, diff)
	}
}
