package store

import (
	"context"
	"fmt"

	"github.com/jmoiron/sqlx"

	"buildbtw"
	"buildbtw/buildgraph"
)

// Result is a built build whose packages serve every build with the same input.
type Result struct {
	BuildID      int64  `bun:"id"`
	InputKey     string `bun:"input_key"`
	OutputDigest string `bun:"output_digest"`
	Architecture string `bun:"architecture"` // whose repository has the packages
	Buildspace   string `bun:"buildspace"`
	Iteration    int    `bun:"iteration"`

	Files []buildbtw.Package `bun:"-"` // by file name
}

const resultColumns = `b.id, b.input_key, b.output_digest, b.architecture, s.name AS buildspace, i.number AS iteration`

// Link says that a result's packages are to be in further repositories: those
// of one iteration for these architectures.
type Link struct {
	From          Result
	Architectures []string
}

// Reuse is what a new iteration need not build, by input key.
type Reuse map[string]Result

// FindReuse finds the builds of a plan whose input is known and has been built
// before, going up from those that wait for nothing; and what has to be linked
// into the iteration's repositories before CreateIteration is told of it.
func (s *Store) FindReuse(ctx context.Context, plan *buildgraph.Plan) (Reuse, []Link, error) {
	g, err := layOut(plan, 0, 1)
	if err != nil {
		return nil, nil, fmt.Errorf("find what can be reused: %w", err)
	}
	reuse := Reuse{}
	var links []Link
	err = s.view(ctx, func(q *sqlx.Tx) error {
		err := g.settle(func(keys []string) (Reuse, error) {
			found, err := newestResults(ctx, q, keys)
			for key, r := range found {
				reuse[key] = r
			}
			return found, err
		})
		if err != nil {
			return err
		}
		links = g.links(reuse)
		return addFiles(ctx, q, links)
	})
	if err != nil {
		return nil, nil, fmt.Errorf("find what can be reused: %w", err)
	}
	return reuse, links, nil
}

// newestResults finds for each key the result that was made, or taken over,
// last: its files are kept longest.
func newestResults(ctx context.Context, q *sqlx.Tx, keys []string) (Reuse, error) {
	var rows []Result
	err := q.SelectContext(ctx, &rows, `SELECT `+resultColumns+` FROM builds AS b `+buildRowJoins+` WHERE b.id IN (
    SELECT max(r.id) FROM json_each(?) AS k CROSS JOIN builds AS r ON r.input_key = k.value AND r.input_key <> ''
    WHERE r.status = 'built' GROUP BY r.input_key)`, textList(keys))
	found := make(Reuse, len(rows))
	for _, r := range rows {
		found[r.InputKey] = r
	}
	return found, err
}

// addFiles reads the packages of all results at once.
func addFiles(ctx context.Context, q *sqlx.Tx, links []Link) error {
	ids := make([]int64, len(links))
	for i, l := range links {
		ids[i] = l.From.BuildID
	}
	files, err := publishedFiles(ctx, q, ids)
	for i := range links {
		links[i].From.Files = files[links[i].From.BuildID]
	}
	return err
}

// publishedFiles gives what builds have in their repositories, by build.
func publishedFiles(ctx context.Context, q *sqlx.Tx, builds []int64) (map[int64][]buildbtw.Package, error) {
	var files []buildbtw.Package
	err := q.SelectContext(ctx, &files, `SELECT * FROM packages WHERE published AND build_id IN (SELECT value FROM json_each(?)) ORDER BY filename`, idList(builds))
	by := make(map[int64][]buildbtw.Package, len(builds))
	for _, f := range files {
		by[f.BuildID] = append(by[f.BuildID], f)
	}
	return by, err
}

// ForgetResults takes from builds whose files are gone that they are results
// for others.
func (s *Store) ForgetResults(ctx context.Context, builds []int64) error {
	err := s.transact(ctx, func(ctx context.Context, t *tx) error { return t.forgetResults(ctx, builds) })
	if err != nil {
		return fmt.Errorf("forget %d results: %w", len(builds), err)
	}
	return nil
}

// forgetResults also lets those go on that wait for the results.
func (t *tx) forgetResults(ctx context.Context, builds []int64) error {
	var keys []string
	err := t.list(ctx, &keys, `SELECT DISTINCT input_key FROM builds WHERE input_key <> '' AND id IN (SELECT value FROM json_each(?))`, idList(builds))
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, `UPDATE attempts SET input_key = '' WHERE input_key IN (SELECT value FROM json_each(?))
    AND id IN (SELECT p.attempt_id FROM packages AS p WHERE p.published AND p.build_id IN (SELECT value FROM json_each(?)))`,
		textList(keys), idList(builds))
	if err != nil {
		return err
	}
	if _, err := t.NewUpdate().Model((*buildbtw.Build)(nil)).Set("input_key = ''").Where(withIDs(builds).sql, withIDs(builds).args...).Exec(ctx); err != nil {
		return err
	}
	t.changed = true
	return t.hold(ctx, sqlf(`SELECT b.id FROM json_each(?) AS k CROSS JOIN builds AS b ON b.input_key = k.value AND b.input_key <> ''`, textList(keys)))
}
