package apiv1_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"buildbtw"
	"buildbtw/handlers"
)

// hooked is told what webhooks tell.
type hooked struct {
	mu   sync.Mutex
	told []string
}

func (h *hooked) Pushed(_ context.Context, p buildbtw.Project) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !strings.HasPrefix(p.Path, "arch/") {
		return buildbtw.NotFound("project %s is in none of the groups", p.Path)
	}
	h.told = append(h.told, "push "+p.Path)
	return nil
}

func (h *hooked) PipelineTold(_ context.Context, number int64) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.told = append(h.told, fmt.Sprintf("pipeline %d", number))
	return nil
}

func TestWebhook(t *testing.T) {
	const secret = "the secret of the webhook"
	const push = `{"object_kind":"push","project":{"id":7,"path_with_namespace":"arch/a"}}`
	heard := &hooked{}
	s := newServer(t, func(d *handlers.Deps) { d.Settings.WebhookSecret, d.Hook = secret, heard })
	for _, test := range []struct {
		name, token, body string
		status            int
		told              []string
	}{
		{"a push", secret, push, 202, []string{"push arch/a"}},
		{"the same again", secret, push, 202, []string{"push arch/a"}},
		{"a tag", secret, strings.Replace(push, "push", "tag_push", 1), 202, []string{"push arch/a"}},
		{"a pipeline", secret, `{"object_kind":"pipeline","object_attributes":{"id":3}}`, 202, []string{"pipeline 3"}},
		{"a job", secret, `{"object_kind":"build","pipeline_id":3}`, 202, []string{"pipeline 3"}},
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
			heard.told = nil
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
			if answer.StatusCode != test.status || !slices.Equal(heard.told, test.told) || strings.Contains(string(text), secret) {
				t.Errorf("%s, told %q: %s", answer.Status, heard.told, text)
			}
		})
	}
}

func TestWebhookWithoutASecretIsRefused(t *testing.T) {
	s := newServer(t, func(d *handlers.Deps) { d.Hook = &hooked{} })
	s.call("POST", "/webhooks/gitlab", nil, 403, nil)
}
