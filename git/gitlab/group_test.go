package gitlab_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/git/gitlab"
	"buildbtw/git/gitlab/gitlabtest"
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
	t.Parallel()
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
	t.Parallel()
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
	t.Parallel()
	server, client := connect(t, gitlabtest.Options{})
	group := client.Group("arch")
	there, archived, away := server.CreateProject("arch/a"), server.CreateProject("arch/b"), server.CreateProject("arch/c")
	server.ArchiveProject(archived, true)
	server.MoveProject(away, "attic/c")
	if p, err := group.Project(t.Context(), there); err != nil || p.Path != "arch/a" {
		t.Errorf("got %+v, %v", p, err)
	}
	for id, want := range map[int64]gitlab.Error{
		archived: {Trouble: gitlab.Gone, Said: "archived"}, away: {Trouble: gitlab.Gone, Said: "not in group arch"},
		99: {Trouble: gitlab.NotFound, Said: "no such thing"},
	} {
		_, err := group.Project(t.Context(), id)
		if gitlab.TroubleOf(err) != want.Trouble || !strings.Contains(err.Error(), want.Said) {
			t.Errorf("project %d: %v, want %s: %q", id, err, want.Trouble, want.Said)
		}
	}
}

func TestCloneURL(t *testing.T) {
	t.Parallel()
	client, err := gitlab.New(gitlab.Config{URL: "https://gitlab.test/sub/"})
	if err != nil {
		t.Fatal(err)
	}
	group := client.Group("arch/packages/")
	if group.Name() != "https://gitlab.test/sub/arch/packages" || !group.Holds("arch/packages/a") || !group.Holds("Arch/Packages/a") || group.Holds("arch/packages") || group.Holds("arch/packages2/a") {
		t.Errorf("%q is not right", group.Name())
	}
	url, err := group.CloneURL(buildbtw.Project{Path: "arch/packages/a", SSHURL: "git@evil:x.git"})
	if err != nil || url != "https://gitlab.test/sub/arch/packages/a.git" {
		t.Errorf("over HTTPS: %q, %v", url, err)
	}
	for text, want := range map[string]string{
		"git@gitlab.test:arch/packages/a.git":            "ssh://git@gitlab.test/arch/packages/a.git",
		"ssh://git@gitlab.test:2222/arch/packages/a.git": "ssh://git@gitlab.test:2222/arch/packages/a.git",
		"ssh://git@gitlab.test/arch/packages/a.git":      "ssh://git@gitlab.test/arch/packages/a.git",
		"git@-oProxyCommand=id:a.git":                    "",
		"-l@host:a.git":                                  "",
		"git@host:../../etc/passwd":                      "",
		"ext::sh -c id":                                  "",
		"git@host:--upload-pack=id":                      "",
		"":                                               "",
	} {
		got, err := group.OverSSH().CloneURL(buildbtw.Project{Path: "arch/packages/a", SSHURL: text})
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q gives %q, %v; want %q", text, got, err, want)
		}
	}
}

func TestSetCIConfigNeedsATokenThatMay(t *testing.T) {
	t.Parallel()
	server, client := connect(t, gitlabtest.Options{})
	id := server.CreateProject("arch/a")
	want := buildbtw.Project{ID: id, CIConfigPath: "ci.yml@arch/ci"}
	server.SetVariablesRole(id, gitlabtest.RoleNobody)
	if err := client.SetCIConfig(t.Context(), want); err != nil || server.CIConfig(id) != "ci.yml@arch/ci" || server.VariablesRole(id) != gitlabtest.RoleNobody {
		t.Errorf("got %q and %s, %v", server.CIConfig(id), server.VariablesRole(id), err)
	}
	want.VariablesRole = gitlabtest.RoleMaintainer
	if err := client.SetCIConfig(t.Context(), want); err != nil || server.VariablesRole(id) != gitlabtest.RoleMaintainer {
		t.Errorf("got %s, %v", server.VariablesRole(id), err)
	}
	server.Allow("reader", gitlabtest.ReadOnly)
	reader := newClient(t, server, gitlab.Config{Token: "reader"})
	if err := reader.SetCIConfig(t.Context(), want); gitlab.TroubleOf(err) != gitlab.Forbidden {
		t.Errorf("got %v", err)
	}
}
