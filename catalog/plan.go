package catalog

import (
	"context"
	"fmt"

	"buildbtw"
	"buildbtw/buildgraph"
	"buildbtw/internal/directory"
)

// Resolve gives the commit at which a changeset stands.
func (c *Catalog) Resolve(ctx context.Context, change buildbtw.Changeset) (string, error) {
	ref := change.Ref
	if ref == "" {
		ref = c.BaseRef
	}
	if err := c.Ready(); err != nil {
		return "", err
	}
	return c.Mirror.Resolve(ctx, change.Source, ref)
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

// Revision counts the states of the sources: plans made at the same revision
// with the same changesets are the same.
func (c *Catalog) Revision() uint64 { return c.current.Load().revision }

// PlanRequest asks what changesets and settings would build.
type PlanRequest struct {
	Changesets []buildbtw.Changeset
	Settings   buildbtw.Settings
}

// PlanAll computes many plans at once, in the order of the requests. One that
// cannot be made has its error in its place.
func (c *Catalog) PlanAll(ctx context.Context, requests []PlanRequest) []buildgraph.Planned {
	answers := make([]buildgraph.Planned, len(requests))
	var valid []buildgraph.Request
	var places []int
	for i, r := range requests {
		request, err := c.request(ctx, r.Changesets, r.Settings)
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

// request is what the index wants to know.
func (c *Catalog) request(ctx context.Context, changesets []buildbtw.Changeset, settings buildbtw.Settings) (buildgraph.Request, error) {
	if err := settings.Validate(); err != nil {
		return buildgraph.Request{}, err
	}
	sources, err := c.changesetSources(ctx, changesets)
	request := buildgraph.Request{Changesets: sources, Settings: settings, Architectures: c.Architectures}
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
			ref = c.BaseRef
		}
		commits[i] = commit
		sources[i] = buildgraph.Source{Slug: change.Source, Ref: ref, Commit: commit}
	}
	files, err := c.Mirror.ReadSrcinfos(ctx, commits)
	if err != nil {
		return nil, fmt.Errorf("read the .SRCINFO of the changesets: %w", err)
	}
	for i := range sources {
		sources[i].Info, sources[i].Err = files[commits[i]].Parse()
	}
	return sources, nil
}

// Directory returns the names of all that the sources make. It is Unavailable
// until they have been read for the first time.
func (c *Catalog) Directory() (*directory.Directory, error) {
	if err := c.Ready(); err != nil {
		return nil, err
	}
	return c.current.Load().directory(), nil
}

// Package returns what the sources know of a package on an architecture;
// NotFound when they do not make it there.
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
