package store

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jmoiron/sqlx"

	"buildbtw"
)

// BuildSort is an order of an iteration's builds.
type BuildSort string

// The orders. Builds that are equal stand in the plan's order.
const (
	SortUrgency BuildSort = "urgency" // what needs a person first, then what moves, then what is done
	SortName    BuildSort = "name"
	SortPlan    BuildSort = "plan"    // what is built first, first
	SortChanged BuildSort = "changed" // the latest change first
)

// urgency orders statuses by how much they concern a person.
func urgency() []buildbtw.Status {
	return []buildbtw.Status{
		buildbtw.StatusFailed, buildbtw.StatusBuilding, buildbtw.StatusScheduled, buildbtw.StatusPending,
		buildbtw.StatusBlocked, buildbtw.StatusBuilt, buildbtw.StatusSkipped,
	}
}

func (s BuildSort) sql() (string, error) {
	switch s {
	case SortUrgency, "":
		var b strings.Builder
		b.WriteString("CASE b.status")
		for rank, status := range urgency() {
			fmt.Fprintf(&b, " WHEN '%s' THEN %d", status, rank)
		}
		b.WriteString(" END, b.id")
		return b.String(), nil
	case SortName:
		return "b.pkgbase, b.id", nil
	case SortPlan:
		return "b.id", nil
	case SortChanged:
		return "b.changed_at DESC, b.id", nil
	}
	return "", buildbtw.Invalid("unknown order %.40q; choose urgency, name, plan or changed", string(s))
}

// BuildPage is a part of an iteration's builds.
type BuildPage struct {
	Rows  []BuildRow
	Total int // builds that the filter selects
}

// BuildPage gives the builds of one iteration that a filter selects, in an
// order, from the one numbered first (0 is the first) on. The filter names the
// buildspace and has no cursor.
func (s *Store) BuildPage(ctx context.Context, f BuildFilter, sort BuildSort, first int) (BuildPage, error) {
	limit, err := pageLimit(f.Limit)
	if err != nil {
		return BuildPage{}, err
	}
	page := BuildPage{Rows: []BuildRow{}}
	err = s.view(ctx, func(q *sqlx.Tx) error {
		iteration, err := iterationID(ctx, q, f.Buildspace, f.Iteration)
		if err != nil {
			return err
		}
		p := idPage{iteration: iteration, filter: f, limit: limit, first: max(first, 0)}
		ids, err := p.ids(ctx, q, sort)
		if err != nil {
			return err
		}
		page.Total = p.total
		if page.Rows, err = buildRows(ctx, q, ids); err != nil {
			return err
		}
		return s.addRootCauses(ctx, q, page.Rows)
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
	total        int
}

func (p *idPage) ids(ctx context.Context, q *sqlx.Tx, sort BuildSort) ([]int64, error) {
	order, err := sort.sql()
	if err != nil {
		return nil, err
	}
	var w where
	w.add("b.iteration_id = ?", p.iteration)
	if err := p.filter.conditions(&w); err != nil {
		return nil, err
	}
	if f := p.filter; (sort == "" || sort == SortUrgency) && f.Architecture+f.Pkgbase+f.Query == "" {
		return p.urgent(ctx, q)
	}
	if err := q.GetContext(ctx, &p.total, `SELECT count(*) FROM builds AS b`+w.sql(), w.args...); err != nil {
		return nil, err
	}
	var ids []int64
	err = q.SelectContext(ctx, &ids, `SELECT b.id FROM builds AS b`+w.sql()+` ORDER BY `+order+` LIMIT ? OFFSET ?`, append(w.args, p.limit, p.first)...)
	return ids, err
}

// urgent takes the page status by status out of the index builds_status. It is
// what a page shows that nobody has asked for anything else.
func (p *idPage) urgent(ctx context.Context, q *sqlx.Tx) ([]int64, error) {
	row := []IterationRow{{}}
	row[0].ID = p.iteration
	if err := addCounts(ctx, q, row); err != nil {
		return nil, err
	}
	var ids []int64
	skip := p.first
	for _, status := range urgency() {
		if p.filter.Status != "" && !slices.Contains(strings.Split(p.filter.Status, ","), string(status)) {
			continue
		}
		n := row[0].Counts[status]
		p.total += n
		if left := p.limit - len(ids); left > 0 && skip < n {
			var some []int64
			err := q.SelectContext(ctx, &some, `SELECT id FROM builds WHERE iteration_id = ? AND status = ? ORDER BY id LIMIT ? OFFSET ?`,
				p.iteration, status, left, skip)
			if err != nil {
				return nil, err
			}
			ids = append(ids, some...)
		}
		skip = max(0, skip-n)
	}
	return ids, nil
}

// buildRows loads builds in the order of their ids.
func buildRows(ctx context.Context, q *sqlx.Tx, ids []int64) ([]BuildRow, error) {
	rows := []BuildRow{}
	err := q.SelectContext(ctx, &rows, `SELECT `+buildRowColumns+` FROM builds AS b `+buildRowJoins+`
WHERE b.id IN (SELECT value FROM json_each(?))`, idList(slices.Clone(ids)))
	place := make(map[int64]int, len(ids))
	for i, id := range ids {
		place[id] = i
	}
	slices.SortFunc(rows, func(x, y BuildRow) int { return place[x.ID] - place[y.ID] })
	return rows, err
}
