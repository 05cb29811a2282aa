package gitmirror

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"

	"buildbtw/internal/proc"
)

// Tip is a branch or tag of a source and the commit it stands at.
type Tip struct {
	Slug   string
	Ref    string // short name, such as "main" or "v1.0"
	Tag    bool
	Commit string // annotated tags are followed to their commit
}

const (
	refRoot     = "refs/sources/"
	headsPrefix = "heads/"
	tagsPrefix  = "tags/"
)

// Tips returns every branch and tag of every source; those of one source stand
// together. Tags of other objects than commits are left out.
//
// Of sources that were read ahead it has the branches only.
func (m *Mirror) Tips(ctx context.Context) ([]Tip, error) {
	before := m.ahead.tips(nil, true) // first, so that one that is mirrored meanwhile is in the mirror's
	tips, err := m.tips(ctx, refRoot)
	return append(tips, before...), err
}

// TipsOf returns the branches and tags of these sources only.
func (m *Mirror) TipsOf(ctx context.Context, slugs []string) ([]Tip, error) {
	if len(slugs) == 0 {
		return nil, nil
	}
	before := m.ahead.tips(slugs, false)
	below := make([]string, len(slugs))
	for i, slug := range slugs {
		below[i] = refRoot + slug + "/"
	}
	tips, err := m.tips(ctx, below...)
	return append(tips, before...), err
}

func (m *Mirror) tips(ctx context.Context, below ...string) ([]Tip, error) {
	out, err := m.git.output(ctx, append([]string{
		"for-each-ref", "--format=%(refname) %(objecttype) %(objectname) %(*objecttype) %(*objectname)",
	}, below...)...)
	if err != nil {
		return nil, fmt.Errorf("read tips of the mirror: %w", err)
	}
	tips := make([]Tip, 0, strings.Count(out, "\n"))
	for line := range strings.Lines(out) {
		tip, target, ok := parseTip(strings.TrimSuffix(line, "\n"))
		if !ok {
			continue
		}
		if target == "tag" { // a tag of a tag: for-each-ref follows one step only
			tip.Commit, err = m.peel(ctx, tip.Commit)
			if err != nil {
				return nil, err
			}
		}
		if tip.Commit != "" {
			tips = append(tips, tip)
		}
	}
	return tips, nil
}

// TagTexts returns the objects of tags, in their order: nil of those that stand at their
// commit without one, and of those that are gone by now.
func (m *Mirror) TagTexts(ctx context.Context, tags []Tip) ([][]byte, error) {
	if len(tags) == 0 {
		return nil, nil
	}
	names := make([]string, len(tags))
	for i, t := range tags {
		names[i] = refRoot + t.Slug + "/" + tagsPrefix + t.Ref
	}
	objects, err := m.git.readObjects(ctx, names)
	if err != nil {
		return nil, fmt.Errorf("read %d tags: %w", len(tags), err)
	}
	texts := make([][]byte, len(tags))
	for i, o := range objects {
		if o.kind == "tag" {
			texts[i] = o.text
		}
	}
	return texts, nil
}

// parseTip reads a line of for-each-ref: name, type and object, and the type
// and object that a tag points to. target is "commit" or "tag".
func parseTip(line string) (tip Tip, target string, ok bool) {
	field := strings.Split(line, " ")
	if len(field) != 5 {
		return Tip{}, "", false
	}
	slug, name, ok := splitRef(field[0])
	if !ok {
		return Tip{}, "", false
	}
	target, commit := field[1], field[2]
	if target == "tag" {
		target, commit = field[3], field[4]
	}
	short, isHead := strings.CutPrefix(name, headsPrefix)
	if !isHead {
		short = strings.TrimPrefix(name, tagsPrefix)
	}
	return Tip{Slug: slug, Ref: short, Tag: !isHead, Commit: commit}, target, target == "commit" || target == "tag"
}

// splitRef splits refs/sources/SLUG/heads/NAME into SLUG and heads/NAME.
func splitRef(ref string) (slug, name string, ok bool) {
	rest, ok := strings.CutPrefix(ref, refRoot)
	if !ok {
		return "", "", false
	}
	slug, name, ok = strings.Cut(rest, "/")
	if !strings.HasPrefix(name, headsPrefix) && !strings.HasPrefix(name, tagsPrefix) {
		return "", "", false
	}
	return slug, name, ok
}

// peel follows a tag to its commit. It returns "" when the tag is of another
// object.
func (m *Mirror) peel(ctx context.Context, object string) (string, error) {
	out, err := m.git.output(ctx, "rev-parse", "--verify", "--quiet", object+"^{commit}")
	if proc.ExitCode(err) > 0 {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("follow tag %s: %w", object, err)
	}
	return strings.TrimSpace(out), nil
}

// sourceRefs are the refs of one source, such as "heads/main", and the objects
// they name. Tags are not followed.
type sourceRefs map[string]string

// digest returns a digest of the refs.
func (r sourceRefs) digest() string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(r)) {
		fmt.Fprintf(h, "%s %q\n", r[name], name)
	}
	return sum(h)
}

// refs returns the refs of all sources, also of those that were read ahead.
func (m *Mirror) refs(ctx context.Context) (map[string]sourceRefs, error) {
	all := m.ahead.refs() // first: see Tips
	mirrored, err := m.git.refsBelow(ctx, refRoot)
	maps.Copy(all, mirrored)
	return all, err
}

// refsBelow returns the refs that begin with a prefix, by source.
func (g git) refsBelow(ctx context.Context, prefix string) (map[string]sourceRefs, error) {
	out, err := g.output(ctx, "for-each-ref", "--format=%(objectname) %(refname)", prefix)
	if err != nil {
		return nil, fmt.Errorf("read refs of the mirror: %w", err)
	}
	all := map[string]sourceRefs{}
	for line := range strings.Lines(out) {
		object, ref, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		slug, name, ok := splitRef(ref)
		if !ok {
			continue
		}
		if all[slug] == nil {
			all[slug] = sourceRefs{}
		}
		all[slug][name] = object
	}
	return all, nil
}
