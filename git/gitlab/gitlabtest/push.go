package gitlabtest

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
)

// Change is a push to a project.
type Change struct {
	Branch string            // main when empty
	Files  map[string]string // the whole content of the commit, by path
	Force  bool              // the commit has no parent: history is rewritten
}

// Push commits to a project and gives the commit, as a push by a packager.
func (s *Server) Push(ctx context.Context, id int64, c Change) (commit string, err error) {
	if c.Branch == "" {
		c.Branch = "main"
	}
	ref := "refs/heads/" + c.Branch
	before, err := s.refs(ctx, id)
	if err != nil {
		return "", err
	}
	parent := before[ref]
	if c.Force {
		parent = ""
	}
	var in bytes.Buffer
	fmt.Fprintf(&in, "commit %s\ncommitter packager <packager@localhost> %d +0000\ndata 4\npush\n", ref, s.now().Unix())
	if parent != "" {
		fmt.Fprintf(&in, "from %s\n", parent)
	}
	in.WriteString("deleteall\n")
	for _, path := range slices.Sorted(maps.Keys(c.Files)) {
		fmt.Fprintf(&in, "M 100644 inline %s\ndata %d\n%s\n", path, len(c.Files[path]), c.Files[path])
	}
	in.WriteString("done\n")
	if _, err := s.git(ctx, id, &in, "fast-import", "--quiet", "--done", "--force", "--date-format=raw"); err != nil {
		return "", err
	}
	return s.pushed(ctx, id, before)[ref], nil
}

// SetRef makes a branch ("refs/heads/x") or tag stand at an object; an empty one
// deletes it.
func (s *Server) SetRef(ctx context.Context, id int64, ref, object string) error {
	before, err := s.refs(ctx, id)
	if err != nil {
		return err
	}
	args := []string{"update-ref", ref, object}
	if object == "" {
		args = []string{"update-ref", "-d", ref}
	}
	if _, err := s.git(ctx, id, nil, args...); err != nil {
		return err
	}
	s.pushed(ctx, id, before)
	return nil
}

// pushed compares a project's refs with those before a push, notes the activity
// and tells the webhooks. It gives the refs.
func (s *Server) pushed(ctx context.Context, id int64, before map[string]string) map[string]string {
	after, err := s.refs(ctx, id)
	if err != nil || maps.Equal(before, after) {
		return after
	}
	s.change(id, s.touch)
	for _, ref := range slices.Sorted(maps.Keys(union(before, after))) {
		if before[ref] != after[ref] {
			s.tellPush(id, ref, before[ref], after[ref])
		}
	}
	return after
}

func union(a, b map[string]string) map[string]string {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}
