package srcinfo

import "fmt"

// ParseError is an error in a .SRCINFO file, with its place and reason.
type ParseError struct {
	Line   int    // counted from 1; 0 when the file as a whole is wrong
	Text   string // the line, without white space around it, cut when it is long
	Reason string // for people, lower case
}

func (e *ParseError) Error() string {
	switch {
	case e.Line == 0:
		return e.Reason
	case e.Text == "":
		return fmt.Sprintf("line %d: %s", e.Line, e.Reason)
	}
	return fmt.Sprintf("line %d: %s: %q", e.Line, e.Reason, e.Text)
}

// maxErrorText is how much of a wrong line an error repeats, in bytes.
const maxErrorText = 80

func lineError(line int, text, reason string) *ParseError {
	if len(text) > maxErrorText {
		text = text[:maxErrorText] + "…"
	}
	return &ParseError{Line: line, Text: text, Reason: reason}
}
