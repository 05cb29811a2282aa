package store

import (
	"context"
	"fmt"
	"slices"

	"buildbtw"
)

// Waivers lists what people decided about what a buildspace releases, oldest first: at most
// buildbtw.MaxWaivers. The error is NotFound when there is no such buildspace.
func (q *Reader) Waivers(ctx context.Context, buildspace string) ([]buildbtw.Waiver, error) {
	list := []buildbtw.Waiver{}
	err := q.Snapshot(ctx, func(q *Reader) error {
		var b buildbtw.Buildspace
		if err := q.get(ctx, &b, "buildspace", args{"name": buildspace}); err != nil {
			return notFound(err, "there is no buildspace %q", buildspace)
		}
		return q.list(ctx, &list, "waivers", args{"buildspace": buildspace})
	})
	if err != nil {
		return nil, fmt.Errorf("list waivers of %s: %w", buildspace, err)
	}
	return list, nil
}

// AddWaiver records a waiver of a buildspace, with one event, and returns it with its id.
// Who and when are the actor and now. The error is a Conflict when the buildspace has the same
// one already, or buildbtw.MaxWaivers.
func (s *Store) AddWaiver(ctx context.Context, actor, buildspace string, w buildbtw.Waiver) (buildbtw.Waiver, error) {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		b, err := t.buildspace(ctx, buildspace)
		if err != nil {
			return err
		}
		var list []buildbtw.Waiver
		if err := t.list(ctx, &list, "waivers", args{"buildspace": buildspace}); err != nil {
			return err
		}
		same := func(o buildbtw.Waiver) bool { return o.Kind == w.Kind && o.Name == w.Name && o.Other == w.Other }
		if i := slices.IndexFunc(list, same); i >= 0 {
			return buildbtw.Conflict("%s %s already (waiver %d): %s", list[i].By, list[i], list[i].ID, list[i].Reason)
		}
		if len(list) >= buildbtw.MaxWaivers {
			return buildbtw.Conflict("%s has %d waivers, and no more are kept; remove one first", buildspace, len(list))
		}
		w.ID, w.BuildspaceID, w.By, w.At = 0, b.ID, actor, t.now
		if err := t.insert(ctx, &w); err != nil {
			return err
		}
		return t.recordBuildspace(ctx, actor, b.ID, actor+" "+w.String()+": "+w.Reason)
	})
	if err != nil {
		return buildbtw.Waiver{}, fmt.Errorf("add a waiver to %s: %w", buildspace, err)
	}
	return w, nil
}

// RemoveWaiver takes back a waiver of a buildspace, with one event. The error is NotFound when
// it does not have it.
func (s *Store) RemoveWaiver(ctx context.Context, actor, buildspace string, id int64) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		b, err := t.buildspace(ctx, buildspace)
		if err != nil {
			return err
		}
		var list []buildbtw.Waiver
		if err := t.list(ctx, &list, "waivers", args{"buildspace": buildspace}); err != nil {
			return err
		}
		i := slices.IndexFunc(list, func(w buildbtw.Waiver) bool { return w.ID == id })
		if i < 0 {
			return buildbtw.NotFound("%s has no waiver %d", buildspace, id)
		}
		if _, err := t.exec(ctx, "remove_waiver", args{"id": id, "buildspace": b.ID}); err != nil {
			return err
		}
		return t.recordBuildspace(ctx, actor, b.ID, "Waiver removed: "+list[i].By+" "+list[i].String()+".")
	})
	if err != nil {
		return fmt.Errorf("remove waiver %d of %s: %w", id, buildspace, err)
	}
	return nil
}
