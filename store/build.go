package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"buildbtw"
	"buildbtw/buildgraph"
)

// BuildRef names a build where another one mentions it.
type BuildRef struct {
	ID           int64            `bun:"id"`
	Pkgbase      string           `bun:"pkgbase"`
	Architecture string           `bun:"architecture"`
	Stage        int              `bun:"stage"`
	Status       buildbtw.Status  `bun:"status"`
	SkipReason   buildbtw.Cause   `bun:"skip_reason"`
	Verdict      buildbtw.Verdict `bun:"verdict"` // of a root cause, or of a failed build
	FirstError                    // of a failed one; known for root causes only
}

// FirstError is the line of a failed build's log that says why it failed; the zero value
// when none does, or it is not known.
type FirstError struct {
	Attempt int    `bun:"error_attempt"` // number of the attempt
	Line    int64  `bun:"error_line"`    // from 1
	Text    string `bun:"error_text"`
}

// BuildRow is a build with where it belongs and what it waits for in the end.
type BuildRow struct {
	buildbtw.Build
	Buildspace string `bun:"buildspace"`
	Iteration  int    `bun:"iteration"`
	LastTry    string `bun:"last_try"` // how the latest attempt ended, in words, while a build is tried again by itself

	UsualSeconds float64 `bun:"usual_seconds"` // that a success of its package takes, as learned; 0 when nothing was

	BuiltVersion string `bun:"built_version"` // of its packages, which pkgver() may have made; empty without packages

	FirstError // of a failed build

	// Of a build whose commit was made for a higher version: the version and the commit
	// of the source. Empty for others.
	BumpedFrom   string `bun:"bumped_from"`
	SourceCommit string `bun:"source_commit"`

	// Of a failed build that is compared with the base, or was.
	Comparing     bool       `bun:"comparing"`      // there will be a verdict, or is one
	NotCompared   string     `bun:"not_compared"`   // why there will be none
	BaselineBuild int64      `bun:"baseline_build"` // id of the build on the base alone; 0: there is none yet
	BaseAt        *time.Time `bun:"base_at"`        // when that base was read

	RootCauses []BuildRef `bun:"-"` // of a blocked build; nearest first, at most MaxRootCauses
}

// Usual returns the duration that a success of its package takes; 0 when nothing was learned.
func (b BuildRow) Usual() time.Duration { return time.Duration(b.UsualSeconds * float64(time.Second)) }

// ShownVersion returns the version of the build's packages, else the one that the
// .SRCINFO says.
func (b BuildRow) ShownVersion() string { return cmp.Or(b.BuiltVersion, b.Version) }

// VersionWords returns ShownVersion with the one that it was raised from: "2.0-1 → 2.0-2".
func (b BuildRow) VersionWords() string {
	return buildgraph.VersionWords(b.BumpedFrom, b.ShownVersion())
}

// VerdictWords returns whose fault it is that the build failed, as a clause; empty for a
// build that neither failed nor is flaky.
func (b BuildRow) VerdictWords() string {
	switch {
	case b.Status != buildbtw.StatusFailed && b.Verdict == buildbtw.VerdictNone:
		return ""
	case b.Verdict == buildbtw.VerdictNone && b.NotCompared != "":
		return "not compared"
	case b.BaseAt != nil:
		return b.Verdict.Words(*b.BaseAt)
	}
	return b.Verdict.Words(time.Time{})
}

// BuildFilter selects builds; empty fields select all.
type BuildFilter struct {
	Buildspace   string
	Iteration    int // 0: the latest one of Buildspace, or all when no buildspace is named
	Architecture string
	Status       string // one or more, separated by commas
	Pkgbase      string // exactly
	Query        string // part of the pkgbase
	Verdict      string // the word for one: failed builds with it, or flaky ones
	Cursor       string // where the page before ended
	Limit        int    // 50 when 0, at most 500

	Now time.Time // until which a build that runs has taken, for SortDuration
}

// buildRow loads one build; NotFound when there is none.
func (q queries) buildRow(ctx context.Context, id int64) (BuildRow, error) {
	rows, err := q.buildRows(ctx, []int64{id})
	if err != nil {
		return BuildRow{}, err
	}
	if len(rows) == 0 {
		return BuildRow{}, buildbtw.NotFound("there is no build %d", id)
	}
	return rows[0], nil
}

// buildRows loads builds in the order of their ids.
func (q queries) buildRows(ctx context.Context, ids []int64) ([]BuildRow, error) {
	rows := []BuildRow{}
	err := q.list(ctx, &rows, "build_rows", args{"builds": idList(ids)})
	place := make(map[int64]int, len(ids))
	for i, id := range ids {
		place[id] = i
	}
	slices.SortFunc(rows, func(x, y BuildRow) int { return place[x.ID] - place[y.ID] })
	return rows, err
}

// BuildsWithID returns the builds with these ids, in the order of the ids, without their
// root causes. The error is NotFound when one of them does not exist.
func (q *Reader) BuildsWithID(ctx context.Context, ids []int64) ([]BuildRow, error) {
	return q.buildsWithID(ctx, ids)
}

func (q queries) buildsWithID(ctx context.Context, ids []int64) ([]BuildRow, error) {
	rows, err := q.buildRows(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("load %d builds: %w", len(ids), err)
	}
	for _, id := range ids {
		if !slices.ContainsFunc(rows, func(r BuildRow) bool { return r.ID == id }) {
			return nil, buildbtw.NotFound("there is no build %d", id)
		}
	}
	return rows, nil
}

// Build gives one build.
func (q *Reader) Build(ctx context.Context, id int64) (BuildRow, error) {
	rows := make([]BuildRow, 1)
	err := q.Snapshot(ctx, func(q *Reader) (err error) {
		if rows[0], err = q.buildRow(ctx, id); err != nil {
			return err
		}
		return q.addRootCauses(ctx, rows)
	})
	if err != nil {
		return BuildRow{}, fmt.Errorf("load build %d: %w", id, err)
	}
	return rows[0], nil
}

// Builds lists builds: within one iteration in the plan's order, over several
// the newest first.
func (q *Reader) Builds(ctx context.Context, f BuildFilter) (rows []BuildRow, next string, err error) {
	limit, err := pageLimit(f.Limit)
	if err != nil {
		return nil, "", err
	}
	rows = []BuildRow{}
	err = q.Snapshot(ctx, func(q *Reader) error {
		query, values, err := f.query(ctx, q)
		if err != nil {
			return err
		}
		var ids []int64
		if err := q.listText(ctx, &ids, query+" LIMIT ?", append(values, limit+1)...); err != nil {
			return err
		}
		if rows, err = q.buildRows(ctx, ids); err != nil {
			return err
		}
		rows, next = cutPage(rows, limit, func(r BuildRow) int64 { return r.ID })
		return q.addRootCauses(ctx, rows)
	})
	if err != nil {
		return nil, "", fmt.Errorf("list builds: %w", err)
	}
	return rows, next, nil
}

func (f BuildFilter) query(ctx context.Context, q *Reader) (string, []any, error) {
	var w where
	after, order := "b.id < ?", " ORDER BY b.id DESC"
	if f.Buildspace != "" {
		id, err := iterationID(ctx, q, f.Buildspace, f.Iteration)
		if err != nil {
			return "", nil, err
		}
		w.add("b.iteration_id = ?", id)
		after, order = "b.id > ?", " ORDER BY b.id"
	}
	cursor, err := parseCursor(f.Cursor)
	if err != nil {
		return "", nil, err
	}
	if cursor != 0 {
		w.add(after, cursor)
	}
	if err := f.conditions(&w); err != nil {
		return "", nil, err
	}
	w.add("b.baseline_id = 0")
	w.add("b.repeat_of = 0")
	return `SELECT b.id FROM builds AS b` + w.sql() + order, w.args, nil
}

func (f BuildFilter) conditions(w *where) error {
	if f.Architecture != "" {
		w.add("b.architecture = ?", f.Architecture)
	}
	if f.Pkgbase != "" {
		w.add("b.pkgbase = ?", f.Pkgbase)
	}
	if f.Query != "" {
		w.add(`b.pkgbase LIKE ? ESCAPE '\'`, contains(f.Query))
	}
	if f.Verdict != "" {
		v, err := buildbtw.ParseVerdict(f.Verdict)
		if err != nil {
			return err
		}
		w.add("b.verdict = ? AND b.status IN ('failed', 'built')", v)
		if v == buildbtw.VerdictNone {
			w.add("b.status = 'failed'")
		}
	}
	if f.Status == "" {
		return nil
	}
	statuses := strings.Split(f.Status, ",")
	for _, st := range statuses {
		if !slices.Contains(buildbtw.Statuses(), buildbtw.Status(st)) {
			return buildbtw.Invalid("unknown status %.40q; choose from blocked, pending, scheduled, building, built, failed, skipped", st)
		}
	}
	w.add("b.status IN (SELECT value FROM json_each(?))", textList(statuses))
	return nil
}

// Attempts lists the executions of a build, newest first.
func (q *Reader) Attempts(ctx context.Context, buildID int64) ([]buildbtw.Attempt, error) {
	rows := []buildbtw.Attempt{}
	err := q.list(ctx, &rows, "attempts_of_build", args{"build": buildID})
	if err != nil {
		return nil, fmt.Errorf("list attempts of build %d: %w", buildID, err)
	}
	return rows, nil
}

// LogOrigin returns the build that has the log of a build which has no attempt, because it
// has the packages of that other one, directly or through further ones; 0 when there is
// none. NotFound when there is no such build at all.
func (q *Reader) LogOrigin(ctx context.Context, id int64) (origin int64, err error) {
	err = q.Snapshot(ctx, func(q *Reader) error {
		if _, err := q.buildRow(ctx, id); err != nil {
			return err
		}
		var found []int64
		if err := q.list(ctx, &found, "log_origin", args{"build": id}); err != nil {
			return err
		}
		if len(found) > 0 {
			origin = found[0]
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("find the log of build %d: %w", id, err)
	}
	return origin, nil
}

// BuildPackages lists what a build has in the repository, by file name; for a
// twin, what the build that does its work has there.
func (q *Reader) BuildPackages(ctx context.Context, buildID int64) ([]buildbtw.Package, error) {
	rows := []buildbtw.Package{}
	err := q.list(ctx, &rows, "packages_of_build", args{"build": buildID})
	if err != nil {
		return nil, fmt.Errorf("list packages of build %d: %w", buildID, err)
	}
	return rows, nil
}

// BuildSort is an order of an iteration's builds.
type BuildSort string

// The orders. Builds that are equal stand in the plan's order.
const (
	SortUrgency  BuildSort = "urgency" // what needs a person first, then what moves, then what is done
	SortName     BuildSort = "name"
	SortPlan     BuildSort = "plan"     // what is built first, first
	SortChanged  BuildSort = "changed"  // the latest change first
	SortDuration BuildSort = "duration" // what has taken longest first, by Build.Took
)

// urgency orders statuses by how much they concern a person.
func urgency() []buildbtw.Status {
	return []buildbtw.Status{
		buildbtw.StatusFailed, buildbtw.StatusBuilding, buildbtw.StatusScheduled, buildbtw.StatusPending,
		buildbtw.StatusBlocked, buildbtw.StatusBuilt, buildbtw.StatusSkipped,
	}
}

func (s BuildSort) sql(now time.Time) (order string, values []any, err error) {
	switch s {
	case SortUrgency, "":
		var b strings.Builder
		b.WriteString("CASE b.status")
		for rank, status := range urgency() {
			fmt.Fprintf(&b, " WHEN '%s' THEN %d", status, rank)
		}
		b.WriteString(" END, b.id")
		return b.String(), nil, nil
	case SortName:
		return "b.pkgbase, b.id", nil, nil
	case SortPlan:
		return "b.id", nil, nil
	case SortChanged:
		return "b.changed_at DESC, b.id", nil, nil
	case SortDuration:
		return `max(0, CASE
			WHEN b.status = 'building' THEN julianday(?) - julianday(b.started_at)
			WHEN b.started_at IS NOT NULL AND b.finished_at IS NOT NULL THEN julianday(b.finished_at) - julianday(b.started_at)
			ELSE 0
		END) DESC, b.id`, []any{now.UTC()}, nil
	}
	return "", nil, buildbtw.Invalid("unknown order %.40q; choose urgency, name, plan, changed or duration", string(s))
}

// BuildPage is a part of an iteration's builds.
type BuildPage struct {
	Rows  []BuildRow
	Total int // builds that the filter selects
}

// BuildPage gives the builds of one iteration that a filter selects, in an
// order, from the one numbered first (0 is the first) on. The filter names the
// buildspace and has no cursor; its status is as people read it: waiting or blocked.
func (q *Reader) BuildPage(ctx context.Context, f BuildFilter, sort BuildSort, first int) (BuildPage, error) {
	limit, err := pageLimit(f.Limit)
	if err != nil {
		return BuildPage{}, err
	}
	page := BuildPage{Rows: []BuildRow{}}
	err = q.Snapshot(ctx, func(q *Reader) error {
		iteration, err := iterationID(ctx, q, f.Buildspace, f.Iteration)
		if err != nil {
			return err
		}
		p := idPage{iteration: iteration, filter: f, limit: limit, first: max(first, 0)}
		if p.stuck, err = q.BlockedBuilds(ctx, iteration); err != nil {
			return err
		}
		ids, err := p.ids(ctx, q, sort)
		if err != nil {
			return err
		}
		page.Total = p.total
		if page.Rows, err = q.buildRows(ctx, ids); err != nil {
			return err
		}
		return q.addRootCauses(ctx, page.Rows)
	})
	if err != nil {
		return BuildPage{}, fmt.Errorf("list builds of %s: %w", f.Buildspace, err)
	}
	return page, nil
}

// idPage finds the ids of a page of builds, and how many there are in all.
type idPage struct {
	iteration    int64
	filter       BuildFilter
	limit, first int
	stuck        []int64 // the builds that are blocked, ascending
	total        int
}

func (p *idPage) ids(ctx context.Context, q *Reader, sort BuildSort) ([]int64, error) {
	order, sorted, err := sort.sql(p.filter.Now)
	if err != nil {
		return nil, err
	}
	var w where
	w.add("b.iteration_id = ?", p.iteration)
	if err := p.conditions(&w); err != nil {
		return nil, err
	}
	if f := p.filter; (sort == "" || sort == SortUrgency) && f.Architecture+f.Pkgbase+f.Query+f.Verdict == "" {
		return p.urgent(ctx, q)
	}
	if err := q.getText(ctx, &p.total, `SELECT count(*) FROM builds AS b`+w.sql(), w.args...); err != nil {
		return nil, err
	}
	var ids []int64
	err = q.listText(ctx, &ids, `SELECT b.id FROM builds AS b`+w.sql()+` ORDER BY `+order+` LIMIT ? OFFSET ?`, slices.Concat(w.args, sorted, []any{p.limit, p.first})...)
	return ids, err
}

// conditions are those of the filter, whose status is as people read it.
func (p *idPage) conditions(w *where) error {
	f := p.filter
	shown := strings.Split(f.Status, ",")
	waiting, blocked := slices.Contains(shown, string(buildbtw.StatusWaiting)), slices.Contains(shown, string(buildbtw.StatusBlocked))
	if waiting {
		shown = slices.DeleteFunc(shown, func(s string) bool { return s == string(buildbtw.StatusWaiting) || s == string(buildbtw.StatusBlocked) })
		f.Status = strings.Join(append(shown, string(buildbtw.StatusBlocked)), ",")
	}
	switch {
	case waiting && !blocked:
		w.add("NOT (b.status = 'blocked' AND b.id IN (SELECT value FROM json_each(?)))", idList(p.stuck))
	case blocked && !waiting:
		w.add("(b.status <> 'blocked' OR b.id IN (SELECT value FROM json_each(?)))", idList(p.stuck))
	}
	return f.conditions(w)
}

// urgent takes the page status by status out of the index builds_status. It is
// what a page shows that nobody has asked for anything else.
func (p *idPage) urgent(ctx context.Context, q *Reader) ([]int64, error) {
	row := []IterationRow{{}}
	row[0].ID = p.iteration
	if err := addCounts(ctx, q, row); err != nil {
		return nil, err
	}
	var ids []int64
	skip := p.first
	for _, status := range urgency() {
		shown := []buildbtw.Status{status}
		if status == buildbtw.StatusBlocked {
			shown = append(shown, buildbtw.StatusWaiting)
		}
		for _, status := range shown {
			if p.filter.Status != "" && !slices.Contains(strings.Split(p.filter.Status, ","), string(status)) {
				continue
			}
			n := row[0].Counts.Shown(len(p.stuck))[status]
			p.total += n
			if left := p.limit - len(ids); left > 0 && skip < n {
				some, err := p.some(ctx, q, status, skip, left)
				if err != nil {
					return nil, err
				}
				ids = append(ids, some...)
			}
			skip = max(0, skip-n)
		}
	}
	return ids, nil
}

// some returns the ids of builds with a status as people read it, in the plan's order.
func (p *idPage) some(ctx context.Context, q *Reader, status buildbtw.Status, skip, limit int) (ids []int64, err error) {
	switch status {
	case buildbtw.StatusBlocked:
		return p.stuck[min(skip, len(p.stuck)):min(skip+limit, len(p.stuck))], nil
	case buildbtw.StatusWaiting:
		err = q.list(ctx, &ids, "waiting_builds", args{"iteration": p.iteration, "stuck": idList(p.stuck), "limit": limit, "skip": skip})
	default:
		err = q.list(ctx, &ids, "builds_of_status", args{"iteration": p.iteration, "status": status, "limit": limit, "skip": skip})
	}
	return ids, err
}

// FinishedBuilds lists the builds of a pkgbase that have come to an end, in all
// buildspaces, the newest change first.
func (q *Reader) FinishedBuilds(ctx context.Context, pkgbase string, limit int) ([]BuildRow, error) {
	limit, err := pageLimit(limit)
	if err != nil {
		return nil, err
	}
	rows := []BuildRow{}
	err = q.Snapshot(ctx, func(q *Reader) error {
		var ids []int64
		if err := q.list(ctx, &ids, "finished_builds", args{"pkgbase": pkgbase, "limit": limit}); err != nil {
			return err
		}
		rows, err = q.buildRows(ctx, ids)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list settled builds of %s: %w", pkgbase, err)
	}
	return rows, nil
}
