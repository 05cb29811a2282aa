package buildbtw

import (
	"cmp"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// ServerSettings are the settings of the server that show in its answers.
type ServerSettings struct {
	ServerURL  string // as people and build machines reach it, without a trailing slash
	WorkersURL string // as build machines reach their own listener; empty: there is none
	Version    string // of the server program
	SingleUser bool   // nobody but the user who runs the server can sign in

	AuthHeader         string // in which a trusted proxy names who is asking; empty: none does
	ClosedRepositories bool   // files of the pacman repositories need a token

	Lease   time.Duration // an attempt is lost this long after its last heartbeat
	Timeout time.Duration // wall clock limit of an attempt; 0: none
	Stall   time.Duration // an attempt without output and CPU use for this long is stalled; 0: never

	WebhookSecret string // the secret that GitLab's webhooks present; empty: they are refused
}

// URL returns the full address of a path, whose parts it escapes.
func (s ServerSettings) URL(parts ...string) string { return join(s.ServerURL, parts) }

// MachineURL returns the full address of a path as build machines reach it.
func (s ServerSettings) MachineURL(parts ...string) string {
	return join(cmp.Or(s.WorkersURL, s.ServerURL), parts)
}

func join(server string, parts []string) string {
	var b strings.Builder
	b.WriteString(server)
	for _, p := range parts {
		b.WriteString("/" + url.PathEscape(p))
	}
	return b.String()
}

// LoopState is how the passes of one of the server's loops went.
type LoopState struct {
	Name       string
	Error      string // of the last pass; empty when it succeeded
	Failed     int    // passes in a row that failed
	Panics     int    // of them, the last ones that panicked
	FailedEver int    // passes that failed since the server was started

	Period    time.Duration // between passes when nothing calls for one sooner
	Limit     time.Duration // a pass that takes longer hangs
	Began     time.Time     // the pass under way; zero while there is none
	Ended     time.Time     // the last pass; zero before the first
	Took      time.Duration // the last pass
	Succeeded time.Time     // end of the last pass without an error; zero before the first
}

// Lateness is how much later than its period a loop may begin a pass: it pauses for
// minutes after a panic.
const Lateness = 15 * time.Minute

// Hangs returns a sentence when the loop does not go on, and "" when it does, be it with
// errors, and before it has begun.
func (l LoopState) Hangs(now time.Time) string {
	switch {
	case !l.Began.IsZero() && now.Sub(l.Began) > l.Limit:
		return fmt.Sprintf("loop %s hangs: its pass has taken %s", l.Name, now.Sub(l.Began).Round(time.Second))
	case l.Began.IsZero() && !l.Ended.IsZero() && now.Sub(l.Ended) > 2*l.Period+Lateness:
		return fmt.Sprintf("loop %s has not begun a pass for %s", l.Name, now.Sub(l.Ended).Round(time.Second))
	}
	return ""
}
