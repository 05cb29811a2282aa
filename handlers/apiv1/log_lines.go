package apiv1

import (
	"github.com/gofiber/fiber/v2"

	"buildbtw/api"
	"buildbtw/buildlog"
	"buildbtw/internal/ansi"
)

const (
	defaultLines = 200
	defaultHits  = 100
)

// logLines gives a window of a log by line numbers: from a line on, or before
// one; without either its end.
func (a *API) logLines(c *fiber.Ctx) error {
	from, err := count(c, "from")
	if err != nil {
		return err
	}
	before, err := count(c, "before")
	if err != nil {
		return err
	}
	n, err := limit(c)
	if err != nil {
		return err
	}
	if n == 0 {
		n = defaultLines
	}
	v, err := a.logView(c)
	if err != nil {
		return err
	}
	defer v.Close()
	if before == 0 {
		before = v.Lines() + 1
	}
	read := func() ([]buildlog.Line, error) { return v.Before(before, n) }
	if from > 0 {
		read = func() ([]buildlog.Line, error) { return v.From(from, n) }
	}
	lines, err := read()
	if err != nil {
		return err
	}
	return send(c, api.LogLines{Total: v.Lines(), Lines: list(lines, func(l buildlog.Line) api.LogLine {
		return api.LogLine{Line: l.Number, Text: string(ansi.Plain(l.Text)), Size: l.Size}
	})})
}

func (a *API) logView(c *fiber.Ctx) (*buildlog.View, error) {
	attempt, err := a.namedAttempt(c)
	if err != nil {
		return nil, err
	}
	return a.Logs.View(c.UserContext(), attempt.ID)
}

// searchLog gives the lines of a log in which something is found.
func (a *API) searchLog(c *fiber.Ctx) error {
	q, err := buildlog.ParseQuery(c.Query("q"), c.Query("regexp"), c.Query("case"))
	if err != nil {
		return err
	}
	from, err := count(c, "from")
	if err != nil {
		return err
	}
	n, err := limit(c)
	if err != nil {
		return err
	}
	if n == 0 {
		n = defaultHits
	}
	v, err := a.logView(c)
	if err != nil {
		return err
	}
	defer v.Close()
	found, err := v.Search(c.UserContext(), q, from, n)
	if err != nil {
		return err
	}
	return send(c, api.LogHits{Next: found.Next, Hits: list(found.Hits, func(h buildlog.Hit) api.LogHit {
		return api.LogHit{Line: h.Line, Text: h.Text, From: h.From, To: h.To}
	})})
}
