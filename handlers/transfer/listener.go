package transfer

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Bounds of a connection whose other side is slow or gone. There is no limit on
// a whole answer, because event streams and large files take as long as they
// take; but every write must get through in time.
const (
	writePatience = 60 * time.Second // for one write
	lingerTime    = 2 * time.Second  // for a client to notice an answer that came before it had sent all
	lingerBytes   = 64 << 20
	piece         = 256 << 10 // bytes of a file that go out under one deadline
)

// Pauses after an error of accept, doubled from one to the next.
const (
	minAcceptPause = 5 * time.Millisecond
	maxAcceptPause = time.Second
)

// Listener returns connections that bound the wait for a slow client and close in
// a way that an early answer survives. There are never more of them than
// Connections allows. An error of accept that may pass does not end it: fasthttp
// stops serving, and with it the process, at any error that it is given.
type Listener struct {
	net.Listener
	Connections *Connections
	TLS         bool // TLS is spoken over the connections
	Machines    bool // the connections are those of build machines
}

// Accept waits for the next connection that may be served.
func (l *Listener) Accept() (net.Conn, error) {
	for pause := minAcceptPause; ; {
		c, err := l.Listener.Accept()
		if err != nil {
			if !mayPass(err) {
				return nil, err
			}
			l.Connections.refused(RefusedAccept, err)
			time.Sleep(pause)
			pause = min(2*pause, maxAcceptPause)
			continue
		}
		pause = minAcceptPause
		admitted := &conn{Conn: c, machines: l.Machines, tls: l.TLS, all: l.Connections}
		if l.Connections.admit(admitted) {
			return admitted, nil
		}
		l.turnAway(c)
	}
}

// mayPass reports whether accept may succeed later. Besides the errors of a
// process or a system that is short of something, accept(2) returns those of the
// network that happened to the connection which waited. Only what is wrong with
// the listener itself stays.
func mayPass(err error) bool {
	var number syscall.Errno
	if errors.Is(err, net.ErrClosed) || !errors.As(err, &number) {
		return false
	}
	switch number {
	case syscall.EBADF, syscall.EINVAL, syscall.ENOTSOCK, syscall.EFAULT:
		return false
	}
	return true
}

// busy is what a connection over a bound is told. It is always the same, short
// enough for the send buffer of any fresh connection, so that writing it never
// waits.
const busy = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 5\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 65\r\n\r\n" +
	"There are too many connections to this server; try again later.\r\n"

// turnAway closes a connection that is over a bound.
func (l *Listener) turnAway(c net.Conn) {
	if !l.TLS && c.SetWriteDeadline(time.Now().Add(minAcceptPause)) == nil {
		_, _ = io.WriteString(c, busy) // whoever is gone need not be told
	}
	_ = c.Close() // nothing of it is needed any more
}

type conn struct {
	net.Conn
	machines bool
	tls      bool // TLS is spoken over it
	begun    bool // something has been read

	lineEnded bool // the line of the request that is being read has; without meaning over TLS
	all       *Connections
	place     place       // in all; guarded by its lock
	unread    atomic.Bool // the client may still be sending when the connection is closed
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
	defer c.all.release(c)
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok && c.unread.Load() && half.CloseWrite() == nil {
		// Errors only mean that the client is gone, which is what is waited for.
		_ = c.SetReadDeadline(time.Now().Add(lingerTime))
		_, _ = io.CopyN(io.Discard, c.Conn, lingerBytes)
	}
	return c.Conn.Close()
}

// gone reports whether the client has closed the connection, or its sending half,
// which programs that wait for an answer do not. Nothing is read: a further
// request may already lie there.
func (c *conn) gone() bool {
	raw, ok := c.Conn.(syscall.Conn)
	if !ok {
		return false
	}
	control, err := raw.SyscallConn()
	if err != nil {
		return true
	}
	left := false
	err = control.Control(func(fd uintptr) {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		n, err := unix.Poll(fds, 0)
		left = err == nil && n > 0
	})
	return left || err != nil
}

// own returns the connection of this package that c is or lies over, or nil.
func own(c net.Conn) *conn {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	inner, _ := c.(*conn)
	return inner
}

// OfMachines reports whether a connection came in over the listener for build
// machines.
func OfMachines(c net.Conn) bool {
	inner := own(c)
	return inner != nil && inner.machines
}

// linger asks for the patient way of closing, if the connection knows it.
func linger(c net.Conn) {
	if c := own(c); c != nil {
		c.unread.Store(true)
	}
}
