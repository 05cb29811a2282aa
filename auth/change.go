package auth

import (
	"context"

	"buildbtw"
)

// MayChangeBuildspace returns nil when the user may change a buildspace, and else
// why not.
func (a *Auth) MayChangeBuildspace(ctx context.Context, u buildbtw.User, name string) error {
	if err := u.MayChange(); err != nil || !u.OwnOnly {
		return err
	}
	row, err := a.Store.Buildspace(ctx, name)
	if err != nil {
		return err
	}
	return u.MayChangeOf(row.CreatedBy)
}

// MayChangeBuild returns nil when the user may change a build, which is a part of its
// buildspace, and else why not.
func (a *Auth) MayChangeBuild(ctx context.Context, u buildbtw.User, id int64) error {
	if err := u.MayChange(); err != nil || !u.OwnOnly {
		return err
	}
	row, err := a.Store.Build(ctx, id)
	if err != nil {
		return err
	}
	return a.MayChangeBuildspace(ctx, u, row.Buildspace)
}
