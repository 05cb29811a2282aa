package hosts_test

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"buildbtw/cmd/internal/cmdtest"
)

// sessionCookie finds the cookie of a new session among the headers of an answer.
var sessionCookie = regexp.MustCompile(`(?mi)^set-cookie: (__Host-buildbtw=.+)$`)

// checkCookie checks that an answer signs a browser in, for HTTPS and this host alone.
func checkCookie(t *testing.T, a answer) {
	t.Helper()
	cookie := strings.ToLower(sessionCookie.FindString(a.text))
	if cookie == "" {
		t.Fatalf("no cookie: %d %.3000s", a.status, a.text)
	}
	for _, part := range []string{"secure", "httponly", "samesite=lax", "path=/"} {
		if !strings.Contains(cookie, "; "+part) {
			t.Errorf("the cookie is without %s: %s", part, cookie)
		}
	}
	if strings.Contains(cookie, "domain=") {
		t.Errorf("the cookie is for a domain: %s", cookie)
	}
}

// TestTLSAndTwoListeners has the server speak TLS itself, to people and to build
// machines at different addresses.
func TestTLSAndTwoListeners(t *testing.T) {
	t.Parallel()
	needs(t, "curl", "openssl")
	s := newSite(t)
	const workersURL = serverURL + ":8443"
	s.serve(cmdtest.Spec{Args: []string{
		"--listen", serverAddress + ":443", "--listen-workers", serverAddress + ":8443", "--workers-url", workersURL,
		"--tls-cert", s.path("tls.pem"), "--tls-key", s.path("tls.key"), "--trusted-proxies", "127.0.0.1", "--repo-read=false",
	}})
	s.until("the server is ready", func() bool { return s.curl("/api/v1/ready").status == 200 })

	if a := s.want(200, "/", "-i"); !strings.Contains(strings.ToLower(a.text), "\nstrict-transport-security: max-age=31536000") {
		t.Errorf("no HSTS: %.800s", a.text)
	}
	// A header is a proxy's to set, and the other host is none.
	if got := s.who("-H", "Remote-User: alice", "-H", "X-Forwarded-For: 127.0.0.1"); got != "reader" {
		t.Errorf("a client that names itself is taken for %q", got)
	}
	s.want(401, "/api/v1/buildspaces", post(`{"changesets":["big"]}`, "-H", "Remote-User: alice")...)
	if a := s.curl("http://" + serverName + ":443/"); a.status == 200 {
		t.Errorf("the server speaks HTTP, too: %s", a.text)
	}

	// The user of the server's host needs no token, and signs in a browser elsewhere.
	link, err := s.run(s.server, nil, "bbtw", "open", "--no-browser")
	if err != nil {
		t.Fatalf("bbtw open: %v: %s", err, link)
	}
	_, code, _ := strings.Cut(strings.TrimSpace(link), "#code=")
	cookies := s.path("cookies")
	signedIn := s.want(303, "/sign-in", "-i", "-c", cookies, "--data-urlencode", "code="+code)
	checkCookie(t, signedIn)
	if got := s.who("-b", cookies); !strings.HasSuffix(got, " admin") {
		t.Errorf("with the cookie the server sees %q", got)
	}
	s.want(401, "/sign-in", "--data-urlencode", "code="+code) // it works once
	page := s.want(200, "/buildspaces/new", "-b", cookies)
	field := csrf.FindStringSubmatch(page.text)
	if field == nil {
		t.Fatalf("the page has no token for forms: %.2000s", page.text)
	}
	create := func(body string) string {
		return s.secretOf(s.want(201, "/api/v1/tokens", post(body, "-b", cookies, "-H", "X-CSRF-Token: "+field[1])...))
	}
	packager, worker := s.secret("bot", create(`{"kind":"bot","name":"ci","role":"packager"}`)), s.secret("b1", create(`{"kind":"worker","name":"b1"}`))

	bearer := "Authorization: Bearer " + s.read(worker)
	claim := post(`{"worker":"b1","architectures":["x86_64"]}`, "-H", bearer)
	if a := s.curl("/api/v1/worker/claim", claim...); a.status < 400 || a.status >= 500 {
		t.Errorf("a build machine claims where people are: %d %s", a.status, a.text)
	}
	s.want(404, workersURL+"/")
	s.want(404, workersURL+"/api/v1/buildspaces", "-H", bearer)
	s.want(403, "/api/v1/buildspaces", post(`{"changesets":["big"]}`, "-H", bearer)...)
	s.watchAndBuild(workersURL, packager, worker)
	s.closedRepository(packager)

	if got := s.serial(); got != "serial=01" {
		t.Fatalf("the server shows the certificate %q", got)
	}
	for serial := range int64(2) {
		s.certify(serial + 0x22)
		want := fmt.Sprintf("serial=%X", serial+0x22)
		s.until("the new certificate is used", func() bool { return s.serial() == want })
		s.want(200, "/")
	}
	if u, err := url.Parse(strings.TrimSpace(link)); err != nil || u.Host != serverName {
		t.Errorf("bbtw open prints %q", link)
	}
}
