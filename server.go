package buildbtw

import (
	"net/url"
	"strings"
	"time"
)

// ServerSettings are the settings of the server that show in its answers.
type ServerSettings struct {
	ServerURL  string // as people and build machines reach it, without a trailing slash
	Version    string // of the server program
	SingleUser bool   // nobody signs in: whoever reaches the loopback listener may do everything

	Lease   time.Duration // an attempt is lost this long after its last heartbeat
	Timeout time.Duration // wall clock limit of an attempt; 0: none
	Stall   time.Duration // an attempt without output and CPU use for this long is stalled; 0: never

	WebhookSecret string // the secret that GitLab's webhooks present; empty: they are refused
}

// URL returns the full address of a path, whose parts it escapes.
func (s ServerSettings) URL(parts ...string) string {
	var b strings.Builder
	b.WriteString(s.ServerURL)
	for _, p := range parts {
		b.WriteString("/" + url.PathEscape(p))
	}
	return b.String()
}
