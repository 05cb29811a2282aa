package fetch_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"buildbtw/runners"
	"buildbtw/runners/fetch"
)

// A relay gives the files of one repository to whoever knows its address, and nothing
// else of the server to anybody.
func TestRelayGivesTheRepositoryOnly(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/repo/x/gone-1-1-any.pkg.tar.zst" {
			http.NotFound(w, r)
			return
		}
		_, _ = io.WriteString(w, r.URL.Path+" "+r.Header.Get("Authorization"))
	}))
	t.Cleanup(server.Close)
	job := runners.Job{Authorize: func(r *http.Request) error {
		r.Header.Set("Authorization", "secret")
		return nil
	}}
	job.Repository.URL = server.URL + "/repo/x"
	relay, err := fetch.OpenRelay(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	defer relay.Close()
	host := relay.URL()[:strings.LastIndex(relay.URL(), "/")]
	for address, want := range map[string]string{
		relay.URL() + "/x.db":                                "200 /repo/x/x.db secret",
		relay.URL() + "/libstdc++-1:2-1-any.pkg.tar.zst":     "200 /repo/x/libstdc++-1:2-1-any.pkg.tar.zst secret",
		relay.URL() + "/x.db.sig":                            "200 /repo/x/x.db.sig secret",
		relay.URL() + "/gone-1-1-any.pkg.tar.zst":            "404 404 page not found\n",
		relay.URL() + "/../x.db":                             "404 404 page not found\n",
		relay.URL() + "/%2e%2e%2f%2e%2e%2fapi/v1/workers.db": "404 404 page not found\n",
		relay.URL() + "/sub/x.db":                            "404 404 page not found\n",
		relay.URL() + "/workers":                             "404 404 page not found\n",
		host + "/x.db":                                       "404 404 page not found\n",
		host + "/repo/x/x.db":                                "404 404 page not found\n",
		host + "/" + strings.Repeat("A", 26) + "/x.db":       "404 404 page not found\n",
	} {
		answer, err := http.Get(address)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if got := strings.Fields(answer.Status)[0] + " " + string(text); err != nil || got != want {
			t.Errorf("%s: %q, want %q: %v", address, got, want, err)
		}
	}
}
