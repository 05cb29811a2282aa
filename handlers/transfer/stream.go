package transfer

import (
	"context"
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"time"

	"github.com/gofiber/fiber/v2"
)

// SendStream answers with what produce writes, each write at once. produce runs
// after the handler has returned, so it must not touch the request. Its context
// ends when the client has left or stopping is closed; its error breaks the
// connection, so that a client never takes a part for the whole, and is given to
// failed.
func SendStream(c *fiber.Ctx, contentType string, stopping <-chan struct{}, produce func(ctx context.Context, w io.Writer) error, failed func(error)) error {
	c.Set(fiber.HeaderContentType, contentType)
	ctx, cancel := context.WithCancel(context.Background())
	go watch(ctx, cancel, c.Context().Conn(), stopping)
	r, w := io.Pipe()
	go func() {
		defer cancel()
		err := guarded(ctx, w, produce)
		if err != nil && failed != nil {
			failed(err)
		}
		w.CloseWithError(err)
	}()
	c.Context().SetBodyStream(r, -1) // closed by fasthttp, also when the client is gone
	return nil
}

// guarded keeps a panic in one stream from ending the server.
func guarded(ctx context.Context, w io.Writer, produce func(context.Context, io.Writer) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in a stream: %v\n%s", p, debug.Stack())
		}
	}()
	return produce(ctx, w)
}

// Connected returns the context of the request, which also ends when the client
// has left. It is for requests that wait long before they are answered.
func Connected(c *fiber.Ctx) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(c.UserContext())
	go watch(ctx, cancel, c.Context().Conn(), nil)
	return ctx, cancel
}

// lookPeriod is how soon it is noticed that a client has left. Nothing else tells
// of it: fasthttp does not read while a request is answered, and a write to a
// client that has left fails at the second try, when there is something to write.
const lookPeriod = time.Second

// watch cancels a context when the client has left or the server stops, and ends
// with the context.
func watch(ctx context.Context, cancel context.CancelFunc, client net.Conn, stopping <-chan struct{}) {
	defer cancel()
	inner := own(client)
	tick := time.NewTicker(lookPeriod)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-stopping:
			return
		case <-tick.C:
			if inner != nil && inner.gone() {
				return
			}
		}
	}
}
