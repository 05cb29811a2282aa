package gitmirror_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buildbtw"
	"buildbtw/git/gitmirror"
)

func TestReadSrcinfosGivesEveryCommitAnEntry(t *testing.T) {
	t.Parallel()
	dir, m := t.TempDir(), openMirror(t)
	source := filepath.Join(dir, "a")
	plain := newSource(t, source, "one\n")
	empty := commitFile(t, source, ".SRCINFO", "")
	large := commitFile(t, source, ".SRCINFO", strings.Repeat("x", gitmirror.MaxSrcinfo+1))
	last := commitFile(t, source, ".SRCINFO", "last")
	gitIn(t, source, "rm", "--quiet", ".SRCINFO")
	none := commitFile(t, source, "other", "x")
	folder := commitFile(t, source, ".SRCINFO"+"/file", "x")
	mustSync(t, m, dir)

	absent := strings.Repeat("a", 40)
	infos, err := m.ReadSrcinfos(t.Context(), []string{plain, empty, large, none, folder, absent, last, plain})
	if err != nil {
		t.Fatal(err)
	}
	for commit, want := range map[string]string{plain: "one\n", empty: "", last: "last"} {
		if got := infos[commit]; got.Err != nil || string(got.Text) != want {
			t.Errorf("%s: got %q, %v; want %q", commit, got.Text, got.Err, want)
		}
	}
	kinds := map[string]buildbtw.Kind{
		large: buildbtw.KindTooLarge, none: buildbtw.KindNotFound, absent: buildbtw.KindNotFound, folder: buildbtw.KindInvalid,
	}
	for commit, want := range kinds {
		if got := infos[commit].Err; buildbtw.KindOf(got) != want {
			t.Errorf("%s: got %v, want kind %s", commit, got, want)
		}
	}
	if len(infos) != 7 {
		t.Errorf("%d entries, want 7", len(infos))
	}
}

func TestReadSrcinfosRefusesWhatIsNoCommit(t *testing.T) {
	t.Parallel()
	m := openMirror(t)
	for _, commit := range []string{"", "main", "HEAD", "a\nb", strings.Repeat("a", 39), strings.Repeat("A", 40)} {
		if _, err := m.ReadSrcinfos(t.Context(), []string{commit}); buildbtw.KindOf(err) != buildbtw.KindInvalid {
			t.Errorf("%q: got %v", commit, err)
		}
	}
}

func TestReadSrcinfosStopsWithItsContext(t *testing.T) {
	t.Parallel()
	m := openMirror(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := m.ReadSrcinfos(ctx, []string{strings.Repeat("a", 40)})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// A commit that was read once is known: nothing is started for it again.
func TestReadSrcinfosRemembers(t *testing.T) {
	t.Parallel()
	dir, m := t.TempDir(), openMirror(t)
	newSource(t, filepath.Join(dir, "a"), "text")
	commit := commitFile(t, filepath.Join(dir, "a"), "more", "")
	mustSync(t, m, dir)
	first, err := m.ReadSrcinfos(t.Context(), []string{commit})
	if err != nil {
		t.Fatal(err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel() // no program is run in this
	again, err := m.ReadSrcinfos(over, []string{commit, commit})
	if err != nil || string(again[commit].Text) != "text" || !cmp.Equal(first, again) {
		t.Errorf("%+v, error %v, want %+v", again, err, first)
	}
	m.ForgetSrcinfos()
	if _, err := m.ReadSrcinfos(over, []string{commit}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestCommitTimeAndArchive(t *testing.T) {
	t.Parallel()
	dir, m := t.TempDir(), openMirror(t)
	newSource(t, filepath.Join(dir, "a"), "text")
	commit := commitFile(t, filepath.Join(dir, "a"), ".gitattributes", "* export-ignore export-subst text eol=crlf\n")
	mustSync(t, m, dir)
	infos, err := m.ReadSrcinfos(t.Context(), []string{commit})
	if at := infos[commit].Time; err != nil || !at.Equal(time.Unix(1700000000, 0)) {
		t.Errorf("time %v, %v", at, err)
	}
	var out bytes.Buffer
	if err := m.Archive(t.Context(), commit, &out); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{".SRCINFO": "text", ".gitattributes": "* export-ignore export-subst text eol=crlf\n"}
	if diff := cmp.Diff(want, untar(t, &out)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// untar gives the files of an archive and their content.
func untar(t *testing.T, r io.Reader) map[string]string {
	t.Helper()
	files, archive := map[string]string{}, tar.NewReader(r)
	for {
		head, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		if head.Typeflag != tar.TypeXGlobalHeader {
			files[head.Name] = string(text)
		}
	}
}

func TestAbsentCommitsAreNotFound(t *testing.T) {
	t.Parallel()
	m, absent := openMirror(t), strings.Repeat("a", 40)
	var out bytes.Buffer
	if err := m.Archive(t.Context(), absent, &out); buildbtw.KindOf(err) != buildbtw.KindNotFound {
		t.Errorf("got %v", err)
	}
	if out.Len() > 0 {
		t.Errorf("%d bytes were written", out.Len())
	}
	if err := m.Archive(t.Context(), "--remote=x", &out); buildbtw.KindOf(err) != buildbtw.KindInvalid {
		t.Errorf("got %v", err)
	}
}

// stuck is a writer that takes nothing until its context ends.
type stuck struct {
	ctx   context.Context
	began chan struct{}
}

func (s stuck) Write([]byte) (int, error) {
	close(s.began)
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}

func TestArchiveStopsWhenItsReaderLeaves(t *testing.T) {
	t.Parallel()
	dir, m := t.TempDir(), openMirror(t)
	commit := newSource(t, filepath.Join(dir, "a"), strings.Repeat("text", 1<<20))
	mustSync(t, m, dir)
	ctx, cancel := context.WithCancel(t.Context())
	w := stuck{ctx, make(chan struct{})}
	go func() {
		<-w.began
		cancel()
	}()
	if err := m.Archive(ctx, commit, w); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestResolve(t *testing.T) {
	t.Parallel()
	dir, m := t.TempDir(), openMirror(t)
	source := filepath.Join(dir, "a")
	first := newSource(t, source, "1")
	gitIn(t, source, "tag", "-a", "-m", "x", "v1")
	gitIn(t, source, "tag", "both")
	gitIn(t, source, "branch", first[:8]) // named like a commit
	second := commitFile(t, source, ".SRCINFO", "2")
	gitIn(t, source, "branch", "both")
	third := commitFile(t, source, ".SRCINFO", "3")
	for _, branch := range []string{"fix-soname", "wip/deep"} {
		gitIn(t, source, "branch", branch)
	}
	foreign := newSource(t, filepath.Join(dir, "b"), "other")
	mustSync(t, m, dir)

	for ref, want := range map[string]string{
		"main": third, "wip/deep": third, "v1": first, "both": second, first[:8]: first,
		second: second, second[:7]: second, strings.ToUpper(second[:12]): second,
	} {
		if got, err := m.Resolve(t.Context(), "a", ref); err != nil || got != want {
			t.Errorf("%s: got %s, %v; want %s", ref, got, err, want)
		}
	}
	for ref, words := range map[string]string{
		"fix-sonam": "it has fix-soname, ", "nope": `source a has no branch, tag or commit "nope"`,
		foreign: "source a has no", second[:6]: "source a has no", "heads/main": "source a has no",
	} {
		_, err := m.Resolve(t.Context(), "a", ref)
		if buildbtw.KindOf(err) != buildbtw.KindNotFound || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: got %v, want %q", ref, err, words)
		}
	}
	for slug, kind := range map[string]buildbtw.Kind{"aa": buildbtw.KindNotFound, "../a": buildbtw.KindInvalid} {
		if _, err := m.Resolve(t.Context(), slug, "main"); buildbtw.KindOf(err) != kind {
			t.Errorf("slug %s: got %v", slug, err)
		}
	}
}
