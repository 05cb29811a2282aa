package gitlab

import (
	"context"
	"slices"
	"time"

	gitlab "github.com/xanzy/go-gitlab"
)

// TokenRights is what a token may do.
type TokenRights struct {
	Scopes  []string  // such as api, read_api, write_repository
	Expires time.Time // zero: never
}

// Allows reports whether the token has one of these scopes.
func (r TokenRights) Allows(scopes ...string) bool {
	return slices.ContainsFunc(scopes, func(s string) bool { return slices.Contains(r.Scopes, s) })
}

// TokenRights asks what the client's own token may do.
func (c *Client) TokenRights(ctx context.Context) (TokenRights, error) {
	token, _, err := c.read.PersonalAccessTokens.GetSinglePersonalAccessToken(gitlab.WithContext(ctx))
	if err != nil {
		return TokenRights{}, c.failed(ctx, err, "ask what the token may do")
	}
	rights := TokenRights{Scopes: token.Scopes}
	if token.ExpiresAt != nil {
		rights.Expires = time.Time(*token.ExpiresAt)
	}
	return rights, nil
}
