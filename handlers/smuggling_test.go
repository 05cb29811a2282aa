package handlers_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"buildbtw/handlers"
)

// smuggled is a request that stands, many times over, in the body of another
// one. Whoever runs it has taken a body for requests.
const smuggled = "GET /api/v1/health?smuggled HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"

// asWorker is the header of a build machine.
const asWorker = "Authorization: Bearer " + workerToken + "\r\n"

// A body that nobody has read must never be taken for further requests: one of
// 190 kB made a plain Fiber server run 20,000 of them.
func TestUnreadBodyIsNoRequest(t *testing.T) {
	t.Parallel()
	f := newFrame(t, panicOnDemand)
	strict := newFrame(t, func(d *handlers.Deps) { d.Settings.SingleUser = false; d.Auth = newAuth(d.Store, d.Now, false) })
	long := strings.Repeat(smuggled, 3000)
	const lease = "/api/v1/worker/leases/nosuch"
	for name, test := range map[string]struct {
		frame        *frame
		method, path string
		header       string
		body         string
		status       int
	}{
		"not signed in":     {strict, "PUT", lease + "/packages/a-1-1-any.pkg.tar", "", long, 401},
		"stale lease":       {f, "PUT", lease + "/packages/a-1-1-any.pkg.tar", asWorker, long, 409},
		"log of no lease":   {f, "PATCH", lease + "/log", asWorker + "Upload-Offset: 0\r\n", long, 409},
		"unknown route":     {f, "POST", "/api/v1/nosuch", "", long, 404},
		"unknown page":      {f, "POST", "/nosuch/page", "", long, 404},
		"wrong method":      {f, "DELETE", "/api/v1/health", "", long, 405},
		"unknown method":    {f, "SMUGGLE", "/api/v1/health", "", long, 400},
		"too large":         {f, "POST", "/api/v1/plans", "", strings.Repeat(smuggled, 40000), 413},
		"foreign site":      {f, "POST", "/api/v1/plans", "Origin: http://evil.example\r\n", long, 403},
		"foreign host":      {f, "POST", "/api/v1/plans", "Host: evil.example\r\n", long, 421},
		"body of a GET":     {f, "GET", "/api/v1/me", "", long, 200},
		"GET of a file":     {f, "GET", "/repo/a_1/os/x86_64/a.db", "", long, 404},
		"panic":             {f, "POST", "/api/v1/plans", "Authorization: Bearer panic\r\n", `{"changesets":["a"]}`, 500},
		"expect a continue": {f, "PUT", lease + "/packages/a-1-1-any.pkg.tar", asWorker + "Expect: 100-continue\r\n", long, 409},
	} {
		t.Run(name, func(t *testing.T) {
			for _, chunked := range []bool{false, true} {
				statuses := rawRequest(t, test.frame.address, rawMessage(test.method, test.path, test.header, test.body, chunked))
				if len(statuses) != 1 || statuses[0] != test.status {
					t.Errorf("chunked %v: answers %v, want one %d", chunked, first(statuses, 5), test.status)
				}
			}
			if strings.Contains(test.frame.log.String(), "smuggled") {
				t.Error("a handler ran for a request from inside a body")
			}
		})
	}
}

// A body that was read leaves the connection fit for the next request.
func TestReadBodyKeepsTheConnection(t *testing.T) {
	t.Parallel()
	f := newFrame(t)
	message := rawMessage("POST", "/api/v1/plans", "", `{"changesets":[]}`, false)
	got := rawRequest(t, f.address, append(message, message...))
	if want := []int{422, 422}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("answers %v, want %v", got, want)
	}
}

// A call without a body, as a heartbeat is, must not cost the connection.
func TestEmptyBodyKeepsTheConnection(t *testing.T) {
	t.Parallel()
	f := newFrame(t)
	message := rawMessage("POST", "/api/v1/worker/leases/nosuch/heartbeat", asWorker, "", false)
	if got := rawRequest(t, f.address, append(message, message...)); fmt.Sprint(got) != fmt.Sprint([]int{409, 409}) {
		t.Errorf("answers %v, want 409 twice", got)
	}
}

// A body of 1 GiB is refused after its first kilobytes, announced or not.
func TestHugeJSONIsRefusedEarly(t *testing.T) {
	t.Parallel()
	f := newFrame(t)
	for name, length := range map[string]int64{"announced": 1 << 30, "in chunks": -1} {
		t.Run(name, func(t *testing.T) {
			body := &counted{left: 1 << 30}
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.url+"/api/v1/plans", body)
			must(t, err)
			r.ContentLength = length
			answer, err := http.DefaultClient.Do(r)
			must(t, err)
			answer.Body.Close()
			if answer.StatusCode != http.StatusRequestEntityTooLarge {
				t.Errorf("%s, want 413", answer.Status)
			}
			if read := 1<<30 - body.rest(); read > 128<<20 {
				t.Errorf("%d bytes were sent", read)
			}
		})
	}
}

// counted gives zeros and counts them.
type counted struct {
	mu   sync.Mutex
	left int64
}

func (b *counted) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), b.left)
	b.left -= n
	clear(p[:n])
	return int(n), nil
}

func (b *counted) rest() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.left
}

// An answer that comes before the body is sent must reach the client, although
// the connection is closed with bytes in flight.
func TestEarlyAnswerSurvives(t *testing.T) {
	t.Parallel()
	f := newFrame(t)
	for range 20 {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, f.url+"/api/v1/worker/leases/nosuch/packages/a-1-1-any.pkg.tar",
			io.LimitReader(zeros{}, 20<<20))
		must(t, err)
		r.Header.Set("Authorization", "Bearer "+workerToken)
		answer, err := http.DefaultClient.Do(r)
		must(t, err)
		answer.Body.Close()
		if answer.StatusCode != http.StatusConflict {
			t.Fatalf("%s, want 409", answer.Status)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func first(list []int, n int) []int { return list[:min(n, len(list))] }

func rawMessage(method, path, header, body string, chunked bool) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n%s", method, path, header)
	if !strings.Contains(header, "Host:") {
		b.WriteString("Host: 127.0.0.1\r\n")
	}
	if chunked {
		fmt.Fprintf(&b, "Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(body), body)
	} else {
		fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body), body)
	}
	return b.Bytes()
}

// rawRequest writes bytes to a fresh connection and gives the statuses of all
// answers until the server closes it or has nothing more to say.
func rawRequest(t *testing.T, address string, message []byte) (statuses []int) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	must(t, err)
	defer c.Close()
	go func() {
		_, _ = c.Write(message) // fails when the server closes early, as it should
		_ = c.(*net.TCPConn).CloseWrite()
	}()
	must(t, c.SetReadDeadline(time.Now().Add(20*time.Second)))
	for r := bufio.NewReader(c); ; {
		answer, err := http.ReadResponse(r, nil)
		if err != nil {
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				t.Fatalf("the server said nothing more after %v", statuses)
			}
			return statuses
		}
		if _, err := io.Copy(io.Discard, answer.Body); err != nil {
			t.Fatalf("read the answer: %v", err)
		}
		if answer.StatusCode != http.StatusContinue {
			statuses = append(statuses, answer.StatusCode)
		}
	}
}
