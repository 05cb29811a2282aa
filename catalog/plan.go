package catalog

import (
	"context"
	"fmt"

	"buildbtw"
	"buildbtw/buildgraph"
	"buildbtw/internal/directory"
)

// Resolve returns the commit of a changeset's ref now.
func (c *Catalog) Resolve(ctx context.Context, change buildbtw.Changeset) (string, error) {
	ref := change.Ref
	if ref == "" {
		ref = c.BaseRef
	}
	if err := c.Ready(); err != nil {
		return "", err
	}
	commit, err := c.Mirror.Resolve(ctx, change.Source, ref)
	if buildbtw.KindOf(err) == buildbtw.KindNotFound && len(c.current.Load().sources) == 0 {
		for _, root := range c.Roots() {
			if root.Error != "" {
				return "", buildbtw.NotFound("%w; %s", err, root.Error)
			}
		}
	}
	return commit, err
}

// ResolveAll returns the commits of the changesets' refs now. A ref that cannot
// be resolved has an empty commit; the error is that of the first such ref.
func (c *Catalog) ResolveAll(ctx context.Context, changesets []buildbtw.Changeset) ([]buildgraph.PlannedChangeset, error) {
	var first error
	at := make([]buildgraph.PlannedChangeset, len(changesets))
	for i, change := range changesets {
		commit, err := c.Resolve(ctx, change)
		if err != nil && first == nil {
			first = err
		}
		at[i] = buildgraph.PlannedChangeset{Source: change.Source, Ref: change.Ref, Commit: commit}
	}
	return at, first
}

// Plan returns the builds that these changesets and settings need. The error is
// Invalid or NotFound when a changeset cannot be planned.
func (c *Catalog) Plan(ctx context.Context, changesets []buildbtw.Changeset, settings buildbtw.Settings) (*buildgraph.Plan, error) {
	at, err := c.ResolveAll(ctx, changesets)
	if err != nil {
		return nil, err
	}
	return c.PlanAt(ctx, PlanRequest{Changesets: at, Settings: settings})
}

// PlanAt is Plan for resolved changesets: a push in the meantime does not
// change the commits of the plan.
func (c *Catalog) PlanAt(ctx context.Context, r PlanRequest) (*buildgraph.Plan, error) {
	request, err := c.request(ctx, r)
	if err != nil {
		return nil, err
	}
	return c.current.Load().index.Plan(ctx, request)
}

// Explain returns, per architecture, why these changesets and settings would or
// would not build a package.
func (c *Catalog) Explain(ctx context.Context, changesets []buildbtw.Changeset, settings buildbtw.Settings, pkgname string) (map[string]buildgraph.Explanation, error) {
	if err := c.offers(settings); err != nil {
		return nil, err
	}
	at, err := c.ResolveAll(ctx, changesets)
	if err != nil {
		return nil, err
	}
	request, err := c.request(ctx, PlanRequest{Changesets: at, Settings: settings})
	if err != nil {
		return nil, err
	}
	return c.current.Load().index.Explain(ctx, request, pkgname)
}

// Revision counts the states of the sources: plans made at the same revision
// with the same changesets are the same.
func (c *Catalog) Revision() uint64 { return c.current.Load().revision }

// PlanRequest is the input of PlanAt: changesets at their commits, and
// settings.
type PlanRequest struct {
	Changesets []buildgraph.PlannedChangeset
	Settings   buildbtw.Settings
}

// PlanAll computes many plans at once, in the order of the requests. One that
// cannot be made has its error in its place.
func (c *Catalog) PlanAll(ctx context.Context, requests []PlanRequest) []buildgraph.Planned {
	answers := make([]buildgraph.Planned, len(requests))
	var valid []buildgraph.Request
	var places []int
	for i, r := range requests {
		request, err := c.request(ctx, r)
		if err != nil {
			answers[i].Err = err
			continue
		}
		valid, places = append(valid, request), append(places, i)
	}
	for i, planned := range c.current.Load().index.Plans(ctx, valid) {
		answers[places[i]] = planned
	}
	return answers
}

// request reads the .SRCINFO of the changesets at their commits, and returns
// the request to the index.
func (c *Catalog) request(ctx context.Context, r PlanRequest) (buildgraph.Request, error) {
	if err := r.Settings.Validate(); err != nil {
		return buildgraph.Request{}, err
	}
	commits := make([]string, len(r.Changesets))
	for i, change := range r.Changesets {
		commits[i] = change.Commit
	}
	files, err := c.Mirror.ReadSrcinfos(ctx, commits)
	if err != nil {
		return buildgraph.Request{}, fmt.Errorf("read the .SRCINFO of the changesets: %w", err)
	}
	request := buildgraph.Request{Changesets: make([]buildgraph.Source, len(r.Changesets)), Settings: r.Settings, Architectures: c.Architectures}
	owners := c.Mirror.Owners()
	for i, change := range r.Changesets {
		source := buildgraph.Source{Slug: change.Source, Place: placeOf(owners[change.Source]), Ref: change.Ref, Commit: change.Commit}
		if source.Ref == "" {
			source.Ref = c.BaseRef
		}
		source.Info, source.Err = files[change.Commit].Parse()
		source.Keys, source.Notes = files[change.Commit].Keys, files[change.Commit].Notes
		request.Changesets[i] = source
	}
	if known := c.durations.Load(); known != nil {
		request.Durations = *known
	}
	return request, nil
}

// Directory returns the names of all that the sources make. It is Unavailable
// until they have been read for the first time.
func (c *Catalog) Directory() (*directory.Directory, error) {
	if err := c.Ready(); err != nil {
		return nil, err
	}
	return c.current.Load().directory(), nil
}

// Package returns a package of the sources on an architecture; NotFound when no
// source makes it there.
func (c *Catalog) Package(architecture, name string) (buildgraph.Package, error) {
	if err := c.Ready(); err != nil {
		return buildgraph.Package{}, err
	}
	p, ok := c.current.Load().index.Package(architecture, name)
	if !ok {
		return p, buildbtw.NotFound("no source makes a package %.80q for %s", name, architecture)
	}
	return p, nil
}
