package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"buildbtw"
)

// change is one way through the transition table, with what else it writes.
type change struct {
	to      buildbtw.Status
	cause   buildbtw.Cause
	only    []buildbtw.Status // from these alone; from all that the table allows when nil
	actor   string
	message string
	set     []string // further columns of the build, with :now and the names of args
	args    args

	// keys is a JSON array of the builds' ids, input keys and runtime inputs, which
	// set reads as k.value.
	keys string
}

// move changes the status of those of the builds whose status the transition
// table allows to change so, and records an event for each. It is the only place
// that writes builds.status of an existing row. It returns those that changed.
func (t *tx) move(ctx context.Context, builds []int64, c change) ([]int64, error) {
	if len(builds) == 0 {
		return nil, nil
	}
	a := args{"builds": idList(builds), "now": t.now, "to": c.to, "skip_reason": ""}
	if c.to == buildbtw.StatusSkipped {
		a["skip_reason"] = c.cause
	}
	maps.Copy(a, c.args)
	set := append([]string{"status = :to", "skip_reason = :skip_reason", "changed_at = :now", "held = ''", "verdict = ''"}, c.set...)
	from := "json_each(:builds) AS k WHERE build.id = k.value"
	if c.keys != "" {
		a["builds"], from = c.keys, "json_each(:builds) AS k WHERE build.id = k.value ->> 0"
	}
	var moved []int64
	for _, before := range buildbtw.StatusesBefore(c.to, c.cause) {
		if c.only != nil && !slices.Contains(c.only, before) {
			continue
		}
		// One update per status to come from: the guard is exact, and the event knows
		// it. It stands in the text: SQLite could not use the partial indexes of an
		// unknown one.
		guard := " AND status = '" + string(before) + "'"
		if before == buildbtw.StatusSkipped && c.cause == buildbtw.CauseResumed {
			guard += " AND skip_reason IN (" + sqlTexts(buildbtw.ResumableSkips()) + ")"
		}
		var ids []int64
		err := t.run(ctx, &ids, `UPDATE builds AS build SET `+strings.Join(set, ", ")+` FROM `+from+guard+` RETURNING id`, a)
		if err == nil && len(ids) > 0 {
			err = t.followMoves(ctx, before, ids, c)
		}
		if err != nil {
			return nil, fmt.Errorf("move builds from %s to %s: %w", before, c.to, err)
		}
		moved = append(moved, ids...)
	}
	return moved, nil
}

// sqlTexts writes words of the code as SQL texts.
func sqlTexts(words []buildbtw.Cause) string {
	list := make([]string, len(words))
	for i, w := range words {
		list[i] = "'" + string(w) + "'"
	}
	return strings.Join(list, ", ")
}

// followMoves does what belongs to every change of a status: the events, the
// numbers of builds by status, and what is held of those with the same input.
func (t *tx) followMoves(ctx context.Context, from buildbtw.Status, moved []int64, c change) error {
	t.changed.add(Change{Builds: moved})
	t.seen.moves = append(t.seen.moves, movedBuilds{c.to, c.cause, len(moved)})
	t.claimable = t.claimable || !slices.Contains([]buildbtw.Cause{buildbtw.CauseLeased, buildbtw.CauseReturned, buildbtw.CauseDispatched}, c.cause)
	if err := t.recordMoves(ctx, from, moved, c); err != nil {
		return err
	}
	ids := idList(moved)
	if _, err := t.exec(ctx, "count_moves", args{"builds": ids, "from": from, "to": c.to}); err != nil {
		return err
	}
	if from == buildbtw.StatusFailed {
		if _, err := t.exec(ctx, "end_comparisons", args{"builds": ids}); err != nil {
			return err
		}
	}
	if from == buildbtw.StatusBuilt {
		for _, statement := range []string{"forget_checks", "forget_comparisons"} {
			if _, err := t.exec(ctx, statement, args{"builds": ids}); err != nil {
				return err
			}
		}
	}
	if c.to == buildbtw.StatusBuilt || c.to == buildbtw.StatusFailed || c.to == buildbtw.StatusSkipped {
		if err := t.judge(ctx, moved, c); err != nil {
			return err
		}
		if err := t.endRepeats(ctx, moved, c); err != nil {
			return err
		}
	}
	result := func(s buildbtw.Status) bool { return s.Running() || s == buildbtw.StatusBuilt }
	switch {
	case result(from) || result(c.to):
		var same []int64
		if err := t.list(ctx, &same, "same_input", args{"builds": ids}); err != nil {
			return err
		}
		return t.hold(ctx, same)
	case from == buildbtw.StatusPending:
		return t.stopUnwanted(ctx)
	case c.to == buildbtw.StatusPending:
		return t.hold(ctx, moved)
	}
	return nil
}

// recordMoves writes the history of builds: one event for every change of a status,
// in the same transaction. Those of one iteration are one row.
func (t *tx) recordMoves(ctx context.Context, from buildbtw.Status, moved []int64, c change) error {
	var iterations []struct {
		ID         int64 `bun:"id"`
		Buildspace int64 `bun:"buildspace_id"`
		Last       int64 `bun:"last"`
	}
	moved = slices.Sorted(slices.Values(moved))
	if err := t.list(ctx, &iterations, "iterations_of_builds", args{"builds": idList(moved)}); err != nil {
		return err
	}
	for _, it := range iterations {
		end, _ := slices.BinarySearch(moved, it.Last+1)
		err := t.recordMany(ctx, moved[:end], buildbtw.Event{
			Actor: c.actor, BuildspaceID: it.Buildspace, IterationID: it.ID, From: from, To: c.to, Cause: c.cause, Message: c.message,
		})
		if err != nil {
			return err
		}
		moved = moved[end:]
	}
	return nil
}

// moveOne is move for a build that is expected to change: Conflict, with what
// its status is now, when it cannot.
func (t *tx) moveOne(ctx context.Context, id int64, c change) error {
	ids, err := t.move(ctx, []int64{id}, c)
	if err != nil || len(ids) == 1 {
		return err
	}
	b, err := t.build(ctx, id)
	if err != nil {
		return err
	}
	return buildbtw.Conflict("%s for %s is %s now; it cannot become %s (%s)", b.Pkgbase, b.Architecture, b.Status, c.to, c.cause)
}

// build loads one build; NotFound when there is none.
func (t *tx) build(ctx context.Context, id int64) (buildbtw.Build, error) {
	var b buildbtw.Build
	err := t.get(ctx, &b, "build", args{"build": id})
	return b, notFound(err, "there is no build %d", id)
}

// skip ends builds without building them and tells their attempts to stop, but
// for those whose packages are being published or linked.
func (t *tx) skip(ctx context.Context, builds []int64, c change) ([]int64, error) {
	var which []int64
	if err := t.list(ctx, &which, "unpublished", args{"builds": idList(builds)}); err != nil {
		return nil, err
	}
	c.to = buildbtw.StatusSkipped
	ids, err := t.move(ctx, which, c)
	if err != nil || len(ids) == 0 {
		return ids, err
	}
	_, err = t.exec(ctx, "stop_attempts", args{"builds": idList(ids)})
	return ids, err
}

// hold finds anew for the pending ones among the builds whether they are held.
func (t *tx) hold(ctx context.Context, builds []int64) error {
	var changed []struct {
		ID   int64         `bun:"id"`
		Held buildbtw.Hold `bun:"held"`
	}
	if err := t.list(ctx, &changed, "hold", args{"builds": idList(builds)}); err != nil {
		return fmt.Errorf("find what is held: %w", err)
	}
	if len(changed) == 0 {
		return nil
	}
	for _, b := range changed {
		t.changed.add(Change{Builds: []int64{b.ID}})
		t.claimable = t.claimable || b.Held == buildbtw.HoldNone
	}
	return t.stopUnwanted(ctx) // those held now may have waited for a run before
}

// holdBuildspace follows a change of a buildspace's settings.
func (t *tx) holdBuildspace(ctx context.Context, id int64) error {
	var pending []int64
	if err := t.list(ctx, &pending, "pending_of_buildspace", args{"buildspace": id}); err != nil {
		return err
	}
	return t.hold(ctx, pending)
}

// stopUnwanted ends the runs that superseded iterations have left to others
// which do not wait for them any more.
func (t *tx) stopUnwanted(ctx context.Context) error {
	var runs []int64
	err := t.list(ctx, &runs, "unwanted_runs", nil)
	if err != nil || len(runs) == 0 {
		return err
	}
	_, err = t.skip(ctx, runs, change{cause: buildbtw.CauseSuperseded, actor: buildbtw.System, message: "Nothing waits for it any more."})
	return err
}

// unblock takes satisfied builds, which are built or skipped as unchanged, off
// the count of those that wait for them. What then waits for nothing gets its
// input key and becomes pending. Twins among that are satisfied at once, since
// the builds that do their work are, and unblock others in turn.
func (t *tx) unblock(ctx context.Context, satisfied ...int64) error {
	for len(satisfied) > 0 {
		var freed []waitless
		a := args{"satisfied": idList(satisfied)}
		if err := t.list(ctx, &freed, "freed", a); err != nil {
			return fmt.Errorf("find what waits for nothing any more: %w", err)
		}
		if _, err := t.exec(ctx, "count_down", a); err != nil {
			return fmt.Errorf("count down what waits: %w", err)
		}
		var err error
		satisfied, err = t.begin(ctx, freed, change{
			cause: buildbtw.CauseReady, actor: buildbtw.System, message: "Everything it waited for is built.", set: []string{"waiting = 0"},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// waitless is a build that waits for nothing.
type waitless struct {
	ID     int64 `bun:"id"`
	TwinOf int64 `bun:"twin_of"`
}

// begin makes builds that wait for nothing pending, with their input keys. Twins
// among them get the status of the builds that do their work at once; begin
// returns those that are satisfied by it.
func (t *tx) begin(ctx context.Context, builds []waitless, c change) (satisfied []int64, err error) {
	var all, twins []int64
	for _, b := range builds {
		all = append(all, b.ID)
		if b.TwinOf != 0 {
			twins = append(twins, b.ID)
		}
	}
	if len(all) == 0 {
		return nil, nil
	}
	if c.keys, err = t.inputKeys(ctx, all); err != nil {
		return nil, err
	}
	c.to, c.set = buildbtw.StatusPending, append(c.set, "input_key = k.value ->> 1", "runtime_inputs = k.value ->> 2")
	if _, err := t.move(ctx, all, c); err != nil {
		return nil, err
	}
	return t.finishTwins(ctx, twins)
}

// takeUp takes back that builds were skipped for reasons that a person gave:
// each waits again, or may be handed out when it waits for nothing. An attempt
// that was told to stop and has not yet is ended at once. It returns how many
// builds go on.
func (t *tx) takeUp(ctx context.Context, builds []int64, c change) (int, error) {
	var rows []struct {
		waitless
		Waiting int `bun:"waiting"`
	}
	err := t.list(ctx, &rows, "resumable", args{"builds": idList(builds), "reasons": textList(buildbtw.ResumableSkips())})
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	var all, blocked []int64
	var free []waitless
	for _, r := range rows {
		all = append(all, r.ID)
		if r.Waiting > 0 {
			blocked = append(blocked, r.ID)
		} else {
			free = append(free, r.waitless)
		}
	}
	if err := t.endRunning(ctx, all, "It was to stop, and its build begins anew.", buildbtw.StatusSkipped); err != nil {
		return 0, err
	}
	c.cause, c.to, c.set = buildbtw.CauseResumed, buildbtw.StatusBlocked, []string{"retries = 0", "not_before = NULL"}
	if _, err := t.move(ctx, blocked, c); err != nil {
		return 0, err
	}
	satisfied, err := t.begin(ctx, free, c)
	if err != nil {
		return 0, err
	}
	return len(all), t.unblock(ctx, satisfied...)
}

// finishTwins gives pending twins the status of the builds that do their work,
// and returns those that are satisfied by it.
func (t *tx) finishTwins(ctx context.Context, twins []int64) ([]int64, error) {
	if len(twins) == 0 {
		return nil, nil
	}
	var leaders []struct {
		Twin   int64           `bun:"id"`
		Status buildbtw.Status `bun:"status"`
	}
	if err := t.list(ctx, &leaders, "leaders_of_twins", args{"twins": idList(twins)}); err != nil {
		return nil, err
	}
	var built, skipped []int64
	for _, l := range leaders {
		switch l.Status {
		case buildbtw.StatusBuilt:
			built = append(built, l.Twin)
		case buildbtw.StatusSkipped:
			skipped = append(skipped, l.Twin)
		}
	}
	built, err := t.move(ctx, built, change{
		to: buildbtw.StatusBuilt, cause: buildbtw.CauseReused, actor: buildbtw.System, message: togetherWords,
		set: []string{
			"finished_at = :now", "forced = FALSE",
			"output_digest = (SELECT l.output_digest FROM builds AS l WHERE l.id = build.twin_of)",
		},
	})
	if err != nil {
		return nil, err
	}
	skipped, err = t.move(ctx, skipped, change{
		to: buildbtw.StatusSkipped, cause: buildbtw.CauseUnchanged, actor: buildbtw.System,
		message: "Unchanged, as for the architecture that it would be built with.",
	})
	return append(built, skipped...), err
}

// togetherWords is in the event of a twin that became built.
const togetherWords = "Built together with another architecture."
