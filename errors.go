package buildbtw

import (
	"errors"
	"fmt"
	"net/http"
	"syscall"
)

// Kind is the class of an Error. The server answers with its HTTPStatus, and
// the client maps that back with KindOfHTTPStatus.
type Kind string

// The kinds of errors that people may see. Everything else is an internal
// fault: logged, and shown only as "internal error".
const (
	KindInvalid         Kind = "invalid"         // the request can never succeed as it is
	KindUnauthenticated Kind = "unauthenticated" // nobody is known to be asking
	KindForbidden       Kind = "forbidden"       // known, but not allowed
	KindNotFound        Kind = "not-found"       // no such thing, or not visible to the one asking
	KindConflict        Kind = "conflict"        // the state has changed; the message has the present one
	KindUnconfirmed     Kind = "unconfirmed"     // allowed, but only with an explicit yes
	KindTooLarge        Kind = "too-large"       // over a limit, which the message names
	KindTooMany         Kind = "too-many"        // more than one may ask for; nothing was done, it passes by itself
	KindTooSlow         Kind = "too-slow"        // the request did not come in time
	KindUnavailable     Kind = "unavailable"     // try again later; nothing was changed
	KindInternal        Kind = "internal"        // a fault of the service
)

// httpStatuses is the one map between kinds of errors and HTTP statuses.
func httpStatuses() map[Kind]int {
	return map[Kind]int{
		KindInvalid:         http.StatusUnprocessableEntity,
		KindUnauthenticated: http.StatusUnauthorized,
		KindForbidden:       http.StatusForbidden,
		KindNotFound:        http.StatusNotFound,
		KindConflict:        http.StatusConflict,
		KindUnconfirmed:     http.StatusPreconditionRequired,
		KindTooLarge:        http.StatusRequestEntityTooLarge,
		KindTooMany:         http.StatusTooManyRequests,
		KindTooSlow:         http.StatusRequestTimeout,
		KindUnavailable:     http.StatusServiceUnavailable,
		KindInternal:        http.StatusInternalServerError,
	}
}

// HTTPStatus returns the status with which an error of this kind is answered.
func (k Kind) HTTPStatus() int { return httpStatuses()[k] }

// KindOfHTTPStatus returns the kind of error for a status of 400 and above.
func KindOfHTTPStatus(status int) Kind {
	for kind, s := range httpStatuses() {
		if s == status {
			return kind
		}
	}
	switch {
	case status == http.StatusBadGateway, status == http.StatusGatewayTimeout:
		return KindUnavailable
	case status < http.StatusInternalServerError:
		return KindInvalid
	}
	return KindInternal
}

// Passes reports whether the same request may succeed later without anybody doing
// something about it.
func (k Kind) Passes() bool {
	switch k {
	case KindTooMany, KindTooSlow, KindUnavailable, KindInternal:
		return true
	}
	return false
}

// Error is an error whose message was written for people: the problem and,
// where it helps, what to do next. It never contains secrets or paths of the
// server.
type Error struct {
	Kind    Kind
	Message string
	Err     error // the wrapped error; may be nil
}

func (e *Error) Error() string { return e.Message }

func (e *Error) Unwrap() error { return e.Err }

// Invalid returns an error for a request that is wrong in itself.
func Invalid(format string, args ...any) error { return newError(KindInvalid, format, args) }

// Unauthenticated returns an error for credentials that are missing or unknown.
func Unauthenticated(format string, args ...any) error {
	return newError(KindUnauthenticated, format, args)
}

// Forbidden returns an error for somebody who may not do this.
func Forbidden(format string, args ...any) error { return newError(KindForbidden, format, args) }

// NotFound returns an error for a named thing that does not exist.
func NotFound(format string, args ...any) error { return newError(KindNotFound, format, args) }

// Conflict returns an error for a state that does not allow this any more; the
// message names the state.
func Conflict(format string, args ...any) error { return newError(KindConflict, format, args) }

// Unconfirmed returns an error for something large that was asked for without
// confirming it.
func Unconfirmed(format string, args ...any) error {
	return newError(KindUnconfirmed, format, args)
}

// TooLarge returns an error for a limit that was passed; the message names it.
func TooLarge(format string, args ...any) error { return newError(KindTooLarge, format, args) }

// TooMany returns an error for a caller who exceeds a rate limit; the message names the
// limit and when to try again.
func TooMany(format string, args ...any) error { return newError(KindTooMany, format, args) }

// TooSlow returns an error for a request that did not come in time.
func TooSlow(format string, args ...any) error { return newError(KindTooSlow, format, args) }

// Unavailable returns an error for a request that may succeed later.
func Unavailable(format string, args ...any) error { return newError(KindUnavailable, format, args) }

// newError formats like fmt.Errorf. An error given to %w is part of the message
// that people see, and stays reachable for errors.Is and errors.As.
func newError(kind Kind, format string, args []any) error {
	err := fmt.Errorf(format, args...)
	return &Error{Kind: kind, Message: err.Error(), Err: errors.Unwrap(err)}
}

// MayPass reports whether an error may pass by itself, however long that takes: a full
// disk or quota, or KindUnavailable. Work that fails with it is retried for ever.
func MayPass(err error) bool {
	return KindOf(err) == KindUnavailable || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// KindOf returns the kind of the first Error in err's chain, or KindInternal.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return KindInternal
}

// MessageOf returns the words of err that people may see: the message of the
// first Error in its chain, or a fixed sentence for internal faults.
func MessageOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Message
	}
	return "The server failed to answer. The cause is in its log."
}
