package handlers_test

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"buildbtw"
	"buildbtw/handlers"
)

func TestForeignPagesCannotChangeAnything(t *testing.T) {
	t.Parallel()
	f := newFrame(t)
	_, port, err := net.SplitHostPort(f.address)
	must(t, err)
	for name, test := range map[string]struct {
		headers []string
		allowed bool
	}{
		"a program":                      {nil, true},
		"the page itself":                {[]string{"Sec-Fetch-Site", "same-origin", "Origin", f.url}, true},
		"by name":                        {[]string{"Host", "localhost:" + port, "Origin", "http://localhost:" + port}, true},
		"another site":                   {[]string{"Sec-Fetch-Site", "cross-site"}, false},
		"another name of the site":       {[]string{"Sec-Fetch-Site", "same-site"}, false},
		"another origin":                 {[]string{"Origin", "http://evil.example"}, false},
		"another port":                   {[]string{"Origin", "http://127.0.0.1:1"}, false},
		"a sandboxed page":               {[]string{"Origin", "null"}, false},
		"a name that points here":        {[]string{"Host", "evil.example"}, false},
		"an address that is not ours":    {[]string{"Host", "192.0.2.1:" + port}, false},
		"a virtual machine on this one":  {[]string{"Host", "10.0.2.2:" + port}, true},
		"a name that only looks like us": {[]string{"Host", "127.0.0.1.evil.example"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			answer, body := f.send(t, "POST", "/api/v1/plans", `{"changesets":[]}`, test.headers...)
			reached := answer.StatusCode == http.StatusUnprocessableEntity // refused by the handler itself
			if reached != test.allowed {
				t.Errorf("%s\n%s", answer.Status, body)
			}
		})
	}
}

func TestReboundNameReadsNothing(t *testing.T) {
	t.Parallel()
	f := newFrame(t)
	if answer, _ := f.get(t, "/api/v1/me", "Host", "evil.example"); answer.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("%s, want 421", answer.Status)
	}
}

// Where a request comes from proves nothing: somebody on the server's own machine,
// as a build is, may do no more than anybody else.
func TestBeingOnTheMachineProvesNothing(t *testing.T) {
	t.Parallel()
	f := newFrame(t)
	for _, header := range []string{"User-Agent", "X-Forwarded-For", "Forwarded", "X-Real-IP", "Remote-User", "Via"} {
		answer, body := f.send(t, "POST", "/api/v1/buildspaces", `{"changesets":["a"]}`, "Authorization", "", header, "127.0.0.1")
		if answer.StatusCode != http.StatusUnauthorized {
			t.Errorf("with %s: %s, want 401\n%s", header, answer.Status, body)
		}
		answer, body = f.send(t, "POST", "/api/v1/worker/claim", `{"worker":"w"}`, "Authorization", "", header, "127.0.0.1")
		if answer.StatusCode != http.StatusUnauthorized {
			t.Errorf("claim with %s: %s, want 401\n%s", header, answer.Status, body)
		}
	}
}

func TestTokensAndLeasesStayOutOfTheLog(t *testing.T) {
	t.Parallel()
	f := newFrame(t)
	f.send(t, "POST", "/api/v1/worker/leases/a-very-secret-lease/heartbeat", "", "Authorization", "Bearer "+workerToken)
	f.get(t, "/api/v1/worker/leases/a-very-secret-lease/nosuch")
	f.get(t, "/api/v1/me?token=in-the-query", "Authorization", "Bearer a-wrong-token")
	text := f.log.String()
	if !strings.Contains(text, "/worker/leases/{lease}/heartbeat") || !strings.Contains(text, "status=401") {
		t.Errorf("the requests are not in the log:\n%s", text)
	}
	for _, secret := range []string{"a-very-secret-lease", workerToken, "a-wrong-token", "in-the-query", "Bearer"} {
		if strings.Contains(text, secret) {
			t.Errorf("the log holds %q:\n%s", secret, text)
		}
	}
}

// The header in which a proxy names who is asking counts from trusted proxies only,
// and only once.
func TestNamesInHeadersAreThoseOfTrustedProxies(t *testing.T) {
	t.Parallel()
	behind := func(trusted ...string) *frame {
		return newFrame(t, func(d *handlers.Deps) {
			proxies, err := handlers.ParseProxies(trusted)
			must(t, err)
			d.Proxies, d.Settings.AuthHeader, d.Settings.SingleUser = proxies, "Remote-User", false
			d.Auth.HeaderRole, d.Auth.Admins = buildbtw.RolePackager, []string{"ada"}
		})
	}
	trusted, foreign := behind("127.0.0.1"), behind("192.0.2.1")
	for name, test := range map[string]struct {
		f      *frame
		named  []string
		status int
		says   string
	}{
		"named":          {trusted, []string{"bob"}, 200, `"name":"bob","role":"packager"`},
		"an admin":       {trusted, []string{"ada"}, 200, `"name":"ada","role":"admin"`},
		"nobody":         {trusted, nil, 200, `"name":"","role":"reader"`},
		"twice":          {trusted, []string{"bob", "ada"}, 401, "two people"},
		"no name at all": {trusted, []string{"/\\"}, 401, "names nobody"},
		"not the proxy":  {foreign, []string{"ada"}, 200, `"name":"","role":"reader"`},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, test.f.url+"/api/v1/me", nil)
		must(t, err)
		r.Header["Remote-User"] = test.named
		answer, err := http.DefaultClient.Do(r)
		must(t, err)
		body, err := io.ReadAll(answer.Body)
		must(t, err)
		answer.Body.Close()
		if answer.StatusCode != test.status || !strings.Contains(string(body), test.says) {
			t.Errorf("%s: %s %s", name, answer.Status, body)
		}
	}
	// A browser behind such a proxy is signed in by itself: its changes need the token.
	answer, body := trusted.send(t, "POST", "/api/v1/plans", `{"changesets":[]}`, "Authorization", "", "Remote-User", "bob")
	if answer.StatusCode != http.StatusForbidden {
		t.Errorf("a change without the token: %s %s", answer.Status, body)
	}
}
