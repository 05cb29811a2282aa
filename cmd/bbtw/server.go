package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"buildbtw/api"
	"buildbtw/cmd/internal/cli"
	"buildbtw/cmd/internal/local"
)

// client returns the client for the chosen server.
func (a *app) client(ctx context.Context) (*api.Client, error) {
	s, err := a.server(ctx)
	if err != nil {
		return nil, err
	}
	return api.New(s.url, a.token, api.Options{UserAgent: userAgent(), Token: s.readToken})
}

// server is where calls go, and with which token.
type server struct {
	url       string
	own       bool                   // this user runs it, or has run it
	readToken func() (string, error) // nil: the token is that of the flag, or there is none
	source    string                 // of the token, in words
	stateDir  string                 // empty: there is none, as without a home
}

// givenByFlag is how 'bbtw auth status' names a token that was given.
const givenByFlag = "--token, or BUILDBTW_TOKEN"

// server chooses the server: that of --server or --server-url, else the default of the
// configuration, else the one that this user has started or signed in to last. The
// token is that of the flag, of the configuration, of the login there, or of the
// server itself.
func (a *app) server(ctx context.Context) (server, error) {
	if a.chosen == nil {
		s, err := a.chooseServer(ctx)
		if err != nil {
			return s, err
		}
		a.chosen = &s
	}
	return *a.chosen, nil
}

func (a *app) chooseServer(ctx context.Context) (server, error) {
	named, err := a.namedServer()
	if err != nil {
		return server{}, err
	}
	url := cmp.Or(named.URL, a.serverURL)
	dir, noHome := local.Dir()
	if noHome != nil && url == "" {
		return server{}, noHome
	}
	if noHome != nil { // a service, which has been told where to go
		s := server{url: strings.TrimRight(url, "/"), source: "none"}
		a.chooseToken(&s, named)
		return s, nil //nolint:nilerr // nothing is looked for in a home
	}
	if url == "" {
		if url, err = a.lastServer(ctx, dir); err != nil {
			return server{}, err
		}
	}
	s := server{url: strings.TrimRight(url, "/"), stateDir: dir, source: "none"}
	found, own, err := local.Find(dir, s.url)
	if err != nil {
		return s, err
	}
	login, loggedIn, err := local.FindLogin(dir, s.url)
	if err != nil {
		return s, err
	}
	s.own = own
	switch {
	case a.chooseToken(&s, named):
	case loggedIn:
		s.readToken, s.source = login.ReadToken, "'bbtw auth login' ("+login.TokenFile()+")"
	case own:
		s.readToken, s.source = found.ReadToken, "your own server ("+found.TokenFile()+")"
	}
	return s, nil
}

// chooseToken reports whether a token was given: by the flag, or by the configuration.
func (a *app) chooseToken(s *server, named local.NamedServer) bool {
	switch {
	case a.token != "":
		s.source = givenByFlag
	case named.TokenFile != "":
		s.readToken, s.source = named.ReadToken, "the configuration ("+named.TokenFile+")"
	default:
		return false
	}
	return true
}

// namedServer returns the server of the configuration that was asked for, or its
// default when no address was given. A name on the command line counts more than an
// address in the environment, and the other way round.
func (a *app) namedServer() (local.NamedServer, error) {
	nameGiven := a.serverName != "" && !cli.FromEnvironment(a.flags.Lookup("server"))
	urlGiven := a.serverURL != "" && !cli.FromEnvironment(a.flags.Lookup("server-url"))
	if nameGiven && urlGiven {
		return local.NamedServer{}, cli.Usage(errors.New("--server and --server-url both name a server; give one of them"))
	}
	if a.serverURL != "" && !nameGiven {
		return local.NamedServer{}, nil
	}
	name, err := local.ConfigFile()
	if err != nil {
		if a.serverName == "" { // no home: there is no file
			return local.NamedServer{}, nil
		}
		return local.NamedServer{}, err
	}
	config, err := local.ReadConfig(name)
	if err != nil {
		return local.NamedServer{}, err
	}
	wanted := a.serverName
	if wanted == "" {
		wanted = config.Default
	}
	if wanted == "" {
		return local.NamedServer{}, nil
	}
	found, ok := config.Servers[wanted]
	if !ok {
		return found, cli.Usage(fmt.Errorf("%s has no server %q; %s", name, wanted, config.Has()))
	}
	return found, nil
}

// lastServer returns the URL of the server that this user has started or signed in to
// last. One of this user's own that does not run any more is passed over, and that is
// said.
func (a *app) lastServer(ctx context.Context, dir string) (string, error) {
	type candidate struct {
		url  string
		at   time.Time
		runs func(context.Context) bool
	}
	var list []candidate
	servers, err := local.List(dir)
	if err != nil {
		return "", err
	}
	for _, s := range servers {
		list = append(list, candidate{s.URL, s.Started, s.Runs})
	}
	login, ok, err := local.FindLogin(dir, "")
	if err != nil {
		return "", err
	}
	if ok {
		list = append(list, candidate{login.URL, login.Kept, func(context.Context) bool { return true }})
	}
	slices.SortStableFunc(list, func(a, b candidate) int { return b.at.Compare(a.at) })
	var ended []string
	for _, c := range list {
		if !c.runs(ctx) {
			if !slices.Contains(ended, c.url) {
				ended = append(ended, c.url)
			}
			continue
		}
		if len(ended) > 0 && !a.json {
			fmt.Fprintf(a.errors, "bbtw: %s does not run any more; this is about %s\n", ended[0], c.url)
		}
		return c.url, nil
	}
	if len(ended) == 0 {
		return local.DefaultURL, nil
	}
	const named = 3 // of those that ended
	return "", fmt.Errorf("none of your servers runs any more (the last was %s); start one with 'buildbtw serve', or name another with --server-url", strings.Join(ended[:min(len(ended), named)], ", before it "))
}

// keepsLogins returns why a login can neither be kept nor found.
func (s server) keepsLogins() error {
	if s.stateDir != "" {
		return nil
	}
	_, err := local.Dir()
	return err
}
