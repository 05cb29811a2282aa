// Package api is the JSON contract of the server: wire types, and the Go client
// that bbtw and the build machines use. It links neither SQLite nor Fiber.
package api

// Prefix is the path under which the JSON API lies.
const Prefix = "/api/v1"

// Problem is the body of every error answer, application/problem+json (RFC
// 9457). Extra members are for programs that recover from the error.
type Problem struct {
	Type   string `json:"type"` // "urn:buildbtw:" and the kind
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Offset *int64 `json:"offset,omitempty"` // log chunks: where the server's log ends
}

// ProblemType is the prefix of Problem.Type.
const ProblemType = "urn:buildbtw:"
