package main

import (
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"buildbtw/cmd/internal/cmdtest"
)

// background NAME PROGRAM [ARGUMENT...] starts a program with the script's
// environment; its output goes to NAME.log.
func (s *story) background(ts *testscript.TestScript, args []string) error {
	if len(args) < 2 {
		return errors.New("usage: background NAME PROGRAM [ARGUMENT...]")
	}
	p, err := cmdtest.Start(cmdtest.Spec{Args: args[1:], Dir: s.dir, Env: s.environ(ts), Log: filepath.Join(s.dir, args[0]+".log")})
	s.processes[args[0]] = p
	return err
}

// environ is the environment of the script as it is now.
func (s *story) environ(ts *testscript.TestScript) []string {
	env := append([]string{}, s.env...)
	for _, name := range []string{"BUILDBTW_SERVER_URL", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "PATH"} {
		env = append(env, name+"="+ts.Getenv(name))
	}
	return env
}

// ended NAME CODE REGEXP waits until a program has ended by itself, with this exit code
// and a log that matches.
func (s *story) ended(_ *testscript.TestScript, args []string) error {
	if len(args) != 3 {
		return errors.New("usage: ended NAME CODE REGEXP")
	}
	p, err := s.process(args[:1])
	if err != nil {
		return err
	}
	code, err := p.Wait(patience)
	if err != nil {
		return err
	}
	pattern, err := regexp.Compile("(?m)" + args[2])
	if err != nil {
		return err
	}
	if fmt.Sprint(code) != args[1] || !pattern.MatchString(p.Log()) {
		return fmt.Errorf("%s ended with exit code %d:\n%s", args[0], code, p.Log())
	}
	return nil
}

var (
	redirectPage = regexp.MustCompile(`http://\S+/auth/cli\S+`)
	codePage     = regexp.MustCompile(`http://\S+/auth/device`)
	shortCode    = regexp.MustCompile(`(?m)^  ([A-Z]{4}-[A-Z]{4})$`)
	hidden       = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)"`)
)

// browser PERSON ANSWER NAME [code] is a browser that a proxy has signed in as a person.
// It answers what the program NAME asks for with allow or deny; with "code" it is told
// only the short code.
func (s *story) browser(_ *testscript.TestScript, args []string) error {
	if len(args) < 3 {
		return errors.New("usage: browser PERSON allow|deny NAME [code]")
	}
	p, err := s.process(args[2:3])
	if err != nil {
		return err
	}
	var page, code string
	err = cmdtest.Poll(s.ctx, patience, func() (bool, error) {
		said := p.Log()
		if len(args) == 3 {
			page = redirectPage.FindString(said)
			return page != "", nil
		}
		if m := shortCode.FindStringSubmatch(said); m != nil {
			page, code = codePage.FindString(said), m[1]
		}
		return page != "", nil
	})
	if err != nil {
		return fmt.Errorf("%w; it said:\n%s", err, p.Log())
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	b := &http.Client{Jar: jar, Transport: proxied{args[0]}}
	text, err := s.visit(b, http.MethodGet, page, nil)
	if err != nil {
		return err
	}
	if code != "" {
		if text, err = s.visit(b, http.MethodPost, page, url.Values{"code": {code}, "csrf": fields(text)["csrf"]}); err != nil {
			return err
		}
		page += "/answer"
	}
	if !strings.Contains(text, "bbtw@") || !strings.Contains(text, args[0]+" (") {
		return fmt.Errorf("the page does not tell who asks for what:\n%s", text)
	}
	form := fields(text)
	form.Set("answer", args[1])
	page, _, _ = strings.Cut(page, "?")
	text, err = s.visit(b, http.MethodPost, page, form)
	want := map[string]string{"allow": "is signed in", "deny": "was refused"}[args[1]]
	if err == nil && !strings.Contains(text, want) {
		err = fmt.Errorf("in the end the browser shows:\n%s", text)
	}
	return err
}

// proxied adds the name of whoever a proxy has signed in.
type proxied struct{ person string }

func (p proxied) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Remote-User", p.person)
	return http.DefaultTransport.RoundTrip(r)
}

// visit follows redirects, to loopback too, and returns the last page.
func (s *story) visit(b *http.Client, method, page string, form url.Values) (string, error) {
	r, err := http.NewRequestWithContext(s.ctx, method, page, strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	answer, err := b.Do(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s\n%s", method, page, answer.Status, text)
	}
	return string(text), err
}

// fields returns what the form of a page sends unseen.
func fields(page string) url.Values {
	form := url.Values{}
	for _, m := range hidden.FindAllStringSubmatch(page, -1) {
		form.Set(m[1], html.UnescapeString(m[2]))
	}
	return form
}

// newOpener puts a stand-in for xdg-open first on the script's PATH. It starts no
// browser, writes down what it is to open, and fails where the script has set NO_BROWSER.
func newOpener(dir string) (bin string, err error) {
	bin = filepath.Join(dir, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		return "", err
	}
	return bin, os.WriteFile(filepath.Join(bin, "xdg-open"), []byte("#!/bin/sh\nprintf '%s\\n' \"$*\" >"+filepath.Join(dir, "opened")+"\ntest ! -e "+filepath.Join(dir, "no-browser")+"\n"), 0o755)
}
