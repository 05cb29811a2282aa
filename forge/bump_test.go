package forge_test

import (
	"strings"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/forge"
	"buildbtw/git/gitlab"
	"buildbtw/git/gitlab/gitlabtest"
	"buildbtw/git/gitmirror"
	"buildbtw/scheduler/schedulertest"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

// TestAPipelineBuildsTheCommitWithTheHigherVersion, which GitLab gets with the pipeline's
// own branch. A token that may not push is said in words, and nothing is built instead.
func TestAPipelineBuildsTheCommitWithTheHigherVersion(t *testing.T) {
	t.Parallel()
	f := &fixture{}
	f.Server = schedulertest.New(t, func(o *schedulertest.Options, _ *storetest.DB) {
		f.gitlab = gitlabtest.Start(t, gitlabtest.Options{Now: o.Now})
		client, err := gitlab.New(gitlab.Config{URL: f.gitlab.URL(), Token: gitlabtest.Token, RequestTime: 5 * time.Second, Retries: -1, Now: o.Now})
		if err != nil {
			t.Fatal(err)
		}
		o.Forge = forge.Config{
			Client: client, Groups: []*gitlab.Group{client.Group(groupPath)}, MaxPipelines: 10,
			Access: gitmirror.Access{Server: f.gitlab.URL(), Token: gitlabtest.Token, Timeout: 20 * time.Second},
		}
	})
	f.SourceDirs = nil
	if err := f.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	id := f.gitlab.CreateProject(groupPath + "/app")
	files := map[string]string{".SRCINFO": schedulertest.Srcinfo("app", "1"), "PKGBUILD": "pkgrel=1\n"}
	first := f.pushTo(t, id, gitlabtest.Change{Files: files})
	files["fix.patch"] = "a fix\n"
	f.pushTo(t, id, gitlabtest.Change{Files: files})
	f.Pass(t, "groups")
	f.Space(t, "one", "app/"+first)
	f.Space(t, "two", "app")
	f.Pass(t, "iterate")
	rows, _, err := f.Store.Builds(t.Context(), store.BuildFilter{Buildspace: "two"})
	if err != nil || len(rows) != 1 || rows[0].VersionWords() != "1-1 → 1-2" {
		t.Fatalf("two has %+v, %v", rows, err)
	}

	f.gitlab.Fail("git-receive-pack", -1, gitlabtest.Status(403))
	if err := f.Loop("dispatch").Pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(f.gitlab.Pipelines()); n != 1 {
		t.Fatalf("%d pipelines without a push, want that of the source's own commit", n)
	}
	events, err := f.Store.Events(t.Context(), store.EventFilter{BuildID: rows[0].ID})
	if err != nil || !strings.Contains(events[len(events)-1].Message, "the token needs the scope api and the role Developer") {
		t.Errorf("the newest event: %+v, %v", events, err)
	}
	f.gitlab.Heal()
	f.DB.Clock.Advance(time.Hour)
	if err := f.Loop("dispatch").Pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	list := f.gitlab.Pipelines()
	if len(list) != 2 {
		t.Fatalf("pipelines: %+v", list)
	}
	p := list[1]
	if list[0].SHA == rows[0].Commit {
		p = list[0]
	}
	if p.SHA != rows[0].Commit || p.Variables["BUILDBTW_COMMIT"] != rows[0].Commit || !strings.HasPrefix(p.Ref, buildbtw.PipelineRefs) {
		t.Errorf("the pipeline builds %s on %s, want %s", p.SHA, p.Ref, rows[0].Commit)
	}
}
