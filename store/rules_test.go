package store

import (
	"context"
	"strings"
	"testing"
	"time"

	"buildbtw"
)

// TestSQLHasTheRulesOfTheRoot compares rules that Go and SQL both need.
func TestSQLHasTheRulesOfTheRoot(t *testing.T) {
	t.Parallel()
	s := openTemp(t)
	ask := func(dst any, query string, values ...any) {
		t.Helper()
		if err := s.getText(t.Context(), dst, query, values...); err != nil {
			t.Fatal(err)
		}
	}
	for rank, p := range buildbtw.Priorities() {
		var got int
		ask(&got, `SELECT `+between(t, s, "best_pending", "CASE s.priority", "END")+` FROM (SELECT ? AS priority) AS s`, p)
		if got != rank {
			t.Errorf("priority %s ranks %d in SQL, %d in Go", p, got, rank)
		}
	}
	for _, status := range buildbtw.Statuses() {
		for _, cause := range append(causesOfTable(), "") {
			var got bool
			ask(&got, `SELECT `+between(t, s, "recount_waiting", "(d.status", "'unchanged')")+` FROM (SELECT ? AS status, ? AS skip_reason) AS d`, status, cause)
			if want := status.Satisfies(cause); (status == buildbtw.StatusSkipped) == (cause != "") && got != want {
				t.Errorf("a dependency that is %s (%s) is satisfied: %v in SQL, %v in Go", status, cause, got, want)
			}
		}
	}
}

// between returns a part of a statement, from one text to another.
func between(t *testing.T, s *Store, statement, first, last string) string {
	t.Helper()
	text := s.statements.texts[statement]
	_, part, found := strings.Cut(text, first)
	part, _, ends := strings.Cut(part, last)
	if !found || !ends {
		t.Fatalf("%s has nothing from %q to %q", statement, first, last)
	}
	return first + part + last
}

// TestPresenceInSQLIsThatOfTheRoot sets workers to the edges of the time within
// which they count as present.
func TestPresenceInSQLIsThatOfTheRoot(t *testing.T) {
	t.Parallel()
	s := openTemp(t)
	now := s.now()
	for _, seen := range []time.Duration{0, buildbtw.WorkerPresence - time.Microsecond, buildbtw.WorkerPresence, time.Hour} {
		w := buildbtw.Worker{Name: "w", Architectures: buildbtw.Names{"x86_64"}, Runners: buildbtw.Names{"fake"}, LastSeen: now.Add(-seen)}
		err := s.inTx(t.Context(), func(ctx context.Context, t *tx) error {
			_, err := t.exec(ctx, "add_worker", args{
				"name": w.Name, "architectures": w.Architectures, "runners": w.Runners, "labels": w.Labels, "version": "",
				"secret_hash": "", "instance": "", "address": "", "connected_at": w.LastSeen, "now": w.LastSeen,
			})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		n, err := s.Slots(t.Context(), []string{"x86_64"}, now.Add(-buildbtw.WorkerPresence))
		if err != nil || (n == 1) != w.Present(now) {
			t.Errorf("a worker seen %v ago: %d slots (%v), present in Go: %v", seen, n, err, w.Present(now))
		}
		if _, err := s.write.DB.ExecContext(t.Context(), `DELETE FROM workers`); err != nil {
			t.Fatal(err)
		}
	}
}
