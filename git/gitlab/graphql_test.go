package gitlab

import (
	"encoding/json"
	"strings"
	"testing"

	"buildbtw/git/gitlab/gitlabtest"
)

func TestQueryGivesTheDataOrTheReason(t *testing.T) {
	t.Parallel()
	server := gitlabtest.Start(t, gitlabtest.Options{})
	client, err := New(Config{URL: server.URL(), Token: gitlabtest.Token})
	if err != nil {
		t.Fatal(err)
	}
	server.AnswerQuery("hello", func(v map[string]json.RawMessage) any { return map[string]any{"name": v["name"]} })
	var got struct{ Name string }
	if err := client.query(t.Context(), `query hello($name: String) { name }`, map[string]any{"name": "x"}, &got); err != nil || got.Name != "x" {
		t.Errorf("got %+v, %v", got, err)
	}
	err = client.query(t.Context(), `query unheard { of }`, nil, &got)
	if TroubleOf(err) != Refused || !strings.Contains(err.Error(), "does not know") {
		t.Errorf("got %v", err)
	}
}
