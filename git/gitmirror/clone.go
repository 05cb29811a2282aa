package gitmirror

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"buildbtw"
)

// Clones updates clones with working trees, for people and tools. They are not
// part of a mirror.
type Clones struct {
	git    git
	access Access
	config string
}

// OpenClones writes git's configuration into a temporary directory; Close removes
// it.
func OpenClones(a Access) (*Clones, error) {
	dir, err := os.MkdirTemp("", "buildbtw-git-")
	if err != nil {
		return nil, fmt.Errorf("prepare git: %w", err)
	}
	c := &Clones{access: a, config: dir}
	file := filepath.Join(dir, "config")
	if err := os.WriteFile(file, []byte(configText), 0o600); err != nil {
		c.Close()
		return nil, fmt.Errorf("prepare git: %w", err)
	}
	if c.git, err = newGit("", file); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Close removes git's configuration.
func (c *Clones) Close() { os.RemoveAll(c.config) }

// Clone is the result of an Update.
type Clone struct {
	Changed bool // a branch or tag of the project has moved
	Kept    bool // the working tree stays as it is: somebody has changed it, or committed to it
}

// Update makes the clone of a repository in dir or brings it up to date. Remote
// branches become those of the repository; the working tree follows its branch
// unless somebody's changes would be lost. A clone appears whole or not at all.
func (c *Clones) Update(ctx context.Context, dir string, r Remote) (Clone, error) {
	if err := CheckRemote(r.URL); err != nil {
		return Clone{}, err
	}
	fetching, cancel := context.WithTimeoutCause(ctx, c.access.timeout(), errSlow)
	defer cancel()
	if _, err := os.Lstat(filepath.Join(dir, ".git")); errors.Is(err, os.ErrNotExist) {
		return Clone{Changed: true}, c.clone(fetching, dir, r)
	}
	return c.freshen(fetching, dir, r)
}

// at returns git for a clone, with the credentials for its repository.
func (c *Clones) at(dir string, r Remote) git {
	g := c.git
	g.dir = filepath.Join(dir, ".git")
	g.env = append(slices.Clone(g.env), c.access.environment(r.URL)...)
	g.env = append(g.env, "GIT_WORK_TREE="+dir)
	return g
}

// cloneSuffix marks a clone that is being made. No project's path ends so: GitLab
// takes none that ends in .git.
const cloneSuffix = ".new.git"

func (c *Clones) clone(ctx context.Context, dir string, r Remote) error {
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return buildbtw.Conflict("%s is there and is no clone; move it away", dir)
	}
	draft := dir + cloneSuffix
	if err := errors.Join(os.RemoveAll(draft), os.MkdirAll(draft, 0o755)); err != nil {
		return fmt.Errorf("make room for a clone: %w", err)
	}
	g := c.at(draft, r)
	for _, args := range [][]string{
		{"init", "--quiet", "--initial-branch=main"},
		{"remote", "add", "origin", r.URL},
		{"fetch", "--quiet", "--tags", "origin"},
	} {
		if err := g.run(ctx, call{args: args}); err != nil {
			return errors.Join(c.access.forPeople(r, err), os.RemoveAll(draft))
		}
	}
	if err := checkOut(ctx, g); err != nil {
		return errors.Join(c.access.forPeople(r, err), os.RemoveAll(draft))
	}
	_ = os.Remove(dir) // an empty directory may be there
	if err := os.Rename(draft, dir); err != nil {
		return fmt.Errorf("put the clone in its place: %w", err)
	}
	return nil
}

// checkOut checks out the branch main, or the only one there is. A repository
// without branches stays empty.
func checkOut(ctx context.Context, g git) error {
	branches, err := g.output(ctx, "for-each-ref", "--format=%(refname:lstrip=3)", "refs/remotes/origin")
	list := strings.Fields(branches)
	if err != nil || len(list) == 0 {
		return err
	}
	branch := "main"
	if !slices.Contains(list, branch) {
		branch = list[0]
	}
	return g.run(ctx, call{args: []string{"checkout", "--quiet", "-B", branch, "--track", "origin/" + branch}})
}

func (c *Clones) freshen(ctx context.Context, dir string, r Remote) (Clone, error) {
	g := c.at(dir, r)
	before, err := g.output(ctx, "for-each-ref", "refs/remotes/origin", "refs/tags")
	if err != nil {
		return Clone{}, err
	}
	for _, args := range [][]string{
		{"remote", "set-url", "origin", r.URL}, // it may have been moved
		{"fetch", "--quiet", "--prune", "--tags", "--force", "--no-write-fetch-head", "origin"},
	} {
		if err := g.run(ctx, call{args: args}); err != nil {
			return Clone{}, c.access.forPeople(r, err)
		}
	}
	after, err := g.output(ctx, "for-each-ref", "refs/remotes/origin", "refs/tags")
	if err != nil {
		return Clone{}, err
	}
	if _, err := g.output(ctx, "rev-parse", "--quiet", "--verify", "HEAD"); err != nil { // it was empty when it was cloned
		if err := checkOut(ctx, g); err != nil {
			return Clone{Changed: before != after, Kept: true}, ctx.Err() // a file that git does not know is in the way
		}
	}
	kept, err := follow(ctx, g)
	return Clone{Changed: before != after, Kept: kept}, err
}

// follow moves the checked out branch to where its remote one is, if that loses
// nothing.
func follow(ctx context.Context, g git) (kept bool, err error) {
	ahead, err := g.output(ctx, "rev-list", "--count", "--left-right", "HEAD...@{upstream}")
	if err != nil {
		return false, ctx.Err() // a branch of somebody's own, or none yet: there is nothing to follow
	}
	if own, theirs, _ := strings.Cut(strings.TrimSpace(ahead), "\t"); own != "0" || theirs == "0" {
		return own != "0", nil
	}
	changes, err := g.output(ctx, "status", "--porcelain", "--untracked-files=no")
	if err != nil || changes != "" {
		return changes != "", err
	}
	if err := g.run(ctx, call{args: []string{"merge", "--quiet", "--ff-only", "@{upstream}"}}); err != nil {
		return true, ctx.Err() // a file that git does not know is in the way
	}
	return false, nil
}
