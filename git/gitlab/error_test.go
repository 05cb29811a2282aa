package gitlab_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"buildbtw"
	"buildbtw/git/gitlab"
	"buildbtw/git/gitlab/gitlabtest"
)

// TestTroubleIsToldApart makes every call of a client fail in every way.
func TestTroubleIsToldApart(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		fault gitlabtest.Fault
		want  gitlab.Trouble
		says  string
		kind  buildbtw.Kind
		tries int
	}{
		{"401", gitlabtest.Status(401), gitlab.Unauthorised, "make a new one", buildbtw.KindUnavailable, 1},
		{"403", gitlabtest.Status(403), gitlab.Forbidden, "scope api", buildbtw.KindForbidden, 1},
		{"404", gitlabtest.Status(404), gitlab.NotFound, "no such thing", buildbtw.KindNotFound, 1},
		{"400", gitlabtest.Status(400), gitlab.Refused, "GitLab says: 400 Bad Request", buildbtw.KindInvalid, 1},
		{"429 for long", gitlabtest.TooMany(600), gitlab.RateLimited, "tried again after", buildbtw.KindUnavailable, 1},
		{"429 without end", gitlabtest.TooMany(0), gitlab.RateLimited, "fewer requests", buildbtw.KindUnavailable, 3},
		{"500", gitlabtest.Status(500), gitlab.ServerTrouble, "trouble of its own", buildbtw.KindUnavailable, 3},
		{"502 of a proxy", gitlabtest.HTML(502), gitlab.ServerTrouble, "trouble of its own", buildbtw.KindUnavailable, 3},
		{"a page", gitlabtest.HTML(200), gitlab.Nonsense, "no GitLab", buildbtw.KindUnavailable, 1},
		{"half a JSON", gitlabtest.HalfJSON(), gitlab.Nonsense, "cut off", buildbtw.KindUnavailable, 1},
		{"silence", gitlabtest.Silence(), gitlab.Unreachable, "does not answer", buildbtw.KindUnavailable, 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := gitlabtest.Start(t, gitlabtest.Options{})
			config := gitlab.Config{Retries: 2}
			if test.want == gitlab.Unreachable { // only silence is waited for to the end
				config.RequestTime = time.Second
			}
			client := newClient(t, server, config)
			server.CreateProject("arch/a")
			server.Fail("/api/", -1, test.fault)
			_, err := client.Group("arch").All(t.Context())
			if gitlab.TroubleOf(err) != test.want || buildbtw.KindOf(err) != test.kind {
				t.Errorf("got %q, kind %s: %v", gitlab.TroubleOf(err), buildbtw.KindOf(err), err)
			}
			if !strings.HasPrefix(err.Error(), "list the projects of group arch: ") || !strings.Contains(err.Error(), test.says) {
				t.Errorf("it says %q, want %q", err, test.says)
			}
			if strings.Contains(err.Error(), gitlabtest.Token) || strings.ContainsAny(err.Error(), "<>\n") {
				t.Errorf("not fit for people: %q", err)
			}
			if got := len(server.Requests()); got != test.tries {
				t.Errorf("%d requests, want %d", got, test.tries)
			}
		})
	}
}

func TestNobodyListens(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(nil)
	server.Close()
	client, err := gitlab.New(gitlab.Config{URL: server.URL, Token: "secret", Retries: -1})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.Group("arch").All(t.Context())
	if gitlab.TroubleOf(err) != gitlab.Unreachable || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
}

func TestTheTokenGoesToNobodyElse(t *testing.T) {
	t.Parallel()
	var got []string
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got = append(got, r.Header.Get("Private-Token"))
	}))
	defer other.Close()
	first := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusFound))
	defer first.Close()
	client, err := gitlab.New(gitlab.Config{URL: first.URL, Token: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.Group("arch").All(t.Context())
	if gitlab.TroubleOf(err) != gitlab.Nonsense || len(got) > 0 {
		t.Errorf("the other server got %q; %v", got, err)
	}
}

func TestRefusesWhatIsNoAddress(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"", "gitlab.example.org", "ftp://x", "https://", "https://user:secret@gitlab.example.org", "https://x/?private_token=y"} {
		if _, err := gitlab.New(gitlab.Config{URL: url}); err == nil {
			t.Errorf("%q is taken", url)
		}
	}
}

// TestItWaitsAsLongAsGitLabAsks lets the pause of one answer hold back the next
// call, in a time of its own.
func TestItWaitsAsLongAsGitLabAsks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		answers := []func(http.Header) int{
			func(h http.Header) int { h.Set("Retry-After", "20"); return http.StatusTooManyRequests },
			func(http.Header) int { return http.StatusOK },
		}
		var asked []time.Duration
		began := time.Now()
		client, err := gitlab.New(gitlab.Config{URL: "http://gitlab.test", Transport: transport(func(*http.Request) *http.Response {
			asked = append(asked, time.Since(began).Round(time.Second))
			w := httptest.NewRecorder()
			status := answers[0](w.Header())
			answers = answers[1:]
			w.WriteHeader(status)
			w.WriteString("[]")
			return w.Result()
		})})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.Group("arch").All(t.Context()); err != nil || len(asked) != 2 || asked[1] != 20*time.Second {
			t.Errorf("asked at %v, %v", asked, err)
		}
		answers = append(answers,
			func(h http.Header) int { h.Set("Retry-After", "300"); return http.StatusTooManyRequests },
			func(http.Header) int { return http.StatusOK })
		_, first := client.Group("arch").All(t.Context())
		_, second := client.Group("arch").All(t.Context())
		if gitlab.TroubleOf(first) != gitlab.RateLimited || gitlab.TroubleOf(second) != gitlab.RateLimited || len(asked) != 3 {
			t.Errorf("asked at %v; %v; %v", asked, first, second)
		}
		var e *gitlab.Error
		if !errors.As(second, &e) || !e.Until.Equal(began.Add(320*time.Second)) {
			t.Errorf("until %v", e.Until)
		}
		time.Sleep(300 * time.Second)
		if _, err := client.Group("arch").All(t.Context()); err != nil {
			t.Errorf("after the pause: %v", err)
		}
	})
}

type transport func(*http.Request) *http.Response

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) { return t(r), nil }
