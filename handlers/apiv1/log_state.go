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
)

// logPause is the least time between two messages about one log.
const logPause = 250 * time.Millisecond

// logState says how long a log is and which lines tell of errors: now, or as
// Server-Sent Events until the attempt has ended.
func (a *API) logState(c *fiber.Ctx) error {
	attempt, err := a.namedAttempt(c)
	if err != nil {
		return err
	}
	if strings.Contains(c.Get(fiber.HeaderAccept), eventStream) {
		return a.streamLogState(c, attempt)
	}
	v, err := a.Logs.View(c.UserContext(), attempt.ID)
	if err != nil {
		return err
	}
	defer v.Close()
	state := stateOf(attempt, v)
	list, _ := v.Errors()
	state.Errors, state.Phases = wireMarks(list), wireMarks(v.Phases())
	return send(c, state)
}

// stateOf leaves out the lists. Whether more may come was decided when the
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

func (a *API) streamLogState(c *fiber.Ctx, attempt buildbtw.Attempt) error {
	c.Set(fiber.HeaderCacheControl, "no-cache")
	c.Set("X-Accel-Buffering", "no") // nginx would hold events back
	return a.stream(c, eventStream, func(ctx context.Context, w io.Writer) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		go a.wakeFollowers(ctx, attempt.ID)
		s := stateStream{to: w, attempt: attempt}
		for range a.Logs.Watch(ctx, attempt.ID, logPause) {
			if over, err := a.tellState(ctx, &s); over || err != nil {
				return err
			}
		}
		return nil
	})
}

// stateStream is what one reader was told, and when.
type stateStream struct {
	to      io.Writer
	attempt buildbtw.Attempt
	told    api.LogState
	at      time.Time
}

// tellState writes how the log stands now, if that is new. over says that there
// is nothing more to tell.
func (a *API) tellState(ctx context.Context, s *stateStream) (over bool, err error) {
	if a.attemptOver(ctx, s.attempt) {
		s.attempt.State = buildbtw.AttemptFinished
	}
	v, err := a.Logs.View(ctx, s.attempt.ID)
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
