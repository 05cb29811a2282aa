package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"buildbtw"
	"buildbtw/pacman/alpm"
)

// NoteInstalled stores which packages were installed where a running attempt ran. The list
// is sorted by name. A set that was stored before is stored no second time. It changes
// nothing when the attempt is not running any more.
func (s *Store) NoteInstalled(ctx context.Context, lease string, list []alpm.Installed) error {
	pairs := make([][2]string, len(list))
	for i, p := range list {
		pairs[i] = [2]string{p.Name, p.Version}
	}
	packages, err := json.Marshal(pairs)
	if err != nil {
		return fmt.Errorf("note what was installed: %w", err)
	}
	sum := sha256.Sum256(packages)
	digest := hex.EncodeToString(sum[:])
	err = s.inTx(ctx, func(ctx context.Context, t *tx) error {
		a, err := t.attempt(ctx, lease)
		if err != nil || a.State != buildbtw.AttemptRunning {
			return err
		}
		var set int64
		err = t.get(ctx, &set, "installed_set", args{"digest": digest})
		if errors.Is(err, sql.ErrNoRows) {
			if _, err = t.exec(ctx, "add_installed_packages", args{"packages": string(packages)}); err == nil {
				err = t.get(ctx, &set, "add_installed_set", args{"digest": digest, "packages": string(packages)})
			}
		}
		if err != nil {
			return err
		}
		_, err = t.exec(ctx, "note_installed", args{"installed": set, "attempt": a.ID})
		return err
	})
	if err != nil {
		return fmt.Errorf("note what was installed: %w", err)
	}
	return nil
}

// EndedAttempt is an attempt that came to a result: built, failed, timed out or stalled.
type EndedAttempt struct {
	ID           int64            `bun:"id"`
	BuildID      int64            `bun:"build_id"`
	Number       int              `bun:"number"`
	Outcome      buildbtw.Outcome `bun:"outcome"`
	FinishedAt   time.Time        `bun:"finished_at"`
	InstalledID  int64            `bun:"installed_id"` // see buildbtw.Attempt
	Pkgbase      string           `bun:"pkgbase"`
	Architecture string           `bun:"architecture"`
	IterationID  int64            `bun:"iteration_id"`
	Buildspace   string           `bun:"buildspace"`
	Iteration    int              `bun:"iteration"`
	Commit       string           `bun:"commit_id"` // of the source
}

// InstalledChange is a package whose version differs between two sets of installed packages.
type InstalledChange struct {
	Name     string
	From, To string // versions; empty when it was not installed
}

// SinceBuilt is a build's latest result, with the attempts to compare it with and what
// changed between them.
type SinceBuilt struct {
	This EndedAttempt
	Last *EndedAttempt // the last success before it, in any buildspace; nil when there is none

	// FirstFailure is the first failure after Last, in any buildspace, which may be This; nil
	// when This is a success.
	FirstFailure *EndedAttempt

	Changes []InstalledChange // from Last to This, by name; nil unless both are recorded
	// FirstChanges are those from Last to FirstFailure; nil unless both are recorded.
	FirstChanges []InstalledChange
}

// SinceBuilt compares the latest result of a build with the last time that its pkgbase was
// built before, over all buildspaces; nil when the build has no result of its own.
func (q *Reader) SinceBuilt(ctx context.Context, build int64) (*SinceBuilt, error) {
	var s SinceBuilt
	err := q.Snapshot(ctx, func(q *Reader) error {
		err := q.get(ctx, &s.This, "latest_ended_attempt", args{"build": build})
		if err != nil {
			return err
		}
		var last EndedAttempt
		err = q.get(ctx, &last, "last_success_before", args{"pkgbase": s.This.Pkgbase, "architecture": s.This.Architecture, "attempt": s.This.ID})
		if err == nil {
			s.Last = &last
		} else if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if s.This.Outcome != buildbtw.OutcomeBuilt {
			s.FirstFailure = new(EndedAttempt)
			err = q.get(ctx, s.FirstFailure, "first_failure_between", args{"pkgbase": s.This.Pkgbase, "architecture": s.This.Architecture, "after": last.ID, "attempt": s.This.ID})
			if err != nil {
				return err
			}
		}
		if s.Changes, err = q.installedChanges(ctx, last.InstalledID, s.This.InstalledID); err != nil || s.FirstFailure == nil {
			return err
		}
		s.FirstChanges, err = q.installedChanges(ctx, last.InstalledID, s.FirstFailure.InstalledID)
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("compare build %d with the last success: %w", build, err)
	}
	return &s, nil
}

// installedChanges returns how two sets differ, by name; nil when one of them was not
// recorded.
func (q *Reader) installedChanges(ctx context.Context, before, after int64) ([]InstalledChange, error) {
	if before == 0 || after == 0 {
		return nil, nil
	}
	changes := []InstalledChange{}
	if before == after {
		return changes, nil
	}
	var rows []struct {
		Name    string `bun:"name"`
		Version string `bun:"version"`
		Added   bool   `bun:"added"`
	}
	if err := q.list(ctx, &rows, "installed_changes", args{"before": before, "after": after}); err != nil {
		return nil, err
	}
	for _, r := range rows {
		if n := len(changes); n == 0 || changes[n-1].Name != r.Name {
			changes = append(changes, InstalledChange{Name: r.Name})
		}
		if c := &changes[len(changes)-1]; r.Added {
			c.To = r.Version
		} else {
			c.From = r.Version
		}
	}
	return changes, nil
}

// InstalledOf returns the packages of a set, by name.
func (q *Reader) InstalledOf(ctx context.Context, set int64) ([]alpm.Installed, error) {
	var rows []struct {
		Name    string `bun:"name"`
		Version string `bun:"version"`
	}
	if err := q.list(ctx, &rows, "installed_of_set", args{"installed": set}); err != nil {
		return nil, fmt.Errorf("list what was installed: %w", err)
	}
	list := make([]alpm.Installed, len(rows))
	for i, r := range rows {
		list[i] = alpm.Installed(r)
	}
	return list, nil
}

// MadePackage is a package of an iteration.
type MadePackage struct {
	Pkgname   string          `bun:"pkgname"`
	Version   string          `bun:"version"`
	SHA256    string          `bun:"sha256"`
	Text      string          `bun:"interface"` // as JSON; empty when it is not stored
	Interface *alpm.Interface `bun:"-"`         // nil when it is not known
}

// MadePackages returns those of some packages that an iteration made or reused for an
// architecture, by name.
func (q *Reader) MadePackages(ctx context.Context, iteration int64, architecture string, names []string) (map[string]MadePackage, error) {
	var rows []MadePackage
	err := q.list(ctx, &rows, "made_packages", args{"iteration": iteration, "architecture": architecture, "names": textList(slices.Compact(slices.Sorted(slices.Values(names))))})
	if err != nil {
		return nil, fmt.Errorf("list packages of iteration %d: %w", iteration, err)
	}
	made := make(map[string]MadePackage, len(rows))
	for _, r := range rows { // of two stages the second comes last
		if i := new(alpm.Interface); r.Text != "" && json.Unmarshal([]byte(r.Text), i) == nil {
			r.Interface = i
		}
		made[r.Pkgname] = r
	}
	return made, nil
}
