// Package api is the JSON contract of the server: wire types, the map between
// kinds of errors and HTTP statuses, and the Go client that bbtw and the build
// machines use. It links neither SQLite nor Fiber.
package api

import (
	"net/http"

	"buildbtw"
)

// Prefix is the path under which the JSON API lies.
const Prefix = "/api/v1"

// statuses is the one map between kinds of errors and HTTP statuses: the server
// reads it forwards, the client backwards.
func statuses() map[buildbtw.Kind]int {
	return map[buildbtw.Kind]int{
		buildbtw.KindInvalid:         http.StatusUnprocessableEntity,
		buildbtw.KindUnauthenticated: http.StatusUnauthorized,
		buildbtw.KindForbidden:       http.StatusForbidden,
		buildbtw.KindNotFound:        http.StatusNotFound,
		buildbtw.KindConflict:        http.StatusConflict,
		buildbtw.KindUnconfirmed:     http.StatusPreconditionRequired,
		buildbtw.KindTooLarge:        http.StatusRequestEntityTooLarge,
		buildbtw.KindUnavailable:     http.StatusServiceUnavailable,
		buildbtw.KindInternal:        http.StatusInternalServerError,
	}
}

// StatusOf returns the HTTP status for a kind of error.
func StatusOf(kind buildbtw.Kind) int { return statuses()[kind] }

// KindOf returns the kind of error for an HTTP status of 400 and above.
func KindOf(status int) buildbtw.Kind {
	for kind, s := range statuses() {
		if s == status {
			return kind
		}
	}
	switch {
	case status == http.StatusTooManyRequests, status == http.StatusBadGateway, status == http.StatusGatewayTimeout:
		return buildbtw.KindUnavailable
	case status < http.StatusInternalServerError:
		return buildbtw.KindInvalid
	}
	return buildbtw.KindInternal
}

// Problem is the body of every error answer, application/problem+json
// (RFC 9457). Extra members carry what a program needs to go on.
type Problem struct {
	Type   string `json:"type"` // "urn:buildbtw:" and the kind
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Offset *int64 `json:"offset,omitempty"` // log chunks: where the server's log ends
}

// ProblemType is the prefix of Problem.Type.
const ProblemType = "urn:buildbtw:"
