package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"buildbtw"
)

// TargetRow is a target with what it shows.
type TargetRow struct {
	buildbtw.Target
	Packages int        `bun:"packages"` // files, of all architectures
	Since    *time.Time `bun:"since"`    // when it was shown first; nil: there is nothing yet
}

// SetTargets makes these the targets of the settings, in their order, and returns them. Others
// that were before are not offered any more; what they had stays.
func (s *Store) SetTargets(ctx context.Context, targets []buildbtw.Target) ([]TargetRow, error) {
	if err := buildbtw.CheckTargets(targets); err != nil {
		return nil, err
	}
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		names := make([]string, 0, len(targets))
		for _, x := range targets {
			names = append(names, x.Name)
			if _, err := t.exec(ctx, "put_target", args{"name": x.Name, "kind": x.Kind, "path": x.Path, "after": x.After}); err != nil {
				return err
			}
		}
		_, err := t.exec(ctx, "retire_targets", args{"names": textList(names)})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("set the targets: %w", err)
	}
	return s.Targets(ctx)
}

// Targets lists the targets of the settings.
func (q *Reader) Targets(ctx context.Context) ([]TargetRow, error) {
	rows := []TargetRow{}
	if err := q.list(ctx, &rows, "targets", args{"name": ""}); err != nil {
		return nil, fmt.Errorf("list the targets: %w", err)
	}
	return rows, nil
}

// Target returns the target of that name; NotFound when the settings have none.
func (q *Reader) Target(ctx context.Context, name string) (TargetRow, error) {
	var row TargetRow
	if name == "" {
		return row, buildbtw.Invalid("the name of the target is missing")
	}
	err := q.get(ctx, &row, "targets", args{"name": name})
	if errors.Is(err, sql.ErrNoRows) {
		return row, buildbtw.NotFound("this server has no target %.80q; GET /targets and the page Targets list them", name)
	}
	if err != nil {
		return row, fmt.Errorf("load target %s: %w", name, err)
	}
	return row, nil
}

// Generations lists the states of a target, the newest first and at most limit.
func (q *Reader) Generations(ctx context.Context, target int64, limit int) ([]buildbtw.Generation, error) {
	rows := []buildbtw.Generation{}
	if err := q.list(ctx, &rows, "generations_of_target", args{"target": target, "limit": limit}); err != nil {
		return nil, fmt.Errorf("list the generations of target %d: %w", target, err)
	}
	return rows, nil
}

// Generation returns one state of a target; NotFound when there is none of that number.
func (q *Reader) Generation(ctx context.Context, target int64, number int) (buildbtw.Generation, error) {
	var g buildbtw.Generation
	err := q.get(ctx, &g, "generation", args{"target": target, "number": number})
	return g, notFound(err, "there is no generation %d", number)
}

// WritingGeneration returns the generation of a target that was begun and not completed;
// false when there is none.
func (q *Reader) WritingGeneration(ctx context.Context, target int64) (g buildbtw.Generation, ok bool, err error) {
	err = q.get(ctx, &g, "writing_generation", args{"target": target})
	if errors.Is(err, sql.ErrNoRows) {
		return g, false, nil
	}
	return g, err == nil, err
}

// BeginGeneration notes that the next generation of a target is about to be written: from
// here on a crash is rolled forward. The number is its to give; one that was begun for the
// same is returned again. The error is Conflict when another one is being written, or its
// release is not being handed over (any more).
func (s *Store) BeginGeneration(ctx context.Context, g buildbtw.Generation) (buildbtw.Generation, error) {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		var begun buildbtw.Generation
		err := t.get(ctx, &begun, "writing_generation", args{"target": g.TargetID})
		switch {
		case err == nil && begun.ReleaseID == g.ReleaseID && begun.Undoes == g.Undoes:
			g = begun
			return nil
		case err == nil:
			return buildbtw.Conflict("generation %d of the target is being written; try again in a moment", begun.Number)
		case !errors.Is(err, sql.ErrNoRows):
			return err
		}
		if err := t.checkGeneration(ctx, g); err != nil {
			return err
		}
		if err := t.get(ctx, &g.Number, "last_generation", args{"target": g.TargetID}); err != nil {
			return err
		}
		g.Number++
		g.State, g.CreatedAt = buildbtw.GenerationWriting, t.now
		return t.insert(ctx, &g)
	})
	if err != nil {
		return g, fmt.Errorf("begin a generation: %w", err)
	}
	return g, nil
}

// checkGeneration refuses to begin a generation for a release whose state does not ask for it.
// One that is released already may be shown once more.
func (t *tx) checkGeneration(ctx context.Context, g buildbtw.Generation) error {
	id, to := g.ReleaseID, buildbtw.ReleaseReleased
	if g.Undoes != 0 {
		id, to = g.Undoes, buildbtw.ReleaseWithdrawn
	}
	if id == 0 {
		return nil
	}
	r, err := t.release(ctx, id)
	if err != nil {
		return err
	}
	if r.State != to && !r.State.MayBecome(to) || r.State == to && g.Undoes != 0 {
		return buildbtw.Conflict("release %d is %s", r.ID, r.State.Words())
	}
	return nil
}

// CompleteGeneration ends the writing of a generation, which the target shows from here on:
// its release is released, or the one that it undoes is withdrawn. Completing it again
// changes nothing.
func (s *Store) CompleteGeneration(ctx context.Context, g buildbtw.Generation) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, "complete_generation", args{"id": g.ID, "digest": g.Digest, "packages": g.Packages})
		if err != nil {
			return err
		}
		if n != 1 {
			var now buildbtw.Generation
			if err := t.get(ctx, &now, "generation", args{"target": g.TargetID, "number": g.Number}); err != nil {
				return err
			}
			if now.State == buildbtw.GenerationComplete {
				return nil
			}
			return buildbtw.Conflict("generation %d is %s", g.Number, now.State)
		}
		if _, err := t.exec(ctx, "show_generation", args{"target": g.TargetID, "number": g.Number}); err != nil {
			return err
		}
		return t.endShown(ctx, g)
	})
	if err != nil {
		return fmt.Errorf("complete generation %d: %w", g.Number, err)
	}
	return nil
}

// endShown changes the state of the release that a generation has made visible, or has undone.
func (t *tx) endShown(ctx context.Context, g buildbtw.Generation) error {
	if g.Undoes != 0 {
		return t.endRelease(ctx, g.CreatedBy, g.Undoes, buildbtw.ReleaseWithdrawn, "")
	}
	if g.ReleaseID != 0 {
		r, err := t.release(ctx, g.ReleaseID)
		if err != nil {
			return err
		}
		if r.State != buildbtw.ReleaseReleased {
			return t.endRelease(ctx, g.CreatedBy, g.ReleaseID, buildbtw.ReleaseReleased, "")
		}
	}
	t.note(Change{Everything: true})
	return nil
}

// DropGeneration notes that the files of a generation are not kept any more, or that it will
// not be finished. The one that the target shows is never dropped.
func (s *Store) DropGeneration(ctx context.Context, id int64) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, "drop_generation", args{"id": id})
		return err
	})
	if err != nil {
		return fmt.Errorf("drop generation %d: %w", id, err)
	}
	return nil
}
