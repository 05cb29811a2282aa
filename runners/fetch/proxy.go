package fetch

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Times of the proxy.
const (
	connectTime = 30 * time.Second
	answerTime  = 2 * time.Minute // until an answer begins
)

// proxy is an HTTP proxy (CONNECT, and GET of absolute addresses), the only way
// out of a fetch box. It resolves names itself, and looks at the address of
// every connection at the moment at which it is made, so that neither a redirect
// nor a name with changing addresses leads to where nothing may be fetched.
type proxy struct {
	allow    map[string]bool // endpoints that are let through, as endpoint writes them
	upstream upstream
	resolver *net.Resolver // nil: the system's
	maxBytes int64         // that may come in

	received atomic.Int64
	mu       sync.Mutex
	trouble  error // the last: see the errors below
}

// Errors of connections that a proxy did not make.
type (
	refusedError  struct{ target, reason string }
	tooLargeError struct{ limit int64 }
)

func (e *refusedError) Error() string {
	return fmt.Sprintf("%s is %s, from which nothing is fetched; for a mirror of your own start the worker with --fetch-allow %s", e.target, e.reason, e.target)
}

func (e *tooLargeError) Error() string {
	return fmt.Sprintf("more than %d MiB were sent", e.limit>>20)
}

// ServeHTTP implements http.Handler.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var err error
	if r.Method == http.MethodConnect {
		err = p.tunnel(w, r)
	} else {
		err = p.forward(w, r)
	}
	if err != nil {
		p.note(err)
	}
}

func (p *proxy) note(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.trouble = err
}

// lastTrouble returns the last error, and forgets it.
func (p *proxy) lastTrouble() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	err := p.trouble
	p.trouble = nil
	return err
}

func fail(w http.ResponseWriter, err error) error {
	status := http.StatusBadGateway
	var refused *refusedError
	if errors.As(err, &refused) {
		status = http.StatusForbidden
	}
	http.Error(w, err.Error(), status)
	return err
}

// tunnel answers CONNECT.
func (p *proxy) tunnel(w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := context.WithTimeout(r.Context(), connectTime)
	defer cancel()
	far, err := p.connect(ctx, r.Host)
	if err != nil {
		return fail(w, err)
	}
	defer func() { _ = far.Close() }()
	near, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return fail(w, err)
	}
	defer func() { _ = near.Close() }()
	if _, err := io.WriteString(near, "HTTP/1.1 200 Connected\r\n\r\n"); err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(far, buffered) // its end shows in the other direction
		if half, ok := far.(interface{ CloseWrite() error }); ok {
			_ = half.CloseWrite()
		}
	}()
	err = p.copy(near, far)
	var large *tooLargeError
	if errors.As(err, &large) {
		return err
	}
	return nil // the program judges how its connection ended
}

// copy copies and counts bytes. It returns nil at the end.
func (p *proxy) copy(to io.Writer, from io.Reader) error {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if p.received.Add(int64(n)) > p.maxBytes {
			return &tooLargeError{p.maxBytes}
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return err
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// connect opens a connection to HOST:PORT, directly or through the site's proxy.
func (p *proxy) connect(ctx context.Context, target string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(target)
	if err != nil {
		return nil, fmt.Errorf("the address %q cannot be understood", target)
	}
	via := p.upstream.forTarget("https", host)
	if via == nil {
		return p.dial(ctx, "tcp", target)
	}
	if err := p.checkName(ctx, host, port); err != nil {
		return nil, err
	}
	return via.connect(ctx, target)
}

// dial opens a connection to the outside, if its address allows that.
func (p *proxy) dial(ctx context.Context, network, target string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(target)
	if err != nil {
		return nil, err
	}
	d := net.Dialer{Timeout: connectTime, Resolver: p.resolver}
	if !p.allow[endpoint(host, port)] {
		d.Control = func(_, address string, _ syscall.RawConn) error { return p.check(target, address) }
	}
	return d.DialContext(ctx, network, target)
}

// check is asked about every connection, with the address that it goes to.
func (p *proxy) check(target, address string) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return &refusedError{target, "at an address that cannot be understood: " + address}
	}
	reason := forbidden(to.Addr())
	if reason == "" || p.allow[endpoint(to.Addr().String(), fmt.Sprint(to.Port()))] {
		return nil
	}
	if host, _, err := net.SplitHostPort(target); err == nil && host != to.Addr().String() {
		reason = fmt.Sprintf("%s, %s", to.Addr(), reason)
	}
	return &refusedError{target, reason}
}

// checkName returns an error for hosts that the site's proxy must not be asked for. The
// check is incomplete, because that proxy resolves the name itself.
func (p *proxy) checkName(ctx context.Context, host, port string) error {
	target := net.JoinHostPort(host, port)
	if p.allow[endpoint(host, port)] {
		return nil
	}
	list, err := p.resolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		name := strings.ToLower(strings.TrimSuffix(host, "."))
		if !strings.Contains(name, ".") || strings.HasSuffix(name, ".localhost") || strings.HasSuffix(name, ".local") || strings.HasSuffix(name, ".internal") {
			return &refusedError{target, "a name of an internal network"}
		}
		return nil // many sites behind a proxy resolve no outside names
	}
	for _, ip := range list {
		if err := p.check(target, netip.AddrPortFrom(ip, 0).String()); err != nil {
			return err
		}
	}
	return nil
}

// hopByHop lists the headers that are between two neighbours (RFC 9110, 7.6.1).
//
//nolint:gochecknoglobals // a table
var hopByHop = []string{"Connection", "Proxy-Connection", "Proxy-Authorization", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

// forward passes on a request with an absolute address, which programs use for http.
func (p *proxy) forward(w http.ResponseWriter, r *http.Request) error {
	if r.URL.Scheme != "http" || r.URL.Host == "" {
		return fail(w, fmt.Errorf("the address %q cannot be understood", r.URL))
	}
	port := r.URL.Port()
	if port == "" {
		port = "80"
	}
	via := p.upstream.forTarget("http", r.URL.Hostname())
	transport := &http.Transport{DialContext: p.dial, DisableCompression: true, DisableKeepAlives: true, ResponseHeaderTimeout: answerTime}
	if via != nil {
		if err := p.checkName(r.Context(), r.URL.Hostname(), port); err != nil {
			return fail(w, err)
		}
		transport.DialContext, transport.Proxy = nil, http.ProxyURL(via.URL)
	}
	defer transport.CloseIdleConnections()
	out := r.Clone(r.Context())
	out.RequestURI = ""
	for _, name := range hopByHop {
		out.Header.Del(name)
	}
	answer, err := transport.RoundTrip(out)
	if err != nil {
		return fail(w, err)
	}
	defer answer.Body.Close()
	for name, values := range answer.Header {
		if !slices.Contains(hopByHop, name) {
			w.Header()[name] = values
		}
	}
	w.WriteHeader(answer.StatusCode)
	if err := p.copy(w, answer.Body); err != nil {
		p.note(err)
		panic(http.ErrAbortHandler) // the only way to say that an answer is not whole
	}
	return nil
}

// upstream is the proxy through which a site reaches the internet.
type upstream struct {
	byScheme map[string]*viaProxy // http, https
	direct   []string             // hosts and domains that are reached without it
}

// viaProxy is one proxy of the site.
type viaProxy struct{ *url.URL }

// parseUpstream reads environment entries like https_proxy=http://proxy:3128.
func parseUpstream(env []string) (upstream, error) {
	u := upstream{byScheme: map[string]*viaProxy{}}
	var all *viaProxy
	for _, entry := range env {
		name, value, _ := strings.Cut(entry, "=")
		name = strings.ToLower(name)
		if value == "" {
			continue
		}
		if name == "no_proxy" {
			for _, host := range strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' }) {
				u.direct = append(u.direct, strings.ToLower(strings.TrimPrefix(host, ".")))
			}
			continue
		}
		scheme, found := strings.CutSuffix(name, "_proxy")
		if !found || scheme != "http" && scheme != "https" && scheme != "all" {
			continue
		}
		if !strings.Contains(value, "://") {
			value = "http://" + value
		}
		address, err := url.Parse(value)
		if err != nil || address.Host == "" || address.Scheme != "http" && address.Scheme != "https" {
			return u, fmt.Errorf("%s names no proxy that sources can be fetched through: use http://HOST:PORT", name)
		}
		if scheme == "all" {
			all = &viaProxy{address}
			continue
		}
		u.byScheme[scheme] = &viaProxy{address}
	}
	for _, scheme := range []string{"http", "https"} {
		if u.byScheme[scheme] == nil {
			u.byScheme[scheme] = all
		}
	}
	return u, nil
}

// forTarget returns the proxy for a host, or nil when it is reached directly.
func (u upstream) forTarget(scheme, host string) *viaProxy {
	via := u.byScheme[scheme]
	if via == nil {
		return nil
	}
	host = strings.ToLower(host)
	for _, d := range u.direct {
		if d == "*" || host == d || strings.HasSuffix(host, "."+d) {
			return nil
		}
	}
	return via
}

// connect asks the proxy for a connection.
func (v *viaProxy) connect(ctx context.Context, target string) (net.Conn, error) {
	port := v.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[v.Scheme]
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(v.Hostname(), port))
	if err != nil {
		return nil, fmt.Errorf("reach the site's proxy: %w", err)
	}
	if v.Scheme == "https" {
		conn = tls.Client(conn, &tls.Config{ServerName: v.Hostname(), MinVersion: tls.VersionTLS12})
	}
	if end, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(end) // of a connection that is open
	}
	request := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: target}, Host: target, Header: http.Header{}}
	if v.User != nil {
		password, _ := v.User.Password()
		request.Header.Set("Proxy-Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(v.User.Username()+":"+password)))
	}
	if err := request.Write(conn); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("ask the site's proxy for %s: %w", target, err)
	}
	buffered := bufio.NewReader(conn)
	answer, err := http.ReadResponse(buffered, request) //nolint:bodyclose // an answer to CONNECT has none
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("ask the site's proxy for %s: %w", target, err)
	}
	if answer.StatusCode != http.StatusOK {
		_ = conn.Close()
		return nil, fmt.Errorf("the site's proxy gives no connection to %s: %s", target, answer.Status)
	}
	_ = conn.SetDeadline(time.Time{}) // as above
	return &bufferedConn{conn, buffered}, nil
}

// bufferedConn is a connection of which something was read ahead.
type bufferedConn struct {
	net.Conn
	r *bufio.Reader
}

func (c *bufferedConn) Read(p []byte) (int, error) { return c.r.Read(p) }
