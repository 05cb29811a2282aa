package catalog

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"buildbtw/store"
)

// Baseline returns the commit of a failed build as it is built on the base alone: the one of
// the source, without a bump. Its key has the base's packages that it is built with and all
// that they depend on. Where nothing is known of the base it is the day, since a base stays
// the same no longer than that.
//
// The error is NotFound or Invalid when the .SRCINFO of the commit cannot be read.
func (c *Catalog) Baseline(ctx context.Context, failed store.BuildRow, now time.Time) (store.Baseline, error) {
	b := store.Baseline{
		Failed: failed.ID, Commit: cmp.Or(failed.SourceCommit, failed.Commit), Version: cmp.Or(failed.BumpedFrom, failed.Version),
		Key: "day " + now.UTC().Format(time.DateOnly),
	}
	files, err := c.Mirror.ReadSrcinfos(ctx, []string{b.Commit})
	if err != nil {
		return b, fmt.Errorf("read the .SRCINFO of %s: %w", b.Commit, err)
	}
	info, err := files[b.Commit].Parse()
	if err != nil {
		return b, fmt.Errorf("read the .SRCINFO of %s: %w", b.Commit, err)
	}
	if base, ok := c.Bases[failed.Architecture]; ok {
		if snapshot := base.Snapshot(); snapshot.Known() {
			b.Key = snapshot.Digests(nil).Of(dependencies(failed.Architecture, info))
		}
	}
	return b, nil
}
