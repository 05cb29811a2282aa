package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"buildbtw"
)

// Limits of sizes and times.
const (
	maxAnswer      = 64 << 20         // bytes of a JSON answer: the graph of a whole distribution is about 10 MB
	maxProblem     = 64 << 10         // bytes of an error answer
	answerTimeout  = 30 * time.Second // for a call without its own limit
	headersTimeout = 2 * time.Minute  // longer than any long poll
)

// Client calls the JSON API of one server. It is safe for concurrent use.
//
// Errors that the server answers with are *buildbtw.Error with the kind of the
// status and the server's own words. When no answer came they are of kind
// unavailable and wrap a *NetworkError. When the caller's context ended, its
// error is wrapped instead.
type Client struct {
	base    *url.URL
	token   string
	options Options
}

// Options are the settings of a client; the zero value is a good default.
type Options struct {
	HTTP      *http.Client // nil: one made for long polls and streams, which follows no redirects
	UserAgent string       // "buildbtw" when empty
	Backoff   Backoff      // for calls that may be repeated

	// Token returns the token as it is at the time of a call; nil: the one that
	// New was given.
	Token func() (string, error)
}

// New makes a client for the server at baseURL ("http://127.0.0.1:8080"). The
// token may be empty. The only error is of kind invalid: an unusable URL.
func New(baseURL, token string, o Options) (*Client, error) {
	base, err := url.Parse(strings.TrimRight(baseURL, "/"))
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, buildbtw.Invalid("%q is no server URL; write it like http://127.0.0.1:8080", baseURL)
	}
	if o.HTTP == nil {
		o.HTTP = newHTTPClient()
	}
	o.UserAgent = cmp.Or(o.UserAgent, "buildbtw")
	return &Client{base: base, token: strings.TrimSpace(token), options: o}, nil
}

// newHTTPClient has no overall timeout, because streams may take long; every
// call sets its own. A redirect would silently turn a PUT into a GET or carry a
// body to another host, so it is shown as an error.
func newHTTPClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DialContext = (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}).DialContext
	transport.ResponseHeaderTimeout = headersTimeout
	transport.MaxIdleConnsPerHost = 16
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// NetworkError is the error of a call without a usable answer: the request may
// or may not have had its effect.
type NetworkError struct {
	Server string // scheme and host
	Dial   bool   // no connection was made, so the server saw nothing
	Err    error
}

func (e *NetworkError) Error() string {
	if e.Dial {
		return fmt.Sprintf("cannot reach the server at %s: %v", e.Server, e.Err)
	}
	return fmt.Sprintf("the connection to the server at %s broke: %v", e.Server, e.Err)
}

func (e *NetworkError) Unwrap() error { return e.Err }

// call is one request.
type call struct {
	method string
	path   string // under Prefix, escaped
	query  url.Values
	header http.Header
	body   func() (io.ReadCloser, error) // opened anew for every try; nil: no body
	size   int64                         // of the body
	limit  time.Duration                 // for the whole exchange; 0: answerTimeout, negative: none
}

// jsonBody makes in the body of the call.
func (k *call) jsonBody(in any) error {
	text, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("encode the body of %s %s: %w", k.method, k.path, err)
	}
	k.size = int64(len(text))
	k.body = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text)), nil }
	k.setHeader("Content-Type", "application/json")
	return nil
}

func (k *call) setHeader(name, value string) {
	if k.header == nil {
		k.header = make(http.Header)
	}
	k.header.Set(name, value)
}

// get reads a JSON answer into out; it repeats according to Options.Backoff.
func (c *Client) get(ctx context.Context, path string, query url.Values, out any) error {
	return c.repeat(ctx, func() error {
		return c.once(ctx, call{method: http.MethodGet, path: path, query: query}, out)
	})
}

// once makes a call and decodes the JSON answer into out, unless out is nil or
// the answer has no content.
func (c *Client) once(ctx context.Context, k call, out any) error {
	_, err := c.exchange(ctx, k, out)
	return err
}

// exchange is once, and returns the answer's header, too.
func (c *Client) exchange(ctx context.Context, k call, out any) (http.Header, error) {
	answer, err := c.open(ctx, k) //nolint:bodyclose // drain closes it
	if err != nil {
		return nil, err
	}
	defer drain(answer.Body)
	if out == nil || answer.StatusCode == http.StatusNoContent {
		return answer.Header, nil
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxAnswer)).Decode(out); err != nil {
		return nil, c.networkError(ctx, fmt.Errorf("read the answer to %s %s: %w", k.method, k.path, err))
	}
	return answer.Header, nil
}

// open makes a call and returns the answer when its status is below 300; the
// caller closes the body, which also ends the call's time limit.
func (c *Client) open(ctx context.Context, k call) (*http.Response, error) {
	tryCtx, cancel := withLimit(ctx, k.limit)
	request, err := c.request(tryCtx, k)
	if err != nil {
		cancel()
		return nil, err
	}
	answer, err := c.options.HTTP.Do(request)
	if err != nil {
		cancel()
		if errors.Is(err, http.ErrSchemeMismatch) {
			return nil, c.wrongScheme("http")
		}
		return nil, c.networkError(ctx, err)
	}
	answer.Body = &cancelBody{ReadCloser: answer.Body, cancel: cancel}
	if answer.StatusCode >= http.StatusMultipleChoices {
		defer drain(answer.Body)
		return nil, c.problem(answer)
	}
	return answer, nil
}

func withLimit(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	if limit < 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, cmp.Or(limit, answerTimeout))
}

func (c *Client) request(ctx context.Context, k call) (*http.Request, error) {
	target := c.base.String() + Prefix + k.path
	if len(k.query) > 0 {
		target += "?" + k.query.Encode()
	}
	var body io.ReadCloser
	if k.body != nil {
		opened, err := k.body()
		if err != nil {
			return nil, fmt.Errorf("open the body of %s %s: %w", k.method, k.path, err)
		}
		body = opened
	}
	request, err := http.NewRequestWithContext(ctx, k.method, target, body)
	if err != nil {
		return nil, fmt.Errorf("make the request %s %s: %w", k.method, k.path, err)
	}
	request.ContentLength = k.size
	if k.size == 0 && body != nil { // net/http would send an empty body of known length chunked
		request.Body = http.NoBody
		_ = body.Close()
	}
	if k.header != nil {
		request.Header = k.header.Clone()
	}
	request.Header.Set("User-Agent", c.options.UserAgent)
	request.Header.Set("Accept", "application/json, application/problem+json")
	if err := c.Authorize(request); err != nil {
		return nil, err
	}
	return request, nil
}

// Authorize puts the client's token into a request to its server, such as one for a
// file of a pacman repository. Requests to others stay as they are.
func (c *Client) Authorize(request *http.Request) error {
	token := c.token
	if c.options.Token != nil {
		var err error
		if token, err = c.options.Token(); err != nil {
			return fmt.Errorf("read the token for %s: %w", c.base.Host, err)
		}
	}
	if token != "" && request.URL.Scheme == c.base.Scheme && request.URL.Host == c.base.Host {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	return nil
}

// networkError wraps an error of the transport in a NetworkError. When the
// caller's context has ended, it wraps that error instead.
func (c *Client) networkError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("call the server: %w", context.Cause(ctx))
	}
	var op *net.OpError
	trouble := &NetworkError{
		Server: c.base.Scheme + "://" + c.base.Host,
		Dial:   errors.As(err, &op) && op.Op == "dial",
		Err:    innermost(err),
	}
	return &buildbtw.Error{Kind: buildbtw.KindUnavailable, Message: trouble.Error(), Err: trouble}
}

// errScheme marks the error of a call to a server that speaks the other one of http and
// https. It is not the request's fault, so that no build is blamed for a server which
// was started in another way; but asking again at once is of no use.
var errScheme = errors.New("the other one of http and https is spoken there")

func (c *Client) wrongScheme(right string) error {
	base := *c.base
	base.Scheme = right
	words := fmt.Sprintf("the server at %s speaks %s, not %s: use %s", c.base.Host, right, c.base.Scheme, base.Redacted())
	return &buildbtw.Error{Kind: buildbtw.KindUnavailable, Message: words, Err: errScheme}
}

// wantsTLS reports whether an answer says, in the words of buildbtw and Go, of
// nginx, or of Apache, that https is spoken where it comes from.
func wantsTLS(body []byte) bool {
	text := strings.ToLower(string(body))
	return slices.ContainsFunc([]string{
		"sent an http request to an https server", "plain http request was sent to https port", "speaking plain http to an ssl-enabled server port",
	}, func(words string) bool { return strings.Contains(text, words) })
}

// innermost drops the "Get \"http://…\":" that net/http puts before an error.
func innermost(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// problem turns an error answer into an error of the root package. An answer that is no
// problem document of buildbtw (a proxy's page) is described by its status.
func (c *Client) problem(answer *http.Response) error {
	body, _ := io.ReadAll(io.LimitReader(answer.Body, maxProblem)) // after a read error, the part before it
	kind := buildbtw.KindOfHTTPStatus(answer.StatusCode)
	if answer.StatusCode < http.StatusBadRequest {
		words := fmt.Sprintf("the server at %s sends this on to %q; use that address", c.base.Host, answer.Header.Get("Location"))
		return &buildbtw.Error{Kind: buildbtw.KindInvalid, Message: words, Err: &foreignError{answer.StatusCode}}
	}
	if answer.StatusCode == http.StatusBadRequest && c.base.Scheme == "http" && wantsTLS(body) {
		return c.wrongScheme("https")
	}
	var p Problem
	if json.Unmarshal(body, &p) != nil || !strings.HasPrefix(p.Type, ProblemType) {
		return c.foreign(answer, kind)
	}
	err := error(&buildbtw.Error{Kind: kind, Message: cmp.Or(p.Detail, p.Title, answer.Status)})
	if p.Offset != nil && kind == buildbtw.KindConflict {
		return &OffsetError{Offset: *p.Offset, Err: err}
	}
	return err
}

// foreignError marks an error for an answer that is not buildbtw's: of a proxy, or of
// another server at that address.
type foreignError struct{ status int }

func (e *foreignError) Error() string { return fmt.Sprintf("status %d", e.status) }

// Foreign reports whether an error is an answer that did not come from buildbtw: that of a
// proxy says nothing about the build, lease or token that the request was about.
func Foreign(err error) bool {
	var foreign *foreignError
	return errors.As(err, &foreign)
}

// foreign describes an answer that is not buildbtw's. One that refuses is of kind
// unavailable, whatever its status: that a proxy knows no such page does not mean that
// there is no such lease.
func (c *Client) foreign(answer *http.Response, kind buildbtw.Kind) error {
	if !kind.Passes() {
		kind = buildbtw.KindUnavailable
	}
	by := ""
	if name := shownName(answer.Header.Get("Server")); name != "" {
		by = " (" + name + ")"
	}
	words := fmt.Sprintf("%s answered %s, and that is no answer of buildbtw%s: look at the address, and at the proxies on the way", c.base.Host, answer.Status, by)
	if answer.StatusCode == http.StatusRequestEntityTooLarge {
		words = fmt.Sprintf("something between this machine and the server at %s%s refused the upload with %s: let it pass bodies of any size (nginx: client_max_body_size 0, see \"Behind nginx or Caddy\" in docs/operations.md)", c.base.Host, by, answer.Status)
	}
	return &buildbtw.Error{Kind: kind, Message: words, Err: &foreignError{answer.StatusCode}}
}

// shownName returns the name that another program gives itself without control characters,
// and at most 60 bytes of it.
func shownName(name string) string {
	name = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(name, ""))
	return strings.ToValidUTF8(name[:min(len(name), 60)], "")
}

// cancelBody ends the call's time limit when the answer has been read.
type cancelBody struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (b *cancelBody) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}

// drain reads a little of the rest, so that the connection can be used again,
// and closes.
func drain(body io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, body, maxProblem)
	_ = body.Close()
}
