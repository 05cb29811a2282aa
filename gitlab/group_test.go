package gitlab_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/gitlab"
	"buildbtw/gitlab/gitlabtest"
)

// connect starts a stand-in and a client that loses no time with retries.
func connect(t testing.TB, o gitlabtest.Options) (*gitlabtest.Server, *gitlab.Client) {
	t.Helper()
	server := gitlabtest.Start(t, o)
	return server, newClient(t, server, gitlab.Config{})
}

func newClient(t testing.TB, server *gitlabtest.Server, c gitlab.Config) *gitlab.Client {
	t.Helper()
	c.URL = server.URL()
	if c.Token == "" {
		c.Token = gitlabtest.Token
	}
	if c.Pause == 0 {
		c.Pause = time.Millisecond
	}
	client, err := gitlab.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func paths(list []buildbtw.Project) string {
	var all []string
	for _, p := range list {
		all = append(all, p.Path)
	}
	return strings.Join(all, " ")
}

func TestAllListsEveryProjectOfAGroupAndItsSubgroups(t *testing.T) {
	server, client := connect(t, gitlabtest.Options{PerPage: 2})
	for _, path := range []string{"arch/a", "other/x", "arch/sub/b", "arch/c", "arch/old", "archive/y", "arch/sub/sub/d"} {
		server.CreateProject(path)
	}
	server.ArchiveProject(5, true)
	all, err := client.Group("arch").All(t.Context())
	if err != nil || paths(all) != "arch/a arch/sub/b arch/c arch/sub/sub/d" {
		t.Errorf("got %s, %v", paths(all), err)
	}
	if got := len(server.Requests()); got != 2 {
		t.Errorf("%d requests for 4 projects in pages of 2", got)
	}
	if _, err := client.Group("nobody").All(t.Context()); gitlab.TroubleOf(err) != gitlab.NotFound {
		t.Errorf("an unknown group: %v", err)
	}
}

func TestActiveListsWhatWasActiveSince(t *testing.T) {
	server, client := connect(t, gitlabtest.Options{})
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	for i := range 250 {
		id := server.CreateProject(fmt.Sprintf("arch/p%d", i))
		server.SetActivity(id, now.Add(-time.Duration(i)*time.Minute))
	}
	active, err := client.Group("arch").Active(t.Context(), now.Add(-2*time.Minute))
	if err != nil || paths(active) != "arch/p0 arch/p1 arch/p2" {
		t.Errorf("got %s, %v", paths(active), err)
	}
	if got := server.Requests(); len(got) != 1 {
		t.Errorf("requests: %v", got)
	}
}

func TestProjectSaysWhyItIsGone(t *testing.T) {
	server, client := connect(t, gitlabtest.Options{})
	group := client.Group("arch")
	there, archived, away := server.CreateProject("arch/a"), server.CreateProject("arch/b"), server.CreateProject("arch/c")
	server.ArchiveProject(archived, true)
	server.MoveProject(away, "attic/c")
	if p, err := group.Project(t.Context(), there); err != nil || p.Path != "arch/a" || client.CloneURL(p) != server.URL()+"/arch/a.git" {
		t.Errorf("got %+v, %v", p, err)
	}
	for id, says := range map[int64]string{archived: "archived", away: "not in group arch", 99: "no such thing"} {
		_, err := group.Project(t.Context(), id)
		if gitlab.TroubleOf(err) != gitlab.NotFound || !strings.Contains(err.Error(), says) {
			t.Errorf("project %d: %v, want %q", id, err, says)
		}
	}
}

func TestSetCIConfigNeedsATokenThatMay(t *testing.T) {
	server, client := connect(t, gitlabtest.Options{})
	id := server.CreateProject("arch/a")
	if err := client.SetCIConfig(t.Context(), id, "ci.yml@arch/ci"); err != nil || server.CIConfig(id) != "ci.yml@arch/ci" {
		t.Errorf("got %q, %v", server.CIConfig(id), err)
	}
	server.Allow("reader", gitlabtest.ReadOnly)
	reader := newClient(t, server, gitlab.Config{Token: "reader"})
	if err := reader.SetCIConfig(t.Context(), id, "x"); gitlab.TroubleOf(err) != gitlab.Forbidden {
		t.Errorf("got %v", err)
	}
}
