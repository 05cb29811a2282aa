package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/uptrace/bun"

	"buildbtw"
	"buildbtw/buildgraph"
	"buildbtw/internal/guard"
)

// BuildspaceRow is a buildspace with what lists and pages show of it.
type BuildspaceRow struct {
	buildbtw.Buildspace
	Changesets []buildbtw.Changeset `bun:"-"` // by source
	Latest     *IterationRow        `bun:"-"` // nil before the first
}

// BuildspaceFilter selects buildspaces; empty fields select all.
type BuildspaceFilter struct {
	Status string // active or stopped
	Source string // has a changeset of this source
	Query  string // part of the name
	Cursor string // where the page before ended
	Limit  int    // 50 when 0, at most 500
}

// ActiveBuildspace is all that deciding about a new iteration takes.
type ActiveBuildspace struct {
	buildbtw.Buildspace
	Changesets []buildbtw.Changeset          // as they are wanted, by source
	Latest     *buildbtw.Iteration           // nil before the first
	Planned    []buildgraph.PlannedChangeset // of the latest iteration, with the commits they stood at
}

// NextNumber returns the number of the buildspace's next iteration.
func (b ActiveBuildspace) NextNumber() int {
	if b.Latest == nil {
		return 1
	}
	return b.Latest.Number + 1
}

// Buildspace gives one buildspace by name.
func (q *Reader) Buildspace(ctx context.Context, name string) (BuildspaceRow, error) {
	rows := []BuildspaceRow{}
	err := q.Snapshot(ctx, func(q *Reader) error {
		if err := q.list(ctx, &rows, "buildspace", args{"name": name}); err != nil {
			return err
		}
		if len(rows) == 0 {
			return noBuildspace(name)
		}
		return completeBuildspaces(ctx, q, rows)
	})
	if err != nil {
		return BuildspaceRow{}, fmt.Errorf("load buildspace %s: %w", name, err)
	}
	return rows[0], nil
}

func noBuildspace(name string) error { return buildbtw.NotFound("there is no buildspace %q", name) }

// Buildspaces lists buildspaces, newest first.
func (q *Reader) Buildspaces(ctx context.Context, f BuildspaceFilter) (rows []BuildspaceRow, next string, err error) {
	limit, err := pageLimit(f.Limit)
	if err != nil {
		return nil, "", err
	}
	w, err := f.conditions()
	if err != nil {
		return nil, "", err
	}
	rows = []BuildspaceRow{}
	err = q.Snapshot(ctx, func(q *Reader) error {
		err := q.listText(ctx, &rows, `SELECT * FROM buildspaces AS s`+w.sql()+` ORDER BY s.id DESC LIMIT ?`, append(w.args, limit+1)...)
		if err != nil {
			return err
		}
		rows, next = cutPage(rows, limit, func(r BuildspaceRow) int64 { return r.ID })
		return completeBuildspaces(ctx, q, rows)
	})
	if err != nil {
		return nil, "", fmt.Errorf("list buildspaces: %w", err)
	}
	return rows, next, nil
}

func (f BuildspaceFilter) conditions() (w where, err error) {
	w.add("NOT s.hidden")
	switch buildbtw.BuildspaceStatus(f.Status) {
	case "":
	case buildbtw.BuildspaceActive, buildbtw.BuildspaceStopped:
		w.add("s.status = ?", f.Status)
	default:
		return w, buildbtw.Invalid("unknown status %.40q; choose active or stopped", f.Status)
	}
	cursor, err := parseCursor(f.Cursor)
	if err != nil {
		return w, err
	}
	if cursor != 0 {
		w.add("s.id < ?", cursor)
	}
	if f.Source != "" {
		w.add("s.id IN (SELECT c.buildspace_id FROM changesets AS c WHERE c.source = ?)", f.Source)
	}
	if f.Query != "" {
		w.add(`s.name LIKE ? ESCAPE '\'`, contains(f.Query))
	}
	return w, nil
}

// completeBuildspaces adds the changesets and the latest iterations: two
// queries, however many rows there are.
func completeBuildspaces(ctx context.Context, q *Reader, rows []BuildspaceRow) error {
	ids := make([]int64, len(rows))
	place := map[int64]int{}
	for i, r := range rows {
		ids[i], place[r.ID] = r.ID, i
	}
	changesets, err := q.changesetsOf(ctx, ids)
	if err != nil {
		return err
	}
	var latest []IterationRow
	err = q.list(ctx, &latest, "latest_iterations", args{"buildspaces": idList(ids)})
	if err != nil {
		return err
	}
	if err := addCounts(ctx, q, latest); err != nil {
		return err
	}
	for i := range rows {
		rows[i].Changesets = changesets[rows[i].ID]
	}
	for i, it := range latest {
		rows[place[it.BuildspaceID]].Latest = &latest[i]
	}
	return nil
}

func (q queries) changesetsOf(ctx context.Context, buildspaces []int64) (map[int64][]buildbtw.Changeset, error) {
	var rows []changesetRow
	err := q.list(ctx, &rows, "changesets_of_buildspaces", args{"buildspaces": idList(buildspaces)})
	by := map[int64][]buildbtw.Changeset{}
	for _, r := range rows {
		by[r.BuildspaceID] = append(by[r.BuildspaceID], r.Changeset)
	}
	return by, err
}

// ActiveBuildspaces gives all that deciding about new iterations takes, oldest
// buildspace first. Of one that cannot be read the error tells; it is left out.
func (q *Reader) ActiveBuildspaces(ctx context.Context) ([]ActiveBuildspace, error) {
	var out []ActiveBuildspace
	err := q.Snapshot(ctx, func(q *Reader) error {
		rows, unreadable := readable[BuildspaceRow](ctx, q.queries, "active_buildspaces", nil)
		ids := make([]int64, len(rows))
		for i, r := range rows {
			ids[i] = r.ID
		}
		changesets, err := q.changesetsOf(ctx, ids)
		if err != nil {
			return err
		}
		by := map[int64]*ActiveBuildspace{}
		for _, r := range rows {
			by[r.ID] = &ActiveBuildspace{Buildspace: r.Buildspace, Changesets: changesets[r.ID]}
		}
		failed, err := guard.Apart(ids, func(ids []int64) error { return addLatest(ctx, q, ids, by) })
		for _, id := range ids {
			if !slices.Contains(failed, id) {
				out = append(out, *by[id])
			}
		}
		return errors.Join(unreadable, err)
	})
	if err != nil {
		return out, fmt.Errorf("list active buildspaces: %w", err)
	}
	return out, nil
}

// addLatest adds the newest iteration of each buildspace with its changesets.
func addLatest(ctx context.Context, q *Reader, ids []int64, spaces map[int64]*ActiveBuildspace) error {
	var iterations []IterationRow
	if err := q.list(ctx, &iterations, "latest_iterations", args{"buildspaces": idList(ids)}); err != nil {
		return err
	}
	numbers := make([]int64, len(iterations))
	for i, it := range iterations {
		numbers[i] = it.ID
	}
	var planned []iterationChangeset
	if err := q.list(ctx, &planned, "changesets_of_iterations", args{"iterations": idList(numbers)}); err != nil {
		return err
	}
	latest := map[int64]*buildbtw.Iteration{}
	for i, it := range iterations {
		latest[it.BuildspaceID] = &iterations[i].Iteration
	}
	commits := map[int64][]buildgraph.PlannedChangeset{}
	for _, c := range planned {
		commits[c.IterationID] = append(commits[c.IterationID], c.planned())
	}
	for id, it := range latest {
		spaces[id].Latest, spaces[id].Planned = it, commits[it.ID]
	}
	return nil
}

// Edit is what to change of a buildspace; nil keeps what is there.
type Edit struct {
	Settings   *buildbtw.Settings
	Changesets *[]buildbtw.Changeset
}

// changesetRow is a changeset with the buildspace that has it.
type changesetRow struct {
	bun.BaseModel `bun:"table:changesets"`
	BuildspaceID  int64 `bun:"buildspace_id"`
	buildbtw.Changeset
}

// CreateBuildspace makes an active buildspace that wants its first iteration.
// Of b, the name and the settings count. Conflict when the name is taken.
func (s *Store) CreateBuildspace(ctx context.Context, actor string, b buildbtw.Buildspace, cs []buildbtw.Changeset) (BuildspaceRow, error) {
	if err := checkBuildspace(b, cs); err != nil {
		return BuildspaceRow{}, err
	}
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.buildspace(ctx, b.Name)
		if err == nil {
			return buildbtw.Conflict("there is a buildspace %q already; choose another name", b.Name)
		}
		if buildbtw.KindOf(err) != buildbtw.KindNotFound {
			return err
		}
		if err := t.isDeleted(ctx, b.Name); err != nil {
			return err
		}
		b = buildbtw.Buildspace{
			Name: b.Name, Status: buildbtw.BuildspaceActive, Settings: b.Settings, CreatedBy: actor, CreatedAt: t.now,
			Wanted: buildbtw.IterationCreated, WantedText: "Created by " + actor + ".", WantedAt: &t.now, Revision: 1,
		}
		if err := t.insert(ctx, &b); err != nil {
			return err
		}
		if err := t.insertChangesets(ctx, b.ID, cs); err != nil {
			return err
		}
		return t.recordBuildspace(ctx, actor, b.ID, "Created.")
	})
	if err != nil {
		return BuildspaceRow{}, fmt.Errorf("create buildspace %s: %w", b.Name, err)
	}
	return s.Buildspace(ctx, b.Name)
}

func checkBuildspace(b buildbtw.Buildspace, cs []buildbtw.Changeset) error {
	if err := buildbtw.CheckBuildspaceName(b.Name); err != nil {
		return err
	}
	if err := b.Settings.Validate(); err != nil {
		return err
	}
	return checkChangesets(cs)
}

// checkChangesets holds values to the same rules as written ones.
func checkChangesets(cs []buildbtw.Changeset) error {
	written := make([]string, len(cs))
	for i, c := range cs {
		written[i] = c.String()
	}
	_, err := buildbtw.ParseChangesets(written)
	return err
}

func (t *tx) insertChangesets(ctx context.Context, buildspace int64, cs []buildbtw.Changeset) error {
	rows := make([]changesetRow, len(cs))
	for i, c := range cs {
		rows[i] = changesetRow{BuildspaceID: buildspace, Changeset: c}
	}
	return t.insert(ctx, &rows)
}

func (t *tx) recordBuildspace(ctx context.Context, actor string, id int64, message string) error {
	return t.record(ctx, buildbtw.Event{Actor: actor, BuildspaceID: id, Kind: buildbtw.EventBuildspace, Message: message})
}

// buildspace loads one buildspace by name.
func (t *tx) buildspace(ctx context.Context, name string) (buildbtw.Buildspace, error) {
	var b buildbtw.Buildspace
	err := t.get(ctx, &b, "buildspace", args{"name": name})
	return b, notFound(err, "there is no buildspace %q", name)
}

// buildspaceByID loads one buildspace.
func (t *tx) buildspaceByID(ctx context.Context, id int64) (buildbtw.Buildspace, error) {
	b := buildbtw.Buildspace{ID: id}
	err := t.NewSelect().Model(&b).WherePK().Scan(ctx)
	return b, notFound(err, "there is no buildspace %d", id)
}

// want asks for an iteration. Every request has its own revision.
func (t *tx) want(ctx context.Context, b *buildbtw.Buildspace, reason buildbtw.IterationReason, text string) error {
	b.Wanted, b.WantedText, b.WantedAt, b.Revision = reason, text, &t.now, b.Revision+1
	_, err := t.NewUpdate().Model(b).Column("wanted", "wanted_text", "wanted_at", "revision").WherePK().Exec(ctx)
	return err
}

// EditBuildspace changes settings and changesets. What changes the plan makes a
// new iteration wanted; the priority alone does not, it counts at once.
func (s *Store) EditBuildspace(ctx context.Context, actor, name string, e Edit) (BuildspaceRow, error) {
	if err := e.validate(); err != nil {
		return BuildspaceRow{}, err
	}
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		b, err := t.buildspace(ctx, name)
		if err != nil {
			return err
		}
		settings, replan, err := t.editSettings(ctx, &b, e.Settings)
		if err != nil {
			return err
		}
		changesets, err := t.editChangesets(ctx, b.ID, e.Changesets)
		if err != nil || !settings && !changesets {
			return err
		}
		if replan || changesets {
			if err := t.want(ctx, &b, buildbtw.IterationEdited, "Edited by "+actor+"."); err != nil {
				return err
			}
		}
		return t.recordBuildspace(ctx, actor, b.ID, editWords(settings, changesets))
	})
	if err != nil {
		return BuildspaceRow{}, fmt.Errorf("edit buildspace %s: %w", name, err)
	}
	return s.Buildspace(ctx, name)
}

func (e Edit) validate() error {
	if e.Settings != nil {
		if err := e.Settings.Validate(); err != nil {
			return err
		}
	}
	if e.Changesets != nil {
		return checkChangesets(*e.Changesets)
	}
	return nil
}

func editWords(settings, changesets bool) string {
	switch {
	case settings && changesets:
		return "Changesets and settings edited."
	case changesets:
		return "Changesets edited."
	}
	return "Settings edited."
}

// editSettings says whether anything changed, and whether the plan may be
// another one by it.
func (t *tx) editSettings(ctx context.Context, b *buildbtw.Buildspace, to *buildbtw.Settings) (changed, replan bool, err error) {
	if to == nil || sameSettings(b.Settings, *to) {
		return false, false, nil
	}
	before := b.Settings
	b.Settings = *to
	before.Priority, before.Reuse, before.CutOff, before.FollowFixes, before.Baseline = to.Priority, to.Reuse, to.CutOff, to.FollowFixes, to.Baseline
	_, err = t.NewUpdate().Model(b).WherePK().
		Column("scope", "cycles", "priority", "follow_all", "follow_fixes", "makedepends", "reuse", "cut_off", "bump", "baseline", "architectures", "exclude", "add_pkgbases").Exec(ctx)
	if err == nil {
		err = t.holdBuildspace(ctx, b.ID)
	}
	return true, !sameSettings(before, *to), err
}

// sameSettings takes an empty list and none for the same.
func sameSettings(a, b buildbtw.Settings) bool {
	for _, s := range []*buildbtw.Settings{&a, &b} {
		for _, list := range []*buildbtw.Names{&s.Architectures, &s.Exclude, &s.Add} {
			if len(*list) == 0 {
				*list = nil
			}
		}
	}
	return reflect.DeepEqual(a, b)
}

func (t *tx) editChangesets(ctx context.Context, buildspace int64, to *[]buildbtw.Changeset) (changed bool, err error) {
	if to == nil {
		return false, nil
	}
	before, err := t.changesetsOf(ctx, []int64{buildspace})
	if err != nil {
		return false, err
	}
	rows := before[buildspace]
	if len(rows) == len(*to) && !slices.ContainsFunc(rows, func(c buildbtw.Changeset) bool { return !slices.Contains(*to, c) }) {
		return false, nil
	}
	if _, err := t.exec(ctx, "delete_changesets", args{"buildspace": buildspace}); err != nil {
		return false, err
	}
	return true, t.insertChangesets(ctx, buildspace, *to)
}

// StopBuildspace hands nothing out any more: its iteration is stopped, what has
// not been built is skipped, running attempts are told to stop. Stopping again
// changes nothing.
func (s *Store) StopBuildspace(ctx context.Context, actor, name string) (BuildspaceRow, error) {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		b, err := t.buildspace(ctx, name)
		if err != nil || b.Status == buildbtw.BuildspaceStopped {
			return err
		}
		if err := t.setStatus(ctx, &b, buildbtw.BuildspaceStopped); err != nil {
			return err
		}
		err = t.endIterations(ctx, iterationEnd{
			buildspace: b.ID, state: buildbtw.IterationStopped, everything: true,
			skip: change{cause: buildbtw.CauseStopped, actor: actor, message: "The buildspace was stopped by " + actor + "."},
		})
		if err != nil {
			return err
		}
		return t.recordBuildspace(ctx, actor, b.ID, "Stopped.")
	})
	if err != nil {
		return BuildspaceRow{}, fmt.Errorf("stop buildspace %s: %w", name, err)
	}
	return s.Buildspace(ctx, name)
}

// StartBuildspace makes a stopped buildspace active. The iteration that was
// stopped goes on where it stood: what was pushed or edited meanwhile makes a new
// one, as always. Without one a new iteration is wanted. Starting again changes
// nothing.
func (s *Store) StartBuildspace(ctx context.Context, actor, name string) (BuildspaceRow, error) {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		b, err := t.buildspace(ctx, name)
		if err != nil || b.Status == buildbtw.BuildspaceActive {
			return err
		}
		if err := t.setStatus(ctx, &b, buildbtw.BuildspaceActive); err != nil {
			return err
		}
		if err := t.recordBuildspace(ctx, actor, b.ID, "Started."); err != nil {
			return err
		}
		return t.goOn(ctx, actor, &b)
	})
	if err != nil {
		return BuildspaceRow{}, fmt.Errorf("start buildspace %s: %w", name, err)
	}
	return s.Buildspace(ctx, name)
}

// NoteLost notes which changesets of a buildspace cannot be followed, because their
// source or ref is gone, and why in words. What goes and what comes back is an event of
// the buildspace, once.
func (s *Store) NoteLost(ctx context.Context, id int64, lost []buildbtw.Changeset, why string) error {
	names := make([]string, len(lost))
	for i, c := range lost {
		names[i] = c.String()
	}
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		b, err := t.buildspaceByID(ctx, id)
		if err != nil {
			return err
		}
		var before []string
		if b.Lost != "" {
			before = strings.Split(b.Lost, ", ") // a ref may have a comma, and no blank
		}
		gone := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return slices.Contains(before, n) })
		back := slices.DeleteFunc(before, func(n string) bool { return slices.Contains(names, n) })
		if len(gone)+len(back) == 0 {
			return nil
		}
		var words []string
		if len(gone) > 0 {
			words = append(words, fmt.Sprintf("%s cannot be followed any more: %s The commits of the latest iteration stay.", strings.Join(gone, ", "), sentence(why)))
		}
		if len(back) > 0 {
			words = append(words, strings.Join(back, ", ")+" is there again, or is no changeset any more.")
		}
		b.Lost = strings.Join(names, ", ")
		if _, err := t.NewUpdate().Model(&b).Column("lost").WherePK().Exec(ctx); err != nil {
			return err
		}
		return t.recordBuildspace(ctx, buildbtw.System, id, strings.Join(words, " "))
	})
	if err != nil {
		return fmt.Errorf("note what is gone of buildspace %d: %w", id, err)
	}
	return nil
}

// sentence ends words with a full stop.
func sentence(words string) string { return strings.TrimRight(words, ".") + "." }

// goOn takes the iteration up again with which a buildspace was stopped, or asks
// for one when there is none.
func (t *tx) goOn(ctx context.Context, actor string, b *buildbtw.Buildspace) error {
	var it buildbtw.Iteration
	err := t.get(ctx, &it, "resume_iteration", args{"buildspace": b.ID})
	if errors.Is(err, sql.ErrNoRows) {
		return t.want(ctx, b, buildbtw.IterationStarted, "Started by "+actor+".")
	}
	if err != nil {
		return err
	}
	var builds []int64
	if err := t.list(ctx, &builds, "stopped_builds", args{"iteration": it.ID}); err != nil {
		return err
	}
	if _, err := t.takeUp(ctx, builds, change{actor: actor, message: "The buildspace was started again by " + actor + "."}); err != nil {
		return err
	}
	return t.record(ctx, buildbtw.Event{
		Actor: actor, BuildspaceID: b.ID, IterationID: it.ID, Kind: buildbtw.EventIteration,
		Message: fmt.Sprintf("Iteration %d goes on. The buildspace was started again by %s.", it.Number, actor),
	})
}

func (t *tx) setStatus(ctx context.Context, b *buildbtw.Buildspace, status buildbtw.BuildspaceStatus) error {
	b.Status = status
	_, err := t.NewUpdate().Model(b).Column("status").WherePK().Exec(ctx)
	return err
}

// RequestIteration makes a new iteration wanted.
func (s *Store) RequestIteration(ctx context.Context, actor, name string, reason buildbtw.IterationReason, text string) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		b, err := t.buildspace(ctx, name)
		if err != nil {
			return err
		}
		if b.Status != buildbtw.BuildspaceActive {
			return buildbtw.Conflict("buildspace %s is %s; start it first", name, b.Status)
		}
		if text == "" {
			text = "Started by " + actor + "."
		}
		if err := t.want(ctx, &b, reason, text); err != nil {
			return err
		}
		return t.recordBuildspace(ctx, actor, b.ID, "A new iteration was requested. "+text)
	})
	if err != nil {
		return fmt.Errorf("request iteration of %s: %w", name, err)
	}
	return nil
}
