package cli

import (
	"encoding/json"
	"fmt"
	"io"
)

// Checklist is what the command doctor of a program finds: a line per check, with what to do
// where one is not ok.
type Checklist struct {
	Out  io.Writer
	JSON bool // one document at the end instead of lines

	checks []checked
}

// checked is one line of the list.
type checked struct {
	What    string     `json:"check"`
	State   checkState `json:"state"`
	Message string     `json:"message,omitempty"`
}

// checkState is how a check went.
type checkState string

const (
	checkOK      checkState = "ok"
	checkNote    checkState = "note"    // nothing is to be done
	checkWarning checkState = "warning" // somebody should do something about it
	checkFailed  checkState = "failed"  // it will not work
)

// Report adds a check that is ok, or has failed with an error.
func (l *Checklist) Report(what string, err error) {
	if err != nil {
		l.add(checked{what, checkFailed, err.Error()})
		return
	}
	l.add(checked{What: what, State: checkOK})
}

// Warn adds something that somebody should do about a check that is ok otherwise.
func (l *Checklist) Warn(what, text string) { l.add(checked{what, checkWarning, text}) }

// Note adds what is worth knowing.
func (l *Checklist) Note(what, text string) { l.add(checked{what, checkNote, text}) }

func (l *Checklist) add(c checked) {
	l.checks = append(l.checks, c)
	if l.JSON {
		return
	}
	begin := map[checkState]string{checkOK: "ok   ", checkNote: "     ", checkWarning: "WARN ", checkFailed: "FAIL "}[c.State]
	if c.Message != "" {
		c.What += ": "
	}
	fmt.Fprintf(l.Out, "%s %s%s\n", begin, c.What, c.Message)
}

// End prints the document, if one was asked for. It returns ErrSilent when a check has
// failed: everything has been said.
func (l *Checklist) End() error {
	ok := true
	for _, c := range l.checks {
		ok = ok && c.State != checkFailed
	}
	if l.JSON {
		text := json.NewEncoder(l.Out)
		text.SetIndent("", "  ")
		err := text.Encode(struct {
			OK     bool      `json:"ok"`
			Checks []checked `json:"checks"`
		}{ok, l.checks})
		if err != nil {
			return err
		}
	}
	if !ok {
		return ErrSilent
	}
	return nil
}
