package notify_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/notify"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

// site is a notifier on a store, with a buildspace of anna's whose iteration has builds.
type site struct {
	*storetest.DB
	notifier *notify.Notifier
	space    store.BuildspaceRow
}

func newSite(t *testing.T, s notify.Settings, plan ...string) *site {
	t.Helper()
	db := storetest.New(t)
	return siteOn(t, db, db.NewBuildspace(t, "curl-4"), s, plan...)
}

// impatient is a notifier that waits for nobody long.
func (s *site) impatient(t *testing.T, settings notify.Settings) {
	t.Helper()
	settings.ReadFile = os.ReadFile
	n, err := notify.New(notify.Config{
		Store: s.Store, Settings: settings, Log: slog.New(slog.DiscardHandler), Now: s.Clock.Now, Limit: 50 * time.Millisecond,
		Describe: func(context.Context, string) (notify.Standing, error) { return notify.Standing{}, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	s.notifier = n
}

func siteOn(t *testing.T, db *storetest.DB, space store.BuildspaceRow, s notify.Settings, plan ...string) *site {
	t.Helper()
	if s.ReadFile == nil {
		s.ReadFile = os.ReadFile
	}
	n, err := notify.New(notify.Config{
		Store: db.Store, Settings: s, Log: slog.New(slog.DiscardHandler), Now: db.Clock.Now, HomeURL: "https://build.example.org",
		Describe: func(_ context.Context, name string) (notify.Standing, error) {
			return notify.Standing{
				Iteration: 1, Summary: "2 builds: 1 failed, 1 blocked.", URL: "https://build.example.org/buildspaces/" + name,
				Cause: &notify.Description{Words: "lib failed (x86_64): error: ä < b.", URL: "https://build.example.org/builds/1"},
			}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(plan) > 0 {
		db.Iterate(t, space, storetest.Plan(plan...))
	}
	return &site{db, n, space}
}

// pass makes a pass that may fail only as the test expects.
func (s *site) pass(t *testing.T) {
	t.Helper()
	if err := s.notifier.Pass(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// fail lets the next build fail, and waits until its message is due.
func (s *site) fail(t *testing.T) {
	t.Helper()
	s.End(t, s.Claim(t, "w"), buildbtw.OutcomeFailed)
	s.pass(t)
	s.Clock.Advance(time.Minute)
}

func (s *site) deliveries(t *testing.T) []store.DeliveryRow {
	t.Helper()
	rows, _, err := s.Deliveries(t.Context(), 0, "", 0)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// receiver is a receiver of webhooks that verifies what it gets by itself.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	status int // 0: 204
	got    []notify.Message
}

const secretText = "0123456789abcdef0123456789abcdef"

func newReceiver(t *testing.T) *receiver {
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		sent, err := strconv.ParseInt(q.Header.Get("webhook-timestamp"), 10, 64)
		sum := sha256hmac([]byte(secretText), q.Header.Get("webhook-id")+"."+strconv.FormatInt(sent, 10)+"."+string(body))
		version, signature, _ := strings.Cut(q.Header.Get("webhook-signature"), ",")
		given, decodeErr := base64.StdEncoding.DecodeString(signature)
		if err != nil || decodeErr != nil || version != "v1" || string(given) != string(sum) {
			t.Errorf("wrong signature: %v", q.Header)
		}
		var m notify.Message
		if err := json.Unmarshal(body, &m); err != nil || m.ID != q.Header.Get("webhook-id") {
			t.Errorf("body %s: %v", body, err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.got = append(r.got, m)
		if r.status == 0 {
			r.status = http.StatusNoContent
		}
		w.Header().Set("Location", "http://169.254.169.254/latest/meta-data")
		w.WriteHeader(r.status)
	}))
	t.Cleanup(r.Close)
	return r
}

// sha256hmac is HMAC as RFC 2104 writes it, for keys of at most 64 bytes.
func sha256hmac(key []byte, text string) []byte {
	pad := func(with byte) []byte {
		block := make([]byte, 64)
		copy(block, key)
		for i := range block {
			block[i] ^= with
		}
		return block
	}
	inner := sha256.Sum256(append(pad(0x36), text...))
	outer := sha256.Sum256(append(pad(0x5c), inner[:]...))
	return outer[:]
}

func (r *receiver) answer(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

func (r *receiver) messages() []notify.Message {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.got
}

func file(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func webhookTo(t *testing.T, name, url string) string {
	return name + "=webhook,url=" + url + ",secret-file=" + file(t, secretText+"\n")
}

func TestTurnsWithinAMinuteAreOneMessage(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	s := newSite(t, notify.Settings{Channels: []string{webhookTo(t, "ops", r.URL)}}, "a", "b", "c", "d: a")
	s.End(t, s.Claim(t, "w"), buildbtw.OutcomeFailed)
	s.pass(t)
	s.pass(t)
	s.End(t, s.Claim(t, "w"), buildbtw.OutcomeFailed)
	s.Clock.Advance(59 * time.Second)
	s.pass(t)
	if got := r.messages(); len(got) != 0 {
		t.Fatalf("sent before the minute was over: %+v", got)
	}
	s.Clock.Advance(time.Second)
	s.pass(t)
	s.Clock.Advance(time.Hour)
	s.Finish(t, s.Claim(t, "w"))
	s.pass(t)
	got := r.messages()
	if len(got) != 1 || len(got[0].Turns) != 1 || got[0].Turns[0].Kind != buildbtw.TurnFailed || got[0].Subject != "curl-4 #1: first failure" {
		t.Fatalf("got %+v", got)
	}
	s.Clock.Advance(4 * time.Hour)
	s.pass(t) // finds that it is blocked since the last build ended, 4 hours ago
	s.Clock.Advance(time.Minute)
	s.pass(t)
	if got = r.messages(); len(got) != 2 || got[1].Turns[0].Kind != buildbtw.TurnBlocked || got[1].Turns[0].Words != "Nothing of #1 has been able to go on for 4 hours." {
		t.Fatalf("got %+v", got)
	}
	if got[0].ID == got[1].ID {
		t.Error("two messages have one id")
	}
}

func TestAMessageIsRetriedUnderItsIDUntilItIsGivenUp(t *testing.T) {
	t.Parallel()
	r, other := newReceiver(t), newReceiver(t)
	r.answer(http.StatusServiceUnavailable)
	s := newSite(t, notify.Settings{Channels: []string{webhookTo(t, "down", r.URL), webhookTo(t, "up", other.URL)}}, "a")
	s.fail(t)
	for range 40 {
		s.pass(t)
		s.Clock.Advance(time.Hour)
	}
	got := r.messages()
	tries := map[string]int{}
	for i, m := range got {
		tries[m.ID]++
		if i < buildbtw.DeliveryTries && m.ID != got[0].ID {
			t.Errorf("a later message was tried before the first was given up")
		}
	}
	if tries[got[0].ID] != buildbtw.DeliveryTries || len(tries) != 2 {
		t.Fatalf("tries %v", tries)
	}
	blocked := 1 // the iteration cannot go on, so there is a second message
	if n := len(other.messages()); n != 1+blocked {
		t.Errorf("the other channel got %d messages", n)
	}
	rows := s.deliveries(t)
	first := rows[len(rows)-1]
	if first.Channel != "down" || first.Status != buildbtw.DeliveryGivenUp || first.Error != "the receiver answered 503 Service Unavailable" {
		t.Errorf("delivery %+v", first)
	}
	r.answer(http.StatusOK)
	admin := buildbtw.User{Kind: buildbtw.KindPerson, Name: "root", Role: buildbtw.RoleAdmin}
	if _, err := s.notifier.Replay(t.Context(), admin, first.ID); err != nil {
		t.Fatal(err)
	}
	s.pass(t)
	again := r.messages()
	if d, err := s.Delivery(t.Context(), first.ID); err != nil || d.Status != buildbtw.DeliveryDelivered {
		t.Errorf("after a replay: %+v, %v", d, err)
	}
	for _, m := range again[len(got):] {
		tries[m.ID]++
	}
	if tries[got[0].ID] != buildbtw.DeliveryTries+1 {
		t.Errorf("after a replay: %v", tries)
	}
	packager := buildbtw.User{Kind: buildbtw.KindPerson, ID: 7, Name: "p", Role: buildbtw.RolePackager}
	if _, err := s.notifier.Replay(t.Context(), packager, first.ID); buildbtw.KindOf(err) != buildbtw.KindForbidden {
		t.Errorf("a packager replays a delivery of the server: %v", err)
	}
}

// A crash after a message was sent and before that was recorded sends it once more, under the
// same id; one before that loses nothing.
func TestCrashesOfTheOutbox(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	settings := notify.Settings{Channels: []string{webhookTo(t, "ops", r.URL)}}
	s := newSite(t, settings, "a", "b")
	s.End(t, s.Claim(t, "w"), buildbtw.OutcomeFailed)
	crash := func() {
		s.Reopen(t)
		s = siteOn(t, s.DB, s.space, settings)
	}
	crash()
	s.pass(t)
	crash()
	s.Clock.Advance(time.Minute)

	ctx, cancel := context.WithCancel(t.Context())
	hang := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		r.Config.Handler.ServeHTTP(httptest.NewRecorder(), q)
		cancel() // the server is stopped while it waits for the answer
		<-q.Context().Done()
	}))
	defer hang.Close()
	dying := siteOn(t, s.DB, s.space, notify.Settings{Channels: []string{webhookTo(t, "ops", hang.URL)}})
	if err := dying.notifier.Pass(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	crash()
	s.pass(t)
	if n := len(r.messages()); n != 1 {
		t.Fatalf("sent %d times before the claim ended", n)
	}
	s.Clock.Advance(time.Minute)
	s.pass(t)
	s.pass(t)
	got := r.messages()
	if len(got) != 2 || got[0].ID != got[1].ID {
		t.Fatalf("got %+v", got)
	}
	if rows := s.deliveries(t); len(rows) != 1 || rows[0].Status != buildbtw.DeliveryDelivered || rows[0].Tries != 2 {
		t.Errorf("deliveries %+v", rows)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	r := newReceiver(t)
	r.answer(http.StatusTemporaryRedirect)
	s := newSite(t, notify.Settings{Channels: []string{webhookTo(t, "ops", r.URL)}}, "a")
	s.fail(t)
	s.pass(t)
	rows := s.deliveries(t)
	if len(r.messages()) != 1 || len(rows) != 1 || rows[0].Status != buildbtw.DeliveryGivenUp || !strings.Contains(rows[0].Error, "redirects are not followed") {
		t.Errorf("%+v", rows)
	}
}

// A receiver that hangs ends its try, and an answer that does not end is not read.
func TestReceiversThatHang(t *testing.T) {
	t.Parallel()
	endless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	}))
	defer endless.Close()
	hanging := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		io.Copy(io.Discard, q.Body)
		<-q.Context().Done()
	}))
	defer hanging.Close()
	server, m := newMailServer(t, false)
	server.set(func(s *mailServer) { s.hang = true })
	s := newSite(t, notify.Settings{}, "a")
	s.impatient(t, notify.Settings{Mail: m, Channels: []string{webhookTo(t, "hanging", hanging.URL), "list=mail,to=a@example.org"}})
	s.fail(t)
	s.pass(t)
	for _, d := range s.deliveries(t) {
		if d.Status != buildbtw.DeliveryWaiting || d.Tries != 1 || !strings.HasSuffix(d.Error, "did not answer in time") {
			t.Errorf("%+v", d)
		}
	}
	s = newSite(t, notify.Settings{Channels: []string{webhookTo(t, "endless", endless.URL)}}, "a")
	s.fail(t)
	s.pass(t)
	if rows := s.deliveries(t); len(rows) != 1 || rows[0].Status != buildbtw.DeliveryDelivered {
		t.Errorf("%+v", rows)
	}
}

// person returns a person who has signed in.
func (s *site) person(t *testing.T, name string) buildbtw.User {
	t.Helper()
	a, err := s.NoteIdentity(t.Context(), store.Identity{Issuer: "https://sso.example.org", Subject: name, Name: name, Role: buildbtw.RolePackager})
	if err != nil {
		t.Fatal(err)
	}
	return buildbtw.User{ID: a.ID, Kind: buildbtw.KindPerson, Name: a.Name, Role: a.Role}
}

func TestWhoFollowsIsTold(t *testing.T) {
	t.Parallel()
	open := notify.Guard{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}}
	s := newSite(t, notify.Settings{Guard: open}, "a", "b")
	var got sync.Map
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) { got.Store(q.URL.Path, true) }))
	defer server.Close()
	creator, other, muted := s.person(t, s.space.CreatedBy), s.person(t, "other"), s.person(t, "muted")
	for _, who := range []buildbtw.User{creator, other, muted, s.person(t, "stranger")} {
		if _, secret, err := s.notifier.AddChannel(t.Context(), who, buildbtw.ChannelWebhook, server.URL+"/"+who.Name); err != nil || !strings.HasPrefix(secret, "whsec_") {
			t.Fatal(secret, err)
		}
	}
	if err := s.notifier.Follow(t.Context(), other, s.space.Name, buildbtw.FollowYes); err != nil {
		t.Fatal(err)
	}
	for _, choice := range []buildbtw.FollowChoice{buildbtw.FollowYes, buildbtw.FollowMute} {
		if err := s.notifier.Follow(t.Context(), muted, s.space.Name, choice); err != nil {
			t.Fatal(err)
		}
	}
	s.fail(t)
	s.pass(t)
	for name, want := range map[string]bool{creator.Name: true, "other": true, "muted": false, "stranger": false} {
		if _, told := got.Load("/" + name); told != want {
			t.Errorf("%s was told: %v, want %v", name, told, want)
		}
	}
	if err := s.notifier.Follow(t.Context(), other, "nowhere", buildbtw.FollowYes); buildbtw.KindOf(err) != buildbtw.KindNotFound {
		t.Errorf("follow what is not there: %v", err)
	}
}

// Addresses of people lead to no service of this machine or network, whatever they look
// like, and nothing of the address is in the error.
func TestAddressesOfPeopleLeadOutOnly(t *testing.T) {
	t.Parallel()
	s := newSite(t, notify.Settings{})
	who := s.person(t, "anna")
	hit := false
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hit = true }))
	defer server.Close()
	_, port, _ := strings.Cut(strings.TrimPrefix(server.URL, "http://"), ":")
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433", "169.254.169.254", "10.0.0.1", "[fd00::1]", "[64:ff9b::7f00:1]"} {
		c, _, err := s.notifier.AddChannel(t.Context(), who, buildbtw.ChannelWebhook, "http://"+host+":"+port+"/token-in-path")
		if err != nil {
			t.Fatal(host, err)
		}
		d, err := s.notifier.Test(t.Context(), who, strconv.FormatInt(c.ID, 10))
		if err != nil || d.Status == buildbtw.DeliveryDelivered || strings.Contains(d.Error, "token-in-path") {
			t.Errorf("%s: %+v, %v", host, d, err)
		}
		if !strings.Contains(d.Error, "refused") && host != "2130706433" { // which is a name for most resolvers
			t.Errorf("%s: %s", host, d.Error)
		}
		if err := s.notifier.RemoveChannel(t.Context(), who, c.ID); err != nil {
			t.Fatal(err)
		}
	}
	if hit {
		t.Error("a request arrived")
	}
	for _, bad := range []string{"", "ftp://example.org", "https://", "https://user:word@example.org/", "https://example.org/#x", "https://exa mple.org", "javascript:alert(1)"} {
		if _, _, err := s.notifier.AddChannel(t.Context(), who, buildbtw.ChannelWebhook, bad); buildbtw.KindOf(err) != buildbtw.KindInvalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestTemplatesAndRooms(t *testing.T) {
	t.Parallel()
	type asked struct {
		method, path, authorization, body string
	}
	got := make(chan asked, 10)
	status := make(chan int, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		got <- asked{q.Method, q.URL.EscapedPath(), q.Header.Get("Authorization"), string(body)}
		w.WriteHeader(<-status)
		io.WriteString(w, `{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":120000,"event_id":"$1"}`)
	}))
	defer server.Close()
	s := newSite(t, notify.Settings{
		Matrix: &notify.Matrix{URL: server.URL, Token: "room-token"},
		Channels: []string{
			"chat=http,method=PUT,url-file=" + file(t, server.URL+"/hook") + ",headers-file=" + file(t, "Authorization: Bearer chat-token") +
				",body-file=" + file(t, `{"text": {{json .Summary}}, "why": {{with .Cause}}{{json .Words}}{{end}}}`),
		},
	}, "a")
	s.fail(t)
	status <- http.StatusOK
	s.pass(t)
	want := asked{"PUT", "/hook", "Bearer chat-token", `{"text": "2 builds: 1 failed, 1 blocked.", "why": "lib failed (x86_64): error: ä \u003c b."}`}
	if a := <-got; a != want {
		t.Errorf("asked %+v, want %+v", a, want)
	}

	s = newSite(t, notify.Settings{Matrix: &notify.Matrix{URL: server.URL, Token: "room-token"}, Channels: []string{"room=matrix,room=!a/b:example.org"}}, "a")
	s.fail(t)
	status <- http.StatusTooManyRequests
	s.pass(t)
	first := <-got
	s.Clock.Advance(time.Minute) // less than the room's server asked for
	s.pass(t)
	s.Clock.Advance(time.Minute)
	status <- http.StatusOK
	s.pass(t)
	second := <-got
	if first != second || first.method != "PUT" || !strings.HasPrefix(first.path, "/_matrix/client/v3/rooms/%21a%2Fb:example.org/send/m.room.message/msg_") || first.authorization != "Bearer room-token" {
		t.Errorf("asked %+v, then %+v", first, second)
	}
	rows := s.deliveries(t)
	if len(rows) != 1 || rows[0].Status != buildbtw.DeliveryDelivered {
		t.Errorf("%+v", rows)
	}
}

// The errors are those of Dendrite 0.13.8, as it answered them.
func TestWordsOfAHomeserverSayWhatToDo(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		status     int
		code, want string
	}{
		{http.StatusUnauthorized, "M_UNKNOWN_TOKEN", "not signed out"},
		{http.StatusForbidden, "M_FORBIDDEN", "have it join"},
		{http.StatusBadRequest, "M_UNSUPPORTED_ROOM_VERSION", "have it join"},
		{http.StatusBadGateway, "M_UNKNOWN", `502 Bad Gateway ("M_UNKNOWN")`},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(test.status)
			io.WriteString(w, `{"errcode":"`+test.code+`","error":"words of the homeserver"}`)
		}))
		defer server.Close()
		s := newSite(t, notify.Settings{Matrix: &notify.Matrix{URL: server.URL, Token: "room-token"}, Channels: []string{"room=matrix,room=!a:example.org"}}, "a")
		s.fail(t)
		s.pass(t)
		rows := s.deliveries(t)
		if len(rows) != 1 || rows[0].Status != buildbtw.DeliveryWaiting || !strings.Contains(rows[0].Error, test.want) {
			t.Errorf("%s: %+v", test.code, rows)
		}
	}
}

func TestSettingsThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	secret := file(t, secretText)
	for text, want := range map[string]string{
		"ops":                           "no kind of channel",
		"o ps=mail,to=a@example.org":    "no channel name",
		"7=mail,to=a@example.org":       "people's channels have numbers",
		"ops=mail,to=a@example.org":     "sends no mails",
		"ops=webhook,url=https://a.b":   "secret-file=FILE is missing",
		"ops=webhook,secret-file=/nope": "one of url=URL and url-file=FILE",
		"ops=matrix,room=!a:b":          "--matrix-url",
		"ops=webhook,url=https://a.b,x=1,secret-file=" + secret:                                    "no option",
		"ops=webhook,url=ftp://a.b,secret-file=" + secret:                                          "begins with https://",
		"ops=webhook,url=https://a.b,secret-file=" + file(t, "short"):                              "at least 16",
		"ops=http,url=https://a.b,body-file=" + file(t, "{{.Nope}}"):                               "body-file",
		"ops=http,url=https://a.b,method=GET,body-file=" + secret:                                  "choose POST or PUT",
		"ops=http,url=https://a.b,headers-file=" + file(t, "very secret") + ",body-file=" + secret: "line 1 of the headers",
	} {
		_, err := notify.Settings{Channels: []string{text}, ReadFile: os.ReadFile, Now: time.Now}.ServerChannels()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %v", text, err)
		}
		if err != nil && strings.Contains(err.Error(), "very secret") {
			t.Errorf("the error tells a secret: %v", err)
		}
	}
}
