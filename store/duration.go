package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/uptrace/bun"

	"buildbtw"
)

// recentDurations is how many durations of a package are remembered. Their
// median takes notice of a change after five builds and of no single outlier.
const recentDurations = 9

// maxDuration is the longest time that is believed: a build that seems to have
// taken longer was most likely a clock that was set.
const maxDuration = 7 * 24 * time.Hour

// durationRow is what is known of how long a package takes.
type durationRow struct {
	bun.BaseModel `bun:"table:durations"`
	Pkgbase       string    `bun:"pkgbase,pk"`
	Architecture  string    `bun:"architecture,pk"`
	Seconds       float64   `bun:"seconds"` // the median of Recent
	Recent        string    `bun:"recent"`
	LearnedAt     time.Time `bun:"learned_at"`
}

// learnFrom remembers how long a successful attempt took. Zero and what cannot
// be true teach nothing.
func (t *tx) learnFrom(ctx context.Context, a *buildbtw.Attempt) error {
	took := t.now.Sub(a.StartedAt)
	if took <= 0 || took > maxDuration {
		return nil
	}
	b, err := t.build(ctx, a.BuildID)
	if err != nil {
		return err
	}
	row := durationRow{Pkgbase: b.Pkgbase, Architecture: b.Architecture, Recent: "[]"}
	err = t.get(ctx, &row, `SELECT * FROM durations WHERE pkgbase = ? AND architecture = ?`, b.Pkgbase, b.Architecture)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("read the durations of %s: %w", b.Pkgbase, err)
	}
	if err := row.add(took.Seconds()); err != nil {
		return fmt.Errorf("learn the duration of %s: %w", b.Pkgbase, err)
	}
	_, err = t.exec(ctx, `INSERT INTO durations (pkgbase, architecture, seconds, recent, learned_at) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (pkgbase, architecture) DO UPDATE SET seconds = EXCLUDED.seconds, recent = EXCLUDED.recent, learned_at = EXCLUDED.learned_at`,
		row.Pkgbase, row.Architecture, row.Seconds, row.Recent, t.now)
	return err
}

func (r *durationRow) add(seconds float64) error {
	var recent []float64
	if err := json.Unmarshal([]byte(r.Recent), &recent); err != nil {
		return err
	}
	recent = append(recent, seconds)
	recent = recent[max(0, len(recent)-recentDurations):]
	text, err := json.Marshal(recent)
	r.Recent, r.Seconds = string(text), lowerMedian(recent)
	return err
}

// lowerMedian is the median, of two in the middle the smaller: an outlier among
// two is more often the longer one.
func lowerMedian(list []float64) float64 {
	sorted := slices.Sorted(slices.Values(list))
	return sorted[(len(sorted)-1)/2]
}

// Duration is what is known of how long a package takes on an architecture.
type Duration struct {
	Pkgbase      string
	Architecture string
	Seconds      float64 // the median of the latest
	Spread       float64 // standard deviation of their logarithms; 0 with fewer than three
}

// Durations lists all that was learned, by package and architecture.
func (s *Store) Durations(ctx context.Context) ([]Duration, error) {
	var rows []durationRow
	err := s.lists.SelectContext(ctx, &rows, `SELECT * FROM durations ORDER BY pkgbase, architecture`)
	if err != nil {
		return nil, fmt.Errorf("list durations: %w", err)
	}
	list := make([]Duration, len(rows))
	for i, r := range rows {
		var recent []float64
		if err := json.Unmarshal([]byte(r.Recent), &recent); err != nil {
			return nil, fmt.Errorf("read the durations of %s: %w", r.Pkgbase, err)
		}
		list[i] = Duration{r.Pkgbase, r.Architecture, r.Seconds, logSpread(recent)}
	}
	return list, nil
}

// logSpread is the standard deviation of the logarithms.
func logSpread(list []float64) float64 {
	if len(list) < 3 {
		return 0
	}
	n, sum, squares := float64(len(list)), 0.0, 0.0
	for _, v := range list {
		l := math.Log(v)
		sum, squares = sum+l, squares+l*l
	}
	return math.Sqrt(max(0, squares/n-sum/n*sum/n))
}

// Duration gives what was learned of one package on an architecture; ok is
// false when it was nothing.
func (s *Store) Duration(ctx context.Context, pkgbase, architecture string) (seconds float64, ok bool, err error) {
	var found []float64
	err = s.lists.SelectContext(ctx, &found, `SELECT seconds FROM durations WHERE pkgbase = ? AND architecture = ?`, pkgbase, architecture)
	if err != nil {
		return 0, false, fmt.Errorf("look up the duration of %s: %w", pkgbase, err)
	}
	if len(found) == 0 {
		return 0, false, nil
	}
	return found[0], true, nil
}
