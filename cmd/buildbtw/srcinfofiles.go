package main

import (
	"context"
	"crypto/sha1" //nolint:gosec // names a text, as git does
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"buildbtw"
	"buildbtw/buildgraph"
	"buildbtw/catalog"
	"buildbtw/pacman/srcinfo"
)

// srcinfoPlanner plans from files named SOURCE.SRCINFO, without git: every
// source stands at the one state that its file has.
type srcinfoPlanner struct {
	index         *buildgraph.Index
	sources       []buildgraph.Source
	baseRef       string
	architectures []string
	durations     map[string]float64
}

func readSrcinfoFiles(files []string, f *offlineFlags, durations map[string]float64) (*srcinfoPlanner, error) {
	p := &srcinfoPlanner{baseRef: f.baseRef, architectures: f.architectures, durations: durations}
	for _, name := range files {
		name, err := filepath.Abs(name)
		if err != nil {
			return nil, fmt.Errorf("read a source: %w", err)
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read a source: %w", err)
		}
		sum := sha1.Sum(text) //nolint:gosec // as above
		slug := strings.TrimSuffix(filepath.Base(name), ".SRCINFO")
		source := buildgraph.Source{Slug: slug, Place: filepath.Base(filepath.Dir(name)), Ref: f.baseRef, Commit: hex.EncodeToString(sum[:])}
		if source.Info, err = srcinfo.Parse(text); err != nil {
			source.Err = fmt.Errorf(".SRCINFO: %w", err)
		}
		p.sources = append(p.sources, source)
	}
	p.index = buildgraph.NewIndex(p.sources, buildgraph.Options{Prefer: preferred(f.prefer), IgnoreArch: f.ignoreArch})
	return p, nil
}

// Plan computes what changesets would build.
func (p *srcinfoPlanner) Plan(ctx context.Context, changesets []buildbtw.Changeset, s buildbtw.Settings) (*buildgraph.Plan, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	r := buildgraph.Request{Settings: s, Architectures: p.architectures, Durations: p.durations}
	for _, c := range changesets {
		source, ok := p.index.Source(c.Source)
		switch {
		case !ok:
			return nil, buildbtw.NotFound("there is no source %q", c.Source)
		case c.Ref != "" && c.Ref != p.baseRef:
			return nil, buildbtw.NotFound("%s: files have no branches, so %s is all there is of a source", c, c.Source)
		}
		r.Changesets = append(r.Changesets, source)
	}
	return p.index.Plan(ctx, r)
}

// Sources lists the sources by slug.
func (p *srcinfoPlanner) Sources(context.Context) ([]catalog.Source, error) {
	list := make([]catalog.Source, len(p.sources))
	for i, s := range p.sources {
		list[i] = catalog.Source{Slug: s.Slug, Ref: s.Ref, Commit: s.Commit}
		if s.Info != nil {
			list[i].Pkgbase, list[i].Version = s.Info.Pkgbase, s.Info.Version()
		} else {
			list[i].Error = s.Err.Error()
		}
	}
	return list, nil
}
