package notify

import (
	"fmt"
	"strings"
	"time"

	"buildbtw"
	"buildbtw/store"
)

// Message is what followers of a buildspace are told at once. It is stored as JSON, so that
// every try sends the same, and is the body of webhooks.
type Message struct {
	ID         string       `json:"id"`   // the same in every try, different for each channel
	Type       string       `json:"type"` // MessageTurn or MessageTest
	At         time.Time    `json:"timestamp"`
	Buildspace string       `json:"buildspace,omitempty"`
	Iteration  int          `json:"iteration,omitempty"` // the latest one
	Turns      []TurnWords  `json:"turns,omitempty"`
	Subject    string       `json:"subject"`
	Summary    string       `json:"summary,omitempty"` // how the latest iteration stands, in a sentence
	Cause      *Description `json:"cause,omitempty"`   // what stops most, if anything does
	URL        string       `json:"url"`               // of the buildspace's page
}

// The types of messages.
const (
	MessageTurn = "buildspace.turn"
	MessageTest = "test"

	messageCode = "code" // confirms an address; it is never stored
)

// TurnWords is a turn as a message tells it.
type TurnWords struct {
	Kind      buildbtw.TurnKind `json:"kind"`
	Iteration int               `json:"iteration"`
	At        time.Time         `json:"at"`
	Words     string            `json:"words"`
}

// Description is something with its page, in words.
type Description struct {
	Words string `json:"words"`
	URL   string `json:"url"`
}

// Standing is how a buildspace stands, in the words of its page.
type Standing struct {
	Iteration int // number of the latest
	Summary   string
	Cause     *Description // the root cause that blocks most; nil when none does
	URL       string
}

// newMessage composes a message about turns of one buildspace.
func newMessage(turns []store.TurnRow, s Standing, patience time.Duration) Message {
	m := Message{
		Type: MessageTurn, At: turns[len(turns)-1].At.UTC(), Buildspace: turns[0].Buildspace, Iteration: s.Iteration,
		Summary: s.Summary, Cause: s.Cause, URL: s.URL,
	}
	var short []string
	for _, t := range turns {
		m.Turns = append(m.Turns, TurnWords{Kind: t.Kind, Iteration: t.Iteration, At: t.At.UTC(), Words: turnWords(t, patience)})
		words := shortWords(t.Kind)
		if t.Iteration != turns[0].Iteration {
			words = fmt.Sprintf("#%d %s", t.Iteration, words)
		}
		short = append(short, words)
	}
	m.Subject = fmt.Sprintf("%s #%d: %s", m.Buildspace, turns[0].Iteration, strings.Join(short, ", "))
	return m
}

// turnWords tells a turn in a sentence.
func turnWords(t store.TurnRow, patience time.Duration) string {
	switch t.Kind {
	case buildbtw.TurnFailed:
		return fmt.Sprintf("The first build of #%d failed.", t.Iteration)
	case buildbtw.TurnBlocked:
		return fmt.Sprintf("Nothing of #%d has been able to go on for %s.", t.Iteration, hours(patience))
	case buildbtw.TurnDone:
		return fmt.Sprintf("#%d is all built.", t.Iteration)
	}
	return t.Words
}

func shortWords(kind buildbtw.TurnKind) string {
	switch kind {
	case buildbtw.TurnFailed:
		return "first failure"
	case buildbtw.TurnDone:
		return "all built"
	case buildbtw.TurnWithdrawn:
		return "release withdrawn"
	}
	return string(kind)
}

func hours(d time.Duration) string {
	switch {
	case d == time.Hour:
		return "an hour"
	case d >= time.Hour && d%time.Hour == 0:
		return fmt.Sprintf("%d hours", d/time.Hour)
	}
	return d.String()
}

// Text is the message as plain text, with lines of any length.
func (m Message) Text() string {
	var b strings.Builder
	if m.Type == MessageTest {
		b.WriteString("This is a test: messages of buildbtw arrive here.\n")
	}
	for _, t := range m.Turns {
		fmt.Fprintln(&b, t.Words)
	}
	if m.Type == messageCode {
		return m.Summary + "\n"
	}
	if m.Summary != "" {
		fmt.Fprintf(&b, "\nIteration #%d: %s\n", m.Iteration, m.Summary)
	}
	if m.Cause != nil {
		fmt.Fprintf(&b, "\n%s\n%s\n", m.Cause.Words, m.Cause.URL)
	}
	fmt.Fprintf(&b, "\n%s\n", m.URL)
	return b.String()
}
