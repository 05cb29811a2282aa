package gitmirror_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"buildbtw"
	"buildbtw/git/gitlab/gitlabtest"
	"buildbtw/git/gitmirror"
	"buildbtw/internal/atomicfile"
)

// remotes is a server elsewhere and a mirror here.
type remotes struct {
	*gitlabtest.Server
	mirror *gitmirror.Mirror
	access gitmirror.Access
}

func newRemotes(t testing.TB) *remotes {
	server := gitlabtest.Start(t, gitlabtest.Options{})
	return &remotes{Server: server, mirror: openMirror(t), access: gitmirror.Access{Server: server.URL(), Token: gitlabtest.Token}}
}

// project makes a project with one commit.
func (r *remotes) project(t testing.TB, slug string) (id int64, commit string) {
	t.Helper()
	id = r.CreateProject("arch/" + slug)
	return id, r.push(t, id, gitlabtest.Change{Files: map[string]string{".SRCINFO": slug}})
}

func (r *remotes) push(t testing.TB, id int64, c gitlabtest.Change) string {
	t.Helper()
	commit, err := r.Push(t.Context(), id, c)
	if err != nil {
		t.Fatal(err)
	}
	return commit
}

func (r *remotes) remote(slug string) gitmirror.Remote {
	return gitmirror.Remote{Slug: slug, URL: r.URL() + "/arch/" + slug + ".git"}
}

// fetch fetches a source that must not fail.
func (r *remotes) fetch(t testing.TB, slug string) (changed bool) {
	t.Helper()
	changed, err := r.mirror.FetchRemote(t.Context(), r.access, r.remote(slug))
	if err != nil {
		t.Fatal(err)
	}
	return changed
}

func TestFetchRemoteFollowsWhatHappensElsewhere(t *testing.T) {
	t.Parallel()
	r := newRemotes(t)
	id, first := r.project(t, "a")
	setRef := func(ref, object string) {
		t.Helper()
		if err := r.SetRef(t.Context(), id, ref, object); err != nil {
			t.Fatal(err)
		}
	}
	var second string
	for _, step := range []struct {
		name string
		do   func() map[string]string // gives what the mirror has to have then
	}{
		{"a new project", func() map[string]string { return map[string]string{"a main": first} }},
		{"a push", func() map[string]string {
			second = r.push(t, id, gitlabtest.Change{Files: map[string]string{"x": "2"}})
			return map[string]string{"a main": second}
		}},
		{"a branch and a tag", func() map[string]string {
			setRef("refs/heads/topic", first)
			setRef("refs/tags/1", first)
			setRef("refs/heads/buildbtw/build-7-aa", first) // pins a pipeline: nobody's change
			return map[string]string{"a main": second, "a topic": first, "a tag:1": first}
		}},
		{"a branch below where a branch was", func() map[string]string {
			setRef("refs/heads/topic", "")
			setRef("refs/heads/topic/two", second)
			return map[string]string{"a main": second, "a topic/two": second, "a tag:1": first}
		}},
		{"a forced push", func() map[string]string {
			forced := r.push(t, id, gitlabtest.Change{Files: map[string]string{"x": "3"}, Force: true})
			return map[string]string{"a main": forced, "a topic/two": second, "a tag:1": first}
		}},
		{"the main branch renamed, the tag gone", func() map[string]string {
			setRef("refs/tags/1", "")
			setRef("refs/heads/main", "")
			return map[string]string{"a topic/two": second}
		}},
	} {
		t.Run(step.name, func(t *testing.T) {
			want := step.do()
			if !r.fetch(t, "a") {
				t.Error("nothing changed")
			}
			if diff := cmp.Diff(want, tipsOf(t, r.mirror)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if r.fetch(t, "a") {
				t.Error("it changed again")
			}
		})
	}
	gitIn(t, r.mirror.Dir(), "fsck", "--strict", "--connectivity-only")
	if left, _ := filepath.Glob(r.mirror.Dir() + "/" + atomicfile.TempPrefix + "*"); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestFetchRemoteLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	r := newRemotes(t)
	want := map[string]string{}
	for i := range 12 {
		slug := fmt.Sprintf("s%d", i)
		_, want[slug+" main"] = r.project(t, slug)
	}
	var group sync.WaitGroup
	for i := range 24 { // each twice at the same time
		group.Go(func() {
			slug := fmt.Sprintf("s%d", i%12)
			if _, err := r.mirror.FetchRemote(t.Context(), r.access, r.remote(slug)); err != nil {
				t.Errorf("%s: %v", slug, err)
			}
		})
	}
	group.Wait()
	if diff := cmp.Diff(want, tipsOf(t, r.mirror)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	some, err := r.mirror.TipsOf(t.Context(), []string{"s1", "s11", "s2"})
	got := map[string]string{}
	for _, tip := range some {
		got[tip.Slug+" "+tip.Ref] = tip.Commit
	}
	maps.DeleteFunc(want, func(name, _ string) bool { return name != "s1 main" && name != "s11 main" && name != "s2 main" })
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestFetchRemoteSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	const info, pack = `GET /arch/a.git/info/refs`, `POST /arch/a.git/git-upload-pack`
	for _, test := range []struct {
		name string
		do   func(*remotes)
		says string
		kind buildbtw.Kind
	}{
		{"revoked token", func(r *remotes) { r.Allow(gitlabtest.Token, gitlabtest.Nothing) }, "does not accept the token", buildbtw.KindUnavailable},
		{"no such project", func(r *remotes) { _ = r.DeleteProject(1) }, "no such repository", buildbtw.KindNotFound},
		{"no branch", func(r *remotes) { _ = r.SetRef(t.Context(), 1, "refs/heads/main", "") }, "stays as it was", buildbtw.KindUnavailable},
		{"403", func(r *remotes) { r.Fail(info, -1, gitlabtest.Status(403)) }, "may not read it", buildbtw.KindUnavailable},
		{"429", func(r *remotes) { r.Fail(info, -1, gitlabtest.TooMany(1)) }, "fewer requests", buildbtw.KindUnavailable},
		{"500", func(r *remotes) { r.Fail(info, -1, gitlabtest.Status(500)) }, "trouble of its own", buildbtw.KindUnavailable},
		{"a page", func(r *remotes) { r.Fail(info, -1, gitlabtest.HTML(200)) }, "no git server", buildbtw.KindUnavailable},
		{"a page for the pack", func(r *remotes) { r.Fail(pack, -1, gitlabtest.HTML(200)) }, "", buildbtw.KindUnavailable},
		{"half an answer", func(r *remotes) { r.Fail(pack, -1, gitlabtest.HalfJSON()) }, "", buildbtw.KindUnavailable},
		{"silence", func(r *remotes) {
			r.access.Timeout = 300 * time.Millisecond
			r.Fail(info, -1, gitlabtest.Silence())
		}, "did not send it within 300ms", buildbtw.KindUnavailable},
		{"no server", func(r *remotes) { r.SetURL("http://127.0.0.1:1") }, "does not answer", buildbtw.KindUnavailable},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRemotes(t)
			_, commit := r.project(t, "a")
			r.fetch(t, "a")
			test.do(r)
			changed, err := r.mirror.FetchRemote(t.Context(), r.access, r.remote("a"))
			if err == nil || changed || buildbtw.KindOf(err) != test.kind || !strings.Contains(err.Error(), test.says) {
				t.Errorf("changed %v, kind %s: %v", changed, buildbtw.KindOf(err), err)
			}
			for _, secret := range []string{gitlabtest.Token, r.mirror.Dir(), "\n"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("%q is in %q", secret, err)
				}
			}
			if got := tipsOf(t, r.mirror)["a main"]; got != commit {
				t.Errorf("main is at %s, want %s as before", got, commit)
			}
		})
	}
}

func TestASourceMustHaveABranch(t *testing.T) {
	t.Parallel()
	r := newRemotes(t)
	r.CreateProject("arch/a")
	_, err := r.mirror.FetchRemote(t.Context(), r.access, r.remote("a"))
	if buildbtw.KindOf(err) != buildbtw.KindInvalid || !strings.Contains(err.Error(), "no branch yet") {
		t.Errorf("got %v", err)
	}
}

func TestCheckRemote(t *testing.T) {
	t.Parallel()
	for address, good := range map[string]bool{
		"https://gitlab.test/a/b.git": true, "http://127.0.0.1:8080/a.git": true, "ssh://git@gitlab.test:2222/a.git": true,
		"ext::sh -c id": false, "file:///etc": false, "/etc": false, "ssh://-oProxyCommand=id/a": false, "ssh://-l@host/a": false,
		"https://user:secret@gitlab.test/a.git": false, "git@gitlab.test:a.git": false, "": false, "https:///a": false,
	} {
		if err := gitmirror.CheckRemote(address); (err == nil) != good {
			t.Errorf("%q: %v", address, err)
		}
	}
}

func TestRemotesBelongToTheirOwner(t *testing.T) {
	t.Parallel()
	r := newRemotes(t)
	dir := t.TempDir()
	newSource(t, filepath.Join(dir, "b"), "here")
	mustSync(t, r.mirror, dir)
	r.project(t, "a")
	taken, err := r.mirror.ClaimRemotes("gitlab:arch", []string{"a", "b"})
	if err != nil || cmp.Diff(taken, []string{"b"}) != "" {
		t.Errorf("taken %v, %v", taken, err)
	}
	r.fetch(t, "a")
	mustSync(t, r.mirror, dir)
	if _, err := r.mirror.RetainDirs(t.Context(), []string{dir}, "gitlab:arch"); err != nil {
		t.Fatal(err)
	}
	if got := len(tipsOf(t, r.mirror)); got != 2 {
		t.Errorf("%d tips, want those of a and b", got)
	}
	removed, err := r.mirror.RemoveRemotes(t.Context(), "gitlab:arch", []string{"a", "b", "c"})
	if err != nil || cmp.Diff(removed, []string{"a"}) != "" {
		t.Errorf("removed %v, %v", removed, err)
	}
	r.fetch(t, "a")
	if _, err := r.mirror.ClaimRemotes("gitlab:arch", []string{"a"}); err != nil {
		t.Fatal(err)
	}
	removed, err = r.mirror.RetainDirs(t.Context(), []string{dir})
	if err != nil || cmp.Diff(removed, []string{"a"}) != "" {
		t.Errorf("retained without the group: removed %v, %v", removed, err)
	}
}

func TestOpenRemovesFetchesThatWereKilled(t *testing.T) {
	t.Parallel()
	m := openMirror(t)
	scratch, err := m.NewScratch(map[string]string{"heads/main": strings.Repeat("1", 40)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := gitmirror.Open(t.Context(), m.Dir()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(scratch); !os.IsNotExist(err) {
		t.Errorf("%s: %v", scratch, err)
	}
}
