package scheduler

import (
	"context"
	"fmt"

	"buildbtw"
	"buildbtw/buildgraph"
)

// Resolve gives the commit at which a changeset stands.
func (c *Catalog) Resolve(ctx context.Context, change buildbtw.Changeset) (string, error) {
	ref := change.Ref
	if ref == "" {
		ref = c.baseRef
	}
	if err := c.ready(); err != nil {
		return "", err
	}
	return c.mirror.Resolve(ctx, change.Source, ref)
}

// Plan computes what these changesets and settings would build. The error is
// Invalid or NotFound when a changeset cannot be planned.
func (c *Catalog) Plan(ctx context.Context, changesets []buildbtw.Changeset, settings buildbtw.Settings) (*buildgraph.Plan, error) {
	request, err := c.request(ctx, changesets, settings)
	if err != nil {
		return nil, err
	}
	return c.current.Load().index.Plan(ctx, request)
}

// Explain says, per architecture, why these changesets and settings would build
// a package, or why not.
func (c *Catalog) Explain(ctx context.Context, changesets []buildbtw.Changeset, settings buildbtw.Settings, pkgname string) (map[string]buildgraph.Explanation, error) {
	request, err := c.request(ctx, changesets, settings)
	if err != nil {
		return nil, err
	}
	return c.current.Load().index.Explain(ctx, request, pkgname)
}

// request is what the index wants to know.
func (c *Catalog) request(ctx context.Context, changesets []buildbtw.Changeset, settings buildbtw.Settings) (buildgraph.Request, error) {
	if err := settings.Validate(); err != nil {
		return buildgraph.Request{}, err
	}
	sources, err := c.changesetSources(ctx, changesets)
	request := buildgraph.Request{Changesets: sources, Settings: settings, Architectures: c.architectures}
	if known := c.durations.Load(); known != nil {
		request.Durations = *known
	}
	return request, err
}

// changesetSources reads the changesets at their own refs.
func (c *Catalog) changesetSources(ctx context.Context, changesets []buildbtw.Changeset) ([]buildgraph.Source, error) {
	sources := make([]buildgraph.Source, len(changesets))
	commits := make([]string, len(changesets))
	for i, change := range changesets {
		commit, err := c.Resolve(ctx, change)
		if err != nil {
			return nil, err
		}
		ref := change.Ref
		if ref == "" {
			ref = c.baseRef
		}
		commits[i] = commit
		sources[i] = buildgraph.Source{Slug: change.Source, Ref: ref, Commit: commit}
	}
	files, err := c.mirror.ReadSrcinfos(ctx, commits)
	if err != nil {
		return nil, fmt.Errorf("read the .SRCINFO of the changesets: %w", err)
	}
	for i := range sources {
		p := parseSrcinfo(files[commits[i]])
		sources[i].Info, sources[i].Err = p.info, p.err
	}
	return sources, nil
}
