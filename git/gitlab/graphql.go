package gitlab

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/xanzy/go-gitlab"
)

// query asks GitLab's GraphQL, of which the library knows nothing but whose
// address it can reach. The query must have a name and change nothing: it is
// repeated after trouble that passes. The answer's data is decoded into v.
func (c *Client) query(ctx context.Context, text string, variables map[string]any, v any) error {
	const doing = "ask GitLab's GraphQL"
	r, err := c.read.NewRequest(http.MethodPost, "", map[string]any{"query": text, "variables": variables},
		[]gitlab.RequestOptionFunc{gitlab.WithContext(ctx)})
	if err != nil {
		return c.failed(ctx, err, doing)
	}
	r.URL.Path, r.URL.RawPath = c.base.Path+"/api/graphql", ""
	var answer struct {
		Data   json.RawMessage
		Errors []struct{ Message string }
	}
	if _, err := c.read.Do(r, &answer); err != nil {
		return c.failed(ctx, err, doing)
	}
	if len(answer.Errors) > 0 {
		return &Error{Trouble: Refused, Doing: doing, Said: said(answer.Errors[0].Message)}
	}
	return c.failed(ctx, json.Unmarshal(answer.Data, v), doing)
}
