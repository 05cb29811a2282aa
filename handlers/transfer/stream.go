package transfer

import (
	"fmt"
	"io"
	"runtime/debug"

	"github.com/gofiber/fiber/v2"
)

// SendStream answers with what produce writes, each write at once. produce runs
// after the handler has returned, so it must not touch the request. Its writes
// fail when the client is gone; its error breaks the connection, so that a
// client never takes a part for the whole, and is given to failed.
func SendStream(c *fiber.Ctx, contentType string, produce func(w io.Writer) error, failed func(error)) error {
	c.Set(fiber.HeaderContentType, contentType)
	r, w := io.Pipe()
	go func() {
		err := guarded(w, produce)
		if err != nil && failed != nil {
			failed(err)
		}
		w.CloseWithError(err)
	}()
	c.Context().SetBodyStream(r, -1) // closed by fasthttp, also when the client is gone
	return nil
}

// guarded keeps a panic in one stream from ending the server.
func guarded(w io.Writer, produce func(io.Writer) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in a stream: %v\n%s", p, debug.Stack())
		}
	}()
	return produce(w)
}
