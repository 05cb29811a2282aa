package apiv1

import (
	"net/url"
	"slices"
	"strconv"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/api"
)

const (
	maxLimit     = 500 // rows of a page
	defaultLimit = 50  // rows of a page when the request does not say
)

// param gives a part of the path as it was meant. Names are checked by whoever
// uses them; "%2F" and ".." lead nowhere, because nothing here is a path on disk.
func param(c *fiber.Ctx, name string) (string, error) {
	v, err := url.PathUnescape(c.Params(name))
	if err != nil {
		return "", buildbtw.Invalid("the address is not properly escaped: %q", c.Params(name))
	}
	return v, nil
}

func buildID(c *fiber.Ctx) (int64, error) { return buildbtw.ParseBuildID(c.Params("id")) }

func formatID(n int64) string { return strconv.FormatInt(n, 10) }

// iterationNumber reads the number of an iteration; 0 means the latest.
func iterationNumber(s string) (int, error) {
	if s == "" || s == "latest" {
		return 0, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n <= 0 {
		return 0, buildbtw.Invalid("%.40q is no iteration; give a number or latest", s)
	}
	return n, nil
}

// count reads a number of the query that is not negative; absent is 0.
func count(c *fiber.Ctx, name string) (int64, error) {
	text := c.Query(name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, buildbtw.Invalid("%s=%.40q is no number", name, text)
	}
	return n, nil
}

// limit reads how many rows a page shall have; 0 leaves it to the list.
func limit(c *fiber.Ctx) (int, error) {
	n, err := count(c, "limit")
	if n > maxLimit {
		return 0, buildbtw.Invalid("limit=%d is too much; a page has at most %d rows", n, maxLimit)
	}
	return int(n), err
}

// flag reads a yes or no of the query; absent is no.
func flag(c *fiber.Ctx, name string) (bool, error) {
	text := c.Query(name)
	if text == "" {
		return false, nil
	}
	v, err := strconv.ParseBool(text)
	if err != nil {
		return false, buildbtw.Invalid("%s=%.40q is neither true nor false", name, text)
	}
	return v, nil
}

// cut gives one page of a list that is known as a whole. The cursor is the key
// of the last row; keys are unique.
func cut[T any](c *fiber.Ctx, rows []T, key func(T) string) (api.Page[T], error) {
	n, err := limit(c)
	if err != nil {
		return api.Page[T]{}, err
	}
	if n == 0 {
		n = defaultLimit
	}
	if after := c.Query("cursor"); after != "" {
		i := slices.IndexFunc(rows, func(row T) bool { return key(row) == after })
		if i < 0 {
			return api.Page[T]{}, buildbtw.Invalid("the cursor %.40q is none of this list; begin again without one", after)
		}
		rows = rows[i+1:]
	}
	if len(rows) <= n {
		return api.Page[T]{Items: rows}, nil
	}
	return api.Page[T]{Items: rows[:n], Cursor: key(rows[n-1])}, nil
}
