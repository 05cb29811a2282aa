package publish

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"buildbtw"
	"buildbtw/pacman/alpm"
	"buildbtw/store"
)

// Bounds of a comparison of two builds.
const (
	repeatTime  = 5 * time.Minute
	repeatLines = 20       // about files that differ, and about what was installed
	repeatLimit = 16 << 30 // bytes of an unpacked package
)

// compareRepeat compares the packages of a second build with those of the first, and ends its attempt. Nothing is
// published. One comparison runs at a time.
func (p *Publisher) compareRepeat(ctx context.Context, second store.Publishing) (buildbtw.Status, error) {
	p.repeating.Lock()
	defer p.repeating.Unlock()
	result, lines, err := p.deviations(ctx, second)
	if err != nil {
		return "", err
	}
	status, err := p.Store.CompleteRepeat(ctx, second.Attempt.ID, result, lines)
	if err != nil {
		return "", err
	}
	if err := p.Repos.Discard(second.Attempt.Name()); err != nil { // loop prune tries again
		p.Log.WarnContext(ctx, "the packages of a second build are left for now", "attempt", second.Attempt.Name(), "error", err)
	}
	return status, nil
}

// deviations returns whether a second build made the same packages as the first, and what differs or
// why that cannot be said. The error is that of the database.
func (p *Publisher) deviations(ctx context.Context, second store.Publishing) (result buildbtw.RepeatResult, lines []string, err error) {
	sides, ok, err := p.Store.RepeatSides(ctx, second.Build.ID)
	if err != nil {
		return "", nil, err
	}
	if !ok {
		return buildbtw.RepeatFailed, []string{"The first build was replaced before the second one was done."}, nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, repeatTime, fmt.Errorf("it took longer than %v", repeatTime))
	defer cancel()
	made := map[string]buildbtw.Package{}
	for _, f := range second.Files {
		made[f.Filename] = f
	}
	for _, f := range sides.Packages {
		other, both := made[f.Filename]
		delete(made, f.Filename)
		switch {
		case !both:
			lines = append(lines, f.Filename+": only the first build made it")
		case other.SHA256 != f.SHA256:
			words, err := p.deviation(ctx, sides.First, f, second.Attempt.Name(), other)
			if err != nil {
				words = "the bytes differ; where cannot be said: " + err.Error()
			}
			lines = append(lines, f.Filename+": "+words)
		}
	}
	for _, f := range second.Files {
		if _, only := made[f.Filename]; only {
			lines = append(lines, f.Filename+": only the second build made it")
		}
	}
	switch {
	case len(lines) == 0:
		return buildbtw.RepeatSame, nil, nil
	case len(sides.Changes) > 0: // not the same input
		lines = []string{"The second build differs, but other packages were installed when it was made:"}
		for _, c := range sides.Changes[:min(len(sides.Changes), repeatLines)] {
			lines = append(lines, fmt.Sprintf("%s %s → %s", c.Name, installedWords(c.From), installedWords(c.To)))
		}
		return buildbtw.RepeatFailed, lines, nil
	}
	return buildbtw.RepeatOther, lines[:min(len(lines), repeatLines)], nil
}

func installedWords(version string) string {
	if version == "" {
		return "not installed"
	}
	return version
}

// deviation returns the first difference between a published package and the one of a second build, in words.
func (p *Publisher) deviation(ctx context.Context, b store.BuildRow, first buildbtw.Package, attempt buildbtw.AttemptName, second buildbtw.Package) (words string, err error) {
	one, err := p.Repos.OpenFile(buildbtw.RepositoryName(b.Buildspace, b.Iteration), b.Architecture, first.Filename)
	if err != nil {
		return "", errors.New("the first package is not there any more")
	}
	defer one.Close()
	two, err := p.Repos.OpenStaged(attempt, second.SHA256)
	if err != nil {
		return "", errors.New("the second package is not there any more")
	}
	defer two.Close()
	limits := alpm.DefaultLimits()
	limits.Unpacked = repeatLimit
	d, err := limits.Deviate(ctx, cancelled{ctx, one}, cancelled{ctx, two})
	if err != nil {
		return "", err
	}
	if _, err := one.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	if section, err := limits.Section(cancelled{ctx, one}, d); err == nil && section != "" {
		return d.String() + ", in section " + section, nil
	}
	return d.String(), nil
}

// cancelled is a file whose reading ends with a context.
type cancelled struct {
	ctx context.Context //nolint:containedctx // lives as long as one comparison
	r   io.Reader
}

func (c cancelled) Read(b []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.r.Read(b)
}
