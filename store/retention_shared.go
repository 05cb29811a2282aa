package store

import (
	"context"
	"fmt"
	"time"

	"buildbtw"
)

// What many builds share: builds on the base alone, what was installed where attempts ran, and
// interfaces of package files. Each stays until the last that needs it is gone. What is to go is
// looked for without the writing connection, and looked at once more when it goes.

// DueShared is what the policy would remove of what many builds share.
type DueShared struct {
	Baselines  int // builds on the base alone
	Installed  int // attempts of which it will not be known any more what was installed
	Sets       int // lists of installed packages that no attempt has
	Interfaces int // of package files that no build has
}

// maxDueShared bounds each number of a DueShared, and what one pass removes of each kind.
const maxDueShared = 20_000

// DueShared returns what the policy would remove now, each number up to maxDueShared.
func (q *Reader) DueShared(ctx context.Context, p RetentionPolicy, now time.Time) (due DueShared, err error) {
	err = q.Snapshot(ctx, func(q *Reader) error {
		for _, kind := range []struct {
			n    *int
			list func() ([]int64, error)
		}{
			{&due.Baselines, func() ([]int64, error) { return q.dueBaselines(ctx, p.Baselines, now, maxDueShared) }},
			{&due.Installed, func() ([]int64, error) { return q.forgettable(ctx, p.Installed, now) }},
			{&due.Sets, func() (ids []int64, err error) {
				return ids, q.list(ctx, &ids, "unused_sets", args{"limit": maxDueShared})
			}},
		} {
			ids, err := kind.list()
			if err != nil {
				return err
			}
			*kind.n = len(ids)
		}
		var digests []string
		err := q.list(ctx, &digests, "unused_interfaces", args{"limit": maxDueShared})
		due.Interfaces = len(digests)
		return err
	})
	if err != nil {
		return due, fmt.Errorf("find what no build needs any more: %w", err)
	}
	return due, nil
}

// since returns the time before which something is too old for an age of the policy; not ok when
// it is kept for good, or the policy is not as old yet.
func (q queries) since(ctx context.Context, age time.Duration, now time.Time) (before time.Time, ok bool, err error) {
	if age <= 0 {
		return before, false, nil
	}
	var began time.Time
	if err := q.get(ctx, &began, "shared_policy_began", nil); err != nil {
		return before, false, err
	}
	return now.Add(-age), now.Sub(began) >= age, nil
}

func (q queries) dueBaselines(ctx context.Context, age time.Duration, now time.Time, limit int) (iterations []int64, err error) {
	before, ok, err := q.since(ctx, age, now)
	if err != nil || !ok {
		return nil, err
	}
	err = q.list(ctx, &iterations, "due_baselines", args{"name": HiddenBuildspace, "before": before, "now": now, "limit": limit})
	return iterations, err
}

func (q queries) forgettable(ctx context.Context, age time.Duration, now time.Time) (attempts []int64, err error) {
	before, ok, err := q.since(ctx, age, now)
	if err != nil || !ok {
		return nil, err
	}
	err = q.list(ctx, &attempts, "forgettable_installed", args{"before": before, "limit": maxDueShared})
	return attempts, err
}

// RemoveBaselines marks builds on the base alone that ended longer ago than age, and with which
// nothing is compared: their logs and rows go as those of deleted iterations do. The same commit
// is built on the base again when a comparison needs it. It reports whether some are left.
func (s *Store) RemoveBaselines(ctx context.Context, age time.Duration, limit int) (left bool, err error) {
	err = s.inTx(ctx, func(ctx context.Context, t *tx) error {
		iterations, err := t.dueBaselines(ctx, age, t.now, limit)
		if err != nil || len(iterations) == 0 {
			return err
		}
		left = len(iterations) == limit
		var into int64
		if err := t.get(ctx, &into, "hidden_buildspace", args{"name": RemovedBuildspace, "actor": buildbtw.System, "now": t.now}); err != nil {
			return err
		}
		a := args{"iterations": idList(iterations), "into": into, "now": t.now}
		for _, statement := range []string{"forget_baselines", "delete_baselines"} {
			if _, err := t.exec(ctx, statement, a); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("remove builds on the base alone: %w", err)
	}
	return left, nil
}

// Forgettable lists attempts of which it need not be known any more what was installed, up to
// maxDueShared. What is among them once stays so.
func (q *Reader) Forgettable(ctx context.Context, age time.Duration, now time.Time) ([]int64, error) {
	attempts, err := q.forgettable(ctx, age, now)
	if err != nil {
		return nil, fmt.Errorf("find of which attempts it need not be known what was installed: %w", err)
	}
	return attempts, nil
}

// ForgetInstalled forgets what was installed where attempts ran.
func (s *Store) ForgetInstalled(ctx context.Context, attempts []int64) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, "forget_installed", args{"attempts": idList(attempts)})
		return err
	})
	if err != nil {
		return fmt.Errorf("forget what was installed for %d attempts: %w", len(attempts), err)
	}
	return nil
}

// Unused are rows that nothing refers to.
type Unused struct {
	Sets       []int64  // of installed packages
	Interfaces []string // by SHA-256 of their files
}

// Unused lists rows that nothing refers to, of each kind up to maxDueShared.
func (q *Reader) Unused(ctx context.Context) (u Unused, err error) {
	a := args{"limit": maxDueShared}
	if err = q.list(ctx, &u.Sets, "unused_sets", a); err == nil {
		err = q.list(ctx, &u.Interfaces, "unused_interfaces", a)
	}
	if err != nil {
		return u, fmt.Errorf("find rows that nothing refers to: %w", err)
	}
	return u, nil
}

// RemoveUnused removes those of some rows that nothing refers to now.
func (s *Store) RemoveUnused(ctx context.Context, u Unused) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		if _, err := t.exec(ctx, "remove_unused_sets", args{"sets": idList(u.Sets)}); err != nil {
			return err
		}
		_, err := t.exec(ctx, "remove_unused_interfaces", args{"digests": textList(u.Interfaces)})
		return err
	})
	if err != nil {
		return fmt.Errorf("remove rows that nothing refers to: %w", err)
	}
	return nil
}

// UnusedInstalled lists names with versions that no set of installed packages has, up to
// maxDueShared, and the newest set that was looked at. It reads all sets.
func (q *Reader) UnusedInstalled(ctx context.Context) (packages []int64, newest int64, err error) {
	err = q.Snapshot(ctx, func(q *Reader) error {
		if err := q.get(ctx, &newest, "newest_set", nil); err != nil {
			return err
		}
		return q.list(ctx, &packages, "unused_installed", args{"limit": maxDueShared})
	})
	if err != nil {
		return nil, 0, fmt.Errorf("find packages that no set has: %w", err)
	}
	return packages, newest, nil
}

// RemoveUnusedInstalled removes those of some packages of UnusedInstalled that no set after the
// newest one has. No set with a higher number may have been removed meanwhile.
func (s *Store) RemoveUnusedInstalled(ctx context.Context, packages []int64, newest int64) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, "remove_unused_installed", args{"packages": idList(packages), "newest": newest})
		return err
	})
	if err != nil {
		return fmt.Errorf("remove packages that no set has: %w", err)
	}
	return nil
}

// Shared counts rows that many builds share.
type Shared struct {
	Baselines  int `bun:"baselines"`  // builds on the base alone
	Sets       int `bun:"sets"`       // of installed packages
	Interfaces int `bun:"interfaces"` // of package files
}

// CountShared counts rows that many builds share.
func (q *Reader) CountShared(ctx context.Context) (n Shared, err error) {
	if err := q.get(ctx, &n, "count_shared", nil); err != nil {
		return n, fmt.Errorf("count what many builds share: %w", err)
	}
	return n, nil
}
