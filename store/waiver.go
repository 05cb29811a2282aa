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

// WaiversOfTarget lists what people decided in the buildspaces whose packages were released
// to a target, oldest first.
func (q *Reader) WaiversOfTarget(ctx context.Context, target int64) ([]buildbtw.Waiver, error) {
	list := []buildbtw.Waiver{}
	if err := q.list(ctx, &list, "waivers_of_target", args{"target": target}); err != nil {
		return nil, fmt.Errorf("list the waivers of target %d: %w", target, err)
	}
	return list, nil
}

// AddWaivers records waivers of a buildspace, all or none, with one event each, and returns
// them with their ids. Who and when are the actor and now. The error is a Conflict when the
// buildspace has one of them already, or would have more than buildbtw.MaxWaivers.
func (s *Store) AddWaivers(ctx context.Context, actor, buildspace string, add []buildbtw.Waiver) ([]buildbtw.Waiver, error) {
	add = slices.Clone(add)
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		b, err := t.buildspace(ctx, buildspace)
		if err != nil {
			return err
		}
		var list []buildbtw.Waiver
		if err := t.list(ctx, &list, "waivers", args{"buildspace": buildspace}); err != nil {
			return err
		}
		if n := len(list); n+len(add) > buildbtw.MaxWaivers {
			return buildbtw.Conflict("%s has %d waivers, and at most %d are kept; remove some first", buildspace, n, buildbtw.MaxWaivers)
		}
		for i := range add {
			w := &add[i]
			same := func(o buildbtw.Waiver) bool { return o.Kind == w.Kind && o.Name == w.Name && o.Other == w.Other }
			if i := slices.IndexFunc(list, same); i >= 0 {
				return buildbtw.Conflict("%s %s already (waiver %d): %s", list[i].By, list[i], list[i].ID, list[i].Reason)
			}
			w.ID, w.BuildspaceID, w.By, w.At = 0, b.ID, actor, t.now
			if err := t.insert(ctx, w); err != nil {
				return err
			}
			if err := t.recordBuildspace(ctx, actor, b.ID, actor+" "+w.String()+": "+w.Reason); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("add waivers to %s: %w", buildspace, err)
	}
	return add, nil
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
