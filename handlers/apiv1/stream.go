package apiv1

import (
	"context"
	"errors"
	"io"
	"log/slog"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/handlers/transfer"
)

// maxStreams bounds the answers that go on for as long as the client likes.
const maxStreams = 512

// stream answers with what produce writes until it returns, the client leaves,
// or the server stops; the last two end ctx or make a write fail.
func (a *API) stream(c *fiber.Ctx, contentType string, produce func(ctx context.Context, w io.Writer) error) error {
	if c.Method() == fiber.MethodHead {
		c.Set(fiber.HeaderContentType, contentType)
		return nil
	}
	select {
	case a.streams <- struct{}{}:
	default:
		return buildbtw.Unavailable("the server follows %d logs and event streams already; try again later", maxStreams)
	}
	return transfer.SendStream(c, contentType, func(w io.Writer) error {
		defer func() { <-a.streams }()
		ctx, cancel := a.untilStop()
		defer cancel()
		return produce(ctx, w)
	}, a.streamFailed)
}

// untilStop gives a context that ends when the server stops.
func (a *API) untilStop() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		select {
		case <-a.Stopping:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// streamFailed notes what broke a stream, unless it was its reader or the
// server's end.
func (a *API) streamFailed(err error) {
	if errors.Is(err, io.ErrClosedPipe) || errors.Is(err, context.Canceled) {
		return
	}
	a.Log.Error("stream broke off", slog.Any("error", err))
}
