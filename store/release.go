package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"buildbtw"
)

// ReleaseRow is a release with the names of what it is about.
type ReleaseRow struct {
	buildbtw.Release
	Target       string `bun:"target"`
	FromTarget   string `bun:"from_target"` // that gives the packages; empty: the iteration does
	Buildspace   string `bun:"buildspace"`
	BuildspaceID int64  `bun:"buildspace_id"`
	Iteration    int    `bun:"iteration"` // its number; it and those of the buildspace are empty when a target gives the packages
	Owner        string `bun:"owner"`     // of the buildspace
}

// Source names what gives the packages: "space #3", or a target.
func (r ReleaseRow) Source() string {
	if r.FromTarget != "" {
		return r.FromTarget
	}
	return fmt.Sprintf("%s #%d", r.Buildspace, r.Iteration)
}

// MayChange returns nil when the user may confirm or withdraw the release, and else why not.
func (r ReleaseRow) MayChange(u buildbtw.User) error {
	if r.FromTarget != "" {
		return u.MayMove()
	}
	return u.MayRelease(r.Owner)
}

// ReleaseFilter selects releases; 0 selects all.
type ReleaseFilter struct {
	Iteration int64 // id
	Target    int64 // id, of the one that takes or gives the packages
	Limit     int   // 50 when 0, at most 500
}

// Release returns a release; NotFound when there is none of that id.
func (q *Reader) Release(ctx context.Context, id int64) (ReleaseRow, error) {
	return q.release(ctx, id)
}

func (q queries) release(ctx context.Context, id int64) (ReleaseRow, error) {
	var row ReleaseRow
	err := q.get(ctx, &row, "release", args{"id": id})
	if errors.Is(err, sql.ErrNoRows) {
		return row, buildbtw.NotFound("there is no release %d", id)
	}
	if err != nil {
		return row, fmt.Errorf("load release %d: %w", id, err)
	}
	return row, nil
}

// Releases lists releases, the newest first.
func (q *Reader) Releases(ctx context.Context, f ReleaseFilter) ([]ReleaseRow, error) {
	limit, err := pageLimit(f.Limit)
	if err != nil {
		return nil, err
	}
	rows := []ReleaseRow{}
	if err := q.list(ctx, &rows, "releases_of", args{"iteration": f.Iteration, "target": f.Target, "limit": limit}); err != nil {
		return nil, fmt.Errorf("list releases: %w", err)
	}
	return rows, nil
}

// HandingOver lists the releases that are on their way into their targets, in the order in
// which they were confirmed. The error names those that cannot be read.
func (q *Reader) HandingOver(ctx context.Context) ([]ReleaseRow, error) {
	return q.releasesIn(ctx, buildbtw.ReleaseHandingOver, 0)
}

// releasesIn lists the releases in a state, to one target or with 0 to all, in the order in
// which they were confirmed.
func (q queries) releasesIn(ctx context.Context, state buildbtw.ReleaseState, target int64) ([]ReleaseRow, error) {
	rows, err := readable[ReleaseRow](ctx, q, "releases_in_state", args{"state": state, "target": target})
	if err != nil {
		return rows, fmt.Errorf("list releases that are %s: %w", state.Words(), err)
	}
	return rows, nil
}

// ReleaseUnits lists the pkgbases of a release, by name: those that go and those that are held.
func (q *Reader) ReleaseUnits(ctx context.Context, id int64) ([]buildbtw.ReleaseUnit, error) {
	units := []buildbtw.ReleaseUnit{}
	if err := q.list(ctx, &units, "release_units", args{"id": id}); err != nil {
		return nil, fmt.Errorf("list the packages of release %d: %w", id, err)
	}
	return units, nil
}

// CreateRelease stores a set that was computed. With confirmed it is handed over as soon as
// possible, else somebody has to confirm it. The error is Conflict when a release of the same
// iteration is on its way to the same target.
func (s *Store) CreateRelease(ctx context.Context, actor string, r buildbtw.Release, units []buildbtw.ReleaseUnit, confirmed bool) (ReleaseRow, error) {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		var other int64
		err := t.get(ctx, &other, "same_release", args{"iteration": r.IterationID, "from": r.FromID, "target": r.TargetID})
		if err == nil {
			return buildbtw.Conflict("release %d of the same is on its way; wait until it has ended, or give it up", other)
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if _, err := t.exec(ctx, "supersede_checked", args{"iteration": r.IterationID, "from": r.FromID, "target": r.TargetID, "now": t.now}); err != nil {
			return err
		}
		r.State, r.CreatedBy, r.CreatedAt = buildbtw.ReleaseChecked, actor, t.now
		if confirmed {
			r.State, r.ConfirmedBy, r.ConfirmedAt = buildbtw.ReleaseHandingOver, actor, &t.now
		}
		if err := t.insert(ctx, &r); err != nil {
			return err
		}
		if err := t.putReleaseUnits(ctx, r.ID, units); err != nil {
			return err
		}
		return t.recordRelease(ctx, actor, r.ID, r.State)
	})
	if err != nil {
		return ReleaseRow{}, fmt.Errorf("create a release: %w", err)
	}
	return s.Release(ctx, r.ID)
}

func (t *tx) putReleaseUnits(ctx context.Context, id int64, units []buildbtw.ReleaseUnit) error {
	if _, err := t.exec(ctx, "forget_release_units", args{"id": id}); err != nil {
		return err
	}
	type row struct {
		Pkgbase  string         `json:"pkgbase"`
		Goes     bool           `json:"goes"`
		Version  string         `json:"version"`
		Pkgnames buildbtw.Names `json:"pkgnames"`
		Reason   string         `json:"reason"`
		Build    int64          `json:"build"`
	}
	rows := make([]row, len(units))
	for i, u := range units {
		rows[i] = row{u.Pkgbase, u.Goes, u.Version, append(buildbtw.Names{}, u.Pkgnames...), u.Reason, u.BuildID}
	}
	text, err := json.Marshal(rows)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, "add_release_units", args{"id": id, "units": string(text)})
	return err
}

// ConfirmRelease hands a release over as soon as possible. The digest is that of the set that
// the actor has seen; the error is Conflict when the release has another one by now, or its
// state does not allow it.
func (s *Store) ConfirmRelease(ctx context.Context, actor string, id int64, digest string) (ReleaseRow, error) {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		r, err := t.release(ctx, id)
		if err != nil {
			return err
		}
		if r.State != buildbtw.ReleaseChecked {
			return buildbtw.Conflict("release %d is %s", id, r.State.Words())
		}
		n, err := t.exec(ctx, "confirm_release", args{"id": id, "actor": actor, "digest": digest, "now": t.now})
		if err != nil {
			return err
		}
		if n != 1 {
			return buildbtw.Conflict("the set of release %d is another one than the one that you have seen; look at it again", id)
		}
		return t.recordRelease(ctx, actor, id, buildbtw.ReleaseHandingOver)
	})
	if err != nil {
		return ReleaseRow{}, fmt.Errorf("confirm release %d: %w", id, err)
	}
	return s.Release(ctx, id)
}

// RecheckRelease gives a release that was to be handed over, or waits for a repository, the
// set that may go today. It has
// to be confirmed again; r.Message says how the set has changed.
func (s *Store) RecheckRelease(ctx context.Context, r buildbtw.Release, units []buildbtw.ReleaseUnit) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, "recheck_release", args{
			"id": r.ID, "digest": r.Digest, "base": r.Base, "generation": r.Generation, "units": r.Units, "packages": r.Packages,
			"proven": r.Proven, "at_most": r.AtMost, "message": r.Message,
		})
		if err != nil {
			return err
		}
		if n != 1 {
			return t.refuseRelease(ctx, r.ID)
		}
		if err := t.putReleaseUnits(ctx, r.ID, units); err != nil {
			return err
		}
		return t.recordRelease(ctx, buildbtw.System, r.ID, buildbtw.ReleaseChecked)
	})
	if err != nil {
		return fmt.Errorf("recheck release %d: %w", r.ID, err)
	}
	return nil
}

// EndRelease ends a release of which no generation is shown: as failed, given up before it was
// handed over, or as released where a repository of the distribution has it. The message says why.
func (s *Store) EndRelease(ctx context.Context, actor string, id int64, state buildbtw.ReleaseState, message string) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		r, err := t.release(ctx, id)
		if err != nil {
			return err
		}
		if r.State == buildbtw.ReleaseReleased {
			return buildbtw.Conflict("release %d is released", id)
		}
		return t.endRelease(ctx, actor, id, state, message)
	})
	if err != nil {
		return fmt.Errorf("end release %d: %w", id, err)
	}
	return nil
}

// endRelease changes the state of a release to one that is final for now.
func (t *tx) endRelease(ctx context.Context, actor string, id int64, state buildbtw.ReleaseState, message string) error {
	n, err := t.exec(ctx, "end_release", args{"id": id, "state": state, "message": message, "from": textList(state.From()), "now": t.now})
	if err != nil {
		return err
	}
	if n != 1 {
		return t.refuseRelease(ctx, id)
	}
	return t.recordRelease(ctx, actor, id, state)
}

func (t *tx) refuseRelease(ctx context.Context, id int64) error {
	r, err := t.release(ctx, id)
	if err != nil {
		return err
	}
	return buildbtw.Conflict("release %d is %s", id, r.State.Words())
}

// ReleasedUnit is what the newest release of a pkgbase to a target had.
type ReleasedUnit struct {
	Pkgbase   string `bun:"pkgbase"`
	Version   string `bun:"version"`
	BuildID   int64  `bun:"build_id"`
	Changeset bool   `bun:"changeset"` // somebody changed its source
}

// ReleasedUnits returns what was released to a target and not withdrawn, by pkgbase.
func (q *Reader) ReleasedUnits(ctx context.Context, target int64) (map[string]ReleasedUnit, error) {
	var rows []ReleasedUnit
	if err := q.list(ctx, &rows, "released_units", args{"target": target}); err != nil {
		return nil, fmt.Errorf("list what was released to target %d: %w", target, err)
	}
	units := make(map[string]ReleasedUnit, len(rows))
	for _, u := range rows { // the newest last
		units[u.Pkgbase] = u
	}
	return units, nil
}

// recordRelease writes the event of a release's new state.
func (t *tx) recordRelease(ctx context.Context, actor string, id int64, state buildbtw.ReleaseState) error {
	r, err := t.release(ctx, id)
	if err != nil {
		return err
	}
	var words string
	var cause buildbtw.Cause
	switch state {
	case buildbtw.ReleaseReleased:
		cause = buildbtw.CauseHandedOver
		words = "Release " + fmt.Sprint(id) + ": " + buildbtw.ReleasedWords(r.Packages, r.Target) + "."
	case buildbtw.ReleaseWithdrawn:
		cause = buildbtw.CauseWithdrawn
		words = fmt.Sprintf("Release %d to %s: withdrawn.", id, r.Target)
	case buildbtw.ReleaseFailed:
		words = fmt.Sprintf("Release %d to %s failed: %s", id, r.Target, r.Message)
	case buildbtw.ReleaseHandingOver:
		words = fmt.Sprintf("Release %d to %s: confirmed.", id, r.Target)
	case buildbtw.ReleaseWaiting:
		words = fmt.Sprintf("Release %d to %s: waits until its repository has the packages.", id, r.Target)
	case buildbtw.ReleaseSigning:
		words = fmt.Sprintf("Release %d to %s: waits for signatures.", id, r.Target)
	default:
		words = fmt.Sprintf("Release %d to %s: waits for confirmation. %s", id, r.Target, r.Message)
	}
	return t.recordOf(ctx, actor, r, cause, words)
}

// recordOf writes an event of a release: of its iteration, if it has one.
func (t *tx) recordOf(ctx context.Context, actor string, r ReleaseRow, cause buildbtw.Cause, words string) error {
	return t.record(ctx, buildbtw.Event{Actor: actor, BuildspaceID: r.BuildspaceID, IterationID: r.IterationID, Kind: buildbtw.EventRelease, Cause: cause, Message: words})
}
