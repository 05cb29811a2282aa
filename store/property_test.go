package store_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"buildbtw"
	"buildbtw/buildgraph"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

// TestNoOrderOfCallsBreaksAnInvariant does random things to a store, as
// workers, packagers, the clock and crashes would, and checks all invariants
// after each. At the end the workers finish whatever is left: the iteration
// must then have reached a final status.
func TestNoOrderOfCallsBreaksAnInvariant(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		w := newWorld(t, r)
		defer w.db.Close() // storetest closes it again and tells of errors
		r.Repeat(map[string]func(*rapid.T){
			"":          w.check,
			"claim":     w.claim,
			"finish":    w.finish,
			"complete":  w.complete,
			"end":       w.end,
			"heartbeat": w.heartbeat,
			"return":    w.returns,
			"cancel":    w.cancel,
			"retry":     w.retry,
			"rebuild":   w.rebuild,
			"reuse":     w.reuse,
			"link":      w.link,
			"decide":    w.decide,
			"bulk":      w.bulk,
			"toggle":    w.toggle,
			"iterate":   w.iterate,
			"time":      w.time,
			"restart":   w.restart,
		})
		w.drain(r)
	})
}

// world is a store with all leases that were ever given out, current or stale.
type world struct {
	t       *testing.T
	db      *storetest.DB
	space   store.BuildspaceRow
	claimed []*store.Claimed
	linking []store.Linking
}

var worldArchs = []string{"aarch64", "x86_64"}

func newWorld(t *testing.T, r *rapid.T) *world {
	w := &world{t: t, db: storetest.NewWith(t, func(o *store.Options) { o.AfterCommit = nil })} // it checks after each step itself
	w.space = w.db.NewBuildspaceWith(t, "space", buildbtw.DefaultSettings())
	w.iterate(r)
	return w
}

// allow takes errors that are for people; anything else is a fault.
func allow(r *rapid.T, what string, err error) {
	if buildbtw.KindOf(err) == buildbtw.KindInternal && err != nil {
		r.Fatalf("%s: %v", what, err)
	}
}

func (w *world) check(r *rapid.T) {
	for _, v := range w.db.Violations(w.t) {
		r.Error(v)
	}
	w.checkStanding(r)
}

func (w *world) claim(r *rapid.T) {
	worker := rapid.IntRange(0, 2).Draw(r, "worker")
	w.claimAs(r, fmt.Sprintf("w%d", worker), rapid.SampledFrom(worldArchs).Draw(r, "arch"))
}

func (w *world) claimAs(r *rapid.T, worker, arch string) *store.Claimed {
	c, err := w.db.ClaimBuild(context.Background(), storetest.Ask(worker, arch))
	if err != nil {
		r.Fatalf("claim: %v", err)
	}
	if c == nil {
		return nil
	}
	if c.Build.Status != buildbtw.StatusBuilding || c.Build.TwinOf != 0 || c.Attempt.Stop {
		r.Fatalf("claimed %+v", c)
	}
	w.claimed = append(w.claimed, c)
	return c
}

// some draws any attempt that was ever handed out.
func (w *world) some(r *rapid.T) *store.Claimed {
	if len(w.claimed) == 0 {
		r.Skip("nothing was claimed")
	}
	return w.claimed[len(w.claimed)-1-rapid.IntRange(0, min(5, len(w.claimed)-1)).Draw(r, "attempt")]
}

func (w *world) finish(r *rapid.T) { w.upload(r, w.some(r)) }

func (w *world) upload(r *rapid.T, c *store.Claimed) {
	var files []store.PackageFile
	for _, name := range c.Build.Pkgnames {
		p := storetest.Package(c, name)
		allow(r, "upload", w.db.AddPackage(context.Background(), c.Attempt.Lease, p))
		files = append(files, store.PackageFile{Filename: p.Filename, SHA256: p.SHA256})
	}
	_, err := w.db.BeginPublish(context.Background(), c.Attempt.Lease, files)
	allow(r, "begin to publish", err)
}

func (w *world) complete(r *rapid.T) {
	c := w.some(r)
	var err error
	if rapid.IntRange(0, 5).Draw(r, "abandon") == 0 {
		_, err = w.db.AbandonPublish(context.Background(), c.Attempt.ID, "alice", "no space left")
	} else {
		_, err = w.db.CompletePublish(context.Background(), c.Attempt.ID)
	}
	allow(r, "complete", err)
}

func (w *world) end(r *rapid.T) {
	outcome := rapid.SampledFrom([]buildbtw.Outcome{
		buildbtw.OutcomeFailed, buildbtw.OutcomeInfrastructure, buildbtw.OutcomeTimedOut, buildbtw.OutcomeStalled,
		buildbtw.OutcomeCancelled, buildbtw.OutcomeReleased,
	}).Draw(r, "outcome")
	_, err := w.db.EndAttempt(context.Background(), w.some(r).Attempt.Lease, outcome, "random")
	allow(r, "end", err)
}

func (w *world) heartbeat(r *rapid.T) {
	_, err := w.db.Heartbeat(context.Background(), w.some(r).Attempt.Lease, storetest.Lease)
	allow(r, "heartbeat", err)
}

// returns is a worker that reports again, maybe long after its lease ran out. Its attempt
// goes on exactly when it runs, or was lost and no other one of its build has begun since.
func (w *world) returns(r *rapid.T) {
	c := w.some(r)
	before := w.attempts(r, c)
	returned, err := w.db.ReturnLease(context.Background(), c.Attempt.Lease, storetest.Lease)
	if err != nil {
		r.Fatalf("return: %v", err)
	}
	own := before[c.Attempt.Number-1]
	could := own.State == buildbtw.AttemptRunning || own.Outcome == buildbtw.OutcomeLost && len(before) == own.Number
	if returned && !could {
		r.Fatalf("attempt %d returned after %+v", own.Number, before)
	}
	if after := w.attempts(r, c)[own.Number-1]; returned != (after.State == buildbtw.AttemptRunning) {
		r.Fatalf("returned: %v, and the attempt is %+v", returned, after)
	}
}

// attempts lists the attempts of a build, the first one first.
func (w *world) attempts(r *rapid.T, c *store.Claimed) []buildbtw.Attempt {
	list, err := w.db.Attempts(context.Background(), c.Build.ID)
	if err != nil {
		r.Fatal(err)
	}
	slices.SortFunc(list, func(a, b buildbtw.Attempt) int { return a.Number - b.Number })
	return list
}

// someBuild draws any build of the latest iteration.
func (w *world) someBuild(r *rapid.T) store.BuildRow {
	rows, _, err := w.db.Builds(context.Background(), store.BuildFilter{Buildspace: "space", Limit: 500})
	if err != nil || len(rows) == 0 {
		r.Fatalf("%d builds, %v", len(rows), err)
	}
	return rapid.SampledFrom(rows).Draw(r, "build")
}

func (w *world) cancel(r *rapid.T) {
	_, err := w.db.CancelBuild(context.Background(), "alice", w.someBuild(r).ID)
	allow(r, "cancel", err)
}

func (w *world) retry(r *rapid.T) {
	_, err := w.db.RetryBuild(context.Background(), "alice", w.someBuild(r).ID)
	allow(r, "retry", err)
}

func (w *world) rebuild(r *rapid.T) {
	_, err := w.db.RebuildBuild(context.Background(), "alice", w.someBuild(r).ID)
	allow(r, "rebuild", err)
}

// reuse begins to link and may be cut off; link ends it, one way or another.
func (w *world) reuse(r *rapid.T) {
	list, err := w.db.BeginReuse(context.Background(), rapid.IntRange(1, 4).Draw(r, "at most"))
	if err != nil {
		r.Fatalf("begin to reuse: %v", err)
	}
	w.linking = list
}

func (w *world) link(r *rapid.T) {
	for _, l := range w.linking {
		if len(l.From.Files) == 0 {
			r.Fatalf("%s is to be linked from build %d, which has no packages", l.Build.Pkgbase, l.From.BuildID)
		}
		end := w.db.CompleteReuse
		if rapid.IntRange(0, 4).Draw(r, "gone") == 0 {
			end = w.db.AbandonReuse
		}
		if err := end(context.Background(), []int64{l.Build.ID}); err != nil {
			r.Fatalf("end the linking: %v", err)
		}
	}
	w.linking = nil
}

func (w *world) decide(r *rapid.T) {
	list, err := w.db.CutoffCandidates(context.Background(), 3)
	if err != nil {
		r.Fatalf("undecided: %v", err)
	}
	var decisions []store.CutoffResult
	for _, u := range list {
		d := store.CutoffResult{BuildID: u.Build.ID, Reason: "random", Action: store.CutoffBuild}
		switch draw := rapid.IntRange(0, 2).Draw(r, "verdict"); {
		case draw == 1 && u.Previous != nil:
			d.Action, d.From = store.CutoffKeep, u.Previous.BuildID
		case draw == 2 && !u.Within:
			d.Action = store.CutoffSkip
		}
		decisions = append(decisions, d)
	}
	if err := w.db.ApplyCutoff(context.Background(), decisions); err != nil {
		r.Fatalf("decide: %v", err)
	}
}

func (w *world) bulk(r *rapid.T) {
	var err error
	if rapid.IntRange(0, 9).Draw(r, "cancel all") == 0 {
		_, err = w.db.CancelBuilds(context.Background(), "alice", "space")
	} else {
		_, err = w.db.RetryBuilds(context.Background(), "alice", "space")
	}
	allow(r, "bulk", err)
}

func (w *world) toggle(r *rapid.T) {
	if rapid.IntRange(0, 4).Draw(r, "really") > 0 {
		r.Skip("seldom")
	}
	_, err := w.db.StopBuildspace(context.Background(), "alice", "space")
	allow(r, "stop", err)
	w.check(r)
	_, err = w.db.StartBuildspace(context.Background(), "alice", "space")
	allow(r, "start", err)
	if rapid.Bool().Draw(r, "pushed meanwhile") {
		w.iterate(r)
	}
}

func (w *world) iterate(r *rapid.T) {
	if len(w.claimed) > 0 && rapid.IntRange(0, 4).Draw(r, "really") > 0 {
		r.Skip("seldom")
	}
	plan := randomPlan(r)
	rows, _, err := w.db.FindReuse(context.Background(), plan, nil)
	if err != nil {
		r.Fatalf("find what can be reused: %v", err)
	}
	if rapid.Bool().Draw(r, "without reuse") {
		rows = nil
	}
	_, err = w.db.CreateIteration(context.Background(), store.NewIteration{
		BuildspaceID: w.space.ID, Reason: buildbtw.IterationPushed, CutOff: true, Plan: plan, Rows: rows,
	})
	if err != nil {
		r.Fatalf("create iteration: %v", err)
	}
}

// randomPlan has builds for both architectures, some of them for any, and edges
// from earlier to later ones.
func randomPlan(r *rapid.T) *buildgraph.Plan {
	n := rapid.IntRange(1, 7).Draw(r, "builds")
	lines := make([]string, n)
	for i := range n {
		lines[i] = fmt.Sprintf("p%d", i)
		if rapid.IntRange(0, 3).Draw(r, "any") == 0 {
			lines[i] += "*"
		}
		lines[i] += ":"
		for j := range i {
			if rapid.IntRange(0, 2).Draw(r, "edge") == 0 {
				lines[i] += fmt.Sprintf(" p%d", j)
			}
		}
	}
	archs := worldArchs[rapid.IntRange(0, 1).Draw(r, "first arch"):]
	p := storetest.PlanFor(archs, lines...)
	for _, a := range p.Architectures {
		for i := range a.Builds {
			if other := fmt.Sprintf("p%d", rapid.IntRange(0, n-1).Draw(r, "makes")); other != a.Builds[i].Pkgbase {
				a.Builds[i].Pkgnames = append(a.Builds[i].Pkgnames, other)
				a.Builds[i].NotOwned = buildbtw.Owners{other: other}
			}
			// Few commits, so that plans have much in common.
			a.Builds[i].Commit = strings.Repeat(string('a'+rune(rapid.IntRange(0, 1).Draw(r, "commit"))), 40)
			if a.Builds[i].Level > 0 {
				a.Builds[i].Reason.Kind = buildbtw.ReasonDepends
			}
		}
	}
	return p
}

func (w *world) time(r *rapid.T) {
	w.db.Clock.Advance(time.Duration(rapid.IntRange(1, 90).Draw(r, "seconds")) * time.Second)
	if _, err := w.db.ExpireLeases(context.Background()); err != nil {
		r.Fatalf("expire leases: %v", err)
	}
}

func (w *world) restart(*rapid.T) { w.db.Reopen(w.t) }

// drain completes what is being published, then builds until nothing is left.
func (w *world) drain(r *rapid.T) {
	ctx := context.Background()
	for range 200 {
		list, err := w.db.Publishing(ctx)
		if err != nil {
			r.Fatal(err)
		}
		for _, p := range list {
			if _, err := w.db.CompletePublish(ctx, p.Attempt.ID); err != nil {
				r.Fatalf("roll forward: %v", err)
			}
		}
		w.db.Clock.Advance(10 * time.Minute)
		if _, err := w.db.ExpireLeases(ctx); err != nil {
			r.Fatal(err)
		}
		w.reuse(r)
		worked := len(w.linking) > 0
		w.link(r)
		if undecided, err := w.db.CutoffCandidates(ctx, 1); err != nil || len(undecided) > 0 {
			worked = true
			w.decide(r)
		}
		for _, arch := range worldArchs {
			if c := w.claimAs(r, "drain-"+arch, arch); c != nil {
				w.upload(r, c)
				worked = true
			}
		}
		if _, waits, err := w.db.NextWake(ctx); err != nil || !worked && !waits && len(list) == 0 {
			break
		}
	}
	w.check(r)
	it, err := w.db.Iteration(ctx, "space", 0)
	if err != nil || !it.Status().Final() {
		r.Errorf("the iteration is %s in the end (%v): %v", it.Status(), err, it.Counts)
	}
	w.everyBlockedBuildHasACause(r)
}

func (w *world) everyBlockedBuildHasACause(r *rapid.T) {
	rows, _, err := w.db.Builds(context.Background(), store.BuildFilter{Buildspace: "space", Status: "blocked", Limit: 500})
	if err != nil {
		r.Fatal(err)
	}
	for _, b := range rows {
		if len(b.RootCauses) == 0 || slices.ContainsFunc(b.RootCauses, func(c store.BuildRef) bool {
			return c.Status != buildbtw.StatusFailed && c.Status != buildbtw.StatusSkipped
		}) {
			r.Errorf("%s for %s is blocked by %+v", b.Pkgbase, b.Architecture, b.RootCauses)
		}
	}
}
