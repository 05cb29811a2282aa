// Package gitlab calls a GitLab server: projects of a group and their activity,
// pipelines, CI settings, webhooks, and the mapping of package names to paths.
// No other package imports the client library.
//
// Every error is an *Error, in words for people. The token is in none of them,
// in no address and in no log.
package gitlab

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/xanzy/go-gitlab"
)

// Config has the address of a GitLab, and limits of calls. URL is needed.
type Config struct {
	URL         string            // of the server, such as https://gitlab.archlinux.org
	Token       string            // a personal, group or project access token; empty: public projects only
	RequestTime time.Duration     // for one request with its answer; 30 s when 0
	Retries     int               // of a request that changes nothing, after trouble that passes; 4 when 0, none when negative
	Pause       time.Duration     // before the first retry, doubled for each next; 500 ms when 0
	Patience    time.Duration     // the longest pause that GitLab may ask for within a call; a minute when 0
	Transport   http.RoundTripper // http.DefaultTransport when nil
	Now         func() time.Time  // time.Now when nil
}

func (c Config) withDefaults() Config {
	if c.RequestTime == 0 {
		c.RequestTime = 30 * time.Second
	}
	if c.Retries == 0 {
		c.Retries = 4
	}
	if c.Pause == 0 {
		c.Pause = 500 * time.Millisecond
	}
	if c.Patience == 0 {
		c.Patience = time.Minute
	}
	if c.Transport == nil {
		c.Transport = http.DefaultTransport
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// Client is one user's access to one GitLab. It is safe for concurrent use.
type Client struct {
	config Config
	base   *url.URL
	pause  *pause

	// Creating must not be repeated by itself: the answer to a call that
	// succeeded may be lost, and every repetition would make one more.
	read   *gitlab.Client // for calls that may be repeated
	create *gitlab.Client // for calls that create something
}

// New prepares a client; it sends nothing.
func New(c Config) (*Client, error) {
	c = c.withDefaults()
	base, err := parseBase(c.URL)
	if err != nil {
		return nil, err
	}
	client := &Client{config: c, base: base, pause: &pause{now: c.Now, patience: c.Patience}}
	common := []gitlab.ClientOptionFunc{
		gitlab.WithBaseURL(base.String()),
		gitlab.WithHTTPClient(client.httpClient()),
		gitlab.WithCustomLimiter(client.pause), // the library's own would ask GitLab for its limits first
		gitlab.WithCustomBackoff(client.backoff),
		gitlab.WithCustomRetry(client.worthRetrying),
	}
	client.read, err = gitlab.NewClient(c.Token, append(common, gitlab.WithCustomRetryMax(max(c.Retries, 0)))...)
	if err != nil {
		return nil, fmt.Errorf("prepare the GitLab client: %w", err)
	}
	client.create, err = gitlab.NewClient(c.Token, append(common, gitlab.WithCustomRetryMax(0))...)
	if err != nil {
		return nil, fmt.Errorf("prepare the GitLab client: %w", err)
	}
	return client, nil
}

// parseBase parses the address of a server, and refuses any other before a
// token is sent to it.
func parseBase(text string) (*url.URL, error) {
	base, err := url.Parse(strings.TrimRight(text, "/"))
	if err != nil || base.Host == "" || base.Scheme != "https" && base.Scheme != "http" {
		return nil, fmt.Errorf("%q is no address of a GitLab; write it like https://gitlab.example.org", text)
	}
	if base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return nil, fmt.Errorf("the address of GitLab must have neither a user nor a query; give the token with --gitlab-token")
	}
	return base, nil
}

// URL returns the address of the server, without a slash at its end.
func (c *Client) URL() string { return c.base.String() }

// httpClient bounds every request in time and size, and sends the token to
// nobody else.
func (c *Client) httpClient() *http.Client {
	return &http.Client{
		Transport: bounded{c.config.Transport, c.pause},
		Timeout:   c.config.RequestTime,
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if r.URL.Host != c.base.Host || r.URL.Scheme != c.base.Scheme {
				return errElsewhere
			}
			if len(via) >= 5 {
				return errElsewhere
			}
			return nil
		},
	}
}

// maxAnswer is more than any answer of GitLab that is asked for here: a page of
// a hundred projects has about 500 KiB.
const maxAnswer = 32 << 20

// bounded limits the size of answers, and reads the rate limit from their
// headers.
type bounded struct {
	http.RoundTripper
	pause *pause
}

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := b.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	b.pause.note(answer)
	answer.Body = &limitedBody{ReadCloser: answer.Body, left: maxAnswer}
	return answer, nil
}

type limitedBody struct {
	io.ReadCloser
	left int64
}

func (b *limitedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLarge
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}
