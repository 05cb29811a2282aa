package gitmirror_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"buildbtw"
	"buildbtw/git/gitmirror"
)

// A server that sends git elsewhere must not make it hand over the token: git
// would send it there itself, with every request after the first.
func TestTheTokenGoesToNobodyElse(t *testing.T) {
	t.Parallel()
	var asked int
	var got []string
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		if header := r.Header.Get("Authorization"); header != "" {
			got = append(got, r.Method+" "+r.URL.Path+" "+header)
		}
		w.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
		_, _ = io.WriteString(w, "001e# service=git-upload-pack\n0000000eversion 2\n000cls-refs\n0000")
	}))
	defer other.Close()
	first := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL+r.URL.RequestURI(), http.StatusFound)
	}))
	defer first.Close()
	_, err := openMirror(t).FetchRemote(t.Context(), gitmirror.Access{Server: first.URL, Token: "s3cret"}, gitmirror.Remote{Slug: "a", URL: first.URL + "/arch/a.git"})
	if len(got) > 0 || asked > 0 {
		t.Errorf("the other server was asked %d times and got %q", asked, got)
	}
	if buildbtw.KindOf(err) != buildbtw.KindNotFound {
		t.Errorf("kind %s: %v", buildbtw.KindOf(err), err)
	}
}
