package buildbtw

import (
	"strconv"
	"time"
)

// RemovedWords says when something was removed, and by whom: "removed on 2 March 2026 by anna".
func RemovedWords(at time.Time, by string) string {
	words := "removed on " + at.UTC().Format("2 January 2006")
	switch by {
	case "":
		return words
	case System:
		return words + " because this server keeps none so old"
	}
	return words + " by " + by
}

// Counted writes a number with its noun, for nouns whose plural is not made with an s.
func Counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}
