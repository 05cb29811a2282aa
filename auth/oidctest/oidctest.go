// Package oidctest runs an OpenID Connect provider for tests: that of zitadel/oidc,
// with people whose groups a test changes, and ways to make it fail or lie.
package oidctest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// The client that the provider knows.
const (
	ClientID     = "buildbtw"
	ClientSecret = "secret of buildbtw"
)

// Provider is a provider that listens on a loopback address, or where StartAt is told.
type Provider struct {
	Issuer string // its URL; of Start by the name localhost: another site than 127.0.0.1

	server *httptest.Server
	store  *records

	mu     sync.Mutex
	down   bool
	broken map[string]int
	tamper func(*Answer)
	asked  map[string]int
}

// Person is somebody whom the provider signs in: by the name alone.
type Person struct {
	Name   string
	Groups []string
}

// Answer is the response of the token endpoint.
type Answer struct {
	Claims map[string]any // of the ID token
	Sign   func(claims map[string]any) string
	Raw    string // the ID token, made of the claims by Sign when it is empty
}

// Start runs a provider until the test ends it with Close. It sends nobody back to a
// server before SetRedirect.
func Start(people ...Person) (*Provider, error) {
	ln, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return StartAt(ln, "http://localhost:"+strconv.Itoa(ln.Addr().(*net.TCPAddr).Port), people...)
}

// StartAt runs a provider as Start does, behind a proxy: the proxy must strip the path of
// the issuer's URL from the requests that it passes to the listener. The listener is
// closed with the provider.
func StartAt(ln net.Listener, issuer string, people ...Person) (*Provider, error) {
	p := &Provider{Issuer: issuer, broken: map[string]int{}, asked: map[string]int{}}
	p.store = &records{groups: map[string][]string{}, people: map[string]*storage.User{}}
	for _, person := range people {
		p.SetGroups(person.Name, person.Groups...)
	}
	client := storage.WebClient(ClientID, ClientSecret)
	p.store.Storage = storage.NewStorageWithClients(p.store, map[string]*storage.Client{ClientID: client})
	provider, err := op.NewProvider(&op.Config{
		CodeMethodS256: true, AuthMethodPost: true, GrantTypeRefreshToken: true, SupportedScopes: []string{"openid", "profile", "offline_access"},
	}, p.store, op.StaticIssuer(p.Issuer), op.WithAllowInsecure())
	if err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	mux := http.NewServeMux()
	mux.Handle("/", provider)
	mux.Handle("/login/", p.login(op.AuthCallbackURL(provider), provider.IssuerFromRequest))
	p.server = &httptest.Server{Listener: ln, Config: &http.Server{Handler: p.faults(mux), ReadHeaderTimeout: time.Minute}}
	p.server.Start()
	return p, nil
}

// Close ends the provider.
func (p *Provider) Close() { p.server.Close() }

// SetGroups changes the groups of a person, who is made when there is nobody of
// that name.
func (p *Provider) SetGroups(name string, groups ...string) {
	p.store.mu.Lock()
	defer p.store.mu.Unlock()
	p.store.people["id of "+name] = &storage.User{ID: "id of " + name, Username: name}
	p.store.groups["id of "+name] = groups
}

// Remove makes the provider forget a person: refresh tokens are refused from then on.
func (p *Provider) Remove(name string) {
	p.store.mu.Lock()
	defer p.store.mu.Unlock()
	delete(p.store.people, "id of "+name)
}

// SetRedirect names the only address that the provider sends people back to.
func (p *Provider) SetRedirect(url string) {
	p.store.mu.Lock()
	defer p.store.mu.Unlock()
	p.store.redirect = url
}

// SetDown makes the provider close every connection without an answer, or stops
// that.
func (p *Provider) SetDown(down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = down
}

// SetBroken makes a path answer with this status; 0 mends it.
func (p *Provider) SetBroken(path string, status int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.broken[path] = status
}

// Tamper makes f change every response of the token endpoint; nil stops that.
func (p *Provider) Tamper(f func(*Answer)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tamper = f
}

// Asked returns how often a path was asked for.
func (p *Provider) Asked(path string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked[path]
}

// Sign returns a token with claims, signed with a key under the name of one. Without
// a key it is the provider's own.
func (p *Provider) Sign(key any, algorithm jose.SignatureAlgorithm, claims map[string]any) (string, error) {
	own, err := p.store.SigningKey(context.Background())
	if err != nil {
		return "", err
	}
	if key == nil {
		key = own.Key()
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: jose.JSONWebKey{Key: key, KeyID: own.ID()}}, nil)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	signed, err := signer.Sign(text)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}

// faults stands in front of the provider.
func (p *Provider) faults(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.asked[r.URL.Path]++
		down, status, tamper := p.down, p.broken[r.URL.Path], p.tamper
		p.mu.Unlock()
		switch {
		case down:
			panic(http.ErrAbortHandler)
		case status != 0:
			http.Error(w, "broken by the test", status)
		case tamper != nil && r.URL.Path == TokenPath:
			p.lie(w, r, next, tamper)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// Paths of the provider.
const (
	TokenPath    = "/oauth/token" //nolint:gosec // G101: a path
	UserinfoPath = "/userinfo"
	KeysPath     = "/keys"
	ConfigPath   = "/.well-known/openid-configuration"
)

// lie answers as the provider does, but for the ID token.
func (p *Provider) lie(w http.ResponseWriter, r *http.Request, next http.Handler, tamper func(*Answer)) {
	honest := httptest.NewRecorder()
	next.ServeHTTP(honest, r)
	var fields map[string]any
	if err := json.Unmarshal(honest.Body.Bytes(), &fields); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if raw, ok := fields["id_token"].(string); ok {
		changed, err := p.change(raw, tamper)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		fields["id_token"] = changed
	}
	maps.Copy(w.Header(), honest.Header())
	w.Header().Del("Content-Length")
	w.WriteHeader(honest.Code)
	if err := json.NewEncoder(w).Encode(fields); err != nil {
		panic(http.ErrAbortHandler)
	}
}

func (p *Provider) change(raw string, tamper func(*Answer)) (string, error) {
	parsed, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return "", err
	}
	var a Answer
	if err := json.Unmarshal(parsed.UnsafePayloadWithoutVerification(), &a.Claims); err != nil {
		return "", err
	}
	tamper(&a)
	if a.Raw != "" {
		return a.Raw, nil
	}
	if a.Sign != nil {
		return a.Sign(a.Claims), nil
	}
	return p.Sign(nil, jose.RS256, a.Claims)
}

// page is where people say who they are.
const page = `<!DOCTYPE html>
<html lang="en"><head><title>Provider</title><link rel="icon" href="data:,"></head><body><main><h1>Provider</h1>
<form method="post"><label for="name">User name</label> <input id="name" name="name"> <button>Log in</button></form></main></body></html>`

func (p *Provider) login(back func(context.Context, string) string, issuer op.IssuerFromRequest) http.Handler {
	return op.NewIssuerInterceptor(issuer).HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.FormValue("authRequestID")
		if r.Method != http.MethodPost {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			if _, err := io.WriteString(w, page); err != nil {
				panic(http.ErrAbortHandler)
			}
			return
		}
		if err := p.store.CheckUsernamePassword(r.FormValue("name"), "", id); err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		http.Redirect(w, r, back(r.Context(), id), http.StatusFound)
	})
}

// records is the provider's storage: its people and their groups.
type records struct {
	*storage.Storage

	mu     sync.Mutex
	people map[string]*storage.User // by id
	groups map[string][]string      // by id

	redirect string
}

// client is the server under test, as the provider knows it.
type client struct {
	op.Client
	redirect string
}

// RedirectURIs implements op.Client.
func (c client) RedirectURIs() []string { return []string{c.redirect} }

// GetClientByClientID gives the client with the address that it has now.
func (r *records) GetClientByClientID(ctx context.Context, id string) (op.Client, error) {
	known, err := r.Storage.GetClientByClientID(ctx, id)
	r.mu.Lock()
	defer r.mu.Unlock()
	return client{known, r.redirect}, err
}

// ExampleClientID implements storage.UserStore.
func (r *records) ExampleClientID() string { return "nobody" }

// GetUserByID implements storage.UserStore.
func (r *records) GetUserByID(id string) *storage.User {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.people[id]
}

// GetUserByUsername implements storage.UserStore.
func (r *records) GetUserByUsername(name string) *storage.User { return r.GetUserByID("id of " + name) }

// SetUserinfoFromRequest says in ID tokens who somebody is.
func (r *records) SetUserinfoFromRequest(ctx context.Context, info *oidc.UserInfo, token op.IDTokenRequest, scopes []string) error {
	return r.addGroups(info, r.Storage.SetUserinfoFromRequest(ctx, info, token, scopes))
}

// SetUserinfoFromToken says at the userinfo endpoint who somebody is.
func (r *records) SetUserinfoFromToken(ctx context.Context, info *oidc.UserInfo, token, subject, origin string) error {
	return r.addGroups(info, r.Storage.SetUserinfoFromToken(ctx, info, token, subject, origin))
}

func (r *records) addGroups(info *oidc.UserInfo, err error) error {
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	info.AppendClaims("groups", slices.Clone(r.groups[info.Subject]))
	return nil
}

// TokenRequestByRefreshToken refuses the tokens of people who were removed.
func (r *records) TokenRequestByRefreshToken(ctx context.Context, token string) (op.RefreshTokenRequest, error) {
	request, err := r.Storage.TokenRequestByRefreshToken(ctx, token)
	if err == nil && r.GetUserByID(request.GetSubject()) == nil {
		return nil, op.ErrInvalidRefreshToken
	}
	return request, err
}

// Walk goes the way of a browser from the address that the server sends it to, through
// the provider's page as a person of this name, to the address that the provider
// sends it back to.
func (p *Provider) Walk(ctx context.Context, start, name string) (back string, err error) {
	stay := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	at := start
	for {
		method, body := http.MethodGet, ""
		if strings.Contains(at, "/login/") {
			method, body = http.MethodPost, "name="+name
		}
		r, err := http.NewRequestWithContext(ctx, method, at, bytes.NewBufferString(body))
		if err != nil {
			return "", err
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		answer, err := stay.Do(r)
		if err != nil {
			return "", err
		}
		if err := answer.Body.Close(); err != nil {
			return "", err
		}
		to, err := answer.Location()
		if err != nil {
			return "", fmt.Errorf("%s answered %s: %w", at, answer.Status, err)
		}
		if at = to.String(); !strings.HasPrefix(at, p.Issuer) {
			return at, nil
		}
	}
}
