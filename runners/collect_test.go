package runners_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"buildbtw"
	"buildbtw/runners"
	"buildbtw/runners/fake"
)

// made gives a job whose two packages lie in its Output, as the fake runner
// makes them.
func made(t *testing.T) runners.Job {
	t.Helper()
	j := runners.Job{Tree: t.TempDir(), Output: t.TempDir()}
	j.Pkgbase, j.Version, j.Architecture, j.Pkgnames = "it", "1:1-1", "x86_64", []string{"it-a", "it-b"}
	j.Srcinfo = "pkgbase = it\n\tpkgver = 1\n\tpkgrel = 1\n\tepoch = 1\n\tarch = x86_64\n\npkgname = it-a\n\npkgname = it-b\n\tarch = any\n"
	if r := (fake.Runner{}).Build(t.Context(), j, io.Discard); r.Outcome != buildbtw.OutcomeBuilt {
		t.Fatalf("%+v", r)
	}
	return j
}

func TestCollect(t *testing.T) {
	t.Parallel()
	const a, b = "it-a-1:1-1-x86_64.pkg.tar.zst", "it-b-1:1-1-any.pkg.tar.zst"
	for _, test := range []struct {
		name   string
		change func(j *runners.Job, path func(string) string) error
		want   string // part of the error; empty: both packages are found
	}{
		{"sound", func(*runners.Job, func(string) string) error { return nil }, ""},
		{"others are passed over", func(_ *runners.Job, path func(string) string) error {
			if err := os.WriteFile(path("build.log"), nil, 0o644); err != nil {
				return err
			}
			return syscall.Mkfifo(path("logpipe.pkg.tar.zst"), 0o644)
		}, ""},
		{"one is missing", func(_ *runners.Job, path func(string) string) error { return os.Remove(path(b)) }, "the runner ended with success but made no package for it-b"},
		{"a link is none", func(_ *runners.Job, path func(string) string) error {
			if err := os.Rename(path(b), path("../"+filepath.Base(path("."))+".b")); err != nil {
				return err
			}
			return os.Symlink("../"+filepath.Base(path("."))+".b", path(b))
		}, "made no package for it-b"},
		{"truncated", func(_ *runners.Job, path func(string) string) error { return os.Truncate(path(a), 100) }, "is not sound"},
		{"called something else", func(j *runners.Job, _ func(string) string) error { j.Pkgnames = []string{"it-b"}; return nil }, "is called it-a, which the .SRCINFO of it does not name"},
		{"of another pkgbase", func(j *runners.Job, _ func(string) string) error { j.Pkgbase = "other"; return nil }, "is of pkgbase it, not other"},
		{"for another architecture", func(j *runners.Job, _ func(string) string) error { j.Architecture = "aarch64"; return nil }, "is for x86_64, not aarch64"},
		{"file name lies", func(_ *runners.Job, path func(string) string) error {
			return os.Rename(path(a), path("it-a-1:2-1-x86_64.pkg.tar.zst"))
		}, "says inside that it is it-a 1:1-1 for x86_64"},
	} {
		t.Run(test.name, func(t *testing.T) {
			j := made(t)
			if err := test.change(&j, func(name string) string { return filepath.Join(j.Output, name) }); err != nil {
				t.Fatal(err)
			}
			files, err := runners.Collect(j, "the runner")
			if test.want == "" {
				if err != nil || len(files) != 2 || files[0].Name != a || files[1].Pkgname != "it-b" {
					t.Errorf("%+v, %v", files, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}
