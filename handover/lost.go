package handover

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"buildbtw"
	"buildbtw/internal/guard"
	"buildbtw/store"
)

// Examine looks for files of the generations that targets show, and names those that are lost
// or were cut. A released file is never replaced by another: it comes back from a backup, or
// with another release.
func (h *Handover) Examine(ctx context.Context) error {
	targets, err := h.Store.Targets(ctx)
	if err != nil {
		return err
	}
	var failures []error
	for _, t := range targets {
		if t.Generation == 0 {
			continue
		}
		err := guard.Run(func() error { return h.examine(ctx, t) })
		if err != nil {
			failures = append(failures, fmt.Errorf("target %s: %w", t.Name, err))
		}
	}
	return errors.Join(failures...)
}

func (h *Handover) examine(ctx context.Context, t store.TargetRow) error {
	unlock, err := h.lock(ctx, t.Name)
	if err != nil {
		return err
	}
	defer unlock()
	lost, err := h.Generations.Lost(t.Name, t.Generation)
	if errors.Is(err, fs.ErrNotExist) {
		return lostGeneration(t)
	}
	if len(lost) > 0 {
		err = errors.Join(err, buildbtw.Unavailable("%d released files are lost or were cut on the server's disk (%s); put them back into targets/%s from a backup, or release their packages again", len(lost), buildbtw.Names(lost).Summary(), t.Name))
	}
	return err
}

func lostGeneration(t store.TargetRow) error {
	return buildbtw.Unavailable("generation %d of target %s is lost from the server's disk; stop the server and put targets/%s back from a backup", t.Generation, t.Name, t.Name)
}

// align makes a target show the generation that the database says, when files and database
// are not of the same moment, such as after the restore of an older database. What was
// released since then is unknown to the server, and must not be taken for what comes next.
// No generation of the target is being written.
func (h *Handover) align(ctx context.Context, t store.TargetRow) error {
	shown, err := h.Generations.Shown(t.Name)
	if err != nil || shown == t.Generation {
		return err
	}
	h.Log.WarnContext(ctx, "a target shows another generation than the database says, as after the restore of an older database; it shows that of the database again",
		"target", t.Name, "shown", shown, "database", t.Generation)
	if t.Generation == 0 {
		return h.Generations.Hide(t.Name)
	}
	g, err := h.Store.Generation(ctx, t.ID, t.Generation)
	if err != nil {
		return err
	}
	err = h.Generations.Show(t.Name, t.Generation)
	if errors.Is(err, fs.ErrNotExist) {
		return lostGeneration(t)
	}
	if err != nil {
		return err
	}
	return h.switchDirectory(ctx, t, g)
}
