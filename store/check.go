package store

import (
	"context"
	"encoding/json"
	"fmt"

	"buildbtw"
	"buildbtw/release/check"
)

// CheckResult is the result of a check of a build.
type CheckResult struct {
	BuildID int64         `bun:"build_id"`
	View    string        `bun:"view"` // see Comparison
	Kind    check.Kind    `bun:"kind"`
	Outcome check.Outcome `bun:"outcome"`
	Detail  string        `bun:"detail"` // the lines, as JSON
}

// finding returns the result with its lines.
func (r CheckResult) finding() (check.Finding, error) {
	f := check.Finding{Kind: r.Kind, Outcome: r.Outcome}
	if err := json.Unmarshal([]byte(r.Detail), &f.Lines); err != nil {
		return f, fmt.Errorf("the check %s of build %d: %w", r.Kind, r.BuildID, err)
	}
	return f, nil
}

// CheckedBuild is a row of what a build was compared with.
type CheckedBuild struct {
	BuildID int64  `bun:"build_id"`
	View    string `bun:"view"`
	Before  string `bun:"before"` // check.Predecessors, as JSON
	Stale   bool   `bun:"stale"`
}

// comparison returns the row without findings.
func (b CheckedBuild) comparison() (Comparison, error) {
	c := Comparison{BuildID: b.BuildID, View: b.View, Stale: b.Stale}
	if err := json.Unmarshal([]byte(b.Before), &c.Before); err != nil {
		return c, fmt.Errorf("what build %d was compared with: %w", b.BuildID, err)
	}
	return c, nil
}

// Comparison is a build as it was compared with what the users of a target have.
type Comparison struct {
	BuildID  int64
	View     string             // the target; empty: the base repositories alone
	Before   check.Predecessors // nil for results of before servers had views
	Stale    bool               // its users have others by now
	Findings []check.Finding    // in the order of check.Kinds
}

// UncheckedBuilds returns builds for an architecture that are built and were not compared with what
// the users of a view have now: at most so many, the newest first, of the iteration with this
// id, or of all that nothing takes the place of when it is 0.
func (q *Reader) UncheckedBuilds(ctx context.Context, view string, iteration int64, architecture string, limit int) ([]BuildRow, error) {
	var rows []BuildRow
	err := q.Snapshot(ctx, func(q *Reader) error {
		var ids []int64
		if err := q.list(ctx, &ids, "unchecked_builds", args{"view": view, "iteration": iteration, "architecture": architecture, "limit": limit}); err != nil {
			return err
		}
		var err error
		rows, err = q.buildsWithID(ctx, ids)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list builds without checks: %w", err)
	}
	return rows, nil
}

// ExistingBuilds returns the builds with these ids that there are.
func (q *Reader) ExistingBuilds(ctx context.Context, ids []int64) ([]BuildRow, error) {
	rows, err := q.buildRows(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("load %d builds: %w", len(ids), err)
	}
	return rows, nil
}

// CheckedInView returns what builds for an architecture were compared with in a view, without
// those that are stale, and without findings.
func (q *Reader) CheckedInView(ctx context.Context, view, architecture string) ([]Comparison, error) {
	list, err := q.comparisons(ctx, "checked_in_view", args{"view": view, "architecture": architecture})
	if err != nil {
		return nil, fmt.Errorf("list what was checked for %q: %w", view, err)
	}
	return list, nil
}

func (q *Reader) comparisons(ctx context.Context, statement string, a args) ([]Comparison, error) {
	var rows []CheckedBuild
	if err := q.list(ctx, &rows, statement, a); err != nil {
		return nil, err
	}
	list := make([]Comparison, len(rows))
	for i, r := range rows {
		var err error
		if list[i], err = r.comparison(); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// ChecksAreStale notes that the users of a view have other packages than those that builds were
// compared with. The builds count as not checked then.
func (s *Store) ChecksAreStale(ctx context.Context, view string, builds []int64) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, "checks_are_stale", args{"view": view, "builds": idList(builds)})
		return err
	})
	if err != nil {
		return fmt.Errorf("note that %d builds are to be checked again: %w", len(builds), err)
	}
	return nil
}

// SaveChecks stores how a build compares with what the users of a view have, in the place of what
// was stored for that view, unless its packages are not those any more that were looked at.
func (s *Store) SaveChecks(ctx context.Context, b BuildRow, c Comparison) error {
	before, err := json.Marshal(c.Before)
	if err != nil {
		return fmt.Errorf("store the checks of build %d: %w", b.ID, err)
	}
	err = s.inTx(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, "save_comparison", args{"build": b.ID, "view": c.View, "digest": b.OutputDigest, "before": string(before)})
		if err != nil || n == 0 {
			return err
		}
		if _, err := t.exec(ctx, "forget_results", args{"build": b.ID, "view": c.View}); err != nil {
			return err
		}
		for _, f := range c.Findings {
			lines := f.Lines
			if lines == nil {
				lines = []string{}
			}
			if _, err := t.exec(ctx, "save_check", args{"build": b.ID, "view": c.View, "kind": f.Kind, "outcome": f.Outcome, "detail": textList(lines)}); err != nil {
				return err
			}
		}
		t.changed.add(Change{Builds: []int64{b.ID}})
		return nil
	})
	if err != nil {
		return fmt.Errorf("store the checks of build %d: %w", b.ID, err)
	}
	return nil
}

// Checks returns how builds compare with what the users of each view have, by build, sorted by
// view. Builds without results are not among them.
func (q *Reader) Checks(ctx context.Context, builds []int64) (map[int64][]Comparison, error) {
	all := map[int64][]Comparison{}
	err := q.Snapshot(ctx, func(q *Reader) error {
		var rows []CheckResult
		if err := q.list(ctx, &rows, "check_results", args{"builds": idList(builds)}); err != nil {
			return err
		}
		compared, err := q.comparisons(ctx, "comparisons_of", args{"builds": idList(builds)})
		if err != nil {
			return err
		}
		type key struct {
			build int64
			view  string
		}
		by, known := map[key]map[check.Kind]check.Finding{}, map[key]Comparison{}
		for _, c := range compared {
			known[key{c.BuildID, c.View}] = c
		}
		var order []key // the rows are sorted
		for _, r := range rows {
			f, err := r.finding()
			if err != nil {
				return err
			}
			k := key{r.BuildID, r.View}
			if by[k] == nil {
				by[k] = map[check.Kind]check.Finding{}
				order = append(order, k)
			}
			by[k][r.Kind] = f
		}
		for _, k := range order {
			c, ok := known[k]
			if !ok {
				c = Comparison{BuildID: k.build, View: k.view, Stale: true}
			}
			for _, kind := range check.Kinds() {
				if f, ok := by[k][kind]; ok {
					c.Findings = append(c.Findings, f)
				}
			}
			all[k.build] = append(all[k.build], c)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("load the checks of %d builds: %w", len(builds), err)
	}
	return all, nil
}

// NoteNamcap stores what namcap wrote about the packages of a running attempt, a line each. It
// changes nothing when the attempt is not running any more.
func (s *Store) NoteNamcap(ctx context.Context, lease string, lines []string) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		a, err := t.attempt(ctx, lease)
		if err != nil || a.State != buildbtw.AttemptRunning {
			return err
		}
		_, err = t.exec(ctx, "note_namcap", args{"attempt": a.ID, "lines": textList(lines)})
		return err
	})
	if err != nil {
		return fmt.Errorf("store what namcap wrote: %w", err)
	}
	return nil
}

// NamcapReport is what namcap wrote about the packages of a build.
type NamcapReport struct {
	BuildID int64  `bun:"build_id"`
	Lines   string `bun:"lines"` // as JSON
}

// NamcapReports returns, by build, what namcap wrote about its packages where they were built.
// Builds of machines without it are not among them.
func (q *Reader) NamcapReports(ctx context.Context, builds []int64) (map[int64][]string, error) {
	var rows []NamcapReport
	if err := q.list(ctx, &rows, "namcap_reports", args{"builds": idList(builds)}); err != nil {
		return nil, fmt.Errorf("load what namcap wrote about %d builds: %w", len(builds), err)
	}
	by := make(map[int64][]string, len(rows))
	for _, r := range rows {
		lines := []string{}
		if err := json.Unmarshal([]byte(r.Lines), &lines); err != nil {
			return nil, fmt.Errorf("what namcap wrote about build %d: %w", r.BuildID, err)
		}
		by[r.BuildID] = lines
	}
	return by, nil
}
