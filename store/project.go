package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"buildbtw"
)

// projectChunk bounds how long one transaction of NoteProjects keeps others from
// writing.
const projectChunk = 1000

// timeText writes a time as the driver does, so that it compares as text.
func timeText(t time.Time) string { return t.UTC().Format(writtenTime) }

// writtenTime is how times stand in the database (dsn).
const writtenTime = "2006-01-02 15:04:05.999999999-07:00"

// NoteProjects takes notice of projects that were listed in a group. Those that
// are new, were active or have another path become due to be fetched. What
// another group has found already stays with it. It tells how many rows changed.
func (s *Store) NoteProjects(ctx context.Context, group string, list []buildbtw.Project) (changed int64, err error) {
	for chunk := range slices.Chunk(list, projectChunk) {
		err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
			n, err := t.noteProjects(ctx, group, chunk)
			changed += n
			return err
		})
		if err != nil {
			return changed, fmt.Errorf("note %d projects of %s: %w", len(chunk), group, err)
		}
	}
	return changed, nil
}

func (t *tx) noteProjects(ctx context.Context, group string, list []buildbtw.Project) (int64, error) {
	rows := make([][]any, len(list))
	for i, p := range list {
		rows[i] = []any{p.ID, p.Slug(), p.Path, p.SSHURL, p.CIConfigPath, timeText(p.ActiveAt), p.VariablesRole}
	}
	text, err := json.Marshal(rows)
	if err != nil {
		return 0, err
	}
	return t.exec(ctx, "note_projects", args{"projects": string(text), "group": group, "now": t.now})
}

// DueProjects lists projects of a group that are to be fetched, those first that
// have waited longest, up to a limit.
func (s *Store) DueProjects(ctx context.Context, group string, limit int) ([]buildbtw.MirroredProject, error) {
	list, err := readable[buildbtw.MirroredProject](ctx, s.queries, "due_projects", args{"group": group, "now": s.now(), "limit": limit})
	if err != nil {
		return list, fmt.Errorf("list the projects of %s that are due: %w", group, err)
	}
	return list, nil
}

// MissingProjects lists projects of a group that are not among these.
func (q *Reader) MissingProjects(ctx context.Context, group string, listed []buildbtw.Project) ([]buildbtw.MirroredProject, error) {
	ids := make([]int64, len(listed))
	for i, p := range listed {
		ids[i] = p.ID
	}
	var list []buildbtw.MirroredProject
	err := q.list(ctx, &list, "missing_projects", args{"group": group, "listed": idList(ids)})
	if err != nil {
		return nil, fmt.Errorf("list the projects that are missing in %s: %w", group, err)
	}
	return list, nil
}

// Fetched is how the fetch of a project went.
type Fetched struct {
	Project buildbtw.Project // as it was when it was fetched
	Began   time.Time
	Message string // why it failed, in words for people; empty when it did not
}

// NoteFetch keeps how the fetch of a project went and when the next is due. A
// push that was noticed meanwhile keeps it due.
func (s *Store) NoteFetch(ctx context.Context, f Fetched) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		if f.Message == "" {
			return t.noteSuccess(ctx, f)
		}
		return t.noteFailure(ctx, f)
	})
	if err != nil {
		return fmt.Errorf("note the fetch of project %d: %w", f.Project.ID, err)
	}
	return nil
}

func (t *tx) noteSuccess(ctx context.Context, f Fetched) error {
	_, err := t.exec(ctx, "note_fetched", args{
		"project": f.Project.ID, "began": f.Began.UTC(), "active_at": f.Project.ActiveAt, "path": f.Project.Path,
		"next": f.Project.NextFetch(f.Began).UTC(),
	})
	return err
}

func (t *tx) noteFailure(ctx context.Context, f Fetched) error {
	var known buildbtw.MirroredProject
	if err := t.get(ctx, &known, "project", args{"project": f.Project.ID}); err != nil {
		return notFound(err, "there is no project %d", f.Project.ID)
	}
	_, err := t.exec(ctx, "note_fetch_failed", args{
		"project": f.Project.ID, "began": f.Began.UTC(), "active_at": f.Project.ActiveAt, "path": f.Project.Path, "message": f.Message,
		"next": buildbtw.RetryFetch(t.now, known.Failures+1),
	})
	return err
}

// RefetchProjects makes all projects of a group due, as if none had been fetched:
// the mirror was made anew.
func (s *Store) RefetchProjects(ctx context.Context, group string) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		a := args{"group": group, "now": t.now}
		if _, err := t.exec(ctx, "refetch_projects", a); err != nil {
			return err
		}
		_, err := t.exec(ctx, "unfill_group", args{"group": group})
		return err
	})
	if err != nil {
		return fmt.Errorf("have the projects of %s fetched again: %w", group, err)
	}
	return nil
}

// ProjectMissing keeps since when GitLab does not show a project, and what people
// are to know of it.
func (s *Store) ProjectMissing(ctx context.Context, id int64, message string) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, "note_missing", args{"project": id, "message": message, "now": t.now})
		return err
	})
	if err != nil {
		return fmt.Errorf("note that project %d is missing: %w", id, err)
	}
	return nil
}

// RemoveProject forgets a project that is not in its group any more.
func (s *Store) RemoveProject(ctx context.Context, id int64) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, "remove_project", args{"project": id})
		return err
	})
	if err != nil {
		return fmt.Errorf("forget project %d: %w", id, err)
	}
	return nil
}

// Project gives the project with an id, or NotFound.
func (q *Reader) Project(ctx context.Context, id int64) (buildbtw.MirroredProject, error) {
	var p buildbtw.MirroredProject
	err := q.get(ctx, &p, "project", args{"project": id})
	return p, notFound(err, "there is no project %d", id)
}

func (t *tx) projectOfSource(ctx context.Context, slug string) (p buildbtw.MirroredProject, err error) {
	err = t.get(ctx, &p, "project_of_source", args{"slug": slug})
	return p, err
}

// ProjectOfSource gives the project that a source comes from, or NotFound when
// it comes from elsewhere.
func (q *Reader) ProjectOfSource(ctx context.Context, slug string) (buildbtw.MirroredProject, error) {
	var p buildbtw.MirroredProject
	err := q.get(ctx, &p, "project_of_source", args{"slug": slug})
	return p, notFound(err, "source %s is no project on GitLab", slug)
}

// ProjectsWithOtherCI lists projects whose pipelines are described elsewhere than
// in path, or that let nobody set variables of pipelines, up to a limit; those for
// which setting it failed before come last.
func (q *Reader) ProjectsWithOtherCI(ctx context.Context, path string, limit int) ([]buildbtw.MirroredProject, error) {
	var list []buildbtw.MirroredProject
	err := q.list(ctx, &list, "projects_with_other_ci", args{"path": path, "limit": limit})
	if err != nil {
		return nil, fmt.Errorf("list the projects with another CI configuration than %s: %w", path, err)
	}
	return list, nil
}

// NoteCIConfig records the CI settings that a project has now, or why they could not
// be changed.
func (s *Store) NoteCIConfig(ctx context.Context, p buildbtw.Project, failure string) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, "note_ci_config", args{"project": p.ID, "path": p.CIConfigPath, "role": p.VariablesRole, "message": failure})
		return err
	})
	if err != nil {
		return fmt.Errorf("note the CI configuration of project %d: %w", p.ID, err)
	}
	return nil
}

// RetainGroups makes the groups with these names known and forgets all others,
// with their projects: to be called at start, as --sources may have changed.
func (s *Store) RetainGroups(ctx context.Context, names []string) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		a := args{"names": textList(names)}
		if _, err := t.exec(ctx, "remove_other_groups", a); err != nil {
			return err
		}
		_, err := t.exec(ctx, "add_groups", a)
		return err
	})
	if err != nil {
		return fmt.Errorf("retain the groups of sources: %w", err)
	}
	return nil
}

// SourceGroup gives a group, or NotFound.
func (q *Reader) SourceGroup(ctx context.Context, name string) (buildbtw.SourceGroup, error) {
	var g buildbtw.SourceGroup
	err := q.get(ctx, &g, "source_group", args{"name": name})
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
func (q *Reader) SourceGroups(ctx context.Context) ([]GroupRow, error) {
	var rows []GroupRow
	err := q.list(ctx, &rows, "source_groups", nil)
	if err != nil {
		return nil, fmt.Errorf("list the groups of sources: %w", err)
	}
	return rows, nil
}

// BrokenProjects says of a group's projects that cannot be mirrored why, by slug.
func (q *Reader) BrokenProjects(ctx context.Context, group string) (map[string]string, error) {
	var rows []struct {
		Slug    string `bun:"slug"`
		Message string `bun:"message"`
	}
	err := q.list(ctx, &rows, "broken_projects", args{"group": group})
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
func (q *Reader) ProjectSlugs(ctx context.Context, group string) (map[string]bool, error) {
	var list []string
	if err := q.list(ctx, &list, "slugs_of_group", args{"group": group}); err != nil {
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
		return s.setGroup(ctx, "note_group_failed", args{"name": name, "message": failure})
	}
	return s.setGroup(ctx, "note_group_answered", args{"name": name, "now": s.now()})
}

// GroupListed keeps that all projects of a group were listed.
func (s *Store) GroupListed(ctx context.Context, name string) error {
	return s.setGroup(ctx, "note_group_listed", args{"name": name, "now": s.now()})
}

// GroupFetched keeps when GitLab was asked for what has now been fetched. It is
// called after that: what a crash cuts off is asked for again.
func (s *Store) GroupFetched(ctx context.Context, name string, until time.Time) error {
	return s.setGroup(ctx, "note_group_fetched", args{"name": name, "now": s.now(), "until": until.UTC()})
}

// HookCame records that a webhook about a project of a group came.
func (s *Store) HookCame(ctx context.Context, group string) error {
	now := s.now()
	return s.setGroup(ctx, "note_hook", args{"name": group, "now": now, "before": now.Add(-time.Minute)})
}

func (s *Store) setGroup(ctx context.Context, statement string, a args) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, statement, a)
		return err
	})
	if err != nil {
		return fmt.Errorf("note how group %s stands: %w", a["name"], err)
	}
	return nil
}
