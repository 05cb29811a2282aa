package handlers_test

import (
	"net"
	"net/http"
	"strings"
	"testing"

	"buildbtw"
	"buildbtw/handlers"
)

// nobody is ever known to be asking.
func nobody(handlers.Credentials) (buildbtw.User, error) { return buildbtw.User{}, nil }

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

func TestWhoIsAskingInSingleUserMode(t *testing.T) {
	t.Parallel()
	who := handlers.SingleUser("secret")
	for name, test := range map[string]struct {
		credentials handlers.Credentials
		role        buildbtw.Role
		refused     bool
	}{
		"this machine":          {handlers.Credentials{Local: true}, buildbtw.RoleAdmin, false},
		"another machine":       {handlers.Credentials{}, buildbtw.RoleNone, false},
		"a worker":              {handlers.Credentials{Bearer: "secret"}, buildbtw.RoleWorker, false},
		"a wrong token":         {handlers.Credentials{Bearer: "secre"}, buildbtw.RoleNone, true},
		"a wrong token, local":  {handlers.Credentials{Bearer: "wrong", Local: true}, buildbtw.RoleNone, true},
		"the right one, longer": {handlers.Credentials{Bearer: "secret "}, buildbtw.RoleNone, true},
	} {
		t.Run(name, func(t *testing.T) {
			u, err := who(test.credentials)
			if u.Role != test.role || (err != nil) != test.refused {
				t.Errorf("got %+v, %v", u, err)
			}
		})
	}
	if u, err := handlers.SingleUser("")(handlers.Credentials{Bearer: "", Local: false}); u.Role != buildbtw.RoleNone || err != nil {
		t.Errorf("without a token on the server: %+v, %v", u, err)
	}
}

func TestForwardedRequestIsNotLocal(t *testing.T) {
	t.Parallel()
	f := newFrame(t)
	for _, header := range []string{"X-Forwarded-For", "Forwarded"} {
		if answer, _ := f.get(t, "/api/v1/me", header, "for=192.0.2.1"); answer.StatusCode != http.StatusUnauthorized {
			t.Errorf("with %s: %s, want 401", header, answer.Status)
		}
	}
}

func TestTokensAndLeasesStayOutOfTheLog(t *testing.T) {
	t.Parallel()
	f := newFrame(t)
	f.send(t, "POST", "/api/v1/worker/leases/a-very-secret-lease/heartbeat", "", "Authorization", "Bearer token")
	f.get(t, "/api/v1/worker/leases/a-very-secret-lease/nosuch")
	f.get(t, "/api/v1/me?token=in-the-query", "Authorization", "Bearer a-wrong-token")
	text := f.log.String()
	if !strings.Contains(text, "/worker/leases/{lease}/heartbeat") || !strings.Contains(text, "status=401") {
		t.Errorf("the requests are not in the log:\n%s", text)
	}
	for _, secret := range []string{"a-very-secret-lease", "a-wrong-token", "in-the-query", "Bearer"} {
		if strings.Contains(text, secret) {
			t.Errorf("the log holds %q:\n%s", secret, text)
		}
	}
}
