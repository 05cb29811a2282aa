package apiv1_test

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/buildgraph"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

// BenchmarkDispatch measures, over HTTP, the time from a worker's finish of a
// build to the answer that hands its dependent to another worker, whose claim
// waits: in an iteration as large as a distribution. Of that, "handover" is from
// the transaction that makes the build built to the one that leases its
// dependent; the rest is publishing its packages and HTTP. It reports quantiles
// over b.N builds of one chain.
func BenchmarkDispatch(b *testing.B) {
	s := newServer(b)
	s.distribution(b.N + 1)
	s.claimAs("holder") // keeps everything but the chain waiting
	job := s.claimAs("w0")
	var took, handover []time.Duration
	b.ResetTimer()
	for n := range b.N {
		files := s.uploadAll(job)
		next := make(chan dispatched, 1)
		go func() { next <- s.waitForBuild(fmt.Sprintf("w%d", (n+1)%2)) }()
		s.waitsForBuild(b)
		began := time.Now()
		s.call("POST", lease(job, "finish"), api.FinishRequest{Outcome: buildbtw.OutcomeBuilt, Files: files}, http.StatusOK, nil)
		d := <-next
		if d.err != nil || d.job.Pkgbase != fmt.Sprintf("chain%05d", n+1) {
			b.Fatalf("got %q, %v", d.job.Pkgbase, d.err)
		}
		took = append(took, d.at.Sub(began))
		b.StopTimer()
		handover = append(handover, s.happened(d.job, buildbtw.CauseLeased).Sub(s.happened(job, buildbtw.CauseFinished)))
		b.StartTimer()
		job = d.job
	}
	quantiles(b, "", took)
	quantiles(b, "handover-", handover)
}

func quantiles(b *testing.B, what string, took []time.Duration) {
	b.Helper()
	slices.Sort(took)
	for _, q := range []struct {
		name  string
		share float64
	}{{"p50-ms", 0.5}, {"p90-ms", 0.9}, {"p99-ms", 0.99}} {
		at := min(len(took)-1, int(q.share*float64(len(took))))
		b.ReportMetric(float64(took[at].Microseconds())/1000, what+q.name)
	}
}

// happened gives when the job's build changed its status for this cause.
func (s *server) happened(job api.Job, cause buildbtw.Cause) time.Time {
	s.t.Helper()
	id, err := strconv.ParseInt(job.BuildID, 10, 64)
	s.must(err)
	events, err := s.store.Events(s.t.Context(), store.EventFilter{BuildID: id, Newest: true})
	s.must(err)
	for _, e := range events {
		if e.Cause == cause {
			return e.At
		}
	}
	s.t.Fatalf("build %s has no event %s", job.BuildID, cause)
	return time.Time{}
}

// distribution makes an iteration of 7,885 builds: a chain that can be built,
// and others that all wait for one that is never done.
func (s *server) distribution(chain int) {
	s.t.Helper()
	const builds, edges = 7885, 68000
	plan := storetest.Synthetic(builds-1-chain, edges, 1)
	a := plan.Architectures["x86_64"]
	gate := buildgraph.Build{Pkgbase: "gate", Pkgnames: []string{"gate"}, Stage: 1, Priority: 1e9}
	for _, b := range a.Builds {
		a.Edges = append(a.Edges, storetest.Edge("gate", b.Pkgbase, "depends"))
	}
	a.Builds = append(a.Builds, gate)
	for i := range chain {
		name := fmt.Sprintf("chain%05d", i)
		a.Builds = append(a.Builds, buildgraph.Build{Pkgbase: name, Pkgnames: []string{name}, Stage: 1, Priority: 1e6})
		if i > 0 {
			a.Edges = append(a.Edges, storetest.Edge(fmt.Sprintf("chain%05d", i-1), name, "depends"))
		}
	}
	ctx := s.t.Context()
	commit, err := s.catalog.Resolve(ctx, buildbtw.Changeset{Source: "libalpha"})
	s.must(err)
	for i := range a.Builds {
		a.Builds[i].Source, a.Builds[i].Commit, a.Builds[i].Version = "libalpha", commit, "1.0-1"
	}
	s.call("POST", "/buildspaces", api.NewBuildspace{Name: "work", Changesets: []string{"libalpha"}}, http.StatusCreated, nil)
	row, err := s.store.Buildspace(ctx, "work")
	s.must(err)
	it, err := s.store.CreateIteration(ctx, store.NewIteration{BuildspaceID: row.ID, Reason: buildbtw.IterationCreated, Plan: plan})
	s.must(err)
	s.must(s.repos.Create(ctx, pacmanrepo.ID{Repository: buildbtw.RepositoryName("work", it.Number), DB: "work", Architecture: "x86_64"}))
}

func (s *server) claimAs(worker string) api.Job {
	s.t.Helper()
	var job api.Job
	s.call("POST", "/worker/claim", claimRequest(worker), http.StatusOK, &job)
	return job
}

// uploadAll builds a job's packages and uploads them. All builds of the
// iteration are made from one source, whose name is changed here.
func (s *server) uploadAll(job api.Job) []api.File {
	s.t.Helper()
	job.Srcinfo = strings.ReplaceAll(job.Srcinfo, "libalpha", job.Pkgbase)
	var files []api.File
	for name, body := range s.build(job) {
		s.upload(job, name, body, digest(body))
		files = append(files, api.File{Name: name, SHA256: digest(body)})
	}
	return files
}

// dispatched is a build as a waiting worker got it.
type dispatched struct {
	job api.Job
	at  time.Time
	err error
}

// waitForBuild is a worker's long poll.
func (s *server) waitForBuild(worker string) dispatched {
	c, err := api.New(s.url, workerToken, api.Options{})
	if err != nil {
		return dispatched{err: err}
	}
	r := claimRequest(worker)
	r.Wait = 20
	job, _, err := c.Claim(s.t.Context(), r)
	d := dispatched{at: time.Now(), err: err}
	if err == nil && job != nil {
		d.job = *job
	}
	return d
}

// waitsForBuild gives a claim the time to be waiting: it has looked, found
// nothing, and the worker is known to have been there.
func (s *server) waitsForBuild(b *testing.B) {
	b.Helper()
	time.Sleep(20 * time.Millisecond)
}
