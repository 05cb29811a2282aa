package scheduler

import (
	"context"

	"buildbtw/git/gitmirror"
)

// NewCatalog reads a mirror's sources once, without a server. Durations are the
// seconds that packages take, by pkgbase; nil when none are known.
func NewCatalog(ctx context.Context, m *gitmirror.Mirror, c Config, durations map[string]float64) (*Catalog, error) {
	catalog := newCatalog(m, c.BaseRef, c.Architectures, c.Prefer)
	catalog.durations.Store(&durations)
	return catalog, catalog.Refresh(ctx)
}
