package store

import (
	"context"
	"fmt"
	"time"

	"buildbtw"
)

// RetainGroups makes the groups with these names known and forgets all others,
// with their projects: to be called at start, as --sources may have changed.
func (s *Store) RetainGroups(ctx context.Context, names []string) error {
	err := s.transact(ctx, func(ctx context.Context, t *tx) error {
		list := textList(names)
		if _, err := t.exec(ctx, `DELETE FROM source_groups WHERE name NOT IN (SELECT value FROM json_each(?))`, list); err != nil {
			return err
		}
		_, err := t.exec(ctx, `INSERT INTO source_groups (name) SELECT value FROM json_each(?) WHERE true ON CONFLICT (name) DO NOTHING`, list)
		return err
	})
	if err != nil {
		return fmt.Errorf("retain the groups of sources: %w", err)
	}
	return nil
}

// SourceGroup gives a group, or NotFound.
func (s *Store) SourceGroup(ctx context.Context, name string) (buildbtw.SourceGroup, error) {
	var g buildbtw.SourceGroup
	err := s.lists.GetContext(ctx, &g, `SELECT * FROM source_groups WHERE name = ?`, name)
	return g, notFound(err, "there is no group %s among the sources", name)
}

// GroupRow is a group with how much of it is mirrored.
type GroupRow struct {
	buildbtw.SourceGroup
	Projects int `bun:"projects"`
	Fetched  int `bun:"fetched"` // at least once
	Untried  int `bun:"untried"` // the first fill is not through with them
	Broken   int `bun:"broken"`  // cannot be mirrored now
}

// SourceGroups lists all groups by name.
func (s *Store) SourceGroups(ctx context.Context) ([]GroupRow, error) {
	var rows []GroupRow
	err := s.lists.SelectContext(ctx, &rows, `SELECT g.*, count(p.id) AS projects, count(p.fetched_at) AS fetched,
    count(p.id) FILTER (WHERE p.tried_at IS NULL AND`+mine+`) AS untried, count(p.id) FILTER (WHERE p.message <> '' OR NOT`+mine+`) AS broken
FROM source_groups AS g LEFT JOIN mirrored_projects AS p ON p.group_name = g.name GROUP BY g.name ORDER BY g.name`)
	if err != nil {
		return nil, fmt.Errorf("list the groups of sources: %w", err)
	}
	return rows, nil
}

// BrokenProjects says of a group's projects that cannot be mirrored why, by slug.
func (s *Store) BrokenProjects(ctx context.Context, group string) (map[string]string, error) {
	var rows []struct {
		Slug    string `bun:"slug"`
		Message string `bun:"message"`
	}
	err := s.lists.SelectContext(ctx, &rows, `SELECT p.slug, p.message FROM mirrored_projects AS p WHERE p.group_name = ? AND p.message <> ''
UNION ALL
SELECT p.slug, 'projects ' || o.path || ' and ' || p.path || ' would be the same source; rename one of them'
FROM mirrored_projects AS p JOIN mirrored_projects AS o ON o.slug = p.slug AND o.id < p.id WHERE p.group_name = ?`, group, group)
	if err != nil {
		return nil, fmt.Errorf("list the broken projects of %s: %w", group, err)
	}
	broken := make(map[string]string, len(rows))
	for _, r := range rows {
		broken[r.Slug] = r.Message
	}
	return broken, nil
}

// ProjectSlugs gives the names of all sources that a group's projects are.
func (s *Store) ProjectSlugs(ctx context.Context, group string) (map[string]bool, error) {
	var list []string
	if err := s.lists.SelectContext(ctx, &list, `SELECT DISTINCT slug FROM mirrored_projects WHERE group_name = ?`, group); err != nil {
		return nil, fmt.Errorf("list the sources of %s: %w", group, err)
	}
	slugs := make(map[string]bool, len(list))
	for _, slug := range list {
		slugs[slug] = true
	}
	return slugs, nil
}

// GroupAsked keeps that a group's GitLab answered, or why it did not.
func (s *Store) GroupAsked(ctx context.Context, name, failure string) error {
	if failure != "" {
		return s.setGroup(ctx, name, `message = ?`, failure)
	}
	return s.setGroup(ctx, name, `message = '', asked_at = ?`, s.now())
}

// GroupListed keeps that all projects of a group were listed.
func (s *Store) GroupListed(ctx context.Context, name string) error {
	return s.setGroup(ctx, name, `listed_at = ?`, s.now())
}

// GroupFetched keeps when GitLab was asked for what has now been fetched. It is
// called after that: what a crash cuts off is asked for again.
func (s *Store) GroupFetched(ctx context.Context, name string, until time.Time) error {
	return s.setGroup(ctx, name, `filled_at = coalesce(filled_at, ?), seen_until = ?`, s.now(), until.UTC())
}

func (s *Store) setGroup(ctx context.Context, name, set string, args ...any) error {
	err := s.transact(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `UPDATE source_groups SET `+set+` WHERE name = ?`, append(args, name)...)
		return err
	})
	if err != nil {
		return fmt.Errorf("note how group %s stands: %w", name, err)
	}
	return nil
}
