package gitmirror_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"buildbtw/git/gitmirror"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testPKGBUILD = `pkgname=hello
pkgver=1.0
pkgrel=1
pkgdesc="says hello"
arch=(any)
package() { :; }
`

// openMirror opens a mirror in a new directory, away from the sources.
func openMirror(t testing.TB) *gitmirror.Mirror {
	t.Helper()
	m, err := gitmirror.Open(t.Context(), filepath.Join(t.TempDir(), "sources.git"))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// gitIn runs git as a packager would, in a directory.
func gitIn(t testing.TB, dir string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", append([]string{
		"-C", dir, "-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main", "-c", "safe.directory=*",
		"-c", "protocol.file.allow=always",
	}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_DATE=1700000000 +0000", "GIT_COMMITTER_DATE=1700000000 +0000")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %q: %v\n%s", args, err, out)
	}
	return string(out[:max(0, len(out)-1)])
}

// newSource makes a git repository with one commit and gives the commit.
func newSource(t testing.TB, dir, srcinfo string) string {
	t.Helper()
	gitIn(t, filepath.Dir(dir), "init", "--quiet", dir)
	return commitFile(t, dir, ".SRCINFO", srcinfo)
}

// commitFile commits one file and gives the commit.
func commitFile(t testing.TB, dir, name, text string) string {
	t.Helper()
	write(t, filepath.Join(dir, name), text)
	gitIn(t, dir, "add", name)
	gitIn(t, dir, "commit", "--quiet", "--allow-empty", "-m", "change "+name)
	return gitIn(t, dir, "rev-parse", "HEAD")
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// mustSync is a pass in which no source may be broken.
func mustSync(t testing.TB, m *gitmirror.Mirror, dir string) gitmirror.Report {
	t.Helper()
	r := syncDir(t, m, dir)
	for slug, err := range r.Broken {
		t.Fatalf("source %s is broken: %v", slug, err)
	}
	return r
}

func syncDir(t testing.TB, m *gitmirror.Mirror, dir string) gitmirror.Report {
	t.Helper()
	r, err := m.SyncDir(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// tipsOf gives "slug ref" (tags with a leading "tag:") and their commits.
func tipsOf(t testing.TB, m *gitmirror.Mirror) map[string]string {
	t.Helper()
	tips, err := m.Tips(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, tip := range tips {
		name := tip.Slug + " " + tip.Ref
		if tip.Tag {
			name = tip.Slug + " tag:" + tip.Ref
		}
		got[name] = tip.Commit
	}
	return got
}

// needMakepkg skips the test where makepkg is not installed.
func needMakepkg(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("makepkg"); err != nil {
		t.Skip("makepkg is not installed (Debian: apt install makepkg): no .SRCINFO can be made")
	}
}
