package hosts_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"buildbtw/auth/oidctest"
	"buildbtw/cmd/internal/cmdtest"
)

// docsIssuer is the provider of docs/operations.md.
const docsIssuer = "https://" + providerName + "/realms/staff"

// TestOIDC does what docs/operations.md says of sign-in with OIDC, command by command:
// nginx before the server and the provider on one host, browsers on the other.
func TestOIDC(t *testing.T) {
	t.Parallel()
	needs(t, "nginx", "curl", "openssl")
	s := newSite(t)
	provider := s.provider()
	secrets, serve := s.commands("Sign-in with OIDC")[0], s.commands("Sign-in with OIDC")[1]
	example := s.commands("Behind nginx or Caddy")[1]

	s.local(oidctest.ClientSecret, secrets)
	s.local("", example)
	s.write("site.conf", s.here(s.read(s.path("example.conf")))+s.providerConf())
	conf := s.read(s.path("example.conf"))
	if strings.Contains(conf, "auth_basic") || strings.Contains(conf, "buildbtw_realm") || strings.Contains(conf, "$remote_user") {
		t.Errorf("nginx asks for passwords:\n%s", conf)
	}
	// The header is emptied for the whole server; a location with headers of its own has none
	// of the server's.
	for i, part := range strings.Split(conf, "location ") {
		own := part
		if i > 0 {
			own, _, _ = strings.Cut(part, "}")
		}
		if (i == 0 || strings.Contains(own, "proxy_set_header")) && !strings.Contains(own, "proxy_set_header Remote-User     \"\";") {
			t.Errorf("a client may name itself:\n%s", own)
		}
	}
	workers := userOfNginx(t)
	server := s.start(s.server, "serve", cmdtest.Spec{
		Args: []string{"sh", "-c", passSocket + strings.Replace(serve, "buildbtw serve", "exec buildbtw serve", 1)}, Files: []*os.File{s.socket(workers)},
	})
	s.nginx(workers)
	s.until("the server behind the proxy is ready", func() bool { return s.curl("/api/v1/ready").status == 200 })
	s.until("the source is known", func() bool { return strings.Contains(s.curl("/api/v1/sources").text, `"big"`) })

	bob := s.people()
	s.changes(bob)
	s.providerFails(provider)

	// Another server takes its place, that people reach without the proxy.
	if _, err := server.Stop(cmdtest.OnBusyMachine(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	const direct = serverURL + ":8443"
	s.start(s.server, "serve-directly", cmdtest.Spec{Args: []string{"sh", "-c", strings.TrimSpace(serve) +
		" --listen " + serverAddress + ":8443 --public-url " + direct + " --tls-cert " + s.path("tls.pem") + " --tls-key " + s.path("tls.key") +
		" --trusted-proxies " + serverAddress + " --auth-header Remote-User --admins alice"}})
	s.until("the server without a proxy is ready", func() bool { return s.curl(direct+"/api/v1/ready").status == 200 })
	s.providerIsAway(direct, bob)
	s.headerOfAnybody(direct)
}

// provider starts a provider for the server's host, and ends it with the test. A Unix
// socket is reached from every network.
func (s *site) provider() *oidctest.Provider {
	s.t.Helper()
	ln, err := (&net.ListenConfig{}).Listen(s.t.Context(), "unix", s.path("sso.sock"))
	if err != nil {
		s.t.Fatal(err)
	}
	if err := os.Chmod(s.path("sso.sock"), 0o666); err != nil {
		s.t.Fatal(err)
	}
	p, err := oidctest.StartAt(ln, docsIssuer,
		oidctest.Person{Name: "ada", Groups: []string{"packagers", "build-admins"}},
		oidctest.Person{Name: "bob", Groups: []string{"packagers"}},
		oidctest.Person{Name: "eve", Groups: []string{"Packagers", "staff"}},
	)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(p.Close)
	p.SetRedirect(serverURL + "/sign-in/oidc/callback") // as the docs have it
	return p
}

// providerConf has nginx speak TLS for the provider.
func (s *site) providerConf() string {
	return fmt.Sprintf(`
server {
	listen 443 ssl http2;
	server_name %s;
	ssl_certificate     %s;
	ssl_certificate_key %s;
	proxy_set_header Host $host;
	location / { proxy_pass http://unix:%s; }
	location /realms/staff/ { proxy_pass http://unix:%[4]s:/; }
}
`, providerName, s.path("tls.pem"), s.path("tls.key"), s.path("sso.sock"))
}

// commands returns what a section of docs/operations.md has a shell do, with the
// paths of this site.
func (s *site) commands(section string) (blocks []string) {
	s.t.Helper()
	root, err := cmdtest.Root()
	if err != nil {
		s.t.Fatal(err)
	}
	_, text, found := strings.Cut(s.read(filepath.Join(root, "docs/operations.md")), "\n### "+section+"\n")
	if !found {
		s.t.Fatalf("docs/operations.md has no section %q", section)
	}
	text, _, _ = strings.Cut(text, "\n### ")
	for {
		_, after, found := strings.Cut(text, "```sh\n")
		if !found {
			return blocks
		}
		block, rest, _ := strings.Cut(after, "```")
		block = strings.NewReplacer("infrastructure/proxy/", filepath.Join(root, "infrastructure/proxy")+"/", "-o buildbtw ", "-o root ").Replace(s.here(block))
		blocks, text = append(blocks, block), rest
	}
}

// here returns a text of the docs or an example with the paths of this site.
func (s *site) here(text string) string {
	return strings.NewReplacer("/etc/buildbtw/", s.dir+"/", "/etc/nginx/conf.d/buildbtw.conf", s.path("example.conf"), "/run/buildbtw.sock", s.path("buildbtw.sock"),
		"/srv/packages", s.path("sources"), "/var/lib/buildbtw", s.path("data")).Replace(text)
}

// local has a shell of the server's host do something, with this as its input.
func (s *site) local(input, script string) {
	s.t.Helper()
	out, err := s.run(s.server, []string{"INPUT=" + input}, "sh", "-c", `printf '%s\n' "$INPUT" | sh -euc "$1"`, "sh", script)
	if err != nil {
		s.t.Fatalf("%s: %v\n%s", script, err, out)
	}
}

// browser is a browser of the client's host, which keeps cookies.
type browser struct {
	*site

	cookies string // its file of them
}

func (s *site) browser(name string) browser { return browser{s, s.path("cookies of " + name)} }

// open asks for a page, or sends a form, and follows nothing.
func (b browser) open(address string, args ...string) answer {
	b.t.Helper()
	return b.curl(address, append([]string{"-i", "-b", b.cookies, "-c", b.cookies}, args...)...)
}

// begin goes to the provider, says there who the browser's person is, and stops before
// the address that the provider sends the person back to.
func (b browser) begin(name string) (back string) {
	b.t.Helper()
	at := serverURL + "/sign-in/oidc?next=/buildspaces/new"
	for range 10 {
		args := []string{"-w", "\n%{redirect_url}\n%{http_code}"}
		if strings.HasPrefix(at, "https://"+providerName+"/login/") {
			args = append(args, "-d", "name="+name)
		}
		a := b.open(at, args...)
		to := a.text[strings.LastIndex(a.text, "\n")+1:]
		if to == "" {
			b.t.Fatalf("on the way to sign in %s answered %d %.2000s", at, a.status, a.text)
		}
		if at = to; strings.HasPrefix(at, serverURL+"/sign-in/oidc/callback?") {
			return at
		}
	}
	b.t.Fatalf("%s leads on and on", at)
	return ""
}

// people signs in an administrator, a packager, whose browser it returns, and
// somebody without a role.
func (s *site) people() (bob browser) {
	t := s.t
	t.Helper()
	for _, name := range []string{"ada", "bob"} {
		bob = s.browser(name)
		back := bob.begin(name)
		landed := bob.open(back)
		if landed.status != 303 || !strings.Contains(strings.ToLower(landed.text), "\nlocation: /buildspaces/new\r") {
			t.Fatalf("%s ends with %d %.2000s", name, landed.status, landed.text)
		}
		checkCookie(t, landed)
		if a := s.curl(back, "-b", bob.cookies); a.status != 401 {
			t.Errorf("the address of %s signs in twice: %d %.500s", name, a.status, a.text)
		}
		want := map[string]string{"ada": "ada admin", "bob": "bob packager"}[name]
		if got := s.who("-b", bob.cookies); got != want {
			t.Errorf("the server sees %q, want %q", got, want)
		}
	}
	s.want(200, "/api/v1/audit", "-b", s.browser("ada").cookies)
	s.want(403, "/api/v1/audit", "-b", bob.cookies)

	eve := s.browser("eve")
	landed := eve.open(eve.begin("eve"))
	if landed.status != 403 || !strings.Contains(landed.text, "you are eve at Example SSO, but have no role here") || sessionCookie.MatchString(landed.text) {
		t.Errorf("somebody without the group ends with %d %.5000s", landed.status, landed.text)
	}
	if got := s.who("-b", eve.cookies); got != "reader" {
		t.Errorf("somebody without the group is taken for %q", got)
	}
	s.want(200, "/buildspaces", "-b", eve.cookies)
	s.want(401, "/buildspaces", "-b", eve.cookies, "-H", "Origin: "+serverURL, "-d", "changesets=big")
	return bob
}

// changes sends the form of a page, with its token and in the ways that another page
// could.
func (s *site) changes(bob browser) {
	t := s.t
	t.Helper()
	page := bob.open("/buildspaces/new")
	field := csrf.FindStringSubmatch(page.text)
	if page.status != 200 || field == nil {
		t.Fatalf("the page has no token for forms: %d %.2000s", page.status, page.text)
	}
	plan := bob.planned("", serverURL, "of-bob", field[1])
	form := func(origin, token string) answer {
		return bob.open("/buildspaces", "-H", "Origin: "+origin, "-d", "changesets=big", "-d", "name=of-bob", "-d", plan, "--data-urlencode", "csrf="+token)
	}
	for _, refused := range []answer{form(serverURL, ""), form(serverURL, "wrong"), form("https://"+providerName, field[1])} {
		if refused.status != 403 {
			t.Errorf("a form that is not of the page is answered by %d %.2000s", refused.status, refused.text)
		}
	}
	s.want(404, "/api/v1/buildspaces/of-bob")
	if a := form(serverURL, field[1]); a.status != 303 {
		t.Errorf("the form of the page is answered by %d %.5000s", a.status, a.text)
	}
	if a := s.want(200, "/api/v1/buildspaces/of-bob"); !strings.Contains(a.text, `"bob"`) {
		t.Errorf("the buildspace is not bob's: %.1000s", a.text)
	}
}

// planned asks for the plan of a new buildspace and returns the field of the form below
// it that says which plan was shown.
func (b browser) planned(url, origin, name, token string) string {
	b.t.Helper()
	a := b.open(url+"/buildspaces/new", "-H", "Origin: "+origin, "-d", "changesets=big", "-d", "name="+name, "--data-urlencode", "csrf="+token)
	field := shownPlan.FindStringSubmatch(a.text)
	if a.status != 200 || field == nil {
		b.t.Fatalf("there is no plan: %d %.5000s", a.status, a.text)
	}
	return "planned=" + field[1]
}

// away is what people are told.
const away = "Example SSO cannot be reached at present. Whoever is signed in stays so"

// providerFails has the provider fail while somebody is on the way back from it.
func (s *site) providerFails(provider *oidctest.Provider) {
	s.t.Helper()
	late := s.browser("late")
	back := late.begin("bob")
	provider.SetDown(true)
	if a := late.open(back); a.status != 503 || !strings.Contains(a.text, away) || sessionCookie.MatchString(a.text) {
		s.t.Errorf("without the provider signing in ends with %d %.5000s", a.status, a.text)
	}
}

// providerIsAway tries a server that has not reached the provider since its start, with
// the browser of somebody who signed in before that.
func (s *site) providerIsAway(url string, bob browser) {
	t := s.t
	t.Helper()
	if a := s.curl(url + "/sign-in/oidc"); a.status != 503 || !strings.Contains(a.text, away) {
		t.Errorf("without the provider signing in begins with %d %.5000s", a.status, a.text)
	}
	page := bob.open(url + "/buildspaces/new")
	field := csrf.FindStringSubmatch(page.text)
	if field == nil {
		t.Fatalf("bob is signed in no more: %d %.2000s", page.status, page.text)
	}
	plan := bob.planned(url, url, "later", field[1])
	a := bob.open(url+"/buildspaces", "-H", "Origin: "+url, "-d", "changesets=big", "-d", "name=later", "-d", plan, "--data-urlencode", "csrf="+field[1])
	if a.status != 303 {
		t.Errorf("bob's form is answered by %d %.5000s", a.status, a.text)
	}
}

// headerOfAnybody names alice in the header of proxies, as the proxy and as somebody
// else.
func (s *site) headerOfAnybody(url string) {
	t := s.t
	t.Helper()
	args := []string{"-H", "Remote-User: alice", "-H", "X-Forwarded-For: " + clientAddress}
	if a := s.curlFrom(s.server, url+"/api/v1/me", args...); !strings.Contains(a.text, `"alice"`) {
		t.Errorf("the trusted address names nobody: %d %s", a.status, a.text)
	}
	for _, address := range []string{clientAddress, serverAddress} {
		args[3] = "X-Forwarded-For: " + address
		if a := s.curl(url+"/api/v1/me", args...); a.status != 200 || strings.Contains(a.text, "alice") || !strings.Contains(a.text, `"reader"`) {
			t.Errorf("a header from an address that is not trusted: %d %s", a.status, a.text)
		}
	}
	s.want(401, url+"/api/v1/buildspaces", post(`{"changesets":["big"]}`, args...)...)
}
