package handover

import (
	"context"

	"buildbtw"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/store"
)

// A target of kind directory has the same generations as one that is served. Before the
// pointer is replaced the packages are put beside those of the directory, where nobody sees
// them; from then on, whatever happens, the databases follow.

// directory opens the directory of a target; nil for other kinds.
func (h *Handover) directory(t store.TargetRow) (*pacmanrepo.Directory, error) {
	if t.Kind != buildbtw.TargetDirectory {
		return nil, nil
	}
	return h.Generations.Directory(t.Name, t.Path)
}

// putFiles puts the packages of a generation into the directory of its target. The error is a
// Conflict when that has a repository which somebody else has made.
func (h *Handover) putFiles(ctx context.Context, t store.TargetRow, g buildbtw.Generation) error {
	d, err := h.directory(t)
	if d == nil || err != nil {
		return err
	}
	if d.Foreign(h.Architectures) {
		return buildbtw.Conflict("the directory of target %s has a repository %s that buildbtw did not make; name a directory without it", t.Name, t.Name)
	}
	return d.PutFiles(ctx, g.Number)
}

// switchDirectory makes the directory of a target list what a generation has.
func (h *Handover) switchDirectory(ctx context.Context, t store.TargetRow, g buildbtw.Generation) error {
	d, err := h.directory(t)
	if d == nil || err != nil {
		return err
	}
	return d.Switch(ctx, g.Number)
}

// removeFromDirectory deletes the packages that only a generation has which is not kept.
func (h *Handover) removeFromDirectory(t store.TargetRow, number int, kept []int) error {
	d, err := h.directory(t)
	if d == nil || err != nil {
		return err
	}
	return d.Remove(number, kept)
}
