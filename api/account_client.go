package api

import (
	"context"
	"net/http"
	"net/url"
)

// Health returns the server's version, if it is alive.
func (c *Client) Health(ctx context.Context) (Health, error) {
	var h Health
	return h, c.get(ctx, "/health", nil, &h)
}

// Me returns the user that the server takes the caller for.
func (c *Client) Me(ctx context.Context) (Me, error) {
	var me Me
	return me, c.get(ctx, "/me", nil, &me)
}

// NewSignInCode makes a code that signs a browser in as the caller.
func (c *Client) NewSignInCode(ctx context.Context) (SignInCode, error) {
	var code SignInCode
	return code, c.once(ctx, call{method: http.MethodPost, path: "/sign-in-codes"}, &code)
}

// StartLogin begins a login whose person enters a short code.
func (c *Client) StartLogin(ctx context.Context, n NewLogin) (StartedLogin, error) {
	var started StartedLogin
	return started, c.send(ctx, http.MethodPost, "/logins", n, &started)
}

// FinishLogin exchanges the code of a login for a token, once somebody has allowed it.
func (c *Client) FinishLogin(ctx context.Context, f FinishLogin) (FinishedLogin, error) {
	var finished FinishedLogin
	return finished, c.send(ctx, http.MethodPost, "/logins/finish", f, &finished)
}

// Tokens returns the tokens of the caller or, for administrators, all; the revoked
// ones last.
func (c *Client) Tokens(ctx context.Context, all bool) ([]Token, error) {
	query := url.Values{}
	if all {
		query.Set("all", "true")
	}
	return pages[Token](ctx, c, "/tokens", query)
}

// CreateToken makes a token.
func (c *Client) CreateToken(ctx context.Context, n NewToken) (CreatedToken, error) {
	var token CreatedToken
	return token, c.send(ctx, http.MethodPost, "/tokens", n, &token)
}

// RevokeToken ends a token of the caller or, for administrators, any.
func (c *Client) RevokeToken(ctx context.Context, id string) error {
	return c.once(ctx, call{method: http.MethodDelete, path: "/tokens/" + url.PathEscape(id)}, nil)
}
