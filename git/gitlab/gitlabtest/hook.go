package gitlabtest

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"path"
	"strings"
	"time"
)

// Hook is a webhook of a group.
type Hook struct {
	URL    string
	Secret string
	Group  string   // of whose projects it is told; empty: all
	Events []string // such as "Push Hook"; empty: all
}

// AddHook registers a webhook.
func (s *Server) AddHook(h Hook) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hooks = append(s.hooks, h)
}

// noCommit is how GitLab writes that a ref did not exist or does no more.
const noCommit = "0000000000000000000000000000000000000000"

// tellPush tells of a branch or tag that moved.
func (s *Server) tellPush(id int64, ref, before, after string) {
	event, kind := "Push Hook", "push"
	if strings.HasPrefix(ref, "refs/tags/") {
		event, kind = "Tag Push Hook", "tag_push"
	}
	checkout := any(after)
	if after == "" {
		checkout = nil
	}
	s.Tell(event, id, map[string]any{
		"object_kind": kind, "event_name": kind, "ref": ref, "project_id": id,
		"before": cmp.Or(before, noCommit), "after": cmp.Or(after, noCommit), "checkout_sha": checkout,
		"user_username": "packager", "commits": []any{}, "total_commits_count": 1,
	})
}

// Tell sends an event of a project to the webhooks that subscribe to it, without waiting
// for their answers. The fields about the project that every event of GitLab has are
// added.
func (s *Server) Tell(event string, id int64, body map[string]any) {
	p, _, ok := s.find(formatID(id))
	if !ok {
		return
	}
	body["project"] = map[string]any{
		"id": p.id, "name": path.Base(p.path), "path_with_namespace": p.path, "default_branch": "main",
		"web_url": s.url + "/" + p.path, "git_http_url": s.url + "/" + p.path + ".git", "ci_config_path": p.ciConfig,
	}
	text, err := json.Marshal(body)
	if err != nil {
		panic("gitlabtest: an event that is no JSON: " + err.Error())
	}
	for _, h := range s.hooksFor(event, p.path) {
		s.deliveries.Add(1)
		go func() {
			defer s.deliveries.Done()
			s.deliver(h, event, text)
		}()
	}
}

func (s *Server) hooksFor(event, projectPath string) []Hook {
	s.mu.Lock()
	defer s.mu.Unlock()
	var wanted []Hook
	for _, h := range s.hooks {
		inGroup := h.Group == "" || strings.HasPrefix(projectPath, h.Group+"/")
		if inGroup && (len(h.Events) == 0 || strings.Contains(strings.Join(h.Events, "\n"), event)) {
			wanted = append(wanted, h)
		}
	}
	return wanted
}

// hookTime is how long GitLab waits for the answer to a webhook.
const hookTime = 10 * time.Second

// deliver sends one event. A failed delivery is not repeated, as in GitLab.
func (s *Server) deliver(h Hook, event string, body []byte) {
	ctx, cancel := context.WithTimeout(s.stop, hookTime)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL, bytes.NewReader(body))
	if err != nil {
		s.log("webhook " + h.URL + ": " + err.Error())
		return
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "GitLab/18.0.0")
	r.Header.Set("X-Gitlab-Event", event)
	r.Header.Set("X-Gitlab-Event-UUID", rand.Text())
	r.Header.Set("X-Gitlab-Token", h.Secret)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		s.log("webhook " + h.URL + ": " + err.Error())
		return
	}
	answer.Body.Close()
	s.log("webhook " + event + ": " + answer.Status)
}
