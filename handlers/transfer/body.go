// Package transfer moves bytes between requests and files within bounds: bodies
// in memory, bodies as streams, files with validators and ranges, and what
// becomes of a connection whose body nobody has read. It lies below the pages
// and the JSON API, which share it.
package transfer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"buildbtw"
)

// ReadBody reads the whole body of a request into memory, where c.Body and
// c.FormValue find it, and refuses more than limit bytes. Fiber's own limit does
// not hold for streamed bodies, and c.Body on a stream hides errors. A body that
// was read before stays as it is.
func ReadBody(c *fiber.Ctx, limit int64) error {
	if !c.Request().IsBodyStream() {
		return nil
	}
	stream, err := Stream(c, limit)
	if err != nil {
		return err
	}
	var body bytes.Buffer
	if _, err := body.ReadFrom(stream); err != nil {
		return err
	}
	c.Request().SetBodyRaw(body.Bytes())
	return nil
}

// A body must come on: otherwise somebody who sends a byte now and then holds a
// connection, a handler and what it has opened for as long as he likes.
const (
	minRate      = 1 << 10          // bytes per second, on the average over the whole body
	bodyGrace    = 30 * time.Second // in which nothing needs to have come
	readPatience = 60 * time.Second // for the next bytes
)

// Body is a request's body as a stream. Its errors are fit for people.
type Body struct {
	ctx    *fasthttp.RequestCtx
	within context.Context // of the request
	limit  int64
	read   int64
	waited time.Duration // for the client, without the time in which nobody read
	ended  error
}

// Stream gives the body of a request without reading it, or TooLarge at once
// when it announces more than limit bytes. It is to be used by the handler only.
func Stream(c *fiber.Ctx, limit int64) (*Body, error) {
	if int64(c.Request().Header.ContentLength()) > limit {
		return nil, tooLarge(limit)
	}
	return &Body{ctx: c.Context(), within: c.UserContext(), limit: limit}, nil
}

// Size is the announced length of the body in bytes, or -1 when it comes in
// chunks.
func Size(c *fiber.Ctx) int64 { return max(int64(c.Request().Header.ContentLength()), -1) }

// Read implements io.Reader. Every read gets its own time, so that a large body
// may take long, but one that is stuck or trickles does not, nor one that has not
// come when the request's context ends.
func (b *Body) Read(p []byte) (int, error) {
	if b.ended != nil || len(p) == 0 {
		return 0, b.ended
	}
	stream := b.ctx.RequestBodyStream()
	if stream == nil {
		return 0, b.end(io.EOF)
	}
	began := time.Now()
	patience := min(readPatience, bodyGrace+time.Duration(b.read)*(time.Second/minRate)-b.waited)
	if end, ok := b.within.Deadline(); ok {
		patience = min(patience, end.Sub(began))
	}
	if b.within.Err() != nil || patience <= 0 {
		return 0, b.end(b.tooSlow())
	}
	if err := b.ctx.Conn().SetReadDeadline(began.Add(patience)); err != nil {
		return 0, b.end(b.broken(err))
	}
	n, err := stream.Read(p)
	took := time.Since(began)
	b.waited += took
	b.read += int64(n)
	switch {
	case b.read > b.limit:
		return 0, b.end(tooLarge(b.limit))
	case err == io.EOF:
		// Everything was read: the connection is good for another request.
		// The stream must not be read again, it would read that one.
		_ = b.ctx.Request.CloseBodyStream() // a request's stream has no way to fail here
		return n, b.end(io.EOF)
	case err != nil && b.ctx.Request.Header.ContentLength() < 0 && !ofConnection(err) && took < patience:
		return n, b.end(bad("the chunks of the body are malformed"))
	case err != nil:
		return n, b.end(b.broken(err))
	}
	return n, nil
}

// Touched reports whether anything of the body was asked for.
func (b *Body) Touched() bool { return b.read > 0 || b.ended != nil }

func (b *Body) end(err error) error {
	b.ended = err
	return err
}

// broken says that the client stopped in the middle of its body.
func (b *Body) broken(err error) error {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return b.tooSlow()
	}
	return buildbtw.Unavailable("the body broke off after %s; send it again", humanize.IBytes(uint64(b.read)))
}

// ofConnection reports whether a body could not be read because the client is gone or
// slow, and not because of what it has sent.
func ofConnection(err error) bool {
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

func (b *Body) tooSlow() error {
	return buildbtw.TooSlow("only %s of the body came in time; send it again over a faster line", humanize.IBytes(uint64(b.read)))
}

func tooLarge(limit int64) error {
	return buildbtw.TooLarge("the body is larger than %s, which is the limit here", humanize.IBytes(uint64(limit)))
}

// CloseUnread closes the connection after the answer unless the request's body
// was read to its end. Otherwise fasthttp would take the rest of the body for
// further requests, which an attacker can write (request smuggling). It also does
// after a body in chunks, in which fasthttp and proxies find the end in different
// ways (line feeds alone, extensions).
func CloseUnread(ctx *fasthttp.RequestCtx) {
	if ctx.Request.Header.ContentLength() == -1 {
		ctx.SetConnectionClose()
	}
	if ctx.Request.IsBodyStream() && ctx.Request.Header.ContentLength() != 0 {
		ctx.SetConnectionClose()
		linger(ctx.Conn())
	}
}
