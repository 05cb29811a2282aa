package handlers_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// A request that two programs could read in two ways is refused and its connection
// closed (RFC 9112): what one of them takes for a body would be the next request to
// the other. Each is followed by another request, which must not be executed.
func TestAmbiguousRequestsAreRefused(t *testing.T) {
	t.Parallel()
	f := newFrame(t)
	const plan = `{"changesets":[]}` // answered with 422 when it is read
	request := func(line string, headers ...string) string {
		return line + "\r\n" + strings.Join(append(headers, "", ""), "\r\n")
	}
	get := func(headers ...string) string { return request("GET /api/v1/health HTTP/1.1", headers...) }
	post := func(headers ...string) string {
		return request("POST /api/v1/plans HTTP/1.1", append([]string{"Host: 127.0.0.1"}, headers...)...)
	}
	chunked := "11\r\n" + plan + "\r\n0\r\n\r\n"
	for name, test := range map[string]struct {
		message string
		status  int
	}{
		"length and chunks":             {post("Content-Length: 17", "Transfer-Encoding: chunked") + chunked, 400},
		"chunks and length":             {post("Transfer-Encoding: chunked", "Content-Length: 6") + chunked, 400},
		"two lengths":                   {post("Content-Length: 0", "Content-Length: 17") + plan, 400},
		"the same length twice":         {post("Content-Length: 17", "Content-Length: 17") + plan, 400},
		"a list of lengths":             {post("Content-Length: 17, 17") + plan, 400},
		"a length with a sign":          {post("Content-Length: +17") + plan, 400},
		"a negative length":             {post("Content-Length: -1") + plan, 400},
		"a length in hexadecimal":       {post("Content-Length: 0x11") + plan, 400},
		"a length with a space":         {post("Content-Length: 1 7") + plan, 400},
		"no length":                     {post("Content-Length:") + plan, 400},
		"a length that overflows":       {post("Content-Length: 18446744073709551633") + plan, 400},
		"an unknown coding":             {post("Transfer-Encoding: xchunked") + chunked, 400},
		"identity":                      {post("Transfer-Encoding: identity") + chunked, 400},
		"chunked and more":              {post("Transfer-Encoding: chunked, gzip") + chunked, 400},
		"more and chunked":              {post("Transfer-Encoding: gzip, chunked") + chunked, 400},
		"chunked twice":                 {post("Transfer-Encoding: chunked", "Transfer-Encoding: chunked") + chunked, 400},
		"chunked in quotes":             {post(`Transfer-Encoding: "chunked"`) + chunked, 400},
		"a coding with a vertical tab":  {post("Transfer-Encoding: \x0bchunked") + chunked, 400},
		"no coding":                     {post("Transfer-Encoding:") + chunked, 400},
		"chunks in HTTP/1.0":            {request("POST /api/v1/plans HTTP/1.0", "Host: 127.0.0.1", "Connection: keep-alive", "Transfer-Encoding: chunked") + chunked, 400},
		"a space before the colon":      {post("Content-Length : 17") + plan, 400},
		"a tab before the colon":        {post("Transfer-Encoding\t: chunked") + chunked, 400},
		"a folded header":               {post("X-A: b", " c", "Content-Length: 0"), 400},
		"a folded length":               {post("Content-Length:", " 17") + plan, 400},
		"a header folded with a tab":    {post("X-A: b", "\tTransfer-Encoding: chunked", "Content-Length: 0"), 400},
		"a first header that is folded": {request("GET /api/v1/health HTTP/1.1", " X-A: b", "Host: 127.0.0.1"), 400},
		"a line feed alone":             {"POST /api/v1/plans HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: b\nContent-Length: 17\r\n\r\n" + plan, 400},
		"line feeds alone":              {"GET /api/v1/health HTTP/1.1\nHost: 127.0.0.1\n\n", 400},
		"an end by a line feed alone":   {"GET /api/v1/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\n", 400},
		"a carriage return alone":       {get("Host: 127.0.0.1", "X-A: b\rContent-Length: 17"), 400},
		"NUL in a header":               {get("Host: 127.0.0.1", "X-A: b\x00c"), 400},
		"no colon":                      {get("Host: 127.0.0.1", "X-A"), 400},
		"no name":                       {get("Host: 127.0.0.1", ": b"), 400},
		"a name in brackets":            {get("Host: 127.0.0.1", "X(A): b"), 400},
		"two hosts":                     {get("Host: 127.0.0.1", "Host: evil.example"), 400},
		"the same host twice":           {get("Host: 127.0.0.1", "host: 127.0.0.1"), 400},
		"no host":                       {get("X-A: b"), 400},
		"no header at all":              {get(), 400},
		"a host with a user":            {get("Host: evil@127.0.0.1"), 400},
		"a host with a path":            {get("Host: 127.0.0.1/evil"), 400},
		"a list of hosts":               {get("Host: 127.0.0.1, evil.example"), 400},
		"a host in open brackets":       {get("Host: [::1"), 400},
		"no address of IPv6":            {get("Host: [evil]"), 400},
		"a space in the address":        {request("GET /api/v1/health HTTP/1.1 HTTP/1.1", "Host: 127.0.0.1"), 400},
		"two spaces":                    {request("GET  /api/v1/health HTTP/1.1", "Host: 127.0.0.1"), 400},
		"a tab in the address":          {request("GET /api/v1/health\t HTTP/1.1", "Host: 127.0.0.1"), 400},
		"an address without a slash":    {request("GET api/v1/health HTTP/1.1", "Host: 127.0.0.1"), 400},
		"a method in brackets":          {request("G(T) /api/v1/health HTTP/1.1", "Host: 127.0.0.1"), 400},
		"another protocol":              {request("GET /api/v1/health HTTP/1.2", "Host: 127.0.0.1"), 400},
		"a protocol in small letters":   {request("GET /api/v1/health http/1.1", "Host: 127.0.0.1"), 400},
		"HTTP/2":                        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400},
		"too many headers":              {get("Host: 127.0.0.1", strings.Repeat("X-A: b\r\n", 100)+"X-A: b"), 431},
		"too large headers":             {get("Host: 127.0.0.1", "X-A: "+strings.Repeat("b", 20<<10)), 431},
		"a long address":                {request("GET /api/v1/health?"+strings.Repeat("a", 9<<10)+" HTTP/1.1", "Host: 127.0.0.1"), 414},
		"headers of the home page":      {request("GET / HTTP/1.1", "Host: 127.0.0.1", "X-A: "+strings.Repeat("b", 20<<10)), 431},
		"a very long address":           {request("GET /api/v1/health?"+strings.Repeat("a", 40<<10)+" HTTP/1.1", "Host: 127.0.0.1"), 414}, // larger than the buffer
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			statuses := rawRequest(t, f.address, []byte(test.message+smuggled))
			if len(statuses) != 1 || statuses[0] != test.status {
				t.Errorf("answers %v, want one %d", statuses, test.status)
			}
		})
	}
	t.Cleanup(func() { // after all of them
		if strings.Contains(f.log.String(), "smuggled") {
			t.Error("a handler ran for a request that follows one which nobody can read")
		}
	})
}

// Also after other requests of its connection, an address that is too long is told from
// headers that are.
func TestALaterRequestIsTooLarge(t *testing.T) {
	t.Parallel()
	f := newFrame(t)
	const first = "GET /api/v1/health HTTP/1.1\r\nHost: localhost\r\n\r\n"
	for second, want := range map[string]int{
		"GET /" + strings.Repeat("a", 40<<10) + " HTTP/1.1\r\nHost: localhost\r\n\r\n":          414,
		"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: " + strings.Repeat("a", 40<<10) + "\r\n\r\n": 431,
	} {
		c, err := net.Dial("tcp", f.address)
		must(t, err)
		t.Cleanup(func() { c.Close() })
		answers := bufio.NewReader(c)
		for _, step := range []struct {
			message string
			status  int
		}{{first, 200}, {second, want}} {
			_, err := io.WriteString(c, step.message)
			must(t, err)
			answer, err := http.ReadResponse(answers, nil)
			must(t, err)
			_, err = io.Copy(io.Discard, answer.Body)
			must(t, err)
			if answer.StatusCode != step.status {
				t.Errorf("%.20q…: status %d, want %d", step.message, answer.StatusCode, step.status)
			}
		}
	}
}

// What is unusual but clear is answered, and the connection goes on.
func TestUnusualRequestsAreAnswered(t *testing.T) {
	t.Parallel()
	f := newFrame(t)
	for name, message := range map[string]string{
		"HTTP/1.0":            "GET /api/v1/health HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n",
		"names in capitals":   "GET /api/v1/health HTTP/1.1\r\nHOST: localhost\r\nX-A:\tb\t\r\n\r\n",
		"IPv6":                "GET /api/v1/health HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n",
		"a whole address":     "GET http://127.0.0.1/api/v1/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
		"a length of nothing": "GET /api/v1/health HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n",
		"a quoted byte":       "GET /api/v1/health HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: \"\xff\"\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := rawRequest(t, f.address, []byte(message+message)); fmt.Sprint(got) != "[200 200]" {
				t.Errorf("answers %v, want 200 twice", got)
			}
		})
	}
}

// Where chunks end, programs disagree in more ways than can be seen here (line feeds
// alone, extensions), and what follows them becomes headers: a connection does not go
// on after them.
func TestAConnectionEndsAfterChunks(t *testing.T) {
	t.Parallel()
	f := newFrame(t)
	for name, body := range map[string]string{
		"plain":                    "11\r\n{\"changesets\":[]}\r\n0\r\n\r\n",
		"a line feed in extension": "11;a\nb\r\n{\"changesets\":[]}\r\n0\r\n\r\n",
		"a trailer":                "11\r\n{\"changesets\":[]}\r\n0\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n",
	} {
		head := "POST /api/v1/plans HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
		if got := rawRequest(t, f.address, []byte(head+body+smuggled)); fmt.Sprint(got) != "[422]" {
			t.Errorf("%s: answers %v, want one 422", name, got)
		}
	}
	if strings.Contains(f.log.String(), "smuggled") {
		t.Error("a handler ran for what follows chunks")
	}
}

// Chunks that are none are the sender's fault, for good: to send them again would
// not help.
func TestMalformedChunksAreRefused(t *testing.T) {
	t.Parallel()
	f := newFrame(t)
	for name, body := range map[string]string{
		"no number":           "x\r\n{}\r\n0\r\n\r\n",
		"a negative number":   "-2\r\n{}\r\n0\r\n\r\n",
		"a prefix":            "0x2\r\n{}\r\n0\r\n\r\n",
		"a number too large":  "ffffffffffffffffff\r\n{}\r\n0\r\n\r\n",
		"no size":             "\r\n{}\r\n0\r\n\r\n",
		"more than announced": "2\r\n{}xx\r\n0\r\n\r\n",
		"later":               "2\r\n{}\r\nzz\r\n\r\n",
	} {
		head := "POST /api/v1/plans HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
		if got := rawRequest(t, f.address, []byte(head+body+smuggled)); fmt.Sprint(got) != "[400]" {
			t.Errorf("%s: answers %v, want one 400", name, got)
		}
	}
	if strings.Contains(f.log.String(), "smuggled") {
		t.Error("a handler ran for what follows chunks")
	}
}
