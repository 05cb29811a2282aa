package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/cmd/internal/cli"
	"buildbtw/cmd/internal/local"
)

func (a *app) authCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "auth",
		Short: "Sign in to a server, and manage tokens",
		Long: `auth lets bbtw act for you on a server: login gets a token that you allow in the
browser and keeps it for this server, readable for you alone. A server that you run
yourself needs no login.

The token that is presented is the one of --token (better: BUILDBTW_TOKEN_FILE), else
that of your login at the server, else that of your own server.`,
		Example: `  bbtw auth login --server-url https://buildbtw.example.org
  bbtw auth status
  bbtw auth token create ci --bot --expires 30d
  bbtw auth logout`,
	}
	cmd.AddCommand(a.loginCommand(), a.whoCommand(), a.logoutCommand(), a.tokenCommand())
	return cmd
}

func (a *app) loginCommand() *cobra.Command {
	var noBrowser bool
	cmd := &cobra.Command{
		Use:   "login",
		Short: "Let bbtw act for you on a server",
		Long: `login opens a page of the server in your browser, where you sign in and allow bbtw to
act for you. It gets a token of its own, for 90 days; 'bbtw auth token list' shows it.

Without a browser on this machine (--no-browser, or when none can be started) it
prints an address and a short code, which you enter in a browser anywhere.`,
		Example: `  bbtw auth login --server-url https://buildbtw.example.org
  bbtw auth login --no-browser      over ssh`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeoutCause(cmd.Context(), loginTime, buildbtw.TooSlow("nobody allowed the login within ten minutes; run 'bbtw auth login' again"))
			defer cancel()
			s, err := a.server(cmd.Context())
			if err == nil {
				err = s.keepsLogins()
			}
			if err != nil {
				return err
			}
			if s.own {
				fmt.Fprintf(a.errors, "You run %s yourself: bbtw needs no login there.\n", s.url)
			}
			client, err := api.New(s.url, "", api.Options{UserAgent: userAgent()})
			if err != nil {
				return err
			}
			l := login{app: a, client: client, url: s.url, name: tokenName(), verifier: rand.Text() + rand.Text()}
			token, err := l.run(ctx, noBrowser)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err != nil {
				return err
			}
			return a.keepLogin(cmd.Context(), s, token)
		},
	}
	cmd.Flags().BoolVar(&noBrowser, "no-browser", false, "print an address and a code instead of starting a browser")
	return cmd
}

// loginTime is how long the server waits for the answer, too.
const loginTime = 10 * time.Minute

func userAgent() string { return "bbtw/" + cli.Version() }

// tokenName returns the name of this machine's token, of characters that the server
// takes.
func tokenName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	host = strings.Map(func(r rune) rune {
		if r < 0x80 && (r == '.' || r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z') {
			return r
		}
		return '_'
	}, host)
	return "bbtw@" + host[:min(len(host), 64)]
}

// keepLogin keeps a new token, and ends the one that it replaces.
func (a *app) keepLogin(ctx context.Context, s server, token api.CreatedToken) error {
	before := ""
	if old, ok, err := local.FindLogin(s.stateDir, s.url); err == nil && ok {
		before, _ = old.ReadToken() // a login that cannot be read is replaced only
	}
	kept, err := local.KeepLogin(s.stateDir, s.url, token.Secret)
	if err != nil {
		return err
	}
	if before != "" {
		if err := revokeOwn(ctx, s.url, before); err != nil && buildbtw.KindOf(err) != buildbtw.KindUnauthenticated {
			fmt.Fprintf(a.errors, "bbtw: the token of the login before could not be revoked: %s; see 'bbtw auth token list'\n", buildbtw.MessageOf(err))
		}
	}
	if a.json {
		return a.printJSON(token.Token)
	}
	_, err = fmt.Fprintf(a.out, "Signed in to %s as %s (%s) until %s.\nThe token is in %s.\n",
		s.url, token.Owner, token.Role, until(token.ExpiresAt), kept.TokenFile())
	return err
}

// revokeOwn ends a token by itself.
func revokeOwn(ctx context.Context, url, token string) error {
	client, err := api.New(url, token, api.Options{UserAgent: userAgent()})
	if err != nil {
		return err
	}
	me, err := client.Me(ctx)
	if err != nil || me.Token == nil {
		return err
	}
	return client.RevokeToken(ctx, me.Token.ID)
}

// until writes when a token ends.
func until(t *time.Time) string {
	if t == nil {
		return "it is revoked"
	}
	return t.Local().Format("2006-01-02")
}

// login is one that is under way. The server gives the token only to whoever knows
// the verifier (PKCE, RFC 7636).
type login struct {
	*app
	client         *api.Client
	url            string
	name, verifier string
}

func (l login) challenge() string {
	sum := sha256.Sum256([]byte(l.verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// run returns the token that the person allows: with a browser on this machine or,
// when none can be started, anywhere.
func (l login) run(ctx context.Context, noBrowser bool) (api.CreatedToken, error) {
	if !noBrowser {
		code, err := l.askHere(ctx)
		if !errors.Is(err, errNoBrowser) {
			if err != nil {
				return api.CreatedToken{}, err
			}
			return l.exchange(ctx, code)
		}
		fmt.Fprintln(l.errors, "No browser could be started.")
	}
	return l.askAnywhere(ctx)
}

var errNoBrowser = errors.New("no browser could be started")

// askHere opens the page in a browser of this machine, and waits until that comes
// back to loopback with a code (RFC 8252).
func (l login) askHere(ctx context.Context) (code string, err error) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("wait for the browser: %w; 'bbtw auth login --no-browser' does without", err)
	}
	_, port, err := net.SplitHostPort(ln.Addr().String())
	if err != nil {
		return "", errors.Join(err, ln.Close())
	}
	answers := make(chan answer, 1)
	state := rand.Text()
	server := &http.Server{Handler: callback(ln.Addr().String(), state, answers), ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, MaxHeaderBytes: 8 << 10}
	go func() { _ = server.Serve(ln) }() // it ends by Shutdown
	defer func() {
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		_ = server.Shutdown(stop) // the browser's page is nice to have
	}()
	page := l.url + "/auth/cli?" + url.Values{"name": {l.name}, "challenge": {l.challenge()}, "state": {state}, "port": {port}}.Encode()
	failed := make(chan error, 1)
	go func() { failed <- exec.CommandContext(ctx, "xdg-open", page).Run() }()
	fmt.Fprintf(l.errors, "Allow %s in the browser, which shows\n  %s\nWithout a browser here, stop this and use 'bbtw auth login --no-browser'.\n", l.name, page)
	for {
		select {
		case got := <-answers:
			return got.code, got.err
		case err := <-failed:
			if err != nil {
				return "", errNoBrowser
			}
			failed = nil // it has started the browser
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

// answer is what the browser came back with.
type answer struct {
	code string
	err  error
}

// callback takes the answer of the page that has the state, under the address that
// it was sent to, and no other request.
func callback(host, state string, answers chan<- answer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if r.Method != http.MethodGet || r.Host != host || r.URL.Path != "/" || q.Get("state") != state {
			http.Error(w, "This is no answer to 'bbtw auth login'.", http.StatusForbidden)
			return
		}
		got, text := answer{code: q.Get("code")}, "bbtw is signed in. You can close this page."
		if got.code == "" {
			got.err, text = errRefused(), "bbtw was refused. You can close this page."
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'")
		w.Header().Set("Cache-Control", "no-store")
		_, _ = fmt.Fprintf(w, `<!DOCTYPE html><html lang="en"><meta name="color-scheme" content="light dark"><title>bbtw</title><h1>%s</h1>`, text)
		select {
		case answers <- got:
		default: // the first answer counts
		}
	})
}

func errRefused() error { return buildbtw.Forbidden("the login was refused in the browser") }

// exchange gets the token for a code.
func (l login) exchange(ctx context.Context, code string) (api.CreatedToken, error) {
	got, err := l.client.FinishLogin(ctx, api.FinishLogin{Code: code, Verifier: l.verifier})
	if err != nil {
		return api.CreatedToken{}, err
	}
	if got.Token == nil {
		return api.CreatedToken{}, buildbtw.Unauthenticated("the server gave no token; run 'bbtw auth login' again")
	}
	return *got.Token, nil
}

// askAnywhere prints an address and a short code, and asks the server until somebody
// has entered it (RFC 8628).
func (l login) askAnywhere(ctx context.Context) (api.CreatedToken, error) {
	started, err := l.client.StartLogin(ctx, api.NewLogin{Name: l.name, Challenge: l.challenge()})
	if err != nil {
		return api.CreatedToken{}, err
	}
	fmt.Fprintf(l.errors, "Open %s in a browser and enter the code\n\n  %s\n\nIt is good for ten minutes. Waiting …\n", started.URL, started.UserCode)
	for pause := firstPoll; ; {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return api.CreatedToken{}, ctx.Err()
		}
		got, err := l.client.FinishLogin(ctx, api.FinishLogin{Code: started.Code, Verifier: l.verifier})
		switch {
		case err == nil && got.Token != nil:
			return *got.Token, nil
		case err != nil && !api.Temporary(err):
			return api.CreatedToken{}, err
		case err != nil:
			pause *= 2 // the server is not there, or asks for patience
		default:
			pause += firstPoll / 2
		}
		pause = min(pause, lastPoll)
	}
}

// Pauses between two questions whether the login was allowed.
const (
	firstPoll = time.Second
	lastPoll  = 5 * time.Second
)

func (a *app) whoCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "status",
		Short:   "Show who you are to the server, and by which token",
		Example: "  bbtw auth status\n  bbtw auth status --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			s, err := a.server(cmd.Context())
			if err != nil {
				return err
			}
			me, err := client.Me(cmd.Context())
			if err == nil && me.Name == "" {
				err = buildbtw.Unauthenticated("you are not signed in to %s and may only look; run 'bbtw auth login'", s.url)
			}
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(struct {
					Server string `json:"server"`
					Source string `json:"source"` // of the token
					api.Me
				}{s.url, s.source, me})
			}
			fmt.Fprintf(a.out, "Server: %s\nYou:    %s, %s (%s)\nToken:  %s\n", s.url, me.Name, me.Role, cmp.Or(me.Kind, "unknown"), s.source)
			if t := me.Token; t != nil {
				fmt.Fprintf(a.out, "        %s, number %s, until %s\n", t.Name, t.ID, until(t.ExpiresAt))
			}
			return nil
		},
	}
}

func (a *app) logoutCommand() *cobra.Command {
	var forget bool
	cmd := &cobra.Command{
		Use:   "logout",
		Short: "End the login at a server",
		Long: `logout revokes the token of 'bbtw auth login' at the server and removes it here. It
leaves other tokens alone; 'bbtw auth token revoke' ends those.`,
		Example: "  bbtw auth logout --server-url https://buildbtw.example.org",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.server(cmd.Context())
			if err == nil {
				err = s.keepsLogins()
			}
			if err != nil {
				return err
			}
			l, ok, err := local.FindLogin(s.stateDir, s.url)
			if err != nil {
				return err
			}
			if !ok {
				return buildbtw.NotFound("there is no login at %s; 'bbtw auth status' tells which token bbtw uses", s.url)
			}
			if !forget {
				token, err := l.ReadToken()
				if err == nil {
					err = revokeOwn(cmd.Context(), s.url, token)
				}
				// A token that is good no more needs no end.
				if err != nil && buildbtw.KindOf(err) != buildbtw.KindUnauthenticated {
					return fmt.Errorf("revoke the token: %w; 'bbtw auth logout --forget' removes it here alone", err)
				}
			}
			if err := l.Remove(); err != nil {
				return err
			}
			return a.tell(map[string]string{"server": s.url, "status": "signed out"}, "Signed out of %s.\n", s.url)
		},
	}
	cmd.Flags().BoolVar(&forget, "forget", false, "only remove the token here; it stays good until it ends")
	return cmd
}
