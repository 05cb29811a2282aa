package retention

import (
	"context"
	"errors"
	"slices"

	"buildbtw/store"
)

// removeShared removes what many builds share and none needs any more. Builds on the base alone
// are marked, and go with the sweep of the next pass.
func (k *Keeper) removeShared(ctx context.Context) error {
	k.note(func(p *Progress) { p.Doing = "removing what no build needs any more" })
	var failures []error
	if k.Policy.Baselines > 0 {
		failures = append(failures, k.steps(ctx, func() (bool, error) { return k.Store.RemoveBaselines(ctx, k.Policy.Baselines, step) }))
	}
	if k.Policy.Installed > 0 {
		attempts, err := k.Store.Forgettable(ctx, k.Policy.Installed, k.Now())
		failures = append(failures, err, chunks(ctx, k, attempts, k.Store.ForgetInstalled))
	}
	unused, err := k.Store.Unused(ctx)
	failures = append(failures, err)
	failures = append(failures, chunks(ctx, k, unused.Interfaces, func(ctx context.Context, digests []string) error {
		return k.Store.RemoveUnused(ctx, store.Unused{Interfaces: digests})
	}), chunks(ctx, k, unused.Sets, func(ctx context.Context, sets []int64) error {
		return k.Store.RemoveUnused(ctx, store.Unused{Sets: sets})
	}))
	if len(unused.Sets) > 0 || !k.swept { // else the same packages are in sets as before
		packages, newest, err := k.Store.UnusedInstalled(ctx)
		err = errors.Join(err, chunks(ctx, k, packages, func(ctx context.Context, some []int64) error {
			return k.Store.RemoveUnusedInstalled(ctx, some, newest)
		}))
		k.swept = err == nil
		failures = append(failures, err)
	}
	return errors.Join(failures...)
}

// chunks calls a short transaction for some items at a time.
func chunks[T any](ctx context.Context, k *Keeper, items []T, one func(context.Context, []T) error) error {
	list := slices.Collect(slices.Chunk(items, 4*step)) // they are small
	if len(list) == 0 {
		return nil
	}
	i := 0
	return k.steps(ctx, func() (bool, error) {
		if err := one(ctx, list[i]); err != nil {
			return false, err
		}
		k.note(func(p *Progress) { p.Shared += len(list[i]) })
		i++
		return i < len(list), nil
	})
}
