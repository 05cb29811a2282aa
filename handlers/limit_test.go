package handlers_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"buildbtw/handlers"
)

// soon is longer than it takes the server to notice that a client has left, on a
// busy machine.
const soon = 20 * time.Second

// until polls a condition.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for over := time.After(soon); !done(); {
		select {
		case <-tick.C:
		case <-over:
			t.Fatalf("%s: not within %s", what, soon)
		}
	}
}

// metric returns the value of a line of /metrics, 0 when there is none.
func (f *frame) metric(t *testing.T, name string) int {
	t.Helper()
	_, body := f.get(t, "/metrics")
	for line := range strings.SplitSeq(string(body), "\n") {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			n, err := strconv.ParseFloat(rest, 64)
			must(t, err)
			return int(n)
		}
	}
	return 0
}

// openMany opens streams until one is refused and returns the refusal.
func (f *frame) openMany(t *testing.T, path string, atMost int) (open []*http.Response, refused *http.Response, words string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{}}
	for range atMost {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.url+path, nil)
		must(t, err)
		r.Header.Set("Accept", "text/event-stream, application/json")
		answer, err := client.Do(r)
		must(t, err)
		t.Cleanup(func() { answer.Body.Close() })
		if answer.StatusCode != http.StatusOK {
			text, err := io.ReadAll(answer.Body)
			must(t, err)
			return open, answer, string(text)
		}
		open = append(open, answer)
	}
	t.Fatalf("%d streams of %s were opened", len(open), path)
	return
}

// One client that opens streams without end leaves some for others, and gets its own
// back when it closes them, though there is nothing to send that would fail.
func TestOneCallerDoesNotTakeAllStreams(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]struct {
		reason string
		most   int
	}{"/api/v1/events": {"streams", 64}, "/hints?topic=all": {"hints", 125}} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			f := newFrame(t)
			open, refused, words := f.openMany(t, path, 500)
			if len(open) != want.most || refused.StatusCode != http.StatusTooManyRequests || refused.Header.Get("Retry-After") == "" || !strings.Contains(words, strconv.Itoa(want.most)) {
				t.Errorf("after %d streams %s, Retry-After %q: %s", len(open), refused.Status, refused.Header.Get("Retry-After"), words)
			}
			if n := f.metric(t, `buildbtw_refused_total{reason="`+want.reason+`"}`); n != 1 {
				t.Errorf("%d refusals are counted, want 1", n)
			}
			other, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.url+path, nil)
			must(t, err)
			other.Header.Set("Accept", "text/event-stream")
			other.Header.Set("Authorization", "Bearer "+workerToken)
			answer, err := http.DefaultClient.Do(other)
			must(t, err)
			answer.Body.Close()
			if answer.StatusCode != http.StatusOK {
				t.Errorf("somebody else gets %s", answer.Status)
			}
			for _, stream := range open {
				stream.Body.Close()
			}
			began := time.Now()
			until(t, "slots come back", func() bool {
				again, err := http.NewRequestWithContext(t.Context(), http.MethodGet, f.url+path, nil)
				must(t, err)
				again.Header.Set("Accept", "text/event-stream")
				answer, err := http.DefaultClient.Do(again)
				must(t, err)
				defer answer.Body.Close()
				return answer.StatusCode == http.StatusOK
			})
			if took := time.Since(began); took > 10*time.Second { // the next ping would be after 15
				t.Errorf("slots came back after %s", took)
			}
		})
	}
}

// A clock that stands still makes the bounds of rates exact.
func still(d *handlers.Deps) {
	now := time.Now()
	d.Now = func() time.Time { return now }
}

func TestOneCallerDoesNotAskWithoutEnd(t *testing.T) {
	t.Parallel()
	f := newFrame(t, still)
	ask := func(headers ...string) (status, asked int, retry string) {
		for {
			answer, _ := f.get(t, "/api/v1/health", headers...)
			if asked++; answer.StatusCode != http.StatusOK || asked > 50_000 {
				return answer.StatusCode, asked - 1, answer.Header.Get("Retry-After")
			}
		}
	}
	if status, asked, retry := ask(); status != http.StatusTooManyRequests || asked != 2000 || retry != "1" {
		t.Errorf("after %d requests %d, Retry-After %q; want 429 after 2000", asked, status, retry)
	}
	if status, asked, _ := ask("Authorization", "Bearer "+workerToken); status != http.StatusTooManyRequests || asked < 19_999 {
		t.Errorf("build machines get %d after %d requests", status, asked)
	}
	for i := range 600 {
		answer, _ := f.get(t, "/api/v1/health", "Authorization", fmt.Sprint("Bearer guess", i))
		want := http.StatusUnauthorized
		if i >= 500 {
			want = http.StatusTooManyRequests
		}
		if answer.StatusCode != want {
			t.Fatalf("guess %d: %s, want %d", i, answer.Status, want)
		}
	}
}

// Failed sign-ins are bounded much lower than requests, for each address.
func TestFailedSignInsAreBounded(t *testing.T) {
	t.Parallel()
	ln := &elsewhere{}
	f := serveElsewhere(t, ln, still)
	try := func(from string) int {
		ln.from.Store(&net.TCPAddr{IP: net.ParseIP(from), Port: 1})
		return rawRequest(t, f.address, []byte("POST /sign-in HTTP/1.1\r\nHost: "+f.address+"\r\nConnection: close\r\n"+
			"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 10\r\n\r\ncode=wrong"))[0]
	}
	for i := range 12 {
		want := http.StatusUnauthorized
		if i >= 10 {
			want = http.StatusTooManyRequests
		}
		if got := try("198.51.100.1"); got != want {
			t.Fatalf("sign-in %d: %d, want %d", i, got, want)
		}
	}
	if got := try("198.51.100.2"); got != http.StatusUnauthorized {
		t.Errorf("from elsewhere: %d, want 401", got)
	}
}

// A body that trickles, or that stops, ends with words instead of holding a handler
// for as long as its sender likes.
func TestASlowBodyIsGivenUp(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute: the bound is one of real time")
	}
	t.Parallel()
	f := newFrame(t)
	t.Run("all", func(t *testing.T) { trickle(t, f) })
	if n := f.metric(t, `buildbtw_refused_total{reason="slow"}`); n != 2 {
		t.Errorf("%d slow bodies are counted, want 2", n)
	}
}

func trickle(t *testing.T, f *frame) {
	for name, head := range map[string]string{
		"announced": "Content-Length: 1000000\r\n\r\n" + strings.Repeat(" ", 64<<10),
		"in chunks": "Transfer-Encoding: chunked\r\n\r\n10000\r\n" + strings.Repeat(" ", 64<<10) + "\r\n80000\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := net.Dial("tcp", f.address)
			must(t, err)
			defer c.Close()
			_, err = io.WriteString(c, "POST /api/v1/plans HTTP/1.1\r\nHost: 127.0.0.1\r\n"+head)
			must(t, err)
			done := make(chan struct{})
			defer close(done)
			go func() {
				tick := time.NewTicker(200 * time.Millisecond)
				defer tick.Stop()
				for {
					select {
					case <-tick.C:
						_, _ = io.WriteString(c, " ") // fails when the server has had enough
					case <-done:
						return
					}
				}
			}()
			must(t, c.SetReadDeadline(time.Now().Add(2*time.Minute)))
			answer, err := http.ReadResponse(bufio.NewReader(c), nil)
			must(t, err)
			answer.Body.Close()
			if answer.StatusCode != http.StatusRequestTimeout {
				t.Errorf("%s, want 408", answer.Status)
			}
		})
	}
}

// Whoever only holds connections open keeps nobody out: the one that has waited
// longest makes room.
func TestIdleConnectionsMakeRoom(t *testing.T) {
	t.Parallel()
	f := newFrame(t, func(d *handlers.Deps) { d.MaxConnections = 8 })
	for range 40 {
		c, err := net.Dial("tcp", f.address)
		must(t, err)
		defer c.Close()
		_, err = io.WriteString(c, "GET /api/v1/health HT") // as slow as can be
		must(t, err)
	}
	answer, _ := f.get(t, "/api/v1/health")
	if answer.StatusCode != http.StatusOK {
		t.Errorf("health: %s", answer.Status)
	}
	if n := f.metric(t, `buildbtw_refused_total{reason="idle-connections"}`); n < 32 {
		t.Errorf("%d connections made room, want 33 or more", n)
	}
	if n := f.metric(t, "buildbtw_connections"); n > 8 {
		t.Errorf("%d connections are open, want 8 at most", n)
	}
}

// When every connection has a request the next one is told to come back, and served
// when there is room again.
func TestBusyConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	f := newFrame(t, func(d *handlers.Deps) { d.MaxConnections = 8 })
	var streams []net.Conn
	for range 8 {
		c, err := net.Dial("tcp", f.address)
		must(t, err)
		defer c.Close()
		_, err = io.WriteString(c, "GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n")
		must(t, err)
		answer, err := http.ReadResponse(bufio.NewReader(c), nil)
		must(t, err)
		if answer.StatusCode != http.StatusOK {
			t.Fatal(answer.Status)
		}
		streams = append(streams, c)
	}
	c, err := net.Dial("tcp", f.address)
	must(t, err)
	defer c.Close()
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	must(t, err)
	text, err := io.ReadAll(answer.Body)
	must(t, err)
	if answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == "" || !strings.Contains(string(text), "too many connections") {
		t.Errorf("the ninth: %s\n%s", answer.Status, text)
	}
	streams[0].Close()
	until(t, "the closed stream makes room", func() bool {
		answer, err := http.Get(f.url + "/api/v1/health")
		if err != nil {
			return false
		}
		answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
}

// elsewhere makes connections come from an address that the test sets, and fails
// first in all ways that pass.
type elsewhere struct {
	net.Listener
	from   atomic.Pointer[net.TCPAddr]
	errors []syscall.Errno
}

type moved struct {
	net.Conn
	from *net.TCPAddr
}

func (m moved) RemoteAddr() net.Addr { return m.from }

func (l *elsewhere) Accept() (net.Conn, error) {
	if len(l.errors) > 0 {
		err := l.errors[0]
		l.errors = l.errors[1:]
		return nil, &net.OpError{Op: "accept", Err: err}
	}
	c, err := l.Listener.Accept()
	return moved{c, l.from.Load()}, err
}

// serveElsewhere is newFrame over a listener of the test's own.
func serveElsewhere(t *testing.T, ln *elsewhere, change ...func(*handlers.Deps)) *frame {
	t.Helper()
	f := newFrame(t, change...)
	served := make(chan error, 1)
	var err error
	ln.Listener, err = net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	f.address, f.url = ln.Addr().String(), "http://"+ln.Addr().String()
	go func() { served <- f.app.Serve(ln, nil) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		must(t, f.app.Shutdown(ctx))
		must(t, <-served)
	})
	return f
}

// An error of accept that passes ends nothing.
func TestAcceptGoesOnAfterErrorsThatPass(t *testing.T) {
	t.Parallel()
	ln := &elsewhere{errors: []syscall.Errno{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.EINTR, syscall.EPROTO, syscall.EPERM, syscall.EHOSTUNREACH,
	}}
	ln.from.Store(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	f := serveElsewhere(t, ln)
	if answer, _ := f.get(t, "/api/v1/health"); answer.StatusCode != http.StatusOK {
		t.Errorf("health: %s", answer.Status)
	}
	if n := f.metric(t, `buildbtw_refused_total{reason="accept"}`); n != 9 {
		t.Errorf("%d errors are counted, want 9", n)
	}
}

func TestConnectionsOfOneAddressAreBounded(t *testing.T) {
	t.Parallel()
	ln := &elsewhere{}
	proxies, err := handlers.ParseProxies([]string{"192.0.2.7"})
	must(t, err)
	f := serveElsewhere(t, ln, func(d *handlers.Deps) { d.MaxConnections, d.Proxies = 40, proxies })
	refused := func(from string) int {
		addr, err := net.ResolveTCPAddr("tcp", from)
		must(t, err)
		ln.from.Store(addr)
		n := 0
		for range 12 {
			c, err := net.Dial("tcp", f.address)
			must(t, err)
			t.Cleanup(func() { c.Close() })
			_, err = io.WriteString(c, "GET /api/v1/health HTTP/1.1\r\nHost: localhost\r\n\r\n")
			must(t, err)
			answer, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil || answer.StatusCode == http.StatusServiceUnavailable { // a reset may overtake the words
				n++
			}
		}
		return n
	}
	for _, test := range []struct {
		from string
		want int
	}{
		{"198.51.100.1:1", 2},
		{"198.51.100.2:1", 2},         // has its own
		{"[2001:db8::1]:1", 2},        // who has this one …
		{"[2001:db8::2:3:4:5]:1", 12}, // … has this one, too
		{"192.0.2.7:1", 0},            // is a proxy
		{"127.0.0.1:1", 0},            // is everybody on this machine
	} {
		if got := refused(test.from); got != test.want {
			t.Errorf("%s: %d of 12 connections are refused, want %d", test.from, got, test.want)
		}
	}
}

// The address that counts is what a trusted proxy says, and nobody else.
func TestTheAddressOfAClientBehindProxies(t *testing.T) {
	t.Parallel()
	ln := &elsewhere{}
	proxies, err := handlers.ParseProxies([]string{"192.0.2.7", "10.0.0.0/8", "2001:db8:1::/48"})
	must(t, err)
	f := serveElsewhere(t, ln, func(d *handlers.Deps) { d.Proxies = proxies })
	for i, test := range []struct {
		peer    string
		headers []string
		want    string
	}{
		{"198.51.100.1", nil, "198.51.100.1"},
		{"198.51.100.1", []string{"X-Forwarded-For: 203.0.113.5"}, "198.51.100.1"}, // nobody knows this proxy
		{"192.0.2.7", nil, "192.0.2.7"},
		{"192.0.2.7", []string{"X-Forwarded-For: 203.0.113.5"}, "203.0.113.5"},
		{"::ffff:192.0.2.7", []string{"X-Forwarded-For: 203.0.113.5"}, "203.0.113.5"},
		{"192.0.2.7", []string{"X-Forwarded-For: 127.0.0.1, 203.0.113.5"}, "203.0.113.5"}, // the first was sent along
		{"192.0.2.7", []string{"X-Forwarded-For: 127.0.0.1", "X-Forwarded-For: 203.0.113.5"}, "203.0.113.5"},
		{"192.0.2.7", []string{"X-Forwarded-For: 203.0.113.5, 10.1.2.3, 10.1.2.4"}, "203.0.113.5"}, // over three proxies
		{"10.9.9.9", []string{"X-Forwarded-For: 10.1.2.3"}, "10.1.2.3"},
		{"192.0.2.7", []string{"X-Forwarded-For: 203.0.113.5, garbage"}, "192.0.2.7"},
		{"192.0.2.7", []string{"X-Forwarded-For: garbage, 203.0.113.5"}, "203.0.113.5"},
		{"192.0.2.7", []string{"X-Forwarded-For:"}, "192.0.2.7"},
		{"192.0.2.7", []string{"X-Forwarded-For: 203.0.113.5, "}, "192.0.2.7"},
		{"192.0.2.7", []string{"X-Forwarded-For: 203.0.113.5:4711"}, "203.0.113.5"},
		{"192.0.2.7", []string{"X-Forwarded-For: [2001:db8::1]:4711"}, "2001:db8::1"},
		{"2001:db8:1::2", []string{"X-Forwarded-For: 2001:db8::1"}, "2001:db8::1"},
		{"192.0.2.7", []string{"Forwarded: for=203.0.113.5;proto=https;by=192.0.2.7"}, "203.0.113.5"},
		{"192.0.2.7", []string{`Forwarded: For="[2001:db8::1]:4711"`}, "2001:db8::1"},
		{"192.0.2.7", []string{"Forwarded: for=127.0.0.1, for=203.0.113.5", "Forwarded: for=10.0.0.1"}, "203.0.113.5"},
		{"192.0.2.7", []string{"Forwarded: for=unknown"}, "192.0.2.7"},
		{"192.0.2.7", []string{"Forwarded: for=_hidden, for=203.0.113.5"}, "203.0.113.5"},
		{"192.0.2.7", []string{"Forwarded: proto=https"}, "192.0.2.7"},
		{"192.0.2.7", []string{"Forwarded: for=203.0.113.5", "X-Forwarded-For: 203.0.113.5"}, "203.0.113.5"},
		{"192.0.2.7", []string{"Forwarded: for=127.0.0.1", "X-Forwarded-For: 203.0.113.5"}, "192.0.2.7"}, // one was sent along
		{"198.51.100.1", []string{"X-Real-IP: 127.0.0.1", "Via: 1.1 proxy"}, "198.51.100.1"},
	} {
		ln.from.Store(&net.TCPAddr{IP: net.ParseIP(test.peer), Port: 1})
		message := fmt.Sprintf("GET /api/v1/health?%d HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s\r\n\r\n", i, strings.Join(append(test.headers, "X-A: b"), "\r\n"))
		before := len(f.log.String())
		if got := rawRequest(t, f.address, []byte(message)); fmt.Sprint(got) != "[200]" {
			t.Errorf("%v: answers %v", test, got)
		}
		if line := f.log.String()[before:]; !strings.Contains(line, "from="+test.want+"\n") {
			t.Errorf("%s with %q is not %s:\n%s", test.peer, test.headers, test.want, line)
		}
	}
	for _, text := range []string{"proxy.example", "10.0.0.0/33", "", "10.0.0"} {
		if _, err := handlers.ParseProxies([]string{text}); err == nil {
			t.Errorf("%q is taken for the address of a proxy", text)
		}
	}
}
