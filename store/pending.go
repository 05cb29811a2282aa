package store

import (
	"context"
	"errors"
	"time"

	"buildbtw"
	"buildbtw/buildgraph"
)

var errPending = errors.New("store: being written")

// MaxRootCauses bounds the causes named for one build.
const MaxRootCauses = 20

func (s *Store) CreateBuildspace(ctx context.Context, actor string, b buildbtw.Buildspace, cs []buildbtw.Changeset) (BuildspaceRow, error) {
	return BuildspaceRow{}, errPending
}
func (s *Store) Buildspace(ctx context.Context, name string) (BuildspaceRow, error) {
	return BuildspaceRow{}, errPending
}
func (s *Store) Buildspaces(ctx context.Context, f BuildspaceFilter) (rows []BuildspaceRow, next string, err error) {
	return nil, "", errPending
}
func (s *Store) EditBuildspace(ctx context.Context, actor, name string, e Edit) (BuildspaceRow, error) {
	return BuildspaceRow{}, errPending
}
func (s *Store) StopBuildspace(ctx context.Context, actor, name string) (BuildspaceRow, error) {
	return BuildspaceRow{}, errPending
}
func (s *Store) StartBuildspace(ctx context.Context, actor, name string) (BuildspaceRow, error) {
	return BuildspaceRow{}, errPending
}
func (s *Store) RequestIteration(ctx context.Context, actor, name string, reason buildbtw.IterationReason, text string) error {
	return errPending
}
func (s *Store) ActiveBuildspaces(ctx context.Context) ([]ActiveBuildspace, error) {
	return nil, errPending
}
func (s *Store) CreateIteration(ctx context.Context, n NewIteration) (IterationRow, error) {
	return IterationRow{}, errPending
}
func (s *Store) Iteration(ctx context.Context, buildspace string, number int) (IterationRow, error) {
	return IterationRow{}, errPending
}
func (s *Store) Iterations(ctx context.Context, buildspace string) ([]IterationRow, error) {
	return nil, errPending
}
func (s *Store) IterationChangesets(ctx context.Context, iterationID int64) ([]buildgraph.PlannedChangeset, error) {
	return nil, errPending
}
func (s *Store) Warnings(ctx context.Context, iterationID int64) ([]buildgraph.Warning, error) {
	return nil, errPending
}
func (s *Store) Architectures(ctx context.Context, iterationID int64) ([]string, error) {
	return nil, errPending
}
func (s *Store) Graph(ctx context.Context, iterationID int64, arch string) (Graph, error) {
	return Graph{}, errPending
}
func (s *Store) Diff(ctx context.Context, buildspace string, from, to int) (Diff, error) {
	return Diff{}, errPending
}
func (s *Store) Blockers(ctx context.Context, iterationID int64, limit int) ([]Blocker, error) {
	return nil, errPending
}
func (s *Store) Build(ctx context.Context, id int64) (BuildRow, error) { return BuildRow{}, errPending }
func (s *Store) Builds(ctx context.Context, f BuildFilter) (rows []BuildRow, next string, err error) {
	return nil, "", errPending
}
func (s *Store) Dependencies(ctx context.Context, buildID int64) ([]Neighbour, error) {
	return nil, errPending
}
func (s *Store) Dependents(ctx context.Context, buildID int64) ([]Neighbour, error) {
	return nil, errPending
}
func (s *Store) BuildCuts(ctx context.Context, buildID int64) ([]BuildCut, error) {
	return nil, errPending
}
func (s *Store) ReasonChain(ctx context.Context, buildID int64) ([]ReasonStep, error) {
	return nil, errPending
}
func (s *Store) Attempts(ctx context.Context, buildID int64) ([]buildbtw.Attempt, error) {
	return nil, errPending
}
func (s *Store) BuildPackages(ctx context.Context, buildID int64) ([]buildbtw.Package, error) {
	return nil, errPending
}
func (s *Store) RetryBuild(ctx context.Context, actor string, id int64) (BuildRow, error) {
	return BuildRow{}, errPending
}
func (s *Store) CancelBuild(ctx context.Context, actor string, id int64) (BuildRow, error) {
	return BuildRow{}, errPending
}
func (s *Store) RetryFailed(ctx context.Context, actor, buildspace string) (n int, err error) {
	return 0, errPending
}
func (s *Store) CancelBuilds(ctx context.Context, actor, buildspace string) (n int, err error) {
	return 0, errPending
}
func (s *Store) ClaimBuild(ctx context.Context, c Claim) (*Claimed, error) { return nil, errPending }
func (s *Store) Lease(ctx context.Context, lease string) (LeaseRow, error) {
	return LeaseRow{}, errPending
}
func (s *Store) Heartbeat(ctx context.Context, lease string, extend time.Duration) (stop bool, err error) {
	return false, errPending
}
func (s *Store) AddPackage(ctx context.Context, lease string, p buildbtw.Package) error {
	return errPending
}
func (s *Store) BeginPublish(ctx context.Context, lease string, files []PackageFile) (Publishing, error) {
	return Publishing{}, errPending
}
func (s *Store) CompletePublish(ctx context.Context, attemptID int64) (buildbtw.Status, error) {
	return "", errPending
}

// AbandonPublish ends an attempt whose packages could not be published by the
// server's fault, and puts its build back.
func (s *Store) AbandonPublish(ctx context.Context, attemptID int64, message string) (buildbtw.Status, error) {
	return "", errPending
}
func (s *Store) EndAttempt(ctx context.Context, lease string, o buildbtw.Outcome, message string) (buildbtw.Status, error) {
	return "", errPending
}
func (s *Store) Publishing(ctx context.Context) ([]Publishing, error) { return nil, errPending }

// ExtendLeases gives every running attempt at least d from now: called when the
// server starts, because no heartbeat could reach it while it was down.
func (s *Store) ExtendLeases(ctx context.Context, d time.Duration) error { return errPending }
func (s *Store) ExpireLeases(ctx context.Context) ([]buildbtw.Attempt, error) {
	return nil, errPending
}
func (s *Store) NextWake(ctx context.Context) (at time.Time, ok bool, err error) {
	return time.Time{}, false, errPending
}
func (s *Store) Workers(ctx context.Context) ([]WorkerRow, error) { return nil, errPending }

// SetWorkerAside gives the worker no more builds, until ResumeWorker.
func (s *Store) SetWorkerAside(ctx context.Context, actor, name, why string) error { return errPending }
func (s *Store) ResumeWorker(ctx context.Context, actor, name string) error        { return errPending }
func (s *Store) Events(ctx context.Context, f EventFilter) ([]EventRow, error) {
	return nil, errPending
}
