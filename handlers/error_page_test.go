package handlers_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"buildbtw/api"
	"buildbtw/auth"
	"buildbtw/handlers"
)

func TestErrorPagesHelp(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for path, want := range map[string]string{
		"/nothing/here":                       "There is nothing at this address",
		"/buildspaces/opnessl":                "opnessl",
		"/buildspaces/opnessl/1/x86_64/graph": "opnessl",
		"/builds/77":                          "77",
		"/builds/x":                           "there is no build",
		"/packages/..":                        "",
		"/static/none.css":                    "there is no such file",
	} {
		page := s.get(t, path)
		page.wantsStatus(t, http.StatusNotFound)
		page.wants(t, "main", "404", "Not found", want)
		page.wants(t, "main a", "What runs now")
	}
}

func TestAnErrorLeadsToTheSignIn(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	page := s.get(t, "/admin?page=2", "Authorization", "")
	page.wantsStatus(t, http.StatusUnauthorized)
	page.wants(t, "main a[href='/sign-in?next=%2Fadmin%3Fpage%3D2']", "Sign in")
}

func TestANameThatNothingHasIsGuessed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.failing(t)
	for path, want := range map[string][2]string{
		"/packages/lbi":      {"lib package", "lbi"},
		"/packages/tol":      {"tool package", "tol"},
		"/sources/li":        {"lib buildspace", "li"},
		"/buildspaces/toool": {"tool package", "toool"},
		"/tol":               {"tool package", "tol"},
	} {
		page := s.get(t, path)
		page.wantsStatus(t, http.StatusNotFound)
		page.wants(t, ".guesses", want[0])
		if value, _ := page.Find("#error-q").Attr("value"); value != want[1] {
			t.Errorf("%s: the search field says %q", path, value)
		}
	}
	evil := s.get(t, "/packages/%3Cscript%3Ealert(1)%3C%2Fscript%3E")
	evil.wantsStatus(t, http.StatusNotFound)
	evil.wantsNone(t, "main script")
}

func TestAPartOfAPageGetsAPartForAnError(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	part := s.get(t, "/builds/77", "HX-Request", "true")
	part.wantsStatus(t, http.StatusNotFound)
	part.wants(t, "[role=alert]", "Not found", "77")
	part.wantsNone(t, "nav, main")
}

func TestAProgramGetsAProblemWhateverTheAddress(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	answer := s.get(t, "/builds/77", "Accept", "application/json")
	answer.wantsStatus(t, http.StatusNotFound)
	var p api.Problem
	must(t, json.Unmarshal([]byte(answer.body), &p))
	if p.Status != 404 || !strings.Contains(p.Detail, "77") || answer.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("%+v as %s", p, answer.header.Get("Content-Type"))
	}
}

func TestAnErrorOfTheServerHasTheIDOfItsLogLine(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(d *handlers.Deps) {
		d.Who = func(context.Context, auth.Credentials) (auth.Caller, error) {
			return auth.Caller{}, io.ErrUnexpectedEOF
		}
	})
	page := s.get(t, "/sources")
	page.wantsStatus(t, http.StatusInternalServerError)
	id := page.header.Get("X-Request-Id")
	page.wants(t, "main", "The server's log has the cause under "+id, "Try again")
	if !strings.Contains(s.log.String(), "id="+id) {
		t.Errorf("the log does not have %s", id)
	}
	s.get(t, "/sources", "HX-Request", "true").wants(t, "[role=alert]", "The server's log has the cause under")
}

func TestAPageThatIsNotReadyYetComesBackByItself(t *testing.T) {
	t.Parallel()
	s := newSite(t, unread)
	page := s.get(t, "/sources/lib")
	page.wantsStatus(t, http.StatusServiceUnavailable)
	page.wants(t, "main", "Unavailable, try again in a moment", "the sources are being read", "Try again")
	if page.header.Get("Refresh") == "" || page.header.Get("Retry-After") == "" {
		t.Errorf("headers %v", page.header)
	}
}

func TestARefusedFormLeadsBackToWhatItWasAbout(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.failing(t)
	path := buildPath(s.build(t, "lib"))
	page := s.post(t, path+"/retry", nil)
	page.wantsStatus(t, http.StatusConflict)
	page.wants(t, "main", "lib is built already", "See how it stands now")
	if href, _ := page.Find(".error-page ul a").First().Attr("href"); href != path {
		t.Errorf("leads to %q", href)
	}
}
