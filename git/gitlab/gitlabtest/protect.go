package gitlabtest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Protect refuses pushes to a project's main as GitLab does for a protected branch, and takes
// push options: MergeRequests returns what they asked for.
func (s *Server) Protect(ctx context.Context, id int64) error {
	if err := s.ensureRepository(id); err != nil {
		return err
	}
	hooks := filepath.Join(s.repository(id), "hooks")
	if err := os.MkdirAll(hooks, 0o755); err != nil {
		return err
	}
	script := fmt.Sprintf(`#!/bin/sh
while read old new ref; do
  if [ "$ref" = refs/heads/main ]; then
    echo 'GitLab: You are not allowed to push code to protected branches on this project.' >&2
    exit 1
  fi
done
i=0
while [ "$i" -lt "${GIT_PUSH_OPTION_COUNT:-0}" ]; do
  eval "echo \"\$GIT_PUSH_OPTION_$i\"" >> %q
  i=$((i+1))
done
`, s.requestsFile(id))
	if err := os.WriteFile(filepath.Join(hooks, "pre-receive"), []byte(script), 0o755); err != nil {
		return err
	}
	_, err := s.git(ctx, id, nil, "config", "receive.advertisePushOptions", "true")
	return err
}

func (s *Server) requestsFile(id int64) string {
	return filepath.Join(s.repository(id), "merge-requests")
}

// MergeRequests returns the push options that a protected project got.
func (s *Server) MergeRequests(id int64) []string {
	text, err := os.ReadFile(s.requestsFile(id))
	if err != nil {
		return nil
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}
