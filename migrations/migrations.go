// Package migrations holds the SQL files that make and change the database.
package migrations

import "embed"

// Files are named NNNN_what.sql and run in order, each in its own transaction,
// forward only. schema.sql, which is not among them, is what they result in; a
// test of package store keeps it true.
//
//go:embed 0*.sql
var Files embed.FS
