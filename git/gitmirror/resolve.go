package gitmirror

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"buildbtw/internal/editdistance"

	"buildbtw"
)

// minAbbreviation is how many digits of a commit must be given. Git's own
// minimum, 4, would be ambiguous among the objects of all sources.
const minAbbreviation = 7

// Resolve returns the commit that a ref of a source names: a branch, else a
// tag, else the full or abbreviated name of a commit that the source has.
// A NotFound error lists similar names.
func (m *Mirror) Resolve(ctx context.Context, slug, ref string) (string, error) {
	if err := buildbtw.CheckSlug(slug); err != nil {
		return "", err
	}
	if err := buildbtw.CheckRef(ref); err != nil {
		return "", err
	}
	tips, err := m.TipsOf(ctx, []string{slug})
	if err != nil {
		return "", err
	}
	isBranch := func(t Tip) bool { return !t.Tag && t.Ref == ref }
	if !slices.ContainsFunc(tips, isBranch) && m.mirrorSource(ctx, slug) { // a tag, or a commit
		if tips, err = m.TipsOf(ctx, []string{slug}); err != nil {
			return "", err
		}
	}
	if len(tips) == 0 {
		refs, err := m.refs(ctx)
		if err != nil {
			return "", err
		}
		return "", buildbtw.NotFound("there is no source %q; %s", slug, suggest("there are", slug, slices.Collect(maps.Keys(refs))))
	}
	for _, tags := range []bool{false, true} {
		for _, t := range tips {
			if t.Tag == tags && t.Ref == ref {
				return t.Commit, nil
			}
		}
	}
	commit, err := m.findCommit(ctx, slug, ref)
	if err != nil || commit != "" {
		return commit, err
	}
	var names []string
	for _, t := range tips {
		names = append(names, t.Ref)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	return "", buildbtw.NotFound("source %s has no branch, tag or commit %q; %s", slug, ref, suggest("it has", ref, names))
}

// findCommit returns the commit of the source whose name begins with the given
// digits, or "".
func (m *Mirror) findCommit(ctx context.Context, slug, digits string) (string, error) {
	digits = strings.ToLower(digits)
	if len(digits) < minAbbreviation || !isHex(digits) {
		return "", nil
	}
	objects, err := m.git.output(ctx, "rev-parse", "--disambiguate="+digits)
	if err != nil {
		return "", fmt.Errorf("find commit %s of source %s: %w", digits, slug, err)
	}
	var found []string
	for _, object := range strings.Fields(objects) {
		has, err := m.contains(ctx, slug, object)
		if err != nil {
			return "", err
		}
		if has {
			found = append(found, object)
		}
	}
	switch len(found) {
	case 0:
		return "", nil
	case 1:
		return found[0], nil
	}
	return "", buildbtw.Invalid("commit %s of source %s is ambiguous; it could be %s", digits, slug, strings.Join(found, " or "))
}

// contains reports whether an object is a commit in the history of a source.
func (m *Mirror) contains(ctx context.Context, slug, object string) (bool, error) {
	kind, err := m.git.output(ctx, "cat-file", "-t", object)
	if err != nil || strings.TrimSpace(kind) != "commit" {
		return false, nil //nolint:nilerr // an object that is not there is no commit of the source
	}
	out, err := m.git.output(ctx, "for-each-ref", "--count=1", "--contains="+object, "--format=%(refname)", refRoot+slug+"/")
	if err != nil {
		return false, fmt.Errorf("find commit %s of source %s: %w", object, slug, err)
	}
	return out != "", nil
}

const maxSuggestions = 5

// suggest lists the names closest to the wanted one.
func suggest(intro, wanted string, names []string) string {
	if len(names) == 0 {
		return intro + " none"
	}
	farthest := len(wanted)
	for _, name := range names {
		farthest = max(farthest, len(name))
	}
	more := ""
	if len(names) > maxSuggestions {
		more = fmt.Sprintf(" and %d more", len(names)-maxSuggestions)
	}
	return intro + " " + strings.Join(editdistance.Nearest(wanted, slices.Values(names), farthest, maxSuggestions), ", ") + more
}
