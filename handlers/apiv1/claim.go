package apiv1

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/store"
)

const (
	claimTime = (api.MaxWait + 30) * time.Second
	maxSlots  = 1024 // concurrent builds of one machine
	minPause  = time.Second

	// maxClaims is how many claims look for a build at the same time. A finish
	// that unblocks thousands wakes all workers at once; heartbeats and results must
	// not wait behind hundreds of them for the one writer of the database.
	maxClaims = 2
)

// claim gives a build to a worker, waiting for one as long as the worker wants.
// A server that stops gives out nothing: its own workers are handing builds back.
func (a *API) claim(c *fiber.Ctx) error {
	if err := a.goesOn(); err != nil {
		return err
	}
	r, err := decode[api.ClaimRequest](c)
	if err != nil {
		return err
	}
	claim, err := a.checkClaim(r)
	if err != nil {
		return err
	}
	wait := time.Duration(r.Wait) * time.Second
	if claim.Build != 0 {
		wait = 0 // it is to be built now, or this is a conflict
	}
	claimed, err := a.waitForBuild(c.UserContext(), claim, wait)
	if err != nil {
		return err
	}
	if claimed == nil {
		return c.SendStatus(fiber.StatusNoContent)
	}
	job, err := a.job(c.UserContext(), *claimed)
	if err != nil {
		return a.handBack(c.UserContext(), *claimed, err)
	}
	return send(c, job)
}

func (a *API) checkClaim(r api.ClaimRequest) (store.Claim, error) {
	w := buildbtw.Worker{
		Name: r.Worker, Architectures: r.Architectures, Runners: r.Runners, Labels: r.Labels, Version: r.Version,
	}
	if err := w.Validate(); err != nil {
		return store.Claim{}, err
	}
	offered := func(arch string) bool { return slices.Contains(a.Catalog.Architectures, arch) }
	switch {
	case !slices.ContainsFunc(r.Architectures, offered):
		return store.Claim{}, buildbtw.Invalid("worker %s builds for %s, but this server only for %s", r.Worker,
			strings.Join(r.Architectures, ", "), strings.Join(a.Catalog.Architectures, ", "))
	case r.Wait < 0 || r.Wait > api.MaxWait:
		return store.Claim{}, buildbtw.Invalid("wait is %d seconds; choose 0 to %d", r.Wait, api.MaxWait)
	case r.Slot < 0 || r.Slot >= maxSlots:
		return store.Claim{}, buildbtw.Invalid("slot %d is out of range; choose 0 to %d", r.Slot, maxSlots-1)
	case len(r.Version) > 100:
		return store.Claim{}, buildbtw.Invalid("the version has %d bytes; at most 100 are kept", len(r.Version))
	}
	claim := store.Claim{Worker: w, Slot: r.Slot, Runner: r.Runners[0], Lease: a.Settings.Lease, Pipeline: r.Pipeline, Job: r.Job}
	if r.Build == "" {
		return claim, nil
	}
	var err error
	claim.Build, err = id(r.Build)
	return claim, err
}

// waitForBuild claims, and tries again whenever the database has changed or the
// time of a postponed build has come. It gives nil when the wait is over or the
// server stops.
func (a *API) waitForBuild(ctx context.Context, claim store.Claim, wait time.Duration) (*store.Claimed, error) {
	changed, cancel := a.Store.SubscribeWork() // before looking: no change is missed
	defer cancel()
	over := time.NewTimer(wait)
	defer over.Stop()
	for {
		claimed, err := a.look(ctx, claim)
		if claimed != nil || err != nil || wait == 0 {
			return claimed, err
		}
		due, err := a.due(ctx)
		if err != nil {
			return nil, err
		}
		select {
		case <-changed:
			claim.Again = true
		case <-due:
			claim.Again = false
		case <-over.C:
			return nil, nil
		case <-a.Stopping:
			return nil, nil
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for a build: %w", ctx.Err())
		}
	}
}

// look claims when it is its turn.
func (a *API) look(ctx context.Context, claim store.Claim) (*store.Claimed, error) {
	select {
	case a.claims <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for the turn to claim: %w", ctx.Err())
	}
	defer func() { <-a.claims }()
	return a.Store.ClaimBuild(ctx, claim)
}

// due gives a channel that fires when a postponed build may be handed out; nil,
// which never fires, when there is none.
func (a *API) due(ctx context.Context) (<-chan time.Time, error) {
	at, ok, err := a.Store.NextDue(ctx)
	if err != nil || !ok {
		return nil, err
	}
	return time.After(max(at.Sub(a.Now()), minPause)), nil
}

// job tells a worker all that it needs to know about its build.
func (a *API) job(ctx context.Context, claimed store.Claimed) (api.Job, error) {
	b := claimed.Build
	srcinfos, err := a.Sources.ReadSrcinfos(ctx, []string{b.Commit})
	if err != nil {
		return api.Job{}, err
	}
	srcinfo := srcinfos[b.Commit]
	if srcinfo.Err != nil {
		return api.Job{}, srcinfo.Err
	}
	s := a.Settings
	return api.Job{
		Lease: claimed.Attempt.Lease, LeaseSeconds: s.Lease.Seconds(), Heartbeat: (s.Lease / 4).Seconds(),
		TimeoutSeconds: s.Timeout.Seconds(), StallSeconds: s.Stall.Seconds(),
		BuildID: formatID(b.ID), Attempt: claimed.Attempt.Number, Buildspace: b.Buildspace, Iteration: b.Iteration,
		Pkgbase: b.Pkgbase, Source: b.Source, Commit: b.Commit, Version: b.Version, Pkgnames: names(b.Pkgnames),
		Architecture: b.Architecture, Runner: claimed.Attempt.Runner, Stage: b.Stage, NoCheck: b.NoCheck, Reason: b.Reason, SourceDate: srcinfo.Time.Unix(),
		Srcinfo:    string(srcinfo.Text),
		Repository: a.repository(b.Buildspace, buildbtw.RepositoryName(b.Buildspace, b.Iteration), b.Architecture),
	}, nil
}

// handBack ends an attempt whose job could not be put together, so that the
// build waits a while instead of for the end of a lease that nobody knows.
func (a *API) handBack(ctx context.Context, claimed store.Claimed, cause error) error {
	const message = "the server could not read the source; its log says why"
	if _, err := a.Store.EndAttempt(ctx, claimed.Attempt.Lease, buildbtw.OutcomeInfrastructure, message); err != nil {
		a.Log.Error("cannot hand back a build", slog.Int64("build", claimed.Build.ID), slog.Any("error", err))
	}
	return fmt.Errorf("put together the job for build %d: %w", claimed.Build.ID, cause)
}
