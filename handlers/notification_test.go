package handlers_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/handlers"
	"buildbtw/notify"
)

// newNotified makes a site whose notifier has one channel of the server, and a receiver that
// counts what it gets, for people's channels too.
func newNotified(t *testing.T) (s *site, n *notify.Notifier, got *atomic.Int64, address string) {
	t.Helper()
	got = &atomic.Int64{}
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { got.Add(1) }))
	t.Cleanup(receiver.Close)
	secret := filepath.Join(t.TempDir(), "secret")
	must(t, os.WriteFile(secret, []byte(notify.NewSecret()), 0o600))
	s = newSite(t, func(d *handlers.Deps) {
		var err error
		n, err = notify.New(notify.Config{
			Store: d.Store, Log: d.Log, Now: d.Now, HomeURL: d.Settings.ServerURL,
			Settings: notify.Settings{
				Channels: []string{"ops=webhook,url=" + receiver.URL + "/hidden,secret-file=" + secret}, ReadFile: os.ReadFile,
				Guard: notify.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
			},
			Describe: func(ctx context.Context, name string) (notify.Standing, error) { return s.app.Standing(ctx, name) },
		})
		must(t, err)
		d.Notifier = n
	})
	return s, n, got, receiver.URL + "/path-that-is-a-secret"
}

func TestPeopleChooseWhereTheyAreTold(t *testing.T) {
	t.Parallel()
	s, n, got, address := newNotified(t)
	s.failing(t)
	anna := s.signIn(t, "Mozilla/5.0")
	page := s.get(t, "/notifications", anna...)
	page.wants(t, "[aria-labelledby=h-server-channels]", "ops", "webhook", "/…")
	page.wantsNone(t, "main script, [aria-labelledby=h-channels] .rows, form[aria-label='New e-mail address']")

	made := s.sendForm(t, page, "form[aria-label='New webhook']", url.Values{"address": {address}}, anna)
	made.wantsStatus(t, http.StatusOK)
	secret := strings.TrimSpace(made.Find("[role=status] pre.snippet").Text())
	if !strings.HasPrefix(secret, "whsec_") || made.header.Get("Cache-Control") != "no-store" {
		t.Errorf("shown as %q, Cache-Control: %s", secret, made.header.Get("Cache-Control"))
	}
	s.sendForm(t, page, "form[aria-label='New webhook']", url.Values{"address": {address}}, anna).wants(t, "[role=alert]", "already")
	s.sendForm(t, page, "form[aria-label='New webhook']", url.Values{"address": {"ftp://x"}}, anna).wants(t, "[role=alert]", "http")
	s.request(t, http.MethodPost, "/notifications/channels", url.Values{"kind": {"webhook"}, "address": {address + "2"}}, anna...).wantsStatus(t, http.StatusForbidden)
	page = s.get(t, "/notifications", anna...)
	if strings.Contains(page.body, secret) || strings.Contains(page.body, "path-that-is-a-secret") || strings.Contains(page.body, "hidden,") {
		t.Error("the page shows a secret")
	}

	s.sendForm(t, page, "[aria-labelledby=h-channels] form[action$='/test']", url.Values{}, anna).wantsStatus(t, http.StatusSeeOther)
	page = s.get(t, "/notifications", anna...)
	page.wants(t, "main", "was delivered")
	page.wants(t, "[aria-labelledby=h-deliveries]", "buildbtw: test", "delivered")
	s.sendForm(t, page, "[aria-labelledby=h-deliveries] form[action$='/replay']", url.Values{}, anna).wantsStatus(t, http.StatusSeeOther)
	s.get(t, "/notifications", anna...).wants(t, "[aria-labelledby=h-deliveries]", "waits to be sent")
	must(t, n.Pass(t.Context()))
	if got.Load() != 2 {
		t.Errorf("the receiver got %d messages, want the test twice", got.Load())
	}
	s.sendForm(t, page, "[aria-labelledby=h-server-channels] form[action$='/ops/test']", url.Values{}, anna).wantsStatus(t, http.StatusSeeOther)
	s.get(t, "/notifications", anna...).wants(t, "[aria-labelledby=h-server-deliveries]", "buildbtw: test", "ops")

	s.sendForm(t, page, "[aria-labelledby=h-channels] form[action$='/remove']", url.Values{}, anna).wantsStatus(t, http.StatusSeeOther)
	s.get(t, "/notifications", anna...).wantsNone(t, "[aria-labelledby=h-channels] .rows")
	s.sendForm(t, page, "[aria-labelledby=h-channels] form[action$='/remove']", url.Values{}, anna).wantsStatus(t, http.StatusNotFound)
}

func TestPeopleFollowAndMuteABuildspaceOnItsPage(t *testing.T) {
	t.Parallel()
	s, n, got, address := newNotified(t)
	s.failing(t)
	anna := s.signIn(t, "Mozilla/5.0")
	s.get(t, "/buildspaces/lib", "Authorization", "").wantsNone(t, "[aria-labelledby=h-follow]")
	page := s.get(t, "/buildspaces/lib", anna...)
	box, form := "[aria-labelledby=h-follow]", "form[action='/buildspaces/lib/follow']"
	page.wants(t, box, "told nothing about this", "Follow", "no channel")
	s.sendForm(t, s.get(t, "/notifications", anna...), "form[aria-label='New webhook']", url.Values{"address": {address}}, anna)

	s.sendForm(t, page, form, url.Values{}, anna).wantsStatus(t, http.StatusSeeOther)
	page = s.get(t, "/buildspaces/lib", anna...)
	page.wants(t, "main", "You are told about lib from now on")
	page.wants(t, box, "You follow", "Mute", "your channels")
	s.sendForm(t, page, form, url.Values{}, anna).wantsStatus(t, http.StatusSeeOther)
	page = s.get(t, "/buildspaces/lib", anna...)
	page.wants(t, box, "You muted", "Follow")
	s.get(t, "/notifications", anna...).wants(t, "[aria-labelledby=h-follows]", "lib", "muted")

	must(t, n.Pass(t.Context()))
	s.db.Clock.Advance(time.Minute)
	must(t, n.Pass(t.Context()))
	if got.Load() != 1 {
		t.Errorf("%d messages about a muted buildspace, want that to the server's channel alone", got.Load())
	}
	s.sendForm(t, s.get(t, "/notifications", anna...), form, url.Values{}, anna).wantsStatus(t, http.StatusSeeOther)
	s.get(t, "/buildspaces/lib", anna...).wants(t, box, "told nothing about this")
	s.sendForm(t, page, form, url.Values{"choice": {"always"}}, anna).wantsStatus(t, http.StatusUnprocessableEntity)
}

func TestMessagesSayHowABuildspaceStands(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	failed, _ := s.failing(t)
	got, err := s.app.Standing(t.Context(), "lib")
	must(t, err)
	if got.Iteration != 1 || got.URL != s.url+"/buildspaces/lib" || !strings.Contains(got.Summary, "1 failed") {
		t.Errorf("%+v", got)
	}
	cause := got.Cause
	if cause == nil || cause.URL != s.url+"/builds/"+strconv.FormatInt(failed.ID, 10) || !strings.HasPrefix(cause.Words, "app failed (x86_64)") || !strings.HasSuffix(cause.Words, "It blocks 1 build.") {
		t.Errorf("the cause is %+v", cause)
	}
	s.db.NewBuildspace(t, "fresh")
	if got, err := s.app.Standing(t.Context(), "fresh"); err != nil || got.Cause != nil || got.Iteration != 0 {
		t.Errorf("without an iteration: %+v, %v", got, err)
	}
	if _, err := s.app.Standing(t.Context(), "nosuch"); buildbtw.KindOf(err) != buildbtw.KindNotFound {
		t.Errorf("of none: %v", err)
	}
}
