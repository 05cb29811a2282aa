package apiv1

import (
	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/api"
)

const defaultLimit = 50 // rows of a page when the request does not say

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
		if rows, err = behind(rows, after, key); err != nil {
			return api.Page[T]{}, err
		}
	}
	if len(rows) <= n {
		return api.Page[T]{Items: rows}, nil
	}
	return api.Page[T]{Items: rows[:n], Cursor: key(rows[n-1])}, nil
}

// behind gives the rows after the one with this key.
func behind[T any](rows []T, after string, key func(T) string) ([]T, error) {
	for i, row := range rows {
		if key(row) == after {
			return rows[i+1:], nil
		}
	}
	return nil, buildbtw.Invalid("the cursor %.40q is none of this list; begin again without one", after)
}
