package transfer

import (
	"bytes"
	"fmt"
	"io"
	"net"
)

// tlsHandshake is the first byte of whoever wants to speak TLS (RFC 8446, section
// 5.1). No method of HTTP begins with it.
const tlsHandshake = 0x16

// What whoever speaks the other one of HTTP and TLS is told. Go's own server says the
// second in nearly the same words, and so api.Client knows them.
const (
	speaksHTTP = "This server speaks http, not https; use http:// in its address.\r\n"
	speaksTLS  = "Client sent an HTTP request to an HTTPS server; use https:// in its address.\r\n"
)

// sendWrongScheme answers a client that speaks the other one.
func (c *conn) sendWrongScheme(words string) {
	c.unread.Store(true)
	_, _ = fmt.Fprintf(c, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n\r\n%s", len(words), words) // whoever is gone need not be told
}

// Read reads what the client sends. When its first byte shows that it speaks TLS where
// HTTP is spoken, or the other way round, it is answered here, as it can read it, and
// reading ends: else both sides would wait for what never comes.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if !c.lineEnded {
		c.lineEnded = bytes.IndexByte(p[:n], '\n') >= 0
	}
	if c.begun || n == 0 {
		return n, err
	}
	c.begun = true
	switch first := rune(p[0]); {
	case !c.tls && first == tlsHandshake:
		c.sendWrongScheme(speaksHTTP)
	case c.tls && isAlphanumeric(first):
		c.sendWrongScheme(speaksTLS)
	default:
		return n, err
	}
	return 0, io.EOF
}

// InRequestLine reports whether not even the request line of the request that is being
// read has ended. Over TLS that is not known here.
func InRequestLine(nc net.Conn) bool {
	c := own(nc)
	return c != nil && !c.tls && !c.lineEnded
}
