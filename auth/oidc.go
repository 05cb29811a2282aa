package auth

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"buildbtw"
	"buildbtw/store"
)

// OIDC is how people sign in with an OpenID Connect provider. Issuer, ClientID,
// CallbackURL and GroupsClaim are needed.
type OIDC struct {
	Issuer       string   // the provider's URL, exactly as it calls itself
	Name         string   // of the provider, for people
	ClientID     string   // under which the provider knows this server
	ClientSecret string   // empty: the provider takes it for a public client
	CallbackURL  string   // to which the provider sends people back
	Scopes       []string // besides openid; empty: profile, and of groups and offline_access those that the provider offers and are of use
	GroupsClaim  string   // where the provider says which groups somebody is in; a dot leads into an object

	PackagerGroups, AdminGroups []string // whose members have the role

	SessionKey string        // encrypts refresh tokens; empty: none are kept, and a role ends RoleUnchecked after signing in
	Period     time.Duration // between looks at the groups of somebody with a refresh token
}

// How long a role lasts that the provider does not confirm again.
const (
	RoleUnchecked = 8 * time.Hour  // after signing in, of people without a refresh token
	RoleChecked   = 24 * time.Hour // after the provider last confirmed it
)

// role returns the strongest role of somebody in these groups.
func (o OIDC) role(groups []string) buildbtw.Role {
	in := func(wanted []string) bool {
		for _, g := range groups {
			for _, w := range wanted {
				if g == w {
					return true
				}
			}
		}
		return false
	}
	switch {
	case in(o.AdminGroups):
		return buildbtw.RoleAdmin
	case in(o.PackagerGroups):
		return buildbtw.RolePackager
	}
	return buildbtw.RoleNone
}

// AttemptLife is how long somebody may take at the provider.
const AttemptLife = 10 * time.Minute

// attempt is somebody on the way to the provider and back. The browser keeps it,
// sealed, so that the way back is taken by the browser that began, and nobody can
// fill the server's memory with attempts.
type attempt struct {
	State    string    `json:"state"`    // the provider sends it back
	Nonce    string    `json:"nonce"`    // the ID token repeats it
	Verifier string    `json:"verifier"` // of which the provider got a hash at first (PKCE)
	Next     string    `json:"next"`     // page to go to afterwards
	Until    time.Time `json:"until"`
}

// BeginOIDC begins to sign a browser in. It returns the provider's address to send the
// browser to, and the attempt that the browser must keep as a cookie for FinishOIDC.
// again makes the provider ask who somebody is although it knows. The error is
// Unavailable when the provider cannot be reached.
func (a *Auth) BeginOIDC(ctx context.Context, next string, again bool) (url, sealed string, err error) {
	if a.provider == nil {
		return "", "", errNoProvider()
	}
	d, _, err := a.provider.endpoints(ctx)
	if err != nil {
		return "", "", a.unreachable(err)
	}
	t := attempt{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Next: next, Until: a.Now().Add(AttemptLife)}
	options := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(t.Verifier), oauth2.SetAuthURLParam("nonce", t.Nonce)}
	if again {
		options = append(options, oauth2.SetAuthURLParam("prompt", "login"))
	}
	text, err := json.Marshal(t)
	if err != nil {
		return "", "", fmt.Errorf("keep the attempt to sign in: %w", err)
	}
	sealed = base64.RawURLEncoding.EncodeToString(a.provider.attempts.close(text, nil))
	return d.oauth.AuthCodeURL(t.State, options...), sealed, nil
}

func errNoProvider() error {
	return buildbtw.NotFound("this server has no provider to sign in with; run 'bbtw open' on its machine")
}

// Returned has the parameters with which a provider redirects a browser back (OpenID
// Connect Core, 3.1.2.5).
type Returned struct {
	State, Code string
	Error       string // why it signs nobody in; empty: it does
	Description string
	Issuer      string // RFC 9207; empty: it does not say
}

// FinishOIDC signs a browser in that a provider has sent back with the attempt that
// BeginOIDC gave it. It returns the secret of the new session and the page to go to,
// which is empty for somebody who did not begin here. Errors are Unauthenticated for who is not proved to be anybody, Forbidden for
// somebody without a role, and Unavailable when the provider cannot be reached.
func (a *Auth) FinishOIDC(ctx context.Context, r Returned, sealed string, b Browser) (secret, next string, err error) {
	if a.provider == nil {
		return "", "", errNoProvider()
	}
	t, err := a.provider.openAttempt(sealed)
	switch {
	case err != nil, !SameSecret(t.State, r.State):
		return "", "", buildbtw.Unauthenticated("this is no answer to a sign-in that began in this browser; begin again")
	case !a.Now().Before(t.Until):
		return "", t.Next, buildbtw.Unauthenticated("signing in took longer than %s; begin again", AttemptLife)
	case r.Issuer != "" && r.Issuer != a.OIDC.Issuer:
		return "", t.Next, a.refuse(ctx, "", b.Address, fmt.Errorf("the answer is of %.200q", r.Issuer))
	case r.Error != "":
		a.Log.Info("the provider signs somebody not in", "error", r.Error, "description", r.Description, "from", b.Address)
		return "", t.Next, buildbtw.Unauthenticated("%s did not sign you in: %.200s", a.OIDC.Name, strings.TrimSpace(r.Error+" "+r.Description))
	}
	p, err := a.provider.redeem(ctx, r.Code, t)
	if err != nil {
		return "", t.Next, a.notProved(ctx, b.Address, err)
	}
	identity := a.identity(p)
	if identity.Role == buildbtw.RoleNone {
		return "", t.Next, a.turnAway(ctx, p, identity, b)
	}
	secret, err = a.beginSession(b, func(session buildbtw.Session, before []byte) error {
		_, err := a.Store.SignIn(ctx, identity, session, before)
		return err
	})
	return secret, t.Next, err
}

// identity returns the identity that is stored for a person whom the provider authenticated.
func (a *Auth) identity(p person) store.Identity {
	i := store.Identity{Issuer: a.OIDC.Issuer, Subject: p.subject, Name: p.name, Role: a.OIDC.role(p.groups)}
	until := a.Now().Add(RoleUnchecked)
	if p.refresh != "" && a.provider.refreshes != nil && i.Role != buildbtw.RoleNone {
		i.Refresh = a.provider.sealRefresh(p.refresh, p.subject)
		until = a.Now().Add(RoleChecked)
	}
	i.RoleUntil = &until
	return i
}

// turnAway answers somebody who is known but in no group that has a role. A role of
// before ends now.
func (a *Auth) turnAway(ctx context.Context, p person, i store.Identity, b Browser) error {
	account, err := a.Store.AccountOf(ctx, i.Issuer, i.Subject)
	if err == nil {
		err = a.Store.CheckedAccount(ctx, account, i)
	}
	if err != nil && buildbtw.KindOf(err) != buildbtw.KindNotFound {
		return err
	}
	a.recordRefusal(ctx, p.name, b.Address, "in no group with a role")
	if !p.hasGroups {
		a.Log.Warn("the provider says nothing of groups: set up a claim for them there, or name it", "claim", a.OIDC.GroupsClaim, "person", p.name)
		return buildbtw.Forbidden("you are %s at %s, but it says nothing of groups (no claim %q), so you have no role here; tell the administrators of this server", p.name, a.OIDC.Name, a.OIDC.GroupsClaim)
	}
	groups := append(append([]string{}, a.OIDC.PackagerGroups...), a.OIDC.AdminGroups...)
	return buildbtw.Forbidden("you are %s at %s, but have no role here; ask there to become a member of %s, then sign in again", p.name, a.OIDC.Name, strings.Join(groups, " or "))
}

// notProved turns an error on the way back from the provider into an answer.
func (a *Auth) notProved(ctx context.Context, address string, err error) error {
	if errors.Is(err, errRefused) || errors.Is(err, errForged) {
		return a.refuse(ctx, "", address, err)
	}
	return a.unreachable(err)
}

// refuse records a refused sign-in and returns the error for the browser. The cause is
// only logged.
func (a *Auth) refuse(ctx context.Context, actor, address string, cause error) error {
	a.Log.Warn("sign-in refused", "error", cause, "from", address)
	a.recordRefusal(ctx, actor, address, "the provider's answer proves nobody")
	return &buildbtw.Error{Kind: buildbtw.KindUnauthenticated, Message: fmt.Sprintf("%s proves nobody with this answer; begin again", a.OIDC.Name), Err: cause}
}

func (a *Auth) recordRefusal(ctx context.Context, actor, address, detail string) {
	err := a.Store.RecordAudit(ctx, buildbtw.AuditEntry{Actor: actor, Action: "refuse sign-in", Object: actor, Address: address, Detail: detail})
	if err != nil {
		a.Log.Error("a refused sign-in could not be recorded", "error", err)
	}
}

// unreachable answers that the provider does not work at present.
func (a *Auth) unreachable(cause error) error {
	a.Log.Error("the provider cannot be used to sign in", "issuer", a.OIDC.Issuer, "error", cause)
	return &buildbtw.Error{
		Kind: buildbtw.KindUnavailable, Err: cause,
		Message: fmt.Sprintf("%s cannot be reached at present. Whoever is signed in stays so; try again in a moment.", a.OIDC.Name),
	}
}

// RolePeriod is how often CheckRoles is worth a call: each person is asked about once
// in the period.
func (a *Auth) RolePeriod() time.Duration {
	if a.OIDC == nil {
		return time.Hour // only those are to be ended whose provider is configured no more
	}
	return min(a.OIDC.Period, time.Minute)
}

// CheckRoles asks the provider about everybody whose groups it has not confirmed for
// the period. Who is in no group with a role any more loses the role, sessions and
// tokens, and so does whoever nobody vouches for: without a refresh token when the
// role's time is over, and people of an issuer that is not the configured one at once.
// While the provider cannot be reached, roles stay until their time is over.
func (a *Auth) CheckRoles(ctx context.Context) error {
	issuer, period := "", time.Duration(0)
	if a.OIDC != nil {
		issuer, period = a.OIDC.Issuer, a.OIDC.Period
	}
	now := a.Now()
	accounts, err := a.Store.AccountsToCheck(ctx, issuer, now.Add(-period), now)
	failed := []error{err} // of those that cannot be read
	down := false
	for _, account := range accounts {
		asks := account.Issuer == issuer && account.Refresh != nil
		if asks && down {
			continue
		}
		err := a.checkRole(ctx, account, asks)
		if err != nil {
			failed = append(failed, fmt.Errorf("check the role of %s: %w", account.Name, err))
			down = down || noAnswer(err)
		}
	}
	return errors.Join(failed...)
}

// checkRole confirms or ends the role of one account.
func (a *Auth) checkRole(ctx context.Context, account buildbtw.Account, asks bool) error {
	none := store.Identity{Role: buildbtw.RoleNone, RoleUntil: account.RoleUntil}
	if !asks {
		return a.Store.CheckedAccount(ctx, account, none)
	}
	refresh, err := a.provider.openRefresh(account.Refresh, account.Subject)
	if err != nil {
		a.Log.Warn("a refresh token cannot be decrypted: the session key has changed; the role ends in its time", "person", account.Name)
		return a.Store.CheckedAccount(ctx, account, store.Identity{Role: account.Role, RoleUntil: account.RoleUntil})
	}
	p, err := a.provider.ask(ctx, refresh, account.Subject)
	switch {
	case errors.Is(err, errRefused):
		a.Log.Info("the provider vouches no longer for somebody", "person", account.Name, "error", err)
		return a.Store.CheckedAccount(ctx, account, none)
	case err != nil && p.refresh != "" && p.refresh != refresh:
		// The provider knew the person, but did not say the groups. The old token may be
		// good for nothing any more.
		sealed := a.provider.sealRefresh(p.refresh, account.Subject)
		return errors.Join(err, a.Store.CheckedAccount(ctx, account, store.Identity{Role: account.Role, RoleUntil: account.RoleUntil, Refresh: sealed}))
	case err != nil:
		return err
	}
	return a.Store.CheckedAccount(ctx, account, a.identity(p))
}
