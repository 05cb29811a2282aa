package auth

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"buildbtw"
)

// provider is an OpenID Connect provider. Its discovery document is fetched when it is
// first needed, so that the server starts while the provider is down.
type provider struct {
	OIDC
	now       func() time.Time
	client    *http.Client
	attempts  *seal // seals attempts to sign in
	refreshes *seal // seals refresh tokens; nil: none are kept

	mu     sync.Mutex
	known  *discovery
	failed time.Time // when it was last asked about itself in vain
	err    error     // of then
}

// discovery is a provider's discovery document (OpenID Connect Discovery, 4).
type discovery struct {
	*oidc.Provider
	oauth oauth2.Config
	at    time.Time
}

// Limits of requests to a provider.
const (
	providerTime   = 10 * time.Second // of one request
	providerAnswer = 1 << 20          // bytes of one answer
	discoveryLife  = time.Hour
	discoveryPause = 5 * time.Second // after asking in vain; who signs in meanwhile is told at once
)

func newProvider(c OIDC, now func() time.Time) *provider {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	p := &provider{OIDC: c, now: now, client: &http.Client{Transport: bounded{transport}, Timeout: providerTime}}
	if c.SessionKey == "" {
		p.attempts = newSeal(rand.Text(), "attempts") // they end with the process
		return p
	}
	p.attempts, p.refreshes = newSeal(c.SessionKey, "attempts"), newSeal(c.SessionKey, "refresh tokens")
	return p
}

// bounded cuts the bodies of answers off.
type bounded struct{ next http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := b.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	answer.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(answer.Body, providerAnswer), answer.Body}
	return answer, nil
}

// endpoints returns the provider's endpoints, and the context for requests to them. When
// the discovery document cannot be fetched, the last one is used.
func (p *provider) endpoints(ctx context.Context) (*discovery, context.Context, error) {
	ctx = oidc.ClientContext(ctx, p.client)
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if p.known != nil && now.Sub(p.known.at) < discoveryLife {
		return p.known, ctx, nil
	}
	if p.err == nil || now.Sub(p.failed) >= discoveryPause {
		found, err := p.discover(ctx)
		p.err, p.failed = err, now
		if err == nil {
			p.known = found
		}
	}
	if p.known == nil {
		return nil, ctx, p.err
	}
	return p.known, ctx, nil
}

func (p *provider) discover(ctx context.Context) (*discovery, error) {
	found, err := oidc.NewProvider(ctx, p.Issuer)
	if err != nil {
		return nil, fmt.Errorf("ask %s about itself: %w", p.Issuer, short(err))
	}
	var about struct {
		Scopes  []string `json:"scopes_supported"`
		Methods []string `json:"token_endpoint_auth_methods_supported"`
	}
	if err := found.Claims(&about); err != nil {
		return nil, fmt.Errorf("read what %s says about itself: %w", p.Issuer, err)
	}
	d := &discovery{Provider: found, at: p.now(), oauth: oauth2.Config{
		ClientID: p.ClientID, ClientSecret: p.ClientSecret, RedirectURL: p.CallbackURL, Endpoint: found.Endpoint(),
	}}
	// Without a list the specification says that it is the header.
	d.oauth.Endpoint.AuthStyle = oauth2.AuthStyleInHeader
	if p.ClientSecret == "" || len(about.Methods) > 0 && !slices.Contains(about.Methods, "client_secret_basic") {
		d.oauth.Endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	d.oauth.Scopes = append([]string{oidc.ScopeOpenID}, p.Scopes...)
	if len(p.Scopes) == 0 {
		d.oauth.Scopes = append(d.oauth.Scopes, "profile")
		if slices.Contains(about.Scopes, "groups") {
			d.oauth.Scopes = append(d.oauth.Scopes, "groups")
		}
		if p.refreshes != nil && slices.Contains(about.Scopes, oidc.ScopeOfflineAccess) {
			d.oauth.Scopes = append(d.oauth.Scopes, oidc.ScopeOfflineAccess)
		}
	}
	return d, nil
}

// openAttempt returns the attempt that a browser has kept.
func (p *provider) openAttempt(sealed string) (t attempt, err error) {
	text, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil {
		return t, err
	}
	text, err = p.attempts.open(text, nil)
	if err != nil {
		return t, err
	}
	return t, json.Unmarshal(text, &t)
}

// sealRefresh encrypts a refresh token for one person.
func (p *provider) sealRefresh(token, subject string) []byte {
	return p.refreshes.close([]byte(token), []byte(p.Issuer+"\x00"+subject))
}

// openRefresh decrypts a refresh token that sealRefresh encrypted for the same person.
func (p *provider) openRefresh(sealed []byte, subject string) (string, error) {
	if p.refreshes == nil {
		return "", errors.New("there is no session key")
	}
	text, err := p.refreshes.open(sealed, []byte(p.Issuer+"\x00"+subject))
	return string(text), err
}

// person is somebody as the provider vouches for him or her.
type person struct {
	subject   string
	name      string
	groups    []string
	hasGroups bool   // the provider said something of groups
	refresh   string // the token to ask again with; empty: there is none
}

// Errors about one person; every other error is of the provider, and may pass.
var (
	errRefused = errors.New("the provider does not take this code or token any more")
	errForged  = errors.New("the provider's answer proves nothing")
)

// noAnswer reports whether nothing was heard of the provider at all.
func noAnswer(err error) bool {
	var network *url.Error
	return errors.As(err, &network)
}

// short cuts the text of an error that may hold a whole page of the provider.
func short(err error) error {
	if noAnswer(err) {
		return err
	}
	return fmt.Errorf("%.300s", err.Error())
}

// redeem returns whom a code is of that the provider gave for an attempt.
func (p *provider) redeem(ctx context.Context, code string, t attempt) (person, error) {
	d, ctx, err := p.endpoints(ctx)
	if err != nil {
		return person{}, err
	}
	token, err := d.oauth.Exchange(ctx, code, oauth2.VerifierOption(t.Verifier))
	if err != nil {
		return person{}, p.judge(err)
	}
	id, claims, err := p.verify(ctx, d, token)
	switch {
	case err != nil:
		return person{}, err
	case id == nil:
		return person{}, errors.New("the provider gave no ID token")
	case !SameSecret(id.Nonce, t.Nonce):
		return person{}, fmt.Errorf("%w: the ID token is of another attempt to sign in", errForged)
	}
	return p.describe(ctx, d, token, id.Subject, claims)
}

// ask returns a person's current claims, by a refresh token. The returned person has the
// next refresh token, also when a request after the exchange fails.
func (p *provider) ask(ctx context.Context, refresh, subject string) (person, error) {
	d, ctx, err := p.endpoints(ctx)
	if err != nil {
		return person{}, err
	}
	token, err := d.oauth.TokenSource(ctx, &oauth2.Token{RefreshToken: refresh}).Token()
	if err != nil {
		return person{}, p.judge(err)
	}
	id, claims, err := p.verify(ctx, d, token)
	if err == nil && id != nil && id.Subject != subject {
		err = fmt.Errorf("%w: the ID token is of somebody else", errForged)
	}
	if err == nil && id == nil && d.UserInfoEndpoint() == "" {
		err = errors.New("the provider says nothing of people without signing them in anew")
	}
	if err != nil {
		return person{refresh: token.RefreshToken}, err
	}
	return p.describe(ctx, d, token, subject, claims)
}

// judge tells whether the provider refused a code or token, or could not say.
func (p *provider) judge(err error) error {
	var answer *oauth2.RetrieveError
	if errors.As(err, &answer) && answer.ErrorCode == "invalid_grant" {
		return fmt.Errorf("%w: %.300s", errRefused, answer.ErrorDescription)
	}
	if answer != nil && answer.ErrorCode == "" {
		return fmt.Errorf("the provider answered %s", answer.Response.Status) // the body may be a whole page
	}
	return err
}

// verify returns the ID token that came with a token, and its claims; nil when none
// came.
func (p *provider) verify(ctx context.Context, d *discovery, token *oauth2.Token) (*oidc.IDToken, map[string]any, error) {
	raw, ok := token.Extra("id_token").(string)
	if !ok || raw == "" {
		return nil, nil, nil
	}
	id, err := d.Verifier(&oidc.Config{ClientID: p.ClientID, Now: p.now}).Verify(ctx, raw)
	if err != nil && strings.Contains(err.Error(), "fetching keys") {
		return nil, nil, short(err)
	}
	var claims map[string]any
	var more struct {
		AuthorizedParty string `json:"azp"`
	}
	if err == nil {
		err = errors.Join(id.Claims(&claims), id.Claims(&more))
	}
	switch {
	case err != nil:
	case id.Subject == "" || len(id.Subject) > maxSubject:
		err = fmt.Errorf("a subject of %d bytes", len(id.Subject))
	case len(id.Audience) > 1 && more.AuthorizedParty == "", more.AuthorizedParty != "" && more.AuthorizedParty != p.ClientID:
		err = fmt.Errorf("the token was made for %q", more.AuthorizedParty)
	case id.AccessTokenHash != "":
		err = id.VerifyAccessToken(token.AccessToken)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %.300s", errForged, err.Error())
	}
	return id, claims, nil
}

// maxSubject bounds the bytes of a subject (OpenID Connect Core, 2).
const maxSubject = 255

// describe adds the claims of the provider's userinfo endpoint, if it has one. They
// override those of the ID token, because they are newer.
func (p *provider) describe(ctx context.Context, d *discovery, token *oauth2.Token, subject string, claims map[string]any) (person, error) {
	who := person{subject: subject, refresh: token.RefreshToken}
	if d.UserInfoEndpoint() != "" {
		info, err := d.UserInfo(ctx, oauth2.StaticTokenSource(token))
		if err != nil {
			return who, fmt.Errorf("ask who %s is: %w", subject, short(err))
		}
		if info.Subject != subject {
			return who, fmt.Errorf("%w: the answer is of somebody else", errForged)
		}
		var newer map[string]any
		if err := info.Claims(&newer); err != nil {
			return who, fmt.Errorf("read who %s is: %w", subject, err)
		}
		claims = merged(claims, newer)
	}
	who.name = subject
	for _, claim := range []string{"preferred_username", "email"} {
		if name, ok := claims[claim].(string); ok && buildbtw.UserName(name) != "" {
			who.name = buildbtw.UserName(name)
			break
		}
	}
	who.groups, who.hasGroups = groupsOf(claims, p.GroupsClaim)
	return who, nil
}

func merged(older, newer map[string]any) map[string]any {
	all := map[string]any{}
	for _, m := range []map[string]any{older, newer} {
		for name, value := range m {
			all[name] = value
		}
	}
	return all
}

// groupsOf returns the groups that a claim lists. A name with dots that is no claim
// leads through objects, as "realm_access.roles". ok is false without such a claim.
func groupsOf(claims map[string]any, claim string) (groups []string, ok bool) {
	value, ok := claims[claim]
	if outer, inner, nested := strings.Cut(claim, "."); !ok && nested {
		object, isObject := claims[outer].(map[string]any)
		if !isObject {
			return nil, false
		}
		return groupsOf(object, inner)
	}
	switch v := value.(type) {
	case string:
		return []string{v}, true
	case []any:
		for _, g := range v {
			if name, isName := g.(string); isName {
				groups = append(groups, name)
			}
		}
		return groups, true
	}
	return nil, false
}
