package gitlab

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/xanzy/go-gitlab"

	"buildbtw"
)

const (
	perPage  = 100    // GitLab's maximum
	maxPages = 50_000 // of one listing; a paging that has no end is nonsense
)

// Group is a group whose projects, and those of its subgroups, are sources.
type Group struct {
	client *Client
	path   string
	ssh    bool
}

// Group names a group by its path, such as archlinux/packaging/packages. Nothing
// is sent.
func (c *Client) Group(path string) *Group { return &Group{client: c, path: strings.Trim(path, "/")} }

// OverSSH returns the same group with addresses for git over SSH.
func (g *Group) OverSSH() *Group { return &Group{g.client, g.path, true} }

// Name returns the address of the group's page.
func (g *Group) Name() string { return g.client.page(g.path) }

// Holds reports whether a project with that path lies in the group. GitLab finds
// a group whatever the case of its path.
func (g *Group) Holds(path string) bool {
	n := len(g.path)
	return len(path) > n && path[n] == '/' && strings.EqualFold(path[:n], g.path)
}

// Active returns the projects with activity since a time, latest first. GitLab
// records activity with a delay: see buildbtw.ActivityDelay. Without any
// activity it costs one request.
func (g *Group) Active(ctx context.Context, since time.Time) ([]buildbtw.Project, error) {
	list := g.listing("last_activity_at", "desc")
	var active []buildbtw.Project
	err := g.pages(ctx, list, func(page []buildbtw.Project) (more bool) {
		for _, p := range page {
			if p.ActiveAt.Before(since) {
				return false
			}
			active = append(active, p)
		}
		return true
	})
	return unique(active), err
}

// All lists every project that is not archived, oldest first. GitLab counts
// pages by position, so that a project may be missing from the answer when
// another one vanished meanwhile: ask Project before believing that it is gone.
func (g *Group) All(ctx context.Context) ([]buildbtw.Project, error) {
	var all []buildbtw.Project
	err := g.pages(ctx, g.listing("id", "asc"), func(page []buildbtw.Project) bool {
		all = append(all, page...)
		return true
	})
	return unique(all), err
}

// Project returns one project of the group. NotFound means that the token
// cannot see it, Gone that it was archived or moved out of the group.
func (g *Group) Project(ctx context.Context, id int64) (buildbtw.Project, error) {
	p, _, err := g.client.read.Projects.GetProject(int(id), nil, gitlab.WithContext(ctx))
	if err != nil {
		return buildbtw.Project{}, g.client.failed(ctx, err, "look at project %d", id)
	}
	found := project(p)
	switch {
	case check(found) != nil:
		return found, check(found)
	case p.Archived:
		return found, &Error{Trouble: Gone, Doing: "look at project " + found.Path, Said: "it is archived"}
	case p.MarkedForDeletionAt != nil:
		return found, &Error{Trouble: Gone, Doing: "look at project " + found.Path, Said: "it is being deleted"}
	case !g.Holds(found.Path):
		return found, &Error{Trouble: Gone, Doing: "look at project " + found.Path, Said: "it is not in group " + g.path}
	}
	return found, nil
}

func (g *Group) listing(order, sort string) *gitlab.ListGroupProjectsOptions {
	return &gitlab.ListGroupProjectsOptions{
		ListOptions:      gitlab.ListOptions{Page: 1, PerPage: perPage},
		IncludeSubGroups: gitlab.Ptr(true),
		WithShared:       gitlab.Ptr(false),
		Archived:         gitlab.Ptr(false),
		OrderBy:          gitlab.Ptr(order),
		Sort:             gitlab.Ptr(sort),
	}
}

// pages hands out the pages of a listing until take has seen enough.
func (g *Group) pages(ctx context.Context, list *gitlab.ListGroupProjectsOptions, take func([]buildbtw.Project) (more bool)) error {
	for range maxPages {
		found, answer, err := g.client.read.Groups.ListGroupProjects(g.path, list, gitlab.WithContext(ctx))
		if err != nil {
			return g.client.failed(ctx, err, "list the projects of group %s", g.path)
		}
		page := make([]buildbtw.Project, 0, len(found))
		for _, p := range found {
			if p.MarkedForDeletionAt != nil {
				continue // it is listed for weeks under another name, name-deletion_scheduled-ID
			}
			known := project(p)
			if err := check(known); err != nil {
				return err
			}
			page = append(page, known)
		}
		if !take(page) || answer.NextPage == 0 {
			return nil
		}
		if answer.NextPage <= list.Page {
			break
		}
		list.Page = answer.NextPage
	}
	return &Error{Trouble: Nonsense, Doing: "list the projects of group " + g.path, Said: fmt.Sprintf("page %d comes after page %d", list.Page, list.Page)}
}

// project converts the library's project.
func project(p *gitlab.Project) buildbtw.Project {
	known := buildbtw.Project{ID: int64(p.ID), Path: p.PathWithNamespace, SSHURL: p.SSHURLToRepo, CIConfigPath: p.CIConfigPath, VariablesRole: p.CIPipelineVariablesMinimumOverrideRole}
	if p.LastActivityAt != nil {
		known.ActiveAt = p.LastActivityAt.UTC()
	}
	return known
}

// projectPath matches the paths that GitLab allows; they become parts of
// addresses and of refs.
var projectPath = regexp.MustCompile(`^[a-zA-Z0-9_.][a-zA-Z0-9_.-]*(/[a-zA-Z0-9_.][a-zA-Z0-9_.-]*)+$`)

func isProjectPath(path string) bool {
	return projectPath.MatchString(path) && !strings.Contains(path, "..")
}

// check refuses a project that GitLab cannot have described.
func check(p buildbtw.Project) error {
	if p.ID <= 0 || !isProjectPath(p.Path) || p.ActiveAt.IsZero() {
		return &Error{Trouble: Nonsense, Doing: fmt.Sprintf("read project %d", p.ID), Said: fmt.Sprintf("its path is %.100q", p.Path)}
	}
	return nil
}

// unique removes the repetitions in a listing that changed while it was read.
func unique(list []buildbtw.Project) []buildbtw.Project {
	seen := make(map[int64]bool, len(list))
	kept := list[:0]
	for _, p := range list {
		if !seen[p.ID] {
			seen[p.ID] = true
			kept = append(kept, p)
		}
	}
	return kept
}

// CloneURL returns the address of a project for git. Over HTTPS it is made from
// the address of the server, so that nobody else gets the token; over SSH it is
// GitLab's own, with its host and port.
func (g *Group) CloneURL(p buildbtw.Project) (string, error) {
	if !g.ssh {
		return g.client.page(p.Path) + ".git", nil
	}
	address, ok := sshAddress(p.SSHURL)
	if !ok {
		return "", &Error{Trouble: Nonsense, Doing: "fetch project " + p.Path, Said: fmt.Sprintf("its address for SSH is %.100q", p.SSHURL)}
	}
	return address, nil
}

// sshForm is both forms in which GitLab writes where a project is over SSH:
// ssh://git@host:2222/path.git and git@host:path.git.
var sshForm = regexp.MustCompile(`^(?:ssh://)?([a-z_][a-z0-9_-]*)@([a-zA-Z0-9][a-zA-Z0-9.-]*)(?::([0-9]+)/|[:/]/?)([a-zA-Z0-9_.][a-zA-Z0-9_./-]*)$`)

func sshAddress(text string) (string, bool) {
	part := sshForm.FindStringSubmatch(text)
	if part == nil || strings.Contains(text, "..") {
		return "", false
	}
	host := part[2]
	if part[3] != "" {
		host += ":" + part[3]
	}
	return "ssh://" + part[1] + "@" + host + "/" + part[4], true
}

// WebURL returns the address of a project's page.
func (c *Client) WebURL(p buildbtw.Project) string { return c.page(p.Path) }

func (c *Client) page(path string) string {
	return c.URL() + "/" + (&url.URL{Path: path}).EscapedPath()
}

// SetCIConfig makes GitLab read a project's pipelines from the file that p names, and
// lets those who have p's role set variables of its pipelines; an empty role is left
// as it is. Saying it again changes nothing.
func (c *Client) SetCIConfig(ctx context.Context, p buildbtw.Project) error {
	options := &gitlab.EditProjectOptions{CIConfigPath: &p.CIConfigPath}
	if p.VariablesRole != "" {
		options.CIPipelineVariablesMinimumOverrideRole = &p.VariablesRole
	}
	_, _, err := c.read.Projects.EditProject(int(p.ID), options, gitlab.WithContext(ctx))
	return c.failed(ctx, err, "set the CI configuration of project %d", p.ID)
}
