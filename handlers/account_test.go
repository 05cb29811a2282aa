package handlers_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"

	"buildbtw"
)

// signIn signs a browser in as anna, and returns the headers that it sends.
func (s *site) signIn(t *testing.T, userAgent string) []string {
	t.Helper()
	asked := s.request(t, http.MethodPost, "/api/v1/sign-in-codes", nil)
	asked.wantsStatus(t, http.StatusCreated)
	_, rest, _ := strings.Cut(asked.body, `"code":"`)
	code, _, _ := strings.Cut(rest, `"`)
	answer := s.request(t, http.MethodPost, "/sign-in", url.Values{"code": {code}}, "Authorization", "", "User-Agent", userAgent)
	answer.wantsStatus(t, http.StatusSeeOther)
	cookie, _, _ := strings.Cut(answer.header.Get("Set-Cookie"), ";")
	return []string{"Authorization", "", "Cookie", cookie}
}

// send fills a form of a page in and sends it, as a browser without scripts does.
func (s *site) sendForm(t *testing.T, page answer, selector string, values url.Values, header []string) answer {
	t.Helper()
	form := page.Find(selector)
	if form.Length() != 1 {
		t.Fatalf("%d forms are %s", form.Length(), selector)
	}
	form.Find("input, select").Each(func(_ int, e *goquery.Selection) {
		if name := e.AttrOr("name", ""); name != "" && !values.Has(name) {
			values.Set(name, e.AttrOr("value", e.Find("option").First().AttrOr("value", "")))
		}
	})
	return s.request(t, http.MethodPost, form.AttrOr("action", ""), values, header...)
}

func TestPeopleSeeAndEndTheirOwnAccess(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	anna := s.signIn(t, hostile)
	page := s.get(t, "/account", anna...)
	page.wants(t, "main", "anna", "administrator", hostile, "this browser")
	page.wantsNone(t, "main script")
	if got := page.header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control: %s", got)
	}

	made := s.sendForm(t, page, "form[action='/account/tokens']", url.Values{"name": {"laptop"}, "role": {"reader"}}, anna)
	made.wantsStatus(t, http.StatusOK)
	secret := strings.TrimSpace(made.Find("pre.snippet").Text())
	bearer := []string{"Authorization", "Bearer " + secret}
	s.get(t, "/", bearer...).wants(t, "footer", "anna", "reader")
	again := s.get(t, "/account", anna...)
	again.wants(t, "[aria-labelledby=h-tokens]", "laptop", "reader")
	if strings.Contains(again.body, secret) {
		t.Error("the token is shown a second time")
	}
	s.sendForm(t, again, "form[action='/account/tokens']", url.Values{"name": {"laptop"}}, anna).wantsStatus(t, http.StatusConflict)
	s.sendForm(t, again, "form[action='/account/tokens']", url.Values{"name": {"../x"}}, anna).wants(t, "[role=alert]", "no token name")
	s.sendForm(t, again, "form[action='/account/tokens']", url.Values{"name": {"x"}, "days": {"-1"}}, anna).wants(t, "[role=alert]", "number of days")

	s.sendForm(t, again, "form[action^='/account/tokens/']", url.Values{}, anna).wantsStatus(t, http.StatusSeeOther)
	s.get(t, "/", bearer...).wantsStatus(t, http.StatusUnauthorized)
	s.sendForm(t, again, "form[action^='/account/sessions/']", url.Values{}, anna).wantsStatus(t, http.StatusSeeOther)
	s.get(t, "/account", anna...).wantsStatus(t, http.StatusUnauthorized)
}

func TestAdministratorsGiveMachinesTheirTokens(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	anna := s.signIn(t, "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0")
	s.get(t, "/account", anna...).wants(t, "[aria-labelledby=h-sessions]", "Firefox 144 on Linux")
	page := s.get(t, "/admin", anna...)
	page.wants(t, "[aria-labelledby=h-people]", "anna", "admin", "signed in on the server's machine")
	page.wants(t, "[aria-labelledby=h-audit]", "sign in", "127.0.0.1")
	made := s.sendForm(t, page, "form[aria-label='Token of a build machine']", url.Values{"name": {"build-1"}, "architectures": {"x86_64 aarch64"}, "labels": {"big"}}, anna)
	made.wants(t, "[role=status]", "build-1", "not shown again")
	made.wants(t, "[aria-labelledby=h-machines] table", "build-1", "worker", "only x86_64, aarch64", "labels big", "never")
	token, err := s.db.Tokens(t.Context(), 0)
	must(t, err)
	if len(token) != 1 || token[0].Kind != buildbtw.KindWorker || token[0].CreatedBy != "anna" {
		t.Errorf("%+v", token)
	}
	s.sendForm(t, page, "form[aria-label='Token of a bot']", url.Values{"name": {"ci"}}, anna).wants(t, "[role=status]", "ci")
	s.request(t, http.MethodPost, "/admin/tokens", url.Values{"kind": {"person"}, "name": {"x"}, "csrf": {page.Find("input[name=csrf]").First().AttrOr("value", "")}}, anna...).
		wants(t, "[role=alert]", "choose a build machine or a bot")
	s.sendForm(t, page, "form[action^='/admin/accounts/']", url.Values{}, anna).wantsStatus(t, http.StatusSeeOther)
	s.get(t, "/admin", anna...).wantsStatus(t, http.StatusUnauthorized)
	entries, _, err := s.db.Audit(t.Context(), "anna", "", 0)
	must(t, err)
	var did []string
	for _, e := range entries {
		did = append(did, e.Action+" "+e.Object)
	}
	for _, want := range []string{"create token build-1", "create token ci", "sign in anna"} {
		if !strings.Contains(strings.Join(did, ";"), want) {
			t.Errorf("the audit does not have %q: %q", want, did)
		}
	}
}
