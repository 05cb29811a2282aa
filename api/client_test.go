package api_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/api"
)

func newClient(t *testing.T, url string, b api.Backoff) *api.Client {
	t.Helper()
	b.First, b.Max = time.Millisecond, 4*time.Millisecond
	c, err := api.New(url, " s3cret\n", api.Options{UserAgent: "test/1", Backoff: b})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// serve counts requests and answers them with h.
func serve(t *testing.T, h http.HandlerFunc) (url string, requests *atomic.Int64) {
	t.Helper()
	requests = &atomic.Int64{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		h(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL, requests
}

func TestUnusableURLs(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "127.0.0.1:8080", "ftp://host", "http://", "http://host:port", "://"} {
		if _, err := api.New(url, "", api.Options{}); buildbtw.KindOf(err) != buildbtw.KindInvalid {
			t.Errorf("%q: %v", url, err)
		}
	}
}

func TestAnswersBecomeErrorsOfTheirKind(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		status   int
		body     string
		kind     buildbtw.Kind
		message  string
		requests int64
	}{
		{"problem", 409, `{"type":"urn:buildbtw:conflict","title":"conflict","detail":"the lease is over"}`, "conflict", "the lease is over", 1},
		{"title only", 422, `{"type":"urn:buildbtw:invalid","title":"invalid"}`, "invalid", "invalid", 1},
		{"no token", 401, `{"type":"urn:buildbtw:unauthenticated","detail":"unknown token"}`, "unauthenticated", "unknown token", 1},
		{"a proxy's page", 502, "<html>", "unavailable", "answered 502 Bad Gateway", 4},
		{"later", 503, `{"type":"urn:buildbtw:unavailable","detail":"starting"}`, "unavailable", "starting", 4},
		{"fault of the server", 500, `{"type":"urn:buildbtw:internal","detail":"internal error"}`, "internal", "internal error", 3},
		{"redirect", 302, "", "invalid", "use that address", 1},
		{"huge", 404, strings.Repeat("x", 10<<20), "unavailable", "answered 404 Not Found, and that is no answer of buildbtw", 4},
		{"a proxy's 403", 403, "<html>", "unavailable", "answered 403 Forbidden", 4},
		{"a problem of others", 409, `{"type":"about:blank","title":"Conflict"}`, "unavailable", "no answer of buildbtw (nginx/1.2)", 4},
		{"a proxy's rate limit", 429, "slow down", "too-many", "429 Too Many Requests", 4},
		{"a proxy's limit of sizes", 413, "<html>", "unavailable", "client_max_body_size 0", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			url, requests := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", "http://127.0.0.1:1/")
				w.Header().Set("Server", "nginx/1.2")
				w.WriteHeader(test.status)
				io.WriteString(w, test.body)
			})
			_, _, err := newClient(t, url, api.Backoff{}).Claim(t.Context(), api.ClaimRequest{})
			if buildbtw.KindOf(err) != test.kind || !strings.Contains(buildbtw.MessageOf(err), test.message) {
				t.Errorf("got %v: %v", buildbtw.KindOf(err), err)
			}
			var broken *api.NetworkError
			if errors.As(err, &broken) {
				t.Errorf("an answer counts as trouble of the network: %v", err)
			}
			if requests.Load() != test.requests {
				t.Errorf("%d requests, want %d", requests.Load(), test.requests)
			}
		})
	}
}

func TestNetworkTroubleIsKeptApart(t *testing.T) {
	t.Parallel()
	url, _ := serve(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	for _, test := range []struct {
		url  string
		dial bool
	}{{"http://127.0.0.1:1", true}, {url, false}} {
		_, _, err := newClient(t, test.url, api.Backoff{}).Claim(t.Context(), api.ClaimRequest{})
		var broken *api.NetworkError
		if !errors.As(err, &broken) || broken.Dial != test.dial || buildbtw.KindOf(err) != buildbtw.KindUnavailable {
			t.Errorf("%s: %v", test.url, err)
		}
	}
}

// A server that speaks the other one of http and https, also one that is not buildbtw's
// or a proxy, is told apart from one that does not answer, and is not asked again.
func TestTheOtherSchemeIsToldInWords(t *testing.T) {
	t.Parallel()
	plain, _ := serve(t, func(http.ResponseWriter, *http.Request) {})
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(secure.Close)
	answers := func(body string) string {
		url, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, body)
		})
		return url
	}
	nginx := answers("<html><head><title>400 The plain HTTP request was sent to HTTPS port</title></head></html>")
	apache := answers("<p>Reason: You're speaking plain HTTP to an SSL-enabled server port.<br />")
	to := func(scheme, url string) string { return scheme + url[strings.Index(url, "://"):] }
	for _, test := range []struct{ url, use string }{
		{to("https", plain), plain},
		{to("https", plain) + "/below", plain + "/below"},
		{to("http", secure.URL), secure.URL},
		{nginx, to("https", nginx)},
		{apache, to("https", apache)},
	} {
		notified := 0
		c := newClient(t, test.url, api.Backoff{Patience: time.Hour, Notify: func(error, time.Duration) { notified++ }})
		_, err := c.Workers(t.Context())
		if buildbtw.KindOf(err) != buildbtw.KindUnavailable || !strings.HasSuffix(buildbtw.MessageOf(err), ": use "+test.use) || notified != 0 {
			t.Errorf("%s: %v, after %d pauses, want use %s", test.url, err, notified, test.use)
		}
	}
	if _, err := newClient(t, answers("bad"), api.Backoff{}).Workers(t.Context()); err == nil || strings.Contains(err.Error(), "speaks") {
		t.Errorf("another 400: %v", err)
	}
}

func TestEndedContextIsTheError(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("told to stop")
	url, _ := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) // only then does the server notice that the client is gone
		cancel(reason)
		<-r.Context().Done()
	})
	_, _, err := newClient(t, url, api.Backoff{Tries: 100, Patience: time.Hour}).Claim(ctx, api.ClaimRequest{Wait: 50})
	if !errors.Is(err, reason) || buildbtw.KindOf(err) == buildbtw.KindUnavailable {
		t.Errorf("got %v", err)
	}
}

func TestUnreachableServerIsWaitedFor(t *testing.T) {
	t.Parallel()
	notified := 0
	c := newClient(t, "http://127.0.0.1:1", api.Backoff{Tries: 2, Patience: time.Second, Notify: func(error, time.Duration) { notified++ }})
	if _, _, err := c.Claim(t.Context(), api.ClaimRequest{}); buildbtw.KindOf(err) != buildbtw.KindUnavailable || notified < 12 {
		t.Errorf("%d pauses of at most 4 ms in a second, then %v", notified, err)
	}
}

func TestClaimWithoutWork(t *testing.T) {
	t.Parallel()
	url, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer s3cret" || r.Header.Get("User-Agent") != "test/1" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("headers %v", r.Header)
		}
		w.WriteHeader(http.StatusNoContent)
	})
	if job, _, err := newClient(t, url, api.Backoff{}).Claim(t.Context(), api.ClaimRequest{}); job != nil || err != nil {
		t.Errorf("got %v, %v", job, err)
	}
}

func TestLogOffsetsComeBack(t *testing.T) {
	t.Parallel()
	url, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.Header.Get(api.HeaderOffset) {
		case "5":
			w.WriteHeader(http.StatusConflict)
			io.WriteString(w, `{"type":"urn:buildbtw:conflict","detail":"the log ends at 3","offset":3}`)
		case "7":
			w.WriteHeader(http.StatusConflict)
			io.WriteString(w, `{"type":"urn:buildbtw:conflict","detail":"the lease is over"}`)
		default:
			io.WriteString(w, `{"offset":12}`)
		}
	})
	c := newClient(t, url, api.Backoff{})
	var moved *api.OffsetError
	if _, err := c.AppendLog(t.Context(), "l", 5, []byte("x")); !errors.As(err, &moved) || moved.Offset != 3 || buildbtw.KindOf(err) != buildbtw.KindConflict {
		t.Errorf("got %v", err)
	}
	moved = nil
	if _, err := c.AppendLog(t.Context(), "l", 7, nil); errors.As(err, &moved) || buildbtw.KindOf(err) != buildbtw.KindConflict {
		t.Errorf("got %v", err)
	}
	if end, err := c.AppendLog(t.Context(), "l", 11, []byte("x")); end != 12 || err != nil {
		t.Errorf("got %d, %v", end, err)
	}
}

// An upload whose connection breaks in the middle is sent again from its
// beginning, with its length and digest; names keep their epoch.
func TestUploadIsRepeatedWhole(t *testing.T) {
	t.Parallel()
	body := bytes.Repeat([]byte("package "), 100_000)
	first := true
	url, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if first {
			first = false
			io.CopyN(io.Discard, r.Body, 1000)
			panic(http.ErrAbortHandler)
		}
		got, err := io.ReadAll(r.Body)
		if err != nil || !bytes.Equal(got, body) || r.ContentLength != int64(len(body)) || len(r.TransferEncoding) > 0 {
			t.Errorf("%d bytes, length %d, %v", len(got), r.ContentLength, err)
		}
		if want := "/api/v1/worker/leases/a%2Fb/packages/x-1:2-1-any.pkg.tar.zst"; r.URL.EscapedPath() != want {
			t.Errorf("path %s, want %s", r.URL.EscapedPath(), want)
		}
		w.WriteHeader(http.StatusCreated)
	})
	created, err := newClient(t, url, api.Backoff{}).UploadPackage(t.Context(), api.Upload{
		Lease: "a/b", Name: "x-1:2-1-any.pkg.tar.zst", SHA256: sha256.Sum256(body), Size: int64(len(body)),
		Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil },
	})
	if !created || err != nil {
		t.Errorf("created %v, %v", created, err)
	}
}

// A token goes to the client's server and nowhere else: not to another host or port, and
// not without TLS when it came with it.
func TestAuthorizeSendsTheTokenToItsServerOnly(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ server, request, header string }{
		{"https://build.example.org", "https://build.example.org/repo/x/os/x86_64/x.db", "Bearer secret"},
		{"https://build.example.org/sub/", "https://build.example.org/other", "Bearer secret"},
		{"https://build.example.org", "http://build.example.org/repo", ""},
		{"http://127.0.0.1:8080", "http://127.0.0.1:8081/repo", ""},
		{"https://build.example.org", "https://example.org/repo", ""},
		{"https://build.example.org", "https://build.example.org.evil.example/repo", ""},
	} {
		for name, options := range map[string]api.Options{
			"given": {}, "read": {Token: func() (string, error) { return "secret", nil }},
		} {
			token := map[string]string{"given": " secret\n", "read": "of before"}[name]
			c, err := api.New(test.server, token, options)
			if err != nil {
				t.Fatal(err)
			}
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, test.request, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Authorize(request); err != nil {
				t.Fatal(err)
			}
			if got := request.Header.Get("Authorization"); got != test.header {
				t.Errorf("%s, token %s: %s gets %q, want %q", test.server, name, test.request, got, test.header)
			}
		}
	}
}

// A token that cannot be read ends the call: without it somebody else would act.
func TestATokenThatCannotBeReadIsAnError(t *testing.T) {
	t.Parallel()
	gone := errors.New("no such file")
	c, err := api.New("http://127.0.0.1:1", "", api.Options{Token: func() (string, error) { return "", gone }})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Me(t.Context()); !errors.Is(err, gone) || !strings.Contains(err.Error(), "read the token for 127.0.0.1:1") {
		t.Errorf("got %v", err)
	}
}
