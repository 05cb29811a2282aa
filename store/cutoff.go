package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"buildbtw"
	"buildbtw/pacman/alpm"
)

// CutoffCandidate is a build that waits for nothing and may turn out to be
// unnecessary, with all that the store knows for deciding it (docs/domain.md,
// "Cut-off").
type CutoffCandidate struct {
	Build    BuildRow
	Previous *Result          // the buildspace's latest result of the same commit; nil when there is none
	Triggers []Trigger        // what brought it into the set and is in its order, by pkgbase
	Own      []alpm.Interface // of the packages of Previous; empty when not known, or there is no Previous
	Within   bool             // a first stage of it was built in this iteration, so that the second must be

	Makedepends bool // makedepends bring dependents into the set, too
}

// Trigger is a dependency that brought a build into the set.
type Trigger struct {
	Pkgbase string
	// Unchanged says that it was itself found to be unnecessary.
	Unchanged bool
	Now       []alpm.Interface // of its packages; empty when not known
	Before    []alpm.Interface // of those that Previous was built against; empty when not known
	// FromBase says that Previous was built against the base's packages of it,
	// or that there is no Previous.
	FromBase bool
}

// triggerRow is a trigger as the database has it.
type triggerRow struct {
	To         int64           `bun:"to_build"`
	ID         int64           `bun:"id"`
	Pkgbase    string          `bun:"pkgbase"`
	Own        bool            `bun:"own"` // the build's own first stage
	Status     buildbtw.Status `bun:"status"`
	WasID      int64           `bun:"was_id"` // the same in the iteration of the previous result; 0 when there is none
	WasStatus  buildbtw.Status `bun:"was_status"`
	PreviousID int64           `bun:"previous_id"`

	Makedepends bool `bun:"makedepends"` // of the buildspace
}

// CutoffCandidates returns builds for which it is to be decided whether they are built,
// at most so many.
func (q *Reader) CutoffCandidates(ctx context.Context, limit int) ([]CutoffCandidate, error) {
	var list []CutoffCandidate
	err := q.Snapshot(ctx, func(q *Reader) error {
		rows, unreadable := readable[BuildRow](ctx, q.queries, "held_builds", args{"hold": buildbtw.HoldDecide, "limit": limit})
		if len(rows) == 0 {
			return unreadable
		}
		var err error
		list, err = loadCandidates(ctx, q, rows)
		return errors.Join(unreadable, err)
	})
	if err != nil {
		return list, fmt.Errorf("list candidates of the cut-off: %w", err)
	}
	return list, nil
}

func loadCandidates(ctx context.Context, q *Reader, rows []BuildRow) ([]CutoffCandidate, error) {
	triggers, err := loadTriggers(ctx, q, rows)
	if err != nil {
		return nil, err
	}
	var builds, previous []int64
	for _, tr := range triggers {
		builds = append(builds, tr.ID)
		if tr.WasID != 0 {
			builds = append(builds, tr.WasID)
		}
		if tr.PreviousID != 0 {
			previous = append(previous, tr.PreviousID)
		}
	}
	known, err := interfacesOf(ctx, q, append(builds, previous...))
	if err != nil {
		return nil, err
	}
	results, err := resultsByID(ctx, q, previous)
	if err != nil {
		return nil, err
	}
	list := make([]CutoffCandidate, len(rows))
	place := map[int64]*CutoffCandidate{}
	for i, r := range rows {
		list[i].Build = r
		place[r.ID] = &list[i]
	}
	for _, tr := range triggers {
		place[tr.To].add(tr, known, results)
	}
	return list, nil
}

// loadTriggers reads the dependencies of a kind that brings dependents into the
// set, and those on a build's own first stage.
func loadTriggers(ctx context.Context, q *Reader, rows []BuildRow) ([]triggerRow, error) {
	ids := make([]int64, len(rows))
	for i, r := range rows {
		ids[i] = r.ID
	}
	var triggers []triggerRow
	err := q.list(ctx, &triggers, "triggers", args{
		"builds": idList(ids), "kinds_with_makedepends": buildbtw.TriggerKinds(true), "kinds": buildbtw.TriggerKinds(false),
	})
	return triggers, err
}

func (u *CutoffCandidate) add(tr triggerRow, known map[int64][]alpm.Interface, results map[int64]Result) {
	if r, ok := results[tr.PreviousID]; ok && u.Previous == nil {
		u.Previous, u.Own = &r, known[tr.PreviousID]
	}
	u.Makedepends = tr.Makedepends
	if tr.Own {
		u.Within = u.Within || tr.Status == buildbtw.StatusBuilt
		return
	}
	u.Triggers = append(u.Triggers, Trigger{
		Pkgbase: tr.Pkgbase, Unchanged: tr.Status == buildbtw.StatusSkipped,
		Now: known[tr.ID], Before: known[tr.WasID],
		FromBase: tr.WasID == 0 || tr.WasStatus == buildbtw.StatusSkipped,
	})
}

// CutoffAction is what becomes of a candidate.
type CutoffAction int

// The actions.
const (
	CutoffBuild CutoffAction = iota // something that it notices has changed, or may have
	CutoffSkip                      // the base's packages of it will do
	CutoffKeep                      // those of the buildspace's previous result will do
)

// CutoffResult is what was decided about a candidate.
type CutoffResult struct {
	BuildID int64
	Action  CutoffAction
	From    int64  // the previous result, for CutoffKeep
	Reason  string // in words
}

// ApplyCutoff carries results out and records each with its reason. What is
// skipped counts as settled for its dependents; what keeps its packages waits
// for BeginReuse. A build that is no candidate any more is left alone.
func (s *Store) ApplyCutoff(ctx context.Context, list []CutoffResult) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		var skipped []int64
		for _, d := range list {
			b, err := t.buildRow(ctx, d.BuildID)
			if err != nil {
				return err
			}
			if b.Held != buildbtw.HoldDecide {
				continue
			}
			if d.Action != CutoffSkip {
				if err := t.keepPending(ctx, b, d); err != nil {
					return err
				}
				continue
			}
			ids, err := t.move(ctx, []int64{b.ID}, change{
				to: buildbtw.StatusSkipped, cause: buildbtw.CauseUnchanged, only: []buildbtw.Status{buildbtw.StatusPending},
				actor: buildbtw.System, message: d.Reason,
			})
			if err != nil {
				return err
			}
			skipped = append(skipped, ids...)
		}
		t.seen.saved(buildbtw.CauseUnchanged, len(skipped))
		return t.unblock(ctx, skipped...)
	})
	if err != nil {
		return fmt.Errorf("decide about %d builds: %w", len(list), err)
	}
	return nil
}

// keepPending carries out a result that leaves the build pending. Kept packages are
// no result for the build's input, from which they were not made.
func (t *tx) keepPending(ctx context.Context, b BuildRow, d CutoffResult) error {
	statement, words := "build_without_cutoff", "Rebuilding: "+d.Reason
	if d.Action == CutoffKeep {
		statement, words = "keep_packages", "Not rebuilt: "+d.Reason
	}
	if _, err := t.exec(ctx, statement, args{"build": b.ID, "from": d.From}); err != nil {
		return err
	}
	var buildspace int64
	if err := t.get(ctx, &buildspace, "buildspace_of_iteration", args{"iteration": b.IterationID}); err != nil {
		return err
	}
	err := t.record(ctx, buildbtw.Event{
		Actor: buildbtw.System, BuildspaceID: buildspace, IterationID: b.IterationID, BuildID: b.ID, Kind: buildbtw.EventIteration, Message: words,
	})
	if err != nil {
		return err
	}
	return t.hold(ctx, []int64{b.ID})
}

// Rebuilt is a build whose packages may differ from those that were there before.
type Rebuilt struct {
	ID      int64           `bun:"id"`
	Pkgbase string          `bun:"pkgbase"`
	Output  string          `bun:"output_digest"`
	Status  buildbtw.Status `bun:"status"` // built, or that of a changeset that is not built yet
	WasID   int64           `bun:"was_id"` // the build before; 0: the base's packages were there
}

// Rebuilt lists the builds of an iteration for an architecture that are built,
// changesets first, with their builds in a previous iteration, and changesets that
// are yet to be built. Those whose packages are the same are left out. Without a
// previous iteration (0) all count as the base's before.
func (q *Reader) Rebuilt(ctx context.Context, iteration, previous int64, architecture string) ([]Rebuilt, error) {
	var list []Rebuilt
	err := q.list(ctx, &list, "rebuilt", args{"iteration": iteration, "previous": previous, "architecture": architecture})
	if err != nil {
		return nil, fmt.Errorf("list what was built in iteration %d: %w", iteration, err)
	}
	return list, nil
}

// InterfacesOf returns the interfaces of the packages of builds. A build is left
// out when it has none or one of them was not stored.
func (q *Reader) InterfacesOf(ctx context.Context, builds []int64) (map[int64][]alpm.Interface, error) {
	known, err := interfacesOf(ctx, q, builds)
	if err != nil {
		return nil, fmt.Errorf("load the interfaces of %d builds: %w", len(builds), err)
	}
	return known, nil
}

// BuiltPackage is a package of an iteration with its interface.
type BuiltPackage struct {
	Pkgname    string `bun:"pkgname"`
	Pkgbase    string `bun:"pkgbase"`
	Version    string `bun:"version"`
	Buildspace string `bun:"buildspace"`
	Iteration  int    `bun:"iteration"`
	BuildID    int64  `bun:"build_id"`
	Text       string `bun:"interface"`

	Interface alpm.Interface `bun:"-"`
}

// maxBuiltPackages bounds the packages of one answer of PackagesWith.
const maxBuiltPackages = 20_000

// PackagesWith returns the packages for an architecture in iterations that are not
// superseded whose interface has a text somewhere, by pkgname, newest first. It
// reads all interfaces: an answer for a person.
func (q *Reader) PackagesWith(ctx context.Context, architecture, text string) ([]BuiltPackage, error) {
	var list []BuiltPackage
	err := q.list(ctx, &list, "packages_with", args{"architecture": architecture, "text": text, "limit": maxBuiltPackages})
	for i := range list {
		if err == nil {
			err = json.Unmarshal([]byte(list[i].Text), &list[i].Interface)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("list packages with %.80q: %w", text, err)
	}
	return list, nil
}

// LinksKnown returns those of these pkgbases that were built in iterations that are not
// superseded, and of which it is known what they link with.
func (q *Reader) LinksKnown(ctx context.Context, architecture string, pkgbases []string) ([]string, error) {
	text, err := json.Marshal(pkgbases)
	if err != nil {
		return nil, err
	}
	var known []string
	if err := q.list(ctx, &known, "links_known", args{"architecture": architecture, "pkgbases": string(text)}); err != nil {
		return nil, fmt.Errorf("find of which of %d packages the links are known: %w", len(pkgbases), err)
	}
	return known, nil
}

// NewestBuild is the newest build of a pkgbase in any buildspace.
type NewestBuild struct {
	BuildID     int64           `bun:"build_id"`
	Pkgbase     string          `bun:"pkgbase"`
	Status      buildbtw.Status `bun:"status"` // as people read it
	Version     string          `bun:"version"`
	IterationID int64           `bun:"iteration_id"`
	Iteration   int             `bun:"iteration"`
	Buildspace  string          `bun:"buildspace"`
}

// NewestBuilds returns the newest build of each of these pkgbases that has one, by pkgbase.
func (q *Reader) NewestBuilds(ctx context.Context, pkgbases []string) (map[string]NewestBuild, error) {
	text, err := json.Marshal(pkgbases)
	if err != nil {
		return nil, err
	}
	var rows []NewestBuild
	if err := q.list(ctx, &rows, "newest_builds", args{"pkgbases": string(text)}); err != nil {
		return nil, fmt.Errorf("find the newest builds of %d packages: %w", len(pkgbases), err)
	}
	newest := make(map[string]NewestBuild, len(rows))
	stuck := map[int64][]int64{} // by iteration
	for _, b := range rows {
		if b.Status == buildbtw.StatusBlocked {
			if _, loaded := stuck[b.IterationID]; !loaded {
				if stuck[b.IterationID], err = q.BlockedBuilds(ctx, b.IterationID); err != nil {
					return nil, err
				}
			}
			_, is := slices.BinarySearch(stuck[b.IterationID], b.BuildID)
			b.Status = b.Status.Shown(is)
		}
		newest[b.Pkgbase] = b
	}
	return newest, nil
}

// SaveInterfaces stores the interfaces of packages, by the SHA-256 of their files.
func (s *Store) SaveInterfaces(ctx context.Context, bySHA256 map[string]alpm.Interface) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		for sum, i := range bySHA256 {
			text, err := json.Marshal(i)
			if err != nil {
				return err
			}
			_, err = t.exec(ctx, "save_interface", args{"sha256": sum, "interface": string(text)})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("save the interfaces of %d packages: %w", len(bySHA256), err)
	}
	return nil
}

// interfacesOf gives what dependents can notice of the packages of builds. A
// build is left out when it has none or one of theirs is not known.
func interfacesOf(ctx context.Context, q *Reader, builds []int64) (map[int64][]alpm.Interface, error) {
	var rows []struct {
		BuildID   int64   `bun:"build_id"`
		Interface *string `bun:"interface"`
	}
	err := q.list(ctx, &rows, "interfaces_of_builds", args{"builds": idList(builds)})
	if err != nil {
		return nil, err
	}
	by := map[int64][]alpm.Interface{}
	unknown := map[int64]bool{}
	for _, r := range rows {
		var i alpm.Interface
		if r.Interface == nil || json.Unmarshal([]byte(*r.Interface), &i) != nil {
			unknown[r.BuildID] = true
			continue
		}
		by[r.BuildID] = append(by[r.BuildID], i)
	}
	for id := range unknown {
		delete(by, id)
	}
	return by, nil
}

// PreviousResult is what a buildspace had of a pkgbase before the iteration of
// a build.
type PreviousResult struct {
	BuildID    int64            `bun:"id"`
	Iteration  int              `bun:"number"`
	Version    string           `bun:"version"`
	Interfaces []alpm.Interface `bun:"-"` // of its packages; empty when not known
}

// PreviousResult gives the newest earlier result, whatever its commit; nil when
// there is none.
func (q *Reader) PreviousResult(ctx context.Context, buildID int64) (*PreviousResult, error) {
	var rows []PreviousResult
	err := q.Snapshot(ctx, func(q *Reader) error {
		err := q.list(ctx, &rows, "previous_result", args{"build": buildID})
		if err != nil || len(rows) == 0 {
			return err
		}
		known, err := interfacesOf(ctx, q, []int64{rows[0].BuildID})
		rows[0].Interfaces = known[rows[0].BuildID]
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look for the result before build %d: %w", buildID, err)
	}
	if len(rows) == 0 {
		return nil, nil
	}
	return &rows[0], nil
}

// Interfaces gives what dependents can notice of a build's packages; empty when
// it has none or one of theirs is not known.
func (q *Reader) Interfaces(ctx context.Context, buildID int64) ([]alpm.Interface, error) {
	var list []alpm.Interface
	err := q.Snapshot(ctx, func(q *Reader) error {
		known, err := interfacesOf(ctx, q, []int64{buildID})
		list = known[buildID]
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load the interfaces of build %d: %w", buildID, err)
	}
	return list, nil
}

// BuiltLibraries is the libraries of a package that was built, with their word
// sizes.
type BuiltLibraries struct {
	Architecture, Pkgname string
	Libraries             []string
}

// BuiltLibraries lists those of packages that have some of 32 bits and whose names do
// not say so: what their sources leave open. Of each name it is the newest package.
// The error tells of what cannot be read of single ones, as that of BuiltDirectories.
func (q *Reader) BuiltLibraries(ctx context.Context) ([]BuiltLibraries, error) {
	var rows []struct {
		Architecture string `bun:"architecture"`
		Pkgname      string `bun:"pkgname"`
		Interface    string `bun:"interface"`
	}
	if err := q.list(ctx, &rows, "built_libraries", args{}); err != nil {
		return nil, err
	}
	list := []BuiltLibraries{}
	var failures []error
	for _, r := range rows {
		var i alpm.Interface
		if err := json.Unmarshal([]byte(r.Interface), &i); err != nil {
			failures = append(failures, fmt.Errorf("interface of a package %s: %w", r.Pkgname, err))
			continue
		}
		list = append(list, BuiltLibraries{r.Architecture, r.Pkgname, append(i.Sonames, i.Provides...)})
	}
	return list, errors.Join(failures...)
}

// maxTenants bounds what is asked of interpreters' directories.
const maxTenants = 50_000

// BuiltDirectories lists, by architecture, the packages with files in versioned
// directories that were built in iterations that are not superseded: of each name the
// newest.
func (q *Reader) BuiltDirectories(ctx context.Context) (map[string][]alpm.Tenant, error) {
	var rows []struct {
		Architecture string `bun:"architecture"`
		Pkgname      string `bun:"pkgname"`
		Pkgbase      string `bun:"pkgbase"`
		Interface    string `bun:"interface"`
	}
	if err := q.list(ctx, &rows, "built_directories", args{"limit": maxTenants}); err != nil {
		return nil, err
	}
	all := map[string][]alpm.Tenant{}
	var failures []error
	for _, r := range rows {
		var i alpm.Interface
		if err := json.Unmarshal([]byte(r.Interface), &i); err != nil {
			failures = append(failures, fmt.Errorf("interface of a package %s: %w", r.Pkgname, err))
			continue
		}
		all[r.Architecture] = append(all[r.Architecture], alpm.Tenant{Pkgname: r.Pkgname, Pkgbase: r.Pkgbase, Version: i.Version, Directories: i.Directories})
	}
	return all, errors.Join(failures...)
}
