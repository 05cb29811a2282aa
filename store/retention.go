package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"buildbtw"
)

// RetentionPolicy says for how long what is kept. An age of 0 keeps for good.
type RetentionPolicy struct {
	Newest   int           // iterations of each buildspace of which nothing is removed; at least 1
	Packages time.Duration // packages and repositories of iterations that ended so long ago
	Logs     time.Duration // their logs
	History  time.Duration // all of them, what they built and how; and events that are in no iteration
	Workers  time.Duration // machines that were not heard of for so long

	Baselines time.Duration // builds on the base alone that ended so long ago
	Installed time.Duration // what was installed for attempts that ended so long ago, of iterations without packages
}

// DefaultRetention is the policy of a server without settings.
func DefaultRetention() RetentionPolicy {
	const day = 24 * time.Hour
	return RetentionPolicy{Newest: 3, Packages: 30 * day, Logs: 180 * day, History: 365 * day, Workers: 90 * day, Baselines: 90 * day, Installed: 90 * day}
}

// Validate refuses a policy that would remove something before what depends on it.
func (p RetentionPolicy) Validate() error {
	switch {
	case p.Newest < 1:
		return buildbtw.Invalid("--retention-newest %d: at least the newest iteration of each buildspace is kept", p.Newest)
	case p.Packages < 0 || p.Logs < 0 || p.History < 0 || p.Workers < 0 || p.Baselines < 0 || p.Installed < 0:
		return buildbtw.Invalid("an age after which something is removed cannot be negative; 0 keeps it for good")
	case p.Workers > 0 && p.Workers < time.Hour:
		return buildbtw.Invalid("--retention-workers %s: a machine that was restarted would be forgotten; choose an hour or more", p.Workers)
	case p.Baselines > 0 && p.Baselines < time.Hour:
		return buildbtw.Invalid("--retention-baselines %s: the same commit would be built on the base again and again; choose an hour or more", p.Baselines)
	}
	return nil
}

// Removal is what is removed of an iteration.
type Removal string

// What can be removed of an iteration.
const (
	RemovePackages Removal = "packages" // and the repositories; what was built and how stays known
	RemoveLogs     Removal = "logs"
	RemoveAll      Removal = "all"
)

// DueIteration is an iteration of which something is to be removed.
type DueIteration struct {
	ID         int64
	Buildspace string
	Number     int
	Ended      time.Time
	Builds     int
	Remove     Removal
	Packages   int   // files that go with it
	Bytes      int64 // of these; those that other iterations share give nothing back
}

// retained is an iteration as the policy looks at it.
type retained struct {
	buildbtw.Iteration
	Buildspace string `bun:"buildspace"`
	Kept       bool   `bun:"kept"`
	Builds     int    `bun:"builds"`
}

// Due lists what the policy would remove now, the oldest iteration first. A need that keeps
// an iteration's history does not keep its packages.
func (q *Reader) Due(ctx context.Context, p RetentionPolicy, now time.Time) ([]DueIteration, error) {
	var due []DueIteration
	err := q.Snapshot(ctx, func(q *Reader) error {
		var rows []retained
		if err := q.list(ctx, &rows, "retained_iterations", nil); err != nil {
			return err
		}
		began, err := q.policyBegan(ctx)
		if err != nil {
			return err
		}
		place := 0
		for i, r := range rows {
			if i == 0 || rows[i-1].BuildspaceID != r.BuildspaceID {
				place = 0
			}
			if place++; place <= p.Newest || r.Kept {
				continue
			}
			d, err := q.due(ctx, p, r, now.Sub(counted(rows[i-1].CreatedAt, began)), now)
			if err != nil {
				return err
			}
			if d != nil {
				d.Ended = rows[i-1].CreatedAt
				due = append(due, *d)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("find what is kept no longer: %w", err)
	}
	return due, nil
}

// policyBegan returns since when the database knows of a policy.
func (q queries) policyBegan(ctx context.Context) (began time.Time, err error) {
	err = q.get(ctx, &began, "policy_began", nil)
	return began, err
}

// counted returns from when an age of the policy is counted for what ended at a time: a server
// that is upgraded to a version with a policy removes nothing before that time has passed once
// more, so that nobody is surprised by it.
func counted(ended, began time.Time) time.Time {
	if began.After(ended) {
		return began
	}
	return ended
}

// due returns what is to be removed of one iteration of an age; nil for nothing.
func (q queries) due(ctx context.Context, p RetentionPolicy, r retained, age time.Duration, now time.Time) (*DueIteration, error) {
	over := func(limit time.Duration) bool { return limit > 0 && age >= limit }
	d := &DueIteration{ID: r.ID, Buildspace: r.Buildspace, Number: r.Number, Builds: r.Builds}
	var wanted []Removal
	if over(p.History) {
		wanted = append(wanted, RemoveAll)
	}
	if over(p.Packages) && r.ArchivedAt == nil {
		wanted = append(wanted, RemovePackages)
	}
	if over(p.Logs) && r.LogsRemovedAt == nil {
		wanted = append(wanted, RemoveLogs)
	}
	if len(wanted) == 0 {
		return nil, nil
	}
	n, err := q.needs(ctx, r.ID, now, false)
	if err != nil {
		return nil, err
	}
	for _, d.Remove = range wanted {
		if n.against(d.Remove, false) != "" {
			continue
		}
		if r.ArchivedAt == nil && d.Remove != RemoveLogs {
			err = q.size(ctx, r.ID, d)
		}
		return d, err
	}
	return nil, nil
}

func (q queries) size(ctx context.Context, iteration int64, d *DueIteration) error {
	var size struct {
		Packages int   `bun:"packages"`
		Bytes    int64 `bun:"bytes"`
	}
	err := q.get(ctx, &size, "size_of_iteration", args{"iteration": iteration})
	d.Packages, d.Bytes = size.Packages, size.Bytes
	return err
}

// needs is what needs an iteration.
type needs struct {
	GoesOn    bool `bun:"goes_on"`
	Pinned    bool `bun:"pinned"`
	Running   bool `bun:"running"`
	Linked    bool `bun:"linked"`
	Served    bool `bun:"served"`
	Releasing bool `bun:"releasing"`
	Released  bool `bun:"released"`
	Reused    bool `bun:"reused"`
}

// needs finds what needs an iteration. With space, others of its own buildspace do not count.
func (q queries) needs(ctx context.Context, iteration int64, now time.Time, space bool) (n needs, err error) {
	err = q.get(ctx, &n, "needs_of_iteration", args{"iteration": iteration, "now": now, "space": space})
	return n, err
}

// against returns why something cannot be removed; empty when it can. A person may remove
// what is served as a buildspace's latest.
func (n needs) against(what Removal, person bool) string {
	switch {
	case n.Pinned:
		return "it is pinned; unpin it first"
	case n.GoesOn:
		return "it is the one that is being built; stop the buildspace first"
	case n.Running:
		return "something of it still runs, or a worker keeps its directory for a shell; cancel it, or try again when that has ended"
	case n.Releasing && what != RemoveLogs:
		return "a release of it is open, or a target can go back to it; withdraw the open release, or try again when the target has later generations"
	case n.Linked && what != RemoveLogs:
		return "its packages are being reused at this moment; try again in a minute"
	case n.Served && !person && what != RemoveLogs:
		return "it is served as the buildspace's latest repository"
	case n.Released && what == RemoveAll:
		return "packages of it were released; archive it instead"
	case n.Reused && what == RemoveAll:
		return "others have packages that were built in it; archive it instead, or delete those first"
	}
	return ""
}

// RemovedBuildspace is the hidden buildspace of iterations that are being removed.
const RemovedBuildspace = "~removed"

// remove marks an iteration; its files go later, and then its rows.
func (t *tx) remove(ctx context.Context, it buildbtw.Iteration, buildspace string, what Removal, into int64) error {
	a := args{"iteration": it.ID, "now": t.now, "repository": buildbtw.RepositoryName(buildspace, it.Number), "buildspace": it.BuildspaceID, "number": it.Number}
	if it.State == buildbtw.IterationInvalid {
		a["repository"] = "" // it never had one
	}
	for _, statement := range []string{"archive_iteration", "unserve_iteration"} {
		if _, err := t.exec(ctx, statement, a); err != nil {
			return err
		}
	}
	t.note(Change{Buildspaces: []int64{it.BuildspaceID}})
	if what == RemoveAll {
		a["into"] = into
		_, err := t.exec(ctx, "delete_iteration", a)
		return err
	}
	return nil
}

// RemoveIteration begins to remove something of an iteration: it is not used or shown from now
// on, its files are removed by the next pass. Conflict, in words, when something needs it. An
// iteration that the policy removes must not be served as the latest repository either; a
// person may remove that. Logs are removed by LogsRemoved.
func (s *Store) RemoveIteration(ctx context.Context, actor, buildspace string, number int, what Removal) error {
	if what != RemovePackages && what != RemoveAll {
		return buildbtw.Invalid("%q cannot be removed so", what)
	}
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		b, err := t.buildspace(ctx, buildspace)
		if err != nil {
			return err
		}
		it, err := iterationOf(ctx, &Reader{queries: t.queries}, buildspace, number)
		if err != nil {
			return err
		}
		n, err := t.needs(ctx, it.ID, t.now, false)
		if err != nil {
			return err
		}
		if why := n.against(what, actor != buildbtw.System); why != "" {
			return buildbtw.Conflict("%s #%d: %s", buildspace, it.Number, why)
		}
		latest, err := iterationID(ctx, &Reader{queries: t.queries}, buildspace, 0)
		if err != nil {
			return err
		}
		if what == RemoveAll && latest == it.ID {
			return buildbtw.Conflict("%s #%d: %s", buildspace, it.Number, isLatest)
		}
		var into int64
		words := "Its packages and repositories were removed by " + actor + "."
		if what == RemoveAll {
			words = fmt.Sprintf("Iteration %d was deleted by %s.", it.Number, actor)
			if err := t.get(ctx, &into, "hidden_buildspace", args{"name": RemovedBuildspace, "actor": buildbtw.System, "now": t.now}); err != nil {
				return err
			}
		}
		if err := t.remove(ctx, it.Iteration, buildspace, what, into); err != nil {
			return err
		}
		if what == RemoveAll {
			return t.recordBuildspace(ctx, actor, b.ID, words)
		}
		if it.ArchivedAt != nil {
			return nil
		}
		return t.record(ctx, buildbtw.Event{Actor: actor, BuildspaceID: b.ID, IterationID: it.ID, Kind: buildbtw.EventIteration, Message: words})
	})
	if err != nil {
		return fmt.Errorf("remove %s of %s #%d: %w", what, buildspace, number, err)
	}
	return nil
}

// RemoveBuildspace does the same for a stopped buildspace with all its iterations.
func (s *Store) RemoveBuildspace(ctx context.Context, actor, name string, what Removal) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		b, err := t.buildspace(ctx, name)
		if err != nil {
			return err
		}
		if b.Status != buildbtw.BuildspaceStopped {
			return buildbtw.Conflict("buildspace %s is active; stop it first", name)
		}
		var iterations []buildbtw.Iteration
		if err := t.list(ctx, &iterations, "iterations_of_buildspace", args{"buildspace": b.ID}); err != nil {
			return err
		}
		for _, it := range iterations {
			n, err := t.needs(ctx, it.ID, t.now, true)
			if err != nil {
				return err
			}
			if why := n.against(what, true); why != "" {
				return buildbtw.Conflict("%s #%d: %s", name, it.Number, why)
			}
			if err := t.remove(ctx, it, name, what, b.ID); err != nil {
				return err
			}
		}
		if what == RemoveAll {
			_, err := t.exec(ctx, "hide_buildspace", args{"buildspace": b.ID, "now": t.now})
			return err
		}
		return t.recordBuildspace(ctx, actor, b.ID, "Archived by "+actor+": its packages and repositories were removed.")
	})
	if err != nil {
		return fmt.Errorf("remove %s of buildspace %s: %w", what, name, err)
	}
	return nil
}

// Pin keeps everything of a buildspace, or of one of its iterations, for good, or no longer.
// Number 0 is the buildspace.
func (s *Store) Pin(ctx context.Context, actor, buildspace string, number int, pinned bool) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		b, err := t.buildspace(ctx, buildspace)
		if err != nil {
			return err
		}
		statement, a, what := "pin_buildspace", args{"buildspace": b.ID, "pinned": pinned}, "The buildspace"
		if number != 0 {
			id, err := iterationID(ctx, &Reader{queries: t.queries}, buildspace, number)
			if err != nil {
				return err
			}
			statement, a, what = "pin_iteration", args{"iteration": id, "pinned": pinned}, fmt.Sprintf("Iteration %d", number)
		}
		changed, err := t.exec(ctx, statement, a)
		if err != nil || changed == 0 {
			return err
		}
		words := " was pinned by "
		if !pinned {
			words = " is not pinned any more, by "
		}
		return t.recordBuildspace(ctx, actor, b.ID, what+words+actor+".")
	})
	if err != nil {
		return fmt.Errorf("pin %s #%d: %w", buildspace, number, err)
	}
	return nil
}

// LogsRemoved notes that the logs of an iteration's own attempts are gone.
func (s *Store) LogsRemoved(ctx context.Context, iteration int64) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, "logs_removed", args{"iteration": iteration, "now": t.now})
		return err
	})
	if err != nil {
		return fmt.Errorf("note that the logs of iteration %d are removed: %w", iteration, err)
	}
	return nil
}

// Leftover is a repository whose files are to be removed, of an iteration.
type Leftover struct {
	IterationID int64  `bun:"id"`
	Repository  string `bun:"files_left"`
}

// Leftovers lists the repositories whose files are to be removed.
func (q *Reader) Leftovers(ctx context.Context) ([]Leftover, error) {
	var list []Leftover
	if err := q.list(ctx, &list, "files_left", nil); err != nil {
		return nil, fmt.Errorf("list the repositories that are to be removed: %w", err)
	}
	return list, nil
}

// ForgetSome forgets that results of some builds of an iteration can be reused, and lets those
// go on that wait for them. It reports whether some are left.
func (s *Store) ForgetSome(ctx context.Context, iteration int64, limit int) (left bool, err error) {
	err = s.inTx(ctx, func(ctx context.Context, t *tx) error {
		var builds []int64
		if err := t.list(ctx, &builds, "builds_with_results", args{"iteration": iteration, "limit": limit}); err != nil || len(builds) == 0 {
			return err
		}
		left = len(builds) == limit
		return t.forgetResults(ctx, builds)
	})
	if err != nil {
		return false, fmt.Errorf("forget results of iteration %d: %w", iteration, err)
	}
	return left, nil
}

// Linked reports whether builds are about to take packages from an iteration.
func (q *Reader) Linked(ctx context.Context, iteration int64) (linked bool, err error) {
	if err := q.get(ctx, &linked, "linked_from", args{"iteration": iteration}); err != nil {
		return true, fmt.Errorf("find who reuses packages of iteration %d: %w", iteration, err)
	}
	return linked, nil
}

// FilesRemoved notes that the files of a repository are gone.
func (s *Store) FilesRemoved(ctx context.Context, l Leftover) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, "files_removed", args{"iteration": l.IterationID, "repository": l.Repository})
		return err
	})
	if err != nil {
		return fmt.Errorf("note that repository %s is removed: %w", l.Repository, err)
	}
	return nil
}

// DeletedIterations lists iterations without files whose logs and rows are to be removed.
func (q *Reader) DeletedIterations(ctx context.Context) ([]int64, error) {
	var list []int64
	if err := q.list(ctx, &list, "deleted_iterations", nil); err != nil {
		return nil, fmt.Errorf("list the iterations that are to be removed: %w", err)
	}
	return list, nil
}

// OwnAttempts lists the attempts of an iteration whose packages no other iteration has.
func (q *Reader) OwnAttempts(ctx context.Context, iteration int64) ([]buildbtw.AttemptName, error) {
	var list []buildbtw.AttemptName
	if err := q.list(ctx, &list, "own_attempts", args{"iteration": iteration}); err != nil {
		return nil, fmt.Errorf("list the attempts of iteration %d: %w", iteration, err)
	}
	return list, nil
}

// RemoveSome removes some rows of an iteration that is deleted: at most so many builds with
// all that belongs to them, events or edges. It reports whether some are left.
func (s *Store) RemoveSome(ctx context.Context, iteration int64, limit int) (left bool, err error) {
	err = s.inTx(ctx, func(ctx context.Context, t *tx) error {
		it := buildbtw.Iteration{ID: iteration}
		if err := t.NewSelect().Model(&it).WherePK().Scan(ctx); err != nil {
			return notFound(err, "there is no iteration %d", iteration)
		}
		if it.DeletedAt == nil || it.FilesLeft != "" {
			return fmt.Errorf("iteration %d is not to be removed, or has files", iteration)
		}
		left, err = t.removeSome(ctx, it, limit)
		return err
	})
	if buildbtw.KindOf(err) == buildbtw.KindNotFound && err != nil {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("remove rows of iteration %d: %w", iteration, err)
	}
	return left, nil
}

func (t *tx) removeSome(ctx context.Context, it buildbtw.Iteration, limit int) (left bool, err error) {
	a := args{"iteration": it.ID, "graph": it.GraphID, "limit": limit}
	var builds []int64
	if err := t.list(ctx, &builds, "last_builds", a); err != nil {
		return false, err
	}
	if len(builds) > 0 {
		a := args{"builds": idList(builds)}
		if _, err := t.exec(ctx, "relink_reused", a); err != nil {
			return false, err
		}
		_, err := t.exec(ctx, "remove_builds", a)
		return true, err
	}
	a["limit"] = 10 * limit // they are small
	for _, statement := range []string{"remove_events_of_iteration", "remove_edges"} {
		if removed, err := t.exec(ctx, statement, a); err != nil || removed > 0 {
			return true, err
		}
	}
	for _, statement := range []string{"remove_graph", "remove_iteration"} {
		if _, err := t.exec(ctx, statement, a); err != nil {
			return false, err
		}
	}
	return false, nil
}

// RemoveEmptyBuildspaces removes deleted buildspaces of which no iteration is left, and some
// of their events at a time. It reports whether some are left.
func (s *Store) RemoveEmptyBuildspaces(ctx context.Context, limit int) (left bool, err error) {
	var ids []int64
	if err := s.list(ctx, &ids, "deleted_buildspaces", nil); err != nil || len(ids) == 0 {
		return false, err
	}
	err = s.inTx(ctx, func(ctx context.Context, t *tx) error {
		a := args{"buildspace": ids[0], "limit": limit}
		removed, err := t.exec(ctx, "remove_events_of_buildspace", a)
		if err != nil || removed > 0 {
			left = true
			return err
		}
		left = len(ids) > 1
		_, err = t.exec(ctx, "remove_buildspace", a)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("remove deleted buildspaces: %w", err)
	}
	return left, nil
}

// RemoveOldEvents removes some events that are in no iteration. It reports whether some are
// left.
func (s *Store) RemoveOldEvents(ctx context.Context, age time.Duration, limit int) (left bool, err error) {
	err = s.inTx(ctx, func(ctx context.Context, t *tx) error {
		began, err := t.policyBegan(ctx)
		if err != nil || t.now.Sub(began) < age {
			return err
		}
		removed, err := t.exec(ctx, "remove_old_events", args{"before": t.now.Add(-age), "limit": limit})
		left = removed == int64(limit)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("remove old events: %w", err)
	}
	return left, nil
}

// ForgetGoneWorkers forgets the machines that were not heard of for so long, and returns
// their names.
func (s *Store) ForgetGoneWorkers(ctx context.Context, age time.Duration) (forgotten []string, err error) {
	var names []string
	if err := s.list(ctx, &names, "gone_workers", args{"before": s.now().Add(-age)}); err != nil {
		return nil, fmt.Errorf("list the workers that are gone: %w", err)
	}
	var failures []error
	for _, name := range names {
		switch err := s.ForgetWorker(ctx, buildbtw.System, name); {
		case err == nil:
			forgotten = append(forgotten, name)
		case buildbtw.KindOf(err) != buildbtw.KindConflict: // it is back, or has a build
			failures = append(failures, err)
		}
	}
	return forgotten, errors.Join(failures...)
}

// KnownAttempts returns the attempts with these ids. A log of another database has the same
// id with another name.
func (q *Reader) KnownAttempts(ctx context.Context, ids []int64) (map[buildbtw.AttemptName]bool, error) {
	var names []buildbtw.AttemptName
	if err := q.list(ctx, &names, "known_attempts", args{"attempts": idList(ids)}); err != nil {
		return nil, fmt.Errorf("look for %d attempts: %w", len(ids), err)
	}
	known := make(map[buildbtw.AttemptName]bool, len(names))
	for _, name := range names {
		known[name] = true
	}
	return known, nil
}

// CountIterations returns how many there are, and of how many the packages were removed.
func (q *Reader) CountIterations(ctx context.Context) (all, archived int, err error) {
	var n struct {
		Iterations int `bun:"iterations"`
		Archived   int `bun:"archived"`
	}
	if err := q.get(ctx, &n, "count_iterations", nil); err != nil {
		return 0, 0, fmt.Errorf("count iterations: %w", err)
	}
	return n.Iterations, n.Archived, nil
}

// Bytes returns the size of the database with its write-ahead log.
func (s *Store) Bytes() (total int64, err error) {
	for _, suffix := range []string{"", "-wal"} {
		info, err := os.Stat(s.path + suffix)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return 0, fmt.Errorf("measure the database: %w", err)
		}
		if err == nil {
			total += info.Size()
		}
	}
	return total, nil
}

// KnownRepositories returns the names of the repositories of all iterations, and of those
// that are to be removed.
func (q *Reader) KnownRepositories(ctx context.Context) (map[string]bool, error) {
	var rows []struct {
		Buildspace string `bun:"buildspace"`
		Number     int    `bun:"number"`
		FilesLeft  string `bun:"files_left"`
	}
	if err := q.list(ctx, &rows, "known_repositories", nil); err != nil {
		return nil, fmt.Errorf("list all repositories: %w", err)
	}
	known := map[string]bool{}
	for _, r := range rows {
		known[buildbtw.RepositoryName(r.Buildspace, r.Number)] = true
		if r.FilesLeft != "" {
			known[r.FilesLeft] = true
		}
	}
	return known, nil
}

// isDeleted refuses the name of a buildspace that is being removed.
func (t *tx) isDeleted(ctx context.Context, name string) error {
	var ids []int64
	if err := t.list(ctx, &ids, "deleted_buildspace", args{"name": name}); err != nil {
		return err
	}
	if len(ids) > 0 {
		return buildbtw.Conflict("a buildspace %q is being deleted; choose another name, or try again in some minutes", name)
	}
	return nil
}
