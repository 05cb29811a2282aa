package apiv1

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/buildlog"
	"buildbtw/handlers/transfer"
	"buildbtw/internal/ansi"
)

// log sends the log of an attempt: as a file with ranges, or, with follow, from the
// start of the range on as it grows, until the attempt ends.
func (a *API) log(c *fiber.Ctx) error {
	attempt, err := a.namedAttempt(c)
	if err != nil {
		return err
	}
	follow, err := flag(c, "follow")
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderCacheControl, "no-cache")
	if !follow {
		content, size, err := a.Logs.Reader(context.WithoutCancel(c.UserContext()), attempt.Name()) // it is sent when this has returned
		if err != nil {
			return err
		}
		return transfer.Send(c, transfer.Content{Reader: content, Size: size, Type: fiber.MIMETextPlainCharsetUTF8})
	}
	size, err := a.Logs.Size(c.UserContext(), attempt.Name())
	if err != nil {
		return err
	}
	start := transfer.Start(c, size)
	return a.stream(c, fiber.MIMETextPlainCharsetUTF8, func(ctx context.Context, w io.Writer) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		go a.wakeFollowers(ctx, attempt.Name())
		// An attempt may end without another byte: its state is read after every change.
		finished := func() bool { return a.attemptOver(ctx, attempt) }
		for chunk, err := range a.Logs.Follow(ctx, attempt.Name(), start, finished) {
			if err != nil {
				return err
			}
			if _, err := w.Write(chunk); err != nil {
				return err
			}
		}
		return nil
	})
}

// namedAttempt finds the attempt that the request names, or the latest one.
func (a *API) namedAttempt(c *fiber.Ctx) (buildbtw.Attempt, error) {
	id, err := buildID(c)
	if err != nil {
		return buildbtw.Attempt{}, err
	}
	number, err := count(c, "attempt")
	if err != nil {
		return buildbtw.Attempt{}, err
	}
	attempts, err := a.Store.Attempts(c.UserContext(), id)
	if err != nil {
		return buildbtw.Attempt{}, err
	}
	var latest buildbtw.Attempt
	for _, t := range attempts {
		if int64(t.Number) == number {
			return t, nil
		}
		if t.Number > latest.Number {
			latest = t
		}
	}
	switch {
	case number != 0:
		return latest, buildbtw.NotFound("build %d has no attempt %d", id, number)
	case latest.ID != 0:
		return latest, nil
	}
	origin, err := a.Store.LogOrigin(c.UserContext(), id)
	if err == nil && origin != 0 {
		err = buildbtw.NotFound("build %d was not built again: it has the packages of build %d, which has the log", id, origin)
	}
	if err == nil {
		err = buildbtw.NotFound("build %d has not been started; there is no log yet", id)
	}
	return latest, err
}

// wakeFollowers makes the followers of a log check it whenever the database has
// changed, and at the latest after quiet.
func (a *API) wakeFollowers(ctx context.Context, attempt buildbtw.AttemptName) {
	changed, cancel := a.Store.Subscribe()
	defer cancel()
	tick := time.NewTicker(quiet)
	defer tick.Stop()
	a.Logs.Changed(attempt) // for what changed before the subscription
	for {
		select {
		case <-changed:
			a.Logs.Changed(attempt)
		case <-tick.C:
			a.Logs.Changed(attempt)
		case <-ctx.Done():
			return
		}
	}
}

// attemptOver reports whether the log of an attempt is complete. When the database
// does not answer it is taken as incomplete; the next change asks again.
func (a *API) attemptOver(ctx context.Context, attempt buildbtw.Attempt) bool {
	attempts, err := a.Store.Attempts(ctx, attempt.BuildID)
	if err != nil {
		return false
	}
	for _, t := range attempts {
		if t.ID == attempt.ID {
			return t.State == buildbtw.AttemptFinished
		}
	}
	return true // pruned
}

const (
	defaultLines = 200
	defaultHits  = 100
)

// logLines answers with a window of a log by line numbers: from a line on, or before
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
		return api.LogLine{Line: l.Number, Text: string(ansi.Plain(l.Text)), Size: l.Size, At: known(v.Time(l.Offset))}
	})})
}

// logView opens the log of the attempt that the request names.
func (a *API) logView(c *fiber.Ctx) (*buildlog.View, error) {
	attempt, err := a.namedAttempt(c)
	if err != nil {
		return nil, err
	}
	return a.Logs.View(c.UserContext(), attempt.Name())
}

// searchLog answers with the lines of a log that match a query.
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

// logPause is the least time between two messages about one log.
const logPause = 250 * time.Millisecond

// logState answers how long a log is and which of its lines are errors: now, or as
// Server-Sent Events until the attempt has ended.
func (a *API) logState(c *fiber.Ctx) error {
	attempt, err := a.namedAttempt(c)
	if err != nil {
		return err
	}
	if !strings.Contains(c.Get(fiber.HeaderAccept), eventStream) {
		v, err := a.Logs.View(c.UserContext(), attempt.Name())
		if err != nil {
			return err
		}
		defer v.Close()
		state := stateOf(attempt, v)
		list, _ := v.Errors()
		state.Errors, state.Phases = wireMarks(list), wireMarks(v.Phases())
		for i, m := range v.Phases() {
			state.Phases[i].At = known(v.Time(m.Offset))
		}
		return send(c, state)
	}
	c.Set(fiber.HeaderCacheControl, "no-cache")
	c.Set("X-Accel-Buffering", "no") // nginx would hold events back
	return a.stream(c, eventStream, func(ctx context.Context, w io.Writer) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		go a.wakeFollowers(ctx, attempt.Name())
		s := stateStream{to: w, attempt: attempt}
		for range a.Logs.Watch(ctx, attempt.Name(), logPause) {
			if over, err := a.tellState(ctx, &s); over || err != nil {
				return err
			}
		}
		return nil
	})
}

// stateOf returns the state of a log without the lists of errors and phases. Whether more may come was decided when the
// attempt was loaded, before its log was read: the other way round the last
// lines could be missed.
func stateOf(attempt buildbtw.Attempt, v *buildlog.View) api.LogState {
	_, found := v.Errors()
	return api.LogState{
		Attempt: attempt.Number, Running: attempt.State != buildbtw.AttemptFinished,
		Size: v.Size(), Lines: v.Lines(), ErrorsFound: found,
	}
}

func wireMarks(marks []buildlog.Mark) []api.LogMark {
	return list(marks, func(m buildlog.Mark) api.LogMark { return api.LogMark{Line: m.Line, Kind: m.Kind, Text: m.Text} })
}

// known returns nil for a time that is not known.
func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// stateStream is the state that was last sent to one reader, and when.
type stateStream struct {
	to      io.Writer
	attempt buildbtw.Attempt
	told    api.LogState
	at      time.Time
}

// tellState writes the state of the log if it has changed, and a comment when nothing
// was written for a while. over reports that it will not change any more.
func (a *API) tellState(ctx context.Context, s *stateStream) (over bool, err error) {
	if a.attemptOver(ctx, s.attempt) {
		s.attempt.State = buildbtw.AttemptFinished
	}
	v, err := a.Logs.View(ctx, s.attempt.Name())
	if err != nil {
		return false, err
	}
	state := stateOf(s.attempt, v)
	v.Close()
	message := ": still here\n\n"
	switch {
	case !reflect.DeepEqual(state, s.told):
		data, err := json.Marshal(state)
		if err != nil {
			return false, fmt.Errorf("encode state of log %d: %w", s.attempt.ID, err)
		}
		message = fmt.Sprintf("event: state\ndata: %s\n\n", data)
	case time.Since(s.at) < quiet:
		return false, nil
	}
	s.told, s.at = state, time.Now()
	_, err = io.WriteString(s.to, message)
	return !state.Running, err
}
