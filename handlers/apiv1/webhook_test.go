package apiv1_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"buildbtw"
	"buildbtw/forge"
	"buildbtw/git/gitlab"
	"buildbtw/handlers"
	"buildbtw/store"
)

// woken records which loops webhooks wake.
type woken struct {
	mu    sync.Mutex
	loops []string
}

// take returns what was recorded since it was called last.
func (w *woken) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	loops := w.loops
	w.loops = nil
	return loops
}

// withForge gives a server the group "arch" of a GitLab that is never asked: its
// loops do not run.
func withForge(t *testing.T, d *handlers.Deps) *woken {
	t.Helper()
	client, err := gitlab.New(gitlab.Config{URL: "http://gitlab.invalid"})
	if err != nil {
		t.Fatal(err)
	}
	w := &woken{}
	d.Forge = forge.New(forge.Config{Store: d.Store, Groups: []*gitlab.Group{client.Group("arch")}})
	d.Forge.OnWork(func(loop string) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.loops = append(w.loops, loop)
	})
	return w
}

// pipeline hands the first build of a new buildspace to GitLab, as pipeline number 3.
func (s *server) pipeline() {
	s.t.Helper()
	ctx := s.t.Context()
	s.must(s.store.RetainGroups(ctx, []string{"arch"}))
	_, err := s.store.NoteProjects(ctx, "arch", []buildbtw.Project{{ID: 1, Path: "arch/libalpha"}})
	s.must(err)
	s.space("work", "libalpha")
	d, err := s.store.DispatchBuild(ctx, store.Dispatch{Architectures: []string{"x86_64"}, Most: 1})
	s.must(err)
	s.must(s.store.PipelineCreated(ctx, d.Pipeline.ID, buildbtw.PipelineStatus{Number: 3, Status: "created"}))
}

func TestWebhook(t *testing.T) {
	t.Parallel()
	const secret = "the secret of the webhook"
	const push = `{"object_kind":"push","project":{"id":7,"path_with_namespace":"arch/a"}}`
	var heard *woken
	s := newServer(t, func(d *handlers.Deps) { d.Settings.WebhookSecret, heard = secret, withForge(t, d) })
	s.pipeline()
	for _, test := range []struct {
		name, token, body string
		status            int
		woken             []string
	}{
		{"a push", secret, push, 202, []string{"push"}},
		{"the same again", secret, push, 202, []string{"push"}},
		{"a tag", secret, strings.Replace(push, "push", "tag_push", 1), 202, []string{"push"}},
		{"a pipeline", secret, `{"object_kind":"pipeline","object_attributes":{"id":3}}`, 202, []string{"observe"}},
		{"a job", secret, `{"object_kind":"build","pipeline_id":3}`, 202, []string{"observe"}},
		{"a pipeline of somebody else", secret, `{"object_kind":"pipeline","object_attributes":{"id":4}}`, 202, nil},
		{"a project of nobody", secret, strings.Replace(push, "arch/", "other/", 1), 202, nil},
		{"a comment", secret, `{"object_kind":"note"}`, 202, nil},
		{"forged", "the secret of somebody else", push, 401, nil},
		{"without a secret", "", push, 401, nil},
		{"the secret's beginning", secret[:8], push, 401, nil},
		{"no JSON", secret, "push", 422, nil},
		{"a push of nothing", secret, `{"object_kind":"push"}`, 422, nil},
		{"too much", secret, `{"x":"` + strings.Repeat("x", 5<<20) + `"}`, 413, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			heard.take()
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/api/v1/webhooks/gitlab", strings.NewReader(test.body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/json")
			if test.token != "" {
				r.Header.Set("X-Gitlab-Token", test.token)
			}
			answer, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			text, _ := io.ReadAll(answer.Body)
			answer.Body.Close()
			if loops := heard.take(); answer.StatusCode != test.status || !slices.Equal(loops, test.woken) || strings.Contains(string(text), secret) {
				t.Errorf("%s, woke %q: %s", answer.Status, loops, text)
			}
		})
	}
}

func TestWebhookWithoutASecretIsRefused(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(d *handlers.Deps) { withForge(t, d) })
	s.call("POST", "/webhooks/gitlab", nil, 403, nil)
}
