package transfer

import (
	"crypto/tls"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// Bounds of a connection whose other side is slow or gone. There is no limit on
// a whole answer, because event streams and large files take as long as they
// take; but every write must get through in time.
const (
	writePatience = 60 * time.Second // for one write
	readPatience  = 60 * time.Second // for the next bytes of a streamed body
	lingerTime    = 2 * time.Second  // for a client to notice an answer that came before it had sent all
	lingerBytes   = 64 << 20
	piece         = 256 << 10 // bytes of a file that go out under one deadline
)

// Listener gives connections that bound the wait for a slow client and close in
// a way that an early answer survives.
type Listener struct{ net.Listener }

// Accept waits for the next connection.
func (l *Listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c}, nil
}

type conn struct {
	net.Conn
	unread atomic.Bool // the client may still be sending when the connection is closed
}

func (c *conn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(writePatience)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// ReadFrom implements io.ReaderFrom, by which a file goes to the network without
// passing through this process (sendfile). It goes in pieces, each with its own
// time.
func (c *conn) ReadFrom(r io.Reader) (total int64, err error) {
	file, ok := r.(limited)
	if !ok {
		return io.Copy(struct{ io.Writer }{c}, r)
	}
	for file.N > 0 {
		if err := c.SetWriteDeadline(time.Now().Add(writePatience)); err != nil {
			return total, err
		}
		n, err := io.Copy(c.Conn, &io.LimitedReader{R: file.R, N: min(file.N, piece)})
		total += n
		file.N -= n
		if err != nil || n == 0 {
			return total, err
		}
	}
	return total, nil
}

// Close closes the connection. A connection closed with unread bytes is reset,
// and a reset may overtake the answer; so where a body was refused, the end of
// writing is announced first and what still comes is thrown away for a while.
func (c *conn) Close() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok && c.unread.Load() && half.CloseWrite() == nil {
		// Errors only mean that the client is gone, which is what is waited for.
		_ = c.SetReadDeadline(time.Now().Add(lingerTime))
		_, _ = io.CopyN(io.Discard, c.Conn, lingerBytes)
	}
	return c.Conn.Close()
}

// linger asks for the patient way of closing, if the connection knows it.
func linger(c net.Conn) {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	if c, ok := c.(*conn); ok {
		c.unread.Store(true)
	}
}
