package main

import (
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"buildbtw/cmd/internal/cmdtest"
)

// Once people can sign in the server listens beyond loopback, also while the provider
// is down: the pages are there, and signing in says what is wrong.
func TestServerListensAnywhereOncePeopleSignIn(t *testing.T) {
	t.Parallel()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(free.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	p := start(t, "buildbtw", "serve", "--listen", "0.0.0.0:"+port, "--sources=dir:"+dir, "--data-dir", filepath.Join(dir, "data"),
		"--public-url=https://build.example.org", "--oidc-issuer=https://localhost:1", "--oidc-name=Our SSO", "--oidc-client-id=buildbtw", "--oidc-packager-groups=packagers")
	get := func(path string) (status int, text string, err error) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:"+port+path, nil)
		if err != nil {
			return 0, "", err
		}
		r.Host = "build.example.org"
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			return 0, "", err
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		return answer.StatusCode, string(body), err
	}
	err = cmdtest.Poll(t.Context(), patience, func() (bool, error) {
		status, _, err := get("/api/v1/ready")
		return err == nil && status == http.StatusOK || p.Ended(), nil
	})
	if err != nil || p.Ended() {
		t.Fatalf("%v; it said:\n%s", err, p.Log())
	}
	for path, want := range map[string]struct {
		status int
		says   string
	}{
		"/":             {http.StatusOK, "Sign in"},
		"/sign-in":      {http.StatusOK, "Sign in with Our SSO"},
		"/sign-in/oidc": {http.StatusServiceUnavailable, "Our SSO cannot be reached at present"},
	} {
		status, text, err := get(path)
		if err != nil || status != want.status || !strings.Contains(text, want.says) {
			t.Errorf("%s answered %d, %v:\n%s", path, status, err, text)
		}
	}
	if !strings.Contains(p.Log(), "people sign in with Our SSO (https://localhost:1)") {
		t.Errorf("it said:\n%s", p.Log())
	}
}
