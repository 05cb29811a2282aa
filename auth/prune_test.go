package auth_test

import (
	"testing"
	"time"

	"buildbtw"
	"buildbtw/auth"
)

// What has ended leaves the lists: sessions at once, tokens after a while, so that
// people see what ended.
func TestWhatHasEndedIsRemoved(t *testing.T) {
	t.Parallel()
	g := newGate(t)
	old := g.signIn(t, "")
	anna := g.operator(t)
	_, _, err := g.CreateToken(t.Context(), anna, auth.NewToken{Kind: buildbtw.KindBot, Name: "short", Life: time.Hour})
	must(t, err)
	_, _, err = g.CreateToken(t.Context(), anna, auth.NewToken{Kind: buildbtw.KindWorker, Name: "w1"})
	must(t, err)
	for _, step := range []struct {
		days             int
		sessions, tokens int
	}{{1, 1, 2}, {8, 0, 2}, {100, 0, 1}} {
		g.now = g.now.Add(time.Duration(step.days) * 24 * time.Hour)
		must(t, g.db.PruneAccess(t.Context()))
		sessions, err := g.db.Sessions(t.Context(), anna.ID)
		must(t, err)
		tokens, err := g.db.Tokens(t.Context(), 0)
		must(t, err)
		if len(sessions) != step.sessions || len(tokens) != step.tokens {
			t.Errorf("after %d days more: %d sessions and %d tokens, want %d and %d", step.days, len(sessions), len(tokens), step.sessions, step.tokens)
		}
	}
	if g.who(t, auth.Credentials{Session: old}).SignedIn() {
		t.Error("the old session is still good")
	}
}
