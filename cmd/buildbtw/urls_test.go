package main

import (
	"crypto/tls"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/cmd/internal/cmdtest"
)

var servingURL = regexp.MustCompile(`msg=serving url=(\S+)`)

// The variable that names a server to bbtw and workers is not the one by which a server
// says where it is reached; alone it still counts, with a word.
func TestPublicURLHasANameOfItsOwn(t *testing.T) {
	t.Parallel()
	const public, other, address = "http://build.example.org", "http://other.example.org", "http://127.0.0.1:"
	for name, test := range map[string]struct {
		env, args []string
		url       string // or its beginning
		warned    string // empty: not at all
	}{
		"the flag":                  {nil, []string{"--public-url", public}, public, ""},
		"the variable":              {[]string{"BUILDBTW_PUBLIC_URL=" + public}, nil, public, ""},
		"both variables":            {[]string{"BUILDBTW_PUBLIC_URL=" + public, "BUILDBTW_SERVER_URL=" + other}, nil, public, ""},
		"the flag and the old one":  {[]string{"BUILDBTW_SERVER_URL=" + other}, []string{"--public-url", public}, public, ""},
		"the old variable":          {[]string{"BUILDBTW_SERVER_URL=" + public}, nil, public, "comes from BUILDBTW_SERVER_URL; call it BUILDBTW_PUBLIC_URL"},
		"the old flag":              {nil, []string{"--server-url", public}, public, "comes from --server-url; call it --public-url"},
		"the old variable is empty": {[]string{"BUILDBTW_SERVER_URL="}, nil, address, ""},
		"none":                      {nil, nil, address, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, "")
			p, err := cmdtest.Start(cmdtest.Spec{
				Args: append([]string{"buildbtw", "serve", "--listen", "127.0.0.1:0", "--data-dir", s.data(), "--sources", "dir:" + s.sources()}, test.args...),
				Env:  append(os.Environ(), test.env...), Log: filepath.Join(s.dir, "log"),
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(p.Kill)
			var url string
			poll(t, "serve", func() (bool, error) {
				if m := servingURL.FindStringSubmatch(p.Log()); m != nil {
					url = m[1]
				}
				return url != "", nil
			})
			if !strings.HasPrefix(url, test.url) {
				t.Errorf("it says that it is reached at %s, not %s", url, test.url)
			}
			if n := strings.Count(p.Log(), "comes from"); (test.warned != "") != (n == 1) || !strings.Contains(p.Log(), test.warned) {
				t.Errorf("%d warnings, want one with %q, or none:\n%s", n, test.warned, p.Log())
			}
			if code, err := p.Stop(patience); err != nil || code != 0 {
				t.Errorf("stopped with exit code %d: %v", code, err)
			}
		})
	}
}

// https where http is spoken, and the other way round, is told in words and soon,
// instead of both sides waiting.
func TestTheOtherSchemeIsToldInWords(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		tls         bool
		wrong, says string
	}{
		"https to http": {false, "https://", "speaks http, not https: use http://"},
		"http to https": {true, "http://", "speaks https, not http: use https://"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, "")
			args := []string{"buildbtw", "serve", "--listen", "127.0.0.1:0", "--data-dir", s.data(), "--sources", "dir:" + s.sources()}
			if test.tls {
				cert, key := filepath.Join(s.dir, "cert.pem"), filepath.Join(s.dir, "key.pem")
				certificate(t, cert, key, 1)
				args = append(args, "--tls-cert", cert, "--tls-key", key)
			}
			p := start(t, args...)
			var address string
			poll(t, "serve", func() (bool, error) {
				if m := servingURL.FindStringSubmatch(p.Log()); m != nil {
					_, address, _ = strings.Cut(m[1], "://")
				}
				return address != "", nil
			})
			client, err := api.New(test.wrong+address, "secret", api.Options{Backoff: api.Backoff{Patience: time.Hour}})
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			_, err = client.Workers(t.Context())
			took := time.Since(began)
			t.Logf("after %s: %v", took, err)
			if buildbtw.KindOf(err) != buildbtw.KindUnavailable || !strings.HasSuffix(buildbtw.MessageOf(err), test.says+address) {
				t.Errorf("%v, want %q", err, test.says+address)
			}
			if limit := cmdtest.OnBusyMachine(time.Second); took > limit {
				t.Errorf("told after %s, want at most %s", took, limit)
			}
			// Its own protocol is still spoken there.
			right := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
			scheme := "http://"
			if test.tls {
				scheme = "https://"
			}
			answer, err := right.Get(scheme + address + api.Prefix + "/health")
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			if answer.StatusCode != http.StatusOK {
				t.Errorf("health: %s", answer.Status)
			}
			if code, err := p.Stop(patience); err != nil || code != 0 {
				t.Errorf("stopped with exit code %d: %v", code, err)
			}
		})
	}
}
