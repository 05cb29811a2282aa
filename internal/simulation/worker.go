package simulation

import (
	"context"
	"fmt"
	"time"

	"buildbtw"
	"buildbtw/store"
)

// worker is a virtual machine with one slot.
type worker struct {
	name    string
	claimed *store.Claimed // the build under way, or nil
	began   time.Time
	away    bool // it is dead, or set aside
	life    int  // counts attempts and deaths: events planned earlier are stale
}

// at plans an event of a worker, which is dropped when its attempt ends or its
// machine dies before.
func (r *run) at(w *worker, when time.Time, do func(context.Context) error) {
	life := w.life
	r.queue.add(event{at: when, do: do, stale: func() bool { return w.life != life }})
}

// later plans something that always happens.
func (r *run) later(when time.Time, do func(context.Context) error) {
	r.queue.add(event{at: when, do: do, stale: func() bool { return false }})
}

// dispatch lets every free worker ask for a build, as their long polls do after
// each change. They are all alike: when one gets nothing, nobody does.
func (r *run) dispatch(ctx context.Context) error {
	for _, w := range r.workers {
		if w.claimed != nil || w.away {
			continue
		}
		c, err := r.store.ClaimBuild(ctx, r.ask(w))
		if err != nil || c == nil {
			return err
		}
		r.begin(w, c)
	}
	return nil
}

func (r *run) ask(w *worker) store.Claim {
	return store.Claim{
		Worker: buildbtw.Worker{Name: w.name, Architectures: architectures(r.Plan), Runners: buildbtw.Names{"simulation"}},
		Lease:  r.Lease,
	}
}

// begin plans how an attempt goes: its heartbeats, and its end or its machine's.
func (r *run) begin(w *worker, c *store.Claimed) {
	w.claimed, w.began = c, r.now
	w.life++
	r.result.Attempts++
	delete(r.lost, c.Build.ID)
	took := seconds(max(r.Seconds(c.Build.Pkgbase), 0.001))
	b := c.Build
	if r.dice.roll("kill", b.Pkgbase, b.Stage, c.Attempt.Number) < r.Kills {
		dies := time.Duration(float64(took) * r.dice.roll("when", b.Pkgbase, b.Stage, c.Attempt.Number))
		r.beat(w, r.now.Add(dies))
		r.at(w, r.now.Add(dies), func(ctx context.Context) error { return r.kill(ctx, w) })
		return
	}
	end := r.now.Add(took)
	r.beat(w, end)
	r.at(w, end, func(ctx context.Context) error { return r.finish(ctx, w) })
}

// beat plans the next heartbeat, if one falls before the end.
func (r *run) beat(w *worker, end time.Time) {
	next := r.now.Add(r.Lease * 3 / 4)
	if !next.Before(end) {
		return
	}
	r.at(w, next, func(ctx context.Context) error {
		stop, err := r.store.Heartbeat(ctx, w.claimed.Attempt.Lease, r.Lease)
		if err == nil && stop {
			return fmt.Errorf("%s was told to stop", w.name)
		}
		r.beat(w, end)
		return err
	})
}

// finish ends an attempt as its worker reports it.
func (r *run) finish(ctx context.Context, w *worker) error {
	c := w.claimed
	r.free(w)
	var err error
	if !r.failed[c.Build.ID] && r.dice.roll("fail", c.Build.Pkgbase, c.Build.Stage, 0) < r.Failures {
		r.failed[c.Build.ID] = true
		err = r.fail(ctx, c)
	} else {
		err = r.publish(ctx, c)
	}
	if err != nil {
		return err
	}
	if r.Learn && r.result.Built%learnEvery == 0 {
		if err := r.scheduler.Loop("learn").Pass(ctx); err != nil {
			return err
		}
	}
	return r.dispatch(ctx)
}

// free ends the worker's build and adds up its time.
func (r *run) free(w *worker) {
	r.spent[w.claimed.Build.ID] += r.now.Sub(w.began).Seconds()
	w.claimed = nil
	w.life++
}

// fail is the package's fault; a person looks and tries again.
func (r *run) fail(ctx context.Context, c *store.Claimed) error {
	r.result.Failures++
	if _, err := r.store.EndAttempt(ctx, c.Attempt.Lease, buildbtw.OutcomeFailed, "simulated failure"); err != nil {
		return err
	}
	_, err := r.store.RetryBuild(ctx, "simulation", c.Build.ID)
	return err
}

// publish publishes a success as the server does, but without files.
func (r *run) publish(ctx context.Context, c *store.Claimed) error {
	files := make([]store.PackageFile, 0, len(c.Build.Pkgnames))
	for _, name := range c.Build.Pkgnames {
		p := buildbtw.Package{
			Pkgname: name, Version: c.Build.Version, Architecture: c.Build.Architecture, Size: 1,
			Filename: name + "-" + c.Build.Version + "-" + c.Build.Architecture + ".pkg.tar.zst",
			SHA256:   fmt.Sprintf("%064x", c.Attempt.ID),
		}
		if err := r.store.AddPackage(ctx, c.Attempt.Lease, p); err != nil {
			return err
		}
		files = append(files, store.PackageFile{Filename: p.Filename, SHA256: p.SHA256})
	}
	if _, err := r.store.BeginPublish(ctx, c.Attempt.Lease, files); err != nil {
		return err
	}
	r.result.Built++
	r.result.Makespan = r.now.Sub(start()).Seconds()
	_, err := r.store.CompletePublish(ctx, c.Attempt.ID)
	return err
}

// kill removes a machine in the middle of its build. Its lease runs out, and it
// comes back later.
func (r *run) kill(ctx context.Context, w *worker) error {
	c := w.claimed
	r.result.Kills++
	r.free(w)
	w.away = true
	r.later(r.now.Add(awayTime+r.Lease), func(ctx context.Context) error { return r.back(ctx, w) })
	lease, err := r.store.Lease(ctx, c.Attempt.Lease)
	if err != nil {
		return err
	}
	r.lost[c.Build.ID] = true
	r.rescueAt(lease.Attempt.Deadline)
	return nil
}

func (r *run) back(ctx context.Context, w *worker) error {
	aside, err := r.aside(ctx, w)
	if err != nil {
		return err
	}
	if aside {
		r.result.Aside++
		r.later(r.now.Add(asideTime), func(ctx context.Context) error {
			w.away = false
			if err := r.store.ResumeWorker(ctx, "simulation", w.name); err != nil {
				return err
			}
			return r.dispatch(ctx)
		})
		return nil
	}
	w.away = false
	return r.dispatch(ctx)
}

// aside reports whether the server has quarantined the worker.
func (r *run) aside(ctx context.Context, w *worker) (bool, error) {
	rows, err := r.store.Workers(ctx)
	for _, row := range rows {
		if row.Name == w.name {
			return row.SetAside != "", err
		}
	}
	return false, err
}

// rescueAt plans a pass of the loop that gives up lost attempts, unless there
// is one before.
func (r *run) rescueAt(when time.Time) {
	if !r.rescues.IsZero() && !when.Before(r.rescues) {
		return
	}
	r.rescues = when
	r.queue.add(event{at: when, do: r.rescue, stale: func() bool { return !r.rescues.Equal(when) }})
}

// rescue runs the loop that gives up lost attempts, and plans its next run at
// the time that the store asks for, until no lost build is left.
func (r *run) rescue(ctx context.Context) error {
	r.rescues = time.Time{}
	if err := r.scheduler.Loop("rescue").Pass(ctx); err != nil {
		return err
	}
	// A person does not let a build rest that machines have failed too often.
	again, err := r.store.RetryBuilds(ctx, "simulation", "simulation")
	r.result.GivenUp += again
	if err != nil {
		return err
	}
	if err := r.dispatch(ctx); err != nil {
		return err
	}
	if len(r.lost) == 0 {
		return nil
	}
	next, ok, err := r.store.NextWake(ctx)
	if err != nil || !ok {
		return err
	}
	if soon := r.now.Add(time.Second); next.Before(soon) {
		next = soon
	}
	r.rescueAt(next)
	return nil
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
