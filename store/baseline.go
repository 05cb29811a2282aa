package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"buildbtw"
	"buildbtw/buildgraph"
)

// HiddenBuildspace is the name of the buildspace of the builds on the base alone, and of second builds. No other
// can have it: names of buildspaces begin with a letter or digit.
const HiddenBuildspace = "_base"

// BaselineCheck is how far a failed build has been compared with the base.
type BaselineCheck struct {
	BuildID       int64      `bun:"build_id"`
	Asked         bool       `bun:"asked"`          // by a person
	Again         int        `bun:"again"`          // number of the attempt that builds it once more; 0: it has not begun
	FailedAgain   bool       `bun:"failed_again"`   // so the base is next
	BaselineID    int64      `bun:"baseline_id"`    // 0: the base has not been looked at yet
	Message       string     `bun:"message"`        // why there will be no verdict
	At            time.Time  `bun:"at"`             // since when
	BaselineBuild int64      `bun:"baseline_build"` // the build on the base alone; 0: there is none yet
	BaseAt        *time.Time `bun:"base_at"`        // when the base was read
}

// BaselineCheck returns how far a build has been compared; false when it is not compared.
func (q *Reader) BaselineCheck(ctx context.Context, build int64) (c BaselineCheck, ok bool, err error) {
	err = q.get(ctx, &c, "comparison", args{"build": build})
	if errors.Is(err, sql.ErrNoRows) {
		return BaselineCheck{}, false, nil
	}
	if err != nil {
		return BaselineCheck{}, false, fmt.Errorf("load the comparison of build %d: %w", build, err)
	}
	return c, true, nil
}

// CompareBuild has a failed build compared with the base by a person's wish: before what is
// compared by itself. Asking again changes nothing, unless the comparison came to nothing.
func (s *Store) CompareBuild(ctx context.Context, actor string, id int64) (BuildRow, error) {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		row, err := t.buildRow(ctx, id)
		if err != nil {
			return err
		}
		if err := s.CanCompare(); err != nil {
			return err
		}
		if err := row.CanCompare(); err != nil {
			return err
		}
		if err := t.checkReady(ctx, row); err != nil {
			return err
		}
		t.note(Change{Builds: []int64{id}})
		if row.Verdict == buildbtw.VerdictInfrastructure {
			if err := t.setVerdict(ctx, id, buildbtw.VerdictNone); err != nil {
				return err
			}
		}
		_, err = t.exec(ctx, "ask_comparison", args{"build": id, "now": t.now})
		return err
	})
	if err != nil {
		return BuildRow{}, fmt.Errorf("compare build %d with the base for %s: %w", id, actor, err)
	}
	return s.Build(ctx, id)
}

// CanCompare returns nil when failed builds can be compared with the base here, and else why
// not.
func (s *Store) CanCompare() error {
	if s.opts.CanCompare {
		return nil
	}
	return buildbtw.Conflict("builds are made by pipelines of GitLab here; only workers build on the base alone")
}

// AddWhyNotCompared sets the reason for which there will be no verdict about a failed build
// when nothing is compared here.
func (s *Store) AddWhyNotCompared(row *BuildRow) {
	if s.CanCompare() != nil && row.Status == buildbtw.StatusFailed && row.Verdict == buildbtw.VerdictNone {
		row.NotCompared = "Builds are made by pipelines of GitLab here; only workers build on the base alone."
	}
}

// compare notes that a build failed by the package's own fault in an attempt.
func (t *tx) compare(ctx context.Context, a *buildbtw.Attempt) error {
	_, err := t.exec(ctx, "begin_comparison", args{
		"build": a.BuildID, "number": a.Number, "by_itself": t.opts.CanCompare && t.opts.Compare, "now": t.now,
	})
	if err != nil {
		return fmt.Errorf("begin to compare build %d: %w", a.BuildID, err)
	}
	return nil
}

// bestBaselineCheck returns the build that a worker may begin for a comparison, or 0: any when
// nothing else waits for the slot, else as long as comparisons have little.
func (t *tx) bestBaselineCheck(ctx context.Context, architectures []string, idle bool) (int64, error) {
	var best struct {
		ID     int64           `bun:"id"`
		Status buildbtw.Status `bun:"status"`
	}
	for {
		err := t.get(ctx, &best, "best_comparison", args{"architectures": textList(architectures), "now": t.now})
		if errors.Is(err, sql.ErrNoRows) {
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
		if !idle {
			var n struct {
				Comparing int `bun:"comparing"`
				Busy      int `bun:"busy"`
			}
			if err := t.get(ctx, &n, "count_comparing", nil); err != nil || !buildbtw.MayCompare(n.Comparing, n.Busy) {
				return 0, err
			}
		}
		if best.Status == buildbtw.StatusPending {
			return best.ID, nil
		}
		held, err := t.buildAgain(ctx, best.ID)
		if err != nil || !held {
			return best.ID, err
		}
	}
}

// buildAgain makes a failed build pending, in the transaction that hands it out: until then
// it is failed. It may be held instead, when the same was built elsewhere meanwhile.
func (t *tx) buildAgain(ctx context.Context, build int64) (held bool, err error) {
	if _, err := t.exec(ctx, "begin_again", args{"build": build}); err != nil {
		return false, err
	}
	again := retried(buildbtw.System)
	again.message = "Built once more, to see whether it fails again."
	if err := t.moveOne(ctx, build, again); err != nil {
		return false, err
	}
	b, err := t.build(ctx, build)
	return b.Held != buildbtw.HoldNone, err
}

// passedAgain reports whether an attempt that ended well makes its build flaky: it was the
// one that built a failed build once more.
func (t *tx) passedAgain(ctx context.Context, a *buildbtw.Attempt) (flaky bool, err error) {
	err = t.get(ctx, &flaky, "passed_again", args{"build": a.BuildID, "number": a.Number})
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return flaky, err
}

func (t *tx) setVerdict(ctx context.Context, build int64, v buildbtw.Verdict) error {
	_, err := t.exec(ctx, "set_verdict", args{"build": build, "verdict": v})
	return err
}

// Baseline is the same commit as that of a failed build, as it is built on the base alone.
type Baseline struct {
	Failed  int64  // id of the failed build
	Commit  string // of the source
	Version string // that the source says
	Key     string // digest of the base's packages that it is built with
}

// BaselinesWanted lists builds that have failed twice and are to be built on the base alone,
// first those that a person asked for.
func (q *Reader) BaselinesWanted(ctx context.Context) (rows []BuildRow, err error) {
	const most = 100 // in one pass
	var ids []int64
	if err = q.list(ctx, &ids, "baseline_wanted", args{"limit": most}); err == nil {
		rows, err = q.buildRows(ctx, ids)
	}
	if err != nil {
		return nil, fmt.Errorf("list the builds to be compared with the base: %w", err)
	}
	return rows, nil
}

// StartBaseline compares a failed build with the same commit on the base alone: with the
// result of an earlier build of that, in any buildspace, with the one that is under way, or
// with a new one. It changes nothing when the failed build is not to be compared any more.
func (s *Store) StartBaseline(ctx context.Context, n Baseline) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		row, err := t.buildRow(ctx, n.Failed)
		if err != nil || row.Status != buildbtw.StatusFailed || row.Verdict != buildbtw.VerdictNone {
			return err
		}
		var l struct {
			ID    int64 `bun:"id"`
			Build int64 `bun:"build_id"`
		}
		err = t.get(ctx, &l, "baseline", args{"commit": n.Commit, "architecture": row.Architecture, "base_key": n.Key})
		known := err == nil
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if known {
			b, err := t.build(ctx, l.Build)
			if err != nil {
				return err
			}
			known = b.Status != buildbtw.StatusSkipped && b.Verdict == buildbtw.VerdictNone
		}
		if !known {
			if l.Build, err = t.insertBaseline(ctx, row, n); err != nil {
				return err
			}
			err := t.get(ctx, &l.ID, "save_baseline", args{
				"commit": n.Commit, "architecture": row.Architecture, "base_key": n.Key, "now": t.now, "build": l.Build,
			})
			if err != nil {
				return err
			}
			if _, err := t.exec(ctx, "mark_baseline", args{"baseline": l.ID, "build": l.Build}); err != nil {
				return err
			}
		}
		if _, err := t.exec(ctx, "compare_with", args{"build": n.Failed, "baseline": l.ID}); err != nil {
			return err
		}
		t.note(Change{Builds: []int64{n.Failed, l.Build}})
		return t.judge(ctx, []int64{l.Build}, change{})
	})
	if err != nil {
		return fmt.Errorf("build %d on the base alone: %w", n.Failed, err)
	}
	return nil
}

// insertBaseline writes the build on the base alone, in an iteration of its own, and returns
// its id.
func (t *tx) insertBaseline(ctx context.Context, failed BuildRow, n Baseline) (int64, error) {
	return t.insertHidden(ctx, failed, buildgraph.Build{
		Pkgbase: failed.Pkgbase, Source: failed.Source, Commit: n.Commit, Version: n.Version, Pkgnames: failed.Pkgnames,
		Stage: 1, Priority: failed.Priority, Reason: buildbtw.Reason{Kind: buildbtw.ReasonAdded},
	}, fmt.Sprintf("%s of %s #%d failed, and is compared with the base.", failed.Pkgbase, failed.Buildspace, failed.Iteration))
}

// insertHidden writes a build that another one is compared with, in an iteration of its own of
// the hidden buildspace, and returns its id.
func (t *tx) insertHidden(ctx context.Context, of BuildRow, b buildgraph.Build, reason string) (int64, error) {
	var space int64
	if err := t.get(ctx, &space, "hidden_buildspace", args{"name": HiddenBuildspace, "actor": buildbtw.System, "now": t.now}); err != nil {
		return 0, err
	}
	next := NewIteration{
		BuildspaceID: space, Reason: buildbtw.IterationRequested, ReasonText: reason,
		Plan: &buildgraph.Plan{Architectures: map[string]*buildgraph.ArchPlan{of.Architecture: {Builds: []buildgraph.Build{b}}}},
	}
	it, err := t.insertIteration(ctx, next)
	if err != nil {
		return 0, err
	}
	var id int64
	if err := t.get(ctx, &id, "next_build_id", nil); err != nil {
		return 0, err
	}
	return id, t.insertGraph(ctx, it, next, buildbtw.Settings{})
}

// judge ends what waits for builds on the base alone that have come to their end by a
// change. One that a person cancelled is not begun anew before somebody asks for it.
func (t *tx) judge(ctx context.Context, builds []int64, c change) error {
	var ended []struct {
		buildbtw.Build
		NotChecked buildbtw.Names `bun:"not_checked"`
	}
	if err := t.list(ctx, &ended, "ended_baselines", args{"builds": idList(builds)}); err != nil {
		return fmt.Errorf("find builds on the base that have ended: %w", err)
	}
	for _, b := range ended {
		if _, err := t.exec(ctx, "end_baseline_iteration", args{"iteration": b.IterationID}); err != nil {
			return err
		}
		verdict, why := buildbtw.BaselineVerdict(b.Build), ""
		switch {
		case b.Status == buildbtw.StatusSkipped && c.cause != buildbtw.CauseCancelled:
			continue // who needs it again builds it again
		case b.Status == buildbtw.StatusSkipped:
			why = "The comparison with the base was cancelled by " + c.actor + "."
		case verdict == buildbtw.VerdictNone:
			why = "The base could not be tried. " + c.message
		case verdict == buildbtw.VerdictBroken && len(b.NotChecked) > 0:
			// It failed without packages that the base may have.
			verdict, why = buildbtw.VerdictNone, "The machine has no "+strings.Join(b.NotChecked, ", ")+" without this change, so its failure there tells nothing."
		}
		statement, values := "judge", args{"baseline": b.BaselineID, "verdict": verdict}
		if verdict == buildbtw.VerdictNone {
			statement, values = "give_up_comparisons", args{"baseline": b.BaselineID, "message": why}
		}
		var judged []int64
		if err := t.list(ctx, &judged, statement, values); err != nil {
			return fmt.Errorf("judge what waits for build %d: %w", b.ID, err)
		}
		if len(judged) > 0 {
			t.changed.add(Change{Builds: judged})
		}
	}
	return nil
}

// GiveUpBaselineCheck ends the comparison of a build that cannot be compared, with the reason
// for people.
func (s *Store) GiveUpBaselineCheck(ctx context.Context, build int64, why string) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		t.note(Change{Builds: []int64{build}})
		_, err := t.exec(ctx, "give_up_comparison", args{"build": build, "message": why})
		return err
	})
	if err != nil {
		return fmt.Errorf("give up to compare build %d: %w", build, err)
	}
	return nil
}

// EndUnneeded ends builds on the base alone that no failed build is compared with any more:
// it is built, or its buildspace was stopped or went on. It returns how many.
func (s *Store) EndUnneeded(ctx context.Context) (n int, err error) {
	var unneeded []int64
	if err := s.list(ctx, &unneeded, "unneeded_baselines", nil); err != nil || len(unneeded) == 0 {
		return 0, err
	}
	err = s.inTx(ctx, func(ctx context.Context, t *tx) error {
		unneeded = nil
		if err := t.list(ctx, &unneeded, "unneeded_baselines", nil); err != nil {
			return err
		}
		ids, err := t.skip(ctx, unneeded, change{cause: buildbtw.CauseStopped, actor: buildbtw.System, message: "Nothing is compared with it any more."})
		n = len(ids)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("end builds on the base that nobody needs: %w", err)
	}
	return n, nil
}

// FailedOf returns the builds that the events are about and that have failed, by id.
func (q *Reader) FailedOf(ctx context.Context, events []EventRow) (map[int64]BuildRow, error) {
	var ids []int64
	for _, e := range events {
		if e.BuildID != 0 && e.To == buildbtw.StatusFailed {
			ids = append(ids, e.BuildID)
		}
	}
	rows, err := q.buildRows(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("load the failed builds of %d events: %w", len(events), err)
	}
	failed := map[int64]BuildRow{}
	for _, r := range rows {
		if r.Status == buildbtw.StatusFailed {
			failed[r.ID] = r
		}
	}
	return failed, nil
}

// Verdicts counts the failed builds of iterations by their verdicts, and the built ones that
// are flaky.
func (q *Reader) Verdicts(ctx context.Context, iterations ...int64) (map[int64]map[buildbtw.Verdict]int, error) {
	var rows []struct {
		Iteration int64            `bun:"iteration_id"`
		Verdict   buildbtw.Verdict `bun:"verdict"`
		Builds    int              `bun:"builds"`
	}
	if err := q.list(ctx, &rows, "count_verdicts", args{"iterations": idList(iterations)}); err != nil {
		return nil, fmt.Errorf("count verdicts: %w", err)
	}
	counts := map[int64]map[buildbtw.Verdict]int{}
	for _, r := range rows {
		if counts[r.Iteration] == nil {
			counts[r.Iteration] = map[buildbtw.Verdict]int{}
		}
		counts[r.Iteration][r.Verdict] += r.Builds
	}
	return counts, nil
}
