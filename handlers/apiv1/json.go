package apiv1

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/buildlog"
	"buildbtw/handlers/transfer"
)

// decode reads a JSON body into a T. What a T does not know, what follows it,
// and what is no JSON is refused with its name or place.
func decode[T any](c *fiber.Ctx) (T, error) {
	return decodeBody[T](c, (*json.Decoder).DisallowUnknownFields)
}

// decodeReport is decode for calls of workers. A worker may be newer than the server: what it
// reports beyond a T is left out, so that machines can be updated in any order. People's calls
// are strict, because there it is a slip of the pen.
func decodeReport[T any](c *fiber.Ctx) (T, error) {
	return decodeBody[T](c, func(*json.Decoder) {})
}

func decodeBody[T any](c *fiber.Ctx, prepare func(*json.Decoder)) (T, error) {
	var v T
	body := c.Body()
	if len(bytes.TrimSpace(body)) == 0 {
		return v, buildbtw.Invalid("the body is empty; send a JSON object")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	prepare(d)
	if err := d.Decode(&v); err != nil {
		return v, badJSON(err, d.InputOffset())
	}
	end := d.InputOffset()
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return v, buildbtw.Invalid("something follows the JSON object at byte %d; send one object and nothing else", end)
	}
	return v, nil
}

// decodeOptional is decode for calls whose body may be left out.
func decodeOptional[T any](c *fiber.Ctx) (T, error) {
	if len(c.Body()) == 0 {
		var v T
		return v, nil
	}
	return decode[T](c)
}

// badJSON says what is wrong with a body, and where.
func badJSON(err error, offset int64) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return buildbtw.Invalid("the body is not JSON: %s, at byte %d", syntax, syntax.Offset)
	case errors.As(err, &kind) && kind.Field == "":
		return buildbtw.Invalid("the body must be a JSON object, not %s", withArticle(kind.Value))
	case errors.As(err, &kind):
		return buildbtw.Invalid("field %q cannot be %s, at byte %d", kind.Field, withArticle(kind.Value), kind.Offset)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return buildbtw.Invalid("the JSON ends in the middle, at byte %d", offset)
	case strings.HasPrefix(err.Error(), "json: unknown field "):
		return buildbtw.Invalid("%s; see /api/v1/openapi.json for those that there are", strings.TrimPrefix(err.Error(), "json: "))
	}
	return buildbtw.Invalid("the body cannot be read as JSON, at byte %d", offset)
}

// withArticle returns "an array" and "a number".
func withArticle(noun string) string {
	if strings.ContainsRune("aeiou", rune(noun[0])) {
		return "an " + noun
	}
	return "a " + noun
}

// send answers with v as JSON; a GET gets an ETag, or 304 when the client has
// these bytes already.
func send(c *fiber.Ctx, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %T: %w", v, err)
	}
	if c.Method() == fiber.MethodGet || c.Method() == fiber.MethodHead {
		return transfer.SendTagged(c, fiber.MIMEApplicationJSON, body)
	}
	c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
	return c.Send(body)
}

// Problem answers with an error as RFC 9457 wants it.
func Problem(c *fiber.Ctx, status int, title, detail string, cause error) error {
	p := api.Problem{Type: api.ProblemType + string(buildbtw.KindOfHTTPStatus(status)), Title: title, Status: status, Detail: detail}
	var chunk *buildlog.OffsetError
	if errors.As(cause, &chunk) {
		p.Offset = &chunk.End // of a log chunk that does not begin there
	}
	body, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("encode problem: %w", err)
	}
	c.Status(status)
	c.Set(fiber.HeaderContentType, "application/problem+json")
	return c.Send(body)
}
