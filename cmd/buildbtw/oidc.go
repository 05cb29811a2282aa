package main

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"buildbtw/auth"
	"buildbtw/cmd/internal/cli"
)

// oidcFlags say how people sign in with an OpenID Connect provider.
type oidcFlags struct {
	issuer         string
	name           string
	clientID       string
	clientSecret   string
	scopes         []string
	groupsClaim    string
	packagerGroups []string
	adminGroups    []string
	sessionKey     string
	period         time.Duration
}

func (f *oidcFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.issuer, "oidc-issuer", "", "URL of the OpenID Connect provider with which people sign in, exactly as it calls itself")
	flags.StringVar(&f.name, "oidc-name", "", "name of the provider on the sign-in page (default: its host name)")
	flags.StringVar(&f.clientID, "oidc-client-id", "", "the server's name at the provider")
	flags.StringVar(&f.clientSecret, "oidc-client-secret", "", "the server's secret at the provider; others can read it on a command line, so better name a file with it in BUILDBTW_OIDC_CLIENT_SECRET_FILE")
	flags.StringSliceVar(&f.scopes, "oidc-scopes", nil, "scopes to ask for besides openid (default: profile, and groups and offline_access where the provider offers them)")
	flags.StringVar(&f.groupsClaim, "oidc-groups-claim", "groups", "claim with the groups of a person; a dot leads into an object, as in realm_access.roles")
	flags.StringArrayVar(&f.packagerGroups, "oidc-packager-groups", nil, "group at the provider whose members are packagers (repeatable)")
	flags.StringArrayVar(&f.adminGroups, "oidc-admin-groups", nil, "group at the provider whose members are administrators (repeatable)")
	flags.StringVar(&f.sessionKey, "session-key", "", "secret that encrypts what the provider gives to ask for groups again; without it a role ends 8 hours after signing in (name a file with it in BUILDBTW_SESSION_KEY_FILE)")
	cli.Time(flags, &f.period, "oidc-period", 5*time.Minute, time.Second, 24*time.Hour, "how long after it was asked the provider is asked again who is in which groups")
}

// minSessionKey is the least length of a secret from which keys are derived.
const minSessionKey = 32

// validate returns the first error in the flags.
func (f *oidcFlags) validate() error {
	groups := len(f.packagerGroups) + len(f.adminGroups)
	if f.issuer == "" {
		if f.clientID != "" || f.clientSecret != "" || groups > 0 {
			return cli.Usage(errors.New("--oidc-client-id, --oidc-client-secret and groups are of a provider; name it with --oidc-issuer"))
		}
		return nil
	}
	issuer, err := url.Parse(f.issuer)
	switch {
	case err != nil || issuer.Host == "" || issuer.RawQuery != "" || issuer.Fragment != "" || issuer.User != nil:
		return cli.Usage(fmt.Errorf("cannot read --oidc-issuer %q; write a URL such as https://sso.example.org/realms/staff", f.issuer))
	case issuer.Scheme != "https" && (issuer.Scheme != "http" || !isLoopback(issuer.Hostname())):
		return cli.Usage(fmt.Errorf("--oidc-issuer %s: a provider must be reached by https, or anybody on the way could sign in as anybody", f.issuer))
	case f.clientID == "":
		return cli.Usage(errors.New("--oidc-issuer needs --oidc-client-id, the name under which the provider knows this server"))
	case groups == 0:
		return cli.Usage(errors.New("with --oidc-issuer alone nobody gets a role; name a group with --oidc-packager-groups or --oidc-admin-groups"))
	case strings.TrimSpace(f.groupsClaim) == "":
		return cli.Usage(errors.New("--oidc-groups-claim is empty: nobody would get a role"))
	case f.sessionKey != "" && len(f.sessionKey) < minSessionKey:
		return cli.Usage(fmt.Errorf("the session key has %d characters; use at least %d, for example: openssl rand -hex 32", len(f.sessionKey), minSessionKey))
	case f.period < time.Second:
		return cli.Usage(errors.New("--oidc-period must be at least one second"))
	}
	for _, group := range append(append([]string{}, f.packagerGroups...), f.adminGroups...) {
		if strings.TrimSpace(group) == "" {
			return cli.Usage(errors.New("--oidc-packager-groups and --oidc-admin-groups take the name of a group; one is empty"))
		}
	}
	return nil
}

// checkURL refuses a URL of the server with which people could not sign in, or
// everybody on the way could take their sessions.
func (f *oidcFlags) checkURL(serverURL string) error {
	u, err := url.Parse(serverURL)
	if f.issuer == "" || err == nil && u.Host != "" && (u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname())) {
		return nil
	}
	return cli.Usage(fmt.Errorf("the server's URL is %s, but people sign in by https only; name the URL under which they reach it with --public-url https://…, and give --tls-cert and --tls-key or put a proxy in front", serverURL))
}

// config returns how people sign in; nil when they do not.
func (f *oidcFlags) config(serverURL string) *auth.OIDC {
	if f.issuer == "" {
		return nil
	}
	u, err := url.Parse(f.issuer)
	if err != nil {
		return nil // validate has refused it
	}
	return &auth.OIDC{
		Issuer: f.issuer, Name: cmp.Or(f.name, u.Hostname()), ClientID: f.clientID, ClientSecret: f.clientSecret,
		CallbackURL: strings.TrimRight(serverURL, "/") + "/sign-in/oidc/callback", Scopes: f.scopes, GroupsClaim: f.groupsClaim,
		PackagerGroups: f.packagerGroups, AdminGroups: f.adminGroups, SessionKey: f.sessionKey, Period: f.period,
	}
}
