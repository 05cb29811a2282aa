package gitlab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/xanzy/go-gitlab"

	"buildbtw"
)

// Trouble is the sort of failure of a call.
type Trouble string

// The sorts of trouble.
const (
	Unauthorised  Trouble = "unauthorised"   // GitLab does not know the token, or not any more
	Forbidden     Trouble = "forbidden"      // it knows the token, which may not do this
	Gone          Trouble = "gone"           // there is one, but it was archived or moved out of the group
	NotFound      Trouble = "not found"      // there is no such thing, or the token may not see it
	RateLimited   Trouble = "rate limited"   // too many requests; Error.Until is when to try again
	Refused       Trouble = "refused"        // GitLab rejects the request as wrong
	ServerTrouble Trouble = "server trouble" // GitLab fails; it passes
	Unreachable   Trouble = "unreachable"    // no answer, or none in time
	Nonsense      Trouble = "nonsense"       // an answer that cannot be GitLab's, or is cut off
)

// Error is every failure of this package.
type Error struct {
	Trouble Trouble
	Doing   string    // the attempted action, such as "list the projects of group archlinux"
	Until   time.Time // RateLimited: when GitLab may be asked again; zero when unknown
	Said    string    // details, such as GitLab's message, shortened; may be empty
	Err     error     // the library's; may be nil
}

var (
	errElsewhere = errors.New("it redirects to another server")
	errTooLarge  = errors.New("its answer does not end")
)

// Error describes the failure and its remedy.
func (e *Error) Error() string {
	text := e.Doing + ": " + e.words()
	if e.Said != "" {
		text += " (" + e.Said + ")"
	}
	return text
}

func (e *Error) words() string {
	switch e.Trouble {
	case Unauthorised:
		return "GitLab does not accept the token; it has expired or was revoked: make a new one and give it with --gitlab-token"
	case Forbidden:
		return "the token may not do this; it needs the scope api and a role in the group that may"
	case Gone:
		return "it is no part of the group any more"
	case NotFound:
		return "GitLab has no such thing, or does not show it to this token"
	case RateLimited:
		if e.Until.IsZero() {
			return "GitLab asks for fewer requests; it is tried again later"
		}
		return "GitLab asks for fewer requests; it is tried again after " + e.Until.UTC().Format("15:04:05 MST")
	case Refused:
		return "GitLab refuses the request"
	case ServerTrouble:
		return "GitLab has trouble of its own; it is tried again"
	case Unreachable:
		return "GitLab does not answer; it is tried again"
	}
	return "what answers is no GitLab, or its answer was cut off; is --gitlab-url right?"
}

// Unwrap returns the cause, and the error that pages and JSON API know.
func (e *Error) Unwrap() []error {
	known := &buildbtw.Error{Kind: e.kind(), Message: e.Error()}
	if e.Err == nil {
		return []error{known}
	}
	return []error{known, e.Err}
}

func (e *Error) kind() buildbtw.Kind {
	switch e.Trouble {
	case Forbidden:
		return buildbtw.KindForbidden
	case Gone:
		return buildbtw.KindConflict
	case NotFound:
		return buildbtw.KindNotFound
	case Refused:
		return buildbtw.KindInvalid
	}
	return buildbtw.KindUnavailable
}

// TroubleOf returns the sort of failure of err; empty when it is not one of this
// package.
func TroubleOf(err error) Trouble {
	var e *Error
	if errors.As(err, &e) {
		return e.Trouble
	}
	return ""
}

// tooManyPipelines is how GitLab begins to say, with status 400, that its limit of new
// pipelines is reached (lib/gitlab/ci/pipeline/chain/limit/rate_limit.rb).
const tooManyPipelines = "Too many pipelines created"

// failed makes the library's error ours. Nil stays nil, and a call that was
// ended by its own context stays just that.
func (c *Client) failed(ctx context.Context, err error, doing string, args ...any) error {
	if err == nil {
		return nil
	}
	doing = fmt.Sprintf(doing, args...)
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", doing, context.Cause(ctx))
	}
	e := &Error{Trouble: troubleOf(err), Doing: doing, Err: err}
	var answer *gitlab.ErrorResponse
	if errors.As(err, &answer) {
		e.Trouble, e.Said = troubleOfStatus(answer.Response.StatusCode), saidBy(answer)
		if e.Trouble == Refused && strings.Contains(e.Said, tooManyPipelines) {
			e.Trouble = RateLimited
		}
	}
	if e.Trouble == RateLimited {
		if wait, until := c.pause.left(); wait > 0 {
			e.Until = until
		}
	}
	return e
}

// troubleOf sorts failures that came without an answer, or with one that could
// not be read.
func troubleOf(err error) Trouble {
	var (
		network net.Error
		syntax  *json.SyntaxError
		typed   *json.UnmarshalTypeError
		paused  *pausedError
		address *url.Error
	)
	switch {
	case errors.Is(err, gitlab.ErrNotFound):
		return NotFound
	case errors.As(err, &paused):
		return RateLimited
	case errors.Is(err, errElsewhere), errors.Is(err, errTooLarge), errors.As(err, &syntax), errors.As(err, &typed):
		return Nonsense
	case errors.As(err, &network), errors.As(err, &address):
		return Unreachable
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return Nonsense
	}
	return Nonsense // times and numbers that do not parse have no types of their own
}

func troubleOfStatus(status int) Trouble {
	switch {
	case status == http.StatusUnauthorized:
		return Unauthorised
	case status == http.StatusForbidden:
		return Forbidden
	case status == http.StatusNotFound, status == http.StatusGone:
		return NotFound
	case status == http.StatusTooManyRequests:
		return RateLimited
	case status >= http.StatusInternalServerError:
		return ServerTrouble
	case status >= http.StatusBadRequest:
		return Refused
	}
	return Nonsense
}

// maxSaid is how much of GitLab's own words is repeated.
const maxSaid = 200

// saidBy returns GitLab's reason in one line; nothing when it sent a page instead.
func saidBy(answer *gitlab.ErrorResponse) string {
	var body struct {
		Message any    `json:"message"`
		Error   string `json:"error"`
	}
	if json.Unmarshal(answer.Body, &body) != nil {
		return ""
	}
	text, ok := body.Message.(string)
	switch {
	case ok:
	case body.Message != nil:
		text = answer.Message // by field, as the library writes it
	default:
		text = body.Error
	}
	return said(text)
}

// said repeats GitLab's own words in one line.
func said(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > maxSaid {
		text = strings.ToValidUTF8(text[:maxSaid], "") + "…"
	}
	if text == "" {
		return ""
	}
	return "GitLab says: " + text
}
