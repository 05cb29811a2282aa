package scheduler

import (
	"context"
	"sync"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/buildgraph"
	"buildbtw/internal/directory"
)

// directoryOf puts off making a directory until somebody searches.
func directoryOf(sources []directory.Source) func() *directory.Directory {
	return sync.OnceValue(func() *directory.Directory { return directory.New(sources) })
}

func (c *Catalog) directorySources(states []api.Source) []directory.Source {
	sources := make([]directory.Source, 0, len(states))
	for _, s := range states {
		sources = append(sources, directory.Source{Slug: s.Slug, Commit: s.Commit, Info: c.parsed[s.Commit].info})
	}
	return sources
}

// Directory gives the names of all that the sources make. It is Unavailable
// until they have been read for the first time.
func (c *Catalog) Directory(context.Context) (*directory.Directory, error) {
	if err := c.ready(); err != nil {
		return nil, err
	}
	return c.current.Load().directory(), nil
}

// Package says what the sources know of a package on an architecture; NotFound
// when they do not make it there.
func (c *Catalog) Package(_ context.Context, architecture, name string) (buildgraph.Package, error) {
	if err := c.ready(); err != nil {
		return buildgraph.Package{}, err
	}
	p, ok := c.current.Load().index.Package(architecture, name)
	if !ok {
		return p, buildbtw.NotFound("no source makes a package %.80q for %s", name, architecture)
	}
	return p, nil
}
