package handover_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"buildbtw/notify"
)

// told is a channel of the server that notes what it is told.
type told struct {
	*fixture
	notifier *notify.Notifier

	mu    sync.Mutex
	turns []string
}

func newTold(f *fixture) *told {
	f.t.Helper()
	n := &told{fixture: f}
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var m notify.Message
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
			w.WriteHeader(http.StatusBadRequest)
		}
		n.mu.Lock()
		defer n.mu.Unlock()
		for _, turn := range m.Turns {
			n.turns = append(n.turns, m.Buildspace+" "+string(turn.Kind)+": "+turn.Words)
		}
	}))
	f.t.Cleanup(receiver.Close)
	secret := filepath.Join(f.dir, "secret")
	f.must(os.WriteFile(secret, []byte(notify.NewSecret()), 0o600))
	var err error
	n.notifier, err = notify.New(notify.Config{
		Store: f.DB.Store, Log: slog.New(slog.DiscardHandler), Now: f.DB.Clock.Now,
		Settings: notify.Settings{Channels: []string{"ops=webhook,url=" + receiver.URL + ",secret-file=" + secret}, ReadFile: os.ReadFile},
		Describe: func(context.Context, string) (notify.Standing, error) { return notify.Standing{}, nil },
	})
	f.must(err)
	return n
}

// since returns the turns that were told since the last call.
func (n *told) since() []string {
	n.t.Helper()
	for range 2 { // found, and told a minute later
		n.must(n.notifier.Pass(n.t.Context()))
		n.DB.Clock.Advance(time.Minute)
	}
	n.must(n.notifier.Pass(n.t.Context()))
	n.mu.Lock()
	defer n.mu.Unlock()
	turns := n.turns
	n.turns = nil
	return turns
}

// wants fails unless the turns of the buildspace since the last call begin so.
func (n *told) wants(what string, beginnings ...string) {
	n.t.Helper()
	turns := n.since()
	if len(turns) != len(beginnings) || !slices.EqualFunc(turns, beginnings, strings.HasPrefix) {
		n.t.Errorf("%s: told %q, want %q", what, turns, beginnings)
	}
}

func TestAReleaseAndItsWithdrawalAreToldOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.must(f.Advance(t.Context()))
	n := newTold(f)
	n.wants("built", "work done: #1 is all built.")
	row := f.release()
	n.wants("released", "work released: Release 1: ")
	n.wants("later")
	_, err := f.Withdraw(t.Context(), "bob", row.ID, false)
	f.must(err)
	n.wants("withdrawn", "work withdrawn: Release 1 to stable: withdrawn.")
	n.wants("later")
}

// What goes from one target to another is of no buildspace: nobody is told, and everything
// else still is.
func TestAMoveBetweenTargetsIsToldToNobody(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.restart(twoTargets()...)
	f.must(f.Advance(t.Context()))
	n := newTold(f)
	f.test()
	n.wants("released to testing", "work done", "work released: Release 1: ")
	row := f.beginMove()
	f.must(f.Advance(t.Context()))
	n.wants("moved")
	_, err := f.Withdraw(t.Context(), "bob", row.ID, false)
	f.must(err)
	n.wants("moved back")
	_, err = f.Withdraw(t.Context(), "bob", 1, false)
	f.must(err)
	n.wants("withdrawn", "work withdrawn: Release 1 to testing")
}
