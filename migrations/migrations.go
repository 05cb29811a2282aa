// Package migrations holds the SQL files that make and change the database.
package migrations

import "embed"

// Files are named NNNN_what.sql and run in order, each in its own transaction,
// forward only.
//
//go:embed *.sql
var Files embed.FS
