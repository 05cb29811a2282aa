package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"buildbtw"
	"buildbtw/buildgraph"
)

// Repeat is what is known of the second build of a build's packages.
type Repeat struct {
	BuildID      int64                 `bun:"build_id"` // that has the packages
	FirstID      int64                 `bun:"first_id"` // that made them first
	SecondID     int64                 `bun:"second_id"`
	Result       buildbtw.RepeatResult `bun:"result"`
	Detail       string                `bun:"detail"` // the lines, as JSON
	At           time.Time             `bun:"at"`     // of the result, or when the second build was asked for
	FirstWorker  string                `bun:"first_worker"`
	SecondWorker string                `bun:"second_worker"` // empty before it has begun

	Lines []string `bun:"-"` // what differs, or why it cannot be said
}

// Repeats returns what is known of second builds of the packages of builds, by build. Builds of
// which there was none are not in it.
func (q *Reader) Repeats(ctx context.Context, builds []int64) (map[int64]Repeat, error) {
	var rows []Repeat
	if err := q.list(ctx, &rows, "repeats_of_builds", args{"builds": idList(builds)}); err != nil {
		return nil, fmt.Errorf("load the second builds of %d builds: %w", len(builds), err)
	}
	by := make(map[int64]Repeat, len(rows))
	for _, r := range rows { // the newest result last
		if err := json.Unmarshal([]byte(r.Detail), &r.Lines); err != nil {
			return nil, fmt.Errorf("the second build of build %d: %w", r.FirstID, err)
		}
		by[r.BuildID] = r
	}
	return by, nil
}

// BeginRepeats has what was built lately built a second time when nothing else is to be done, the
// newest first, and returns of how many builds. It does nothing unless Options.Reproduce is set.
func (s *Store) BeginRepeats(ctx context.Context) (n int, err error) {
	if !s.opts.Reproduce || !s.opts.CanCompare {
		return 0, nil
	}
	found, err := s.repeatable(ctx, s.queries)
	if err != nil || len(found) == 0 {
		return 0, err
	}
	err = s.inTx(ctx, func(ctx context.Context, t *tx) error {
		n = 0
		found, err := s.repeatable(ctx, t.queries)
		if err != nil {
			return err
		}
		for _, id := range found {
			if err := t.repeat(ctx, id); err != nil {
				return err
			}
			n++
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("begin second builds: %w", err)
	}
	return n, nil
}

// repeatable returns the builds of which a second one may be begun now.
func (s *Store) repeatable(ctx context.Context, q queries) (ids []int64, err error) {
	var waits bool
	var open int
	if err := q.get(ctx, &open, "open_repeats", nil); err != nil || open >= buildbtw.OpenRepeats {
		return nil, err
	}
	if err := q.get(ctx, &waits, "anything_waits", args{"now": s.now()}); err != nil || waits {
		return nil, err
	}
	err = q.list(ctx, &ids, "repeatable_builds", args{"after": s.now().Add(-buildbtw.RepeatAge), "limit": buildbtw.OpenRepeats - open})
	return ids, err
}

// repeat writes the second build of a built one, in an iteration of its own.
func (t *tx) repeat(ctx context.Context, first int64) error {
	row, err := t.buildRow(ctx, first)
	if err != nil {
		return err
	}
	second, err := t.insertHidden(ctx, row, buildgraph.Build{
		Pkgbase: row.Pkgbase, Source: row.Source, Commit: row.Commit, Version: row.Version, Pkgnames: row.Pkgnames,
		Stage: row.Stage, NoCheck: row.NoCheck, NotOwned: row.NotOwned, Reason: buildbtw.Reason{Kind: buildbtw.ReasonAdded},
	}, fmt.Sprintf("%s of %s #%d is built a second time.", row.Pkgbase, row.Buildspace, row.Iteration))
	if err != nil {
		return err
	}
	for _, statement := range []string{"mark_repeat", "save_repeat"} {
		_, err := t.exec(ctx, statement, args{"first": first, "second": second, "input_key": row.InputKey, "output": row.OutputDigest, "now": t.now})
		if err != nil {
			return err
		}
	}
	t.note(Change{Builds: []int64{first, second}})
	return nil
}

// bestRepeat returns the second build that an idle worker may begin; 0 when there is none. A
// worker that waits while another one of its kind, which made the first build, has looked
// in vain, looks again when it asks the next time.
func (t *tx) bestRepeat(ctx context.Context, c Claim) (id int64, err error) {
	if !t.opts.Reproduce {
		return 0, nil
	}
	err = t.get(ctx, &id, "best_repeat", args{
		"architectures": textList(c.Worker.Architectures), "now": t.now, "runner": c.Runner, "worker": c.Worker.Name, "lately": t.now.Add(-buildbtw.WorkerPresence),
	})
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return id, err
}

// EndRepeats ends second builds that run while other builds have waited for a worker for a while,
// that no worker took for long, and whose first build is not there any more. It returns how many.
func (s *Store) EndRepeats(ctx context.Context) (n int, err error) {
	most := s.opts.MaxRunning
	if most == 0 {
		most = math.MaxInt32
	}
	values := args{"since": s.now().Add(-buildbtw.RepeatYields), "before": s.now().Add(-buildbtw.RepeatWait), "most_running": most}
	for _, end := range []struct{ statement, message string }{
		{"repeats_in_the_way", "Stopped for builds that wait for a worker."},
		{"unneeded_repeats", "No worker was idle for it, or what it is compared with is not there any more."},
	} {
		var ids []int64
		if err := s.list(ctx, &ids, end.statement, values); err != nil {
			return n, fmt.Errorf("find second builds to end: %w", err)
		}
		if len(ids) == 0 {
			continue
		}
		err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
			ids = nil
			if err := t.list(ctx, &ids, end.statement, values); err != nil {
				return err
			}
			ended, err := t.skip(ctx, ids, change{cause: buildbtw.CauseStopped, actor: buildbtw.System, message: end.message})
			n += len(ended)
			return err
		})
		if err != nil {
			return n, fmt.Errorf("end second builds: %w", err)
		}
	}
	return n, nil
}

// endRepeats ends the iterations of second builds that have come to their end by a change, and
// keeps why nothing can be said of those that were not built.
func (t *tx) endRepeats(ctx context.Context, builds []int64, c change) error {
	var ended []buildbtw.Build
	if err := t.list(ctx, &ended, "ended_repeats", args{"builds": idList(builds)}); err != nil {
		return fmt.Errorf("find second builds that have ended: %w", err)
	}
	for _, b := range ended {
		if _, err := t.exec(ctx, "end_baseline_iteration", args{"iteration": b.IterationID}); err != nil {
			return err
		}
		statement, why := "end_repeat", "The second build failed. "+c.message
		switch {
		case b.Status == buildbtw.StatusBuilt:
			continue // CompleteRepeat says what came of it
		case b.Status == buildbtw.StatusSkipped && c.cause == buildbtw.CauseStopped:
			statement, why = "stop_repeat", fmt.Sprintf("The second build was stopped %d times before its end. %s", buildbtw.RepeatStops, c.message)
		case b.Status == buildbtw.StatusSkipped:
			why = "The second build was cancelled by " + c.actor + "."
		}
		_, err := t.exec(ctx, statement, args{
			"second": b.ID, "result": buildbtw.RepeatFailed, "detail": textList([]string{why}), "most": buildbtw.RepeatStops, "now": t.now,
		})
		if err != nil {
			return fmt.Errorf("end the second build %d: %w", b.ID, err)
		}
		t.changed.add(Change{Builds: []int64{b.RepeatOf}})
	}
	return nil
}

// RepeatSides are the two builds that a comparison is between.
type RepeatSides struct {
	First    BuildRow
	Packages []buildbtw.Package // published ones of the first, by file name
	Changes  []InstalledChange  // of what was installed, from the first to the second; nil unless both are recorded
}

// RepeatSides returns what the packages of a second build are compared with; false when that is
// not there any more, or nobody waits for the result.
func (q *Reader) RepeatSides(ctx context.Context, second int64) (sides RepeatSides, ok bool, err error) {
	err = q.Snapshot(ctx, func(q *Reader) error {
		var r struct {
			First           int64  `bun:"first_id"`
			Output          string `bun:"output_digest"`
			FirstInstalled  int64  `bun:"first_installed"`
			SecondInstalled int64  `bun:"second_installed"`
		}
		if err := q.get(ctx, &r, "repeat_of_second", args{"second": second}); err != nil {
			return err
		}
		if sides.First, err = q.Build(ctx, r.First); err != nil {
			return err
		}
		ok = sides.First.Status == buildbtw.StatusBuilt && sides.First.OutputDigest == r.Output
		if sides.Changes, err = q.installedChanges(ctx, r.FirstInstalled, r.SecondInstalled); err != nil {
			return err
		}
		return q.list(ctx, &sides.Packages, "packages_of_build", args{"build": r.First})
	})
	if errors.Is(err, sql.ErrNoRows) || buildbtw.KindOf(err) == buildbtw.KindNotFound {
		return RepeatSides{}, false, nil
	}
	if err != nil {
		return RepeatSides{}, false, fmt.Errorf("load what build %d is compared with: %w", second, err)
	}
	return sides, ok, nil
}

// CompleteRepeat ends an attempt that built something a second time, with what came of the comparison:
// lines about what differs, or why nothing can be said. Nothing is published. Doing it again changes nothing.
func (s *Store) CompleteRepeat(ctx context.Context, attemptID int64, result buildbtw.RepeatResult, lines []string) (buildbtw.Status, error) {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		a, err := t.publishing(ctx, attemptID)
		if err != nil || a.State == buildbtw.AttemptFinished && a.Outcome == buildbtw.OutcomeBuilt {
			return err
		}
		if a.State != buildbtw.AttemptPublishing {
			return buildbtw.Conflict("attempt %d is %s, and not compared", a.ID, a.State)
		}
		p, err := t.loadPublishing(ctx, a)
		if err != nil {
			return err
		}
		if lines == nil {
			lines = []string{}
		}
		if _, err := t.exec(ctx, "end_repeat", args{"second": a.BuildID, "result": result, "detail": textList(lines), "now": t.now}); err != nil {
			return err
		}
		t.note(Change{Builds: []int64{p.Build.RepeatOf}})
		err = t.moveOne(ctx, a.BuildID, change{
			to: buildbtw.StatusBuilt, cause: buildbtw.CauseFinished, actor: a.Worker,
			message: "Built a second time and compared; its packages are not published.",
			set:     []string{"finished_at = :now", "retries = 0", "output_digest = :output"},
			args:    args{"output": outputDigest(p.Build.published(p.Files))},
		})
		if err != nil {
			return err
		}
		return t.finishAttempt(ctx, a, ending{outcome: buildbtw.OutcomeBuilt}, buildbtw.StatusBuilt)
	})
	if err != nil {
		return "", fmt.Errorf("complete the second build of attempt %d: %w", attemptID, err)
	}
	return buildbtw.StatusBuilt, nil
}

// RepeatKept is how long a second build and its log stay after its end.
const RepeatKept = 30 * 24 * time.Hour

// RemoveRepeats marks second builds that ended long ago, a few at a time, for the retention to
// remove their rows and logs. What was found of the first ones stays.
func (s *Store) RemoveRepeats(ctx context.Context) error {
	const most = 100
	find := func(ctx context.Context, q queries) (iterations []int64, err error) {
		now := s.now()
		err = q.list(ctx, &iterations, "old_repeats", args{"before": now.Add(-RepeatKept), "now": now, "limit": most})
		return iterations, err
	}
	iterations, err := find(ctx, s.queries)
	if err == nil && len(iterations) > 0 {
		err = s.inTx(ctx, func(ctx context.Context, t *tx) error {
			iterations, err := find(ctx, t.queries)
			if err != nil {
				return err
			}
			var into int64
			if err := t.get(ctx, &into, "hidden_buildspace", args{"name": RemovedBuildspace, "actor": buildbtw.System, "now": t.now}); err != nil {
				return err
			}
			a := args{"iterations": idList(iterations), "into": into, "now": t.now}
			for _, statement := range []string{"forget_seconds", "delete_baselines"} {
				if _, err := t.exec(ctx, statement, a); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("remove old second builds: %w", err)
	}
	return nil
}
