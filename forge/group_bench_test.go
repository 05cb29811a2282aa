package forge_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/git/gitlab/gitlabtest"
	"buildbtw/scheduler/schedulertest"
	"buildbtw/store"
)

// BenchmarkFirstFill fetches 2,000 small projects from the stand-in over git
// HTTP, into an empty mirror. The processor time is that of both sides.
func BenchmarkFirstFill(b *testing.B) {
	const projects = 2000
	var busy time.Duration
	runs := 0
	for b.Loop() {
		b.StopTimer()
		f := newFixture(b)
		for i := range projects {
			f.project(b, fmt.Sprintf("package%d", i))
		}
		f.gitlab.Fetches()
		began := cpuTime(b)
		b.StartTimer()
		f.mustMirror(b)
		b.StopTimer()
		if got := len(f.sourceLines(b)); got != projects || f.gitlab.Fetches() != projects {
			b.Fatalf("%d sources", got)
		}
		busy += cpuTime(b) - began
		runs++
		b.StartTimer()
	}
	b.ReportMetric(busy.Seconds()/float64(runs), "cpu-s/op")
}

// BenchmarkQuietPass is one pass over a group of 10,000 projects in which
// nothing happened. The processor time includes the stand-in's.
func BenchmarkQuietPass(b *testing.B) {
	f := quietGroup(b, 10_000)
	f.gitlab.Requests()
	began := cpuTime(b)
	n := 0
	for b.Loop() {
		f.Pass(b, "groups")
		n++
	}
	b.ReportMetric((cpuTime(b)-began).Seconds()*1e3/float64(n), "cpu-ms/op")
	b.ReportMetric(float64(len(f.gitlab.Requests()))/float64(n), "requests/op")
}

// quietGroup is a group that was mirrored long ago. Its projects have nothing in
// them, which a pass without change does not notice.
func quietGroup(b *testing.B, projects int) *fixture {
	f := newFixture(b)
	for i := range projects {
		f.gitlab.CreateProject(fmt.Sprintf("%s/package%d", groupPath, i))
	}
	f.DB.Clock.Advance(48 * time.Hour)
	all, err := f.Forge.Groups[0].All(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	name := f.Forge.Groups[0].Name()
	if _, err := f.Store.NoteProjects(b.Context(), name, all); err != nil {
		b.Fatal(err)
	}
	f.markFetched(b, all)
	if err := f.Store.GroupListed(b.Context(), name); err != nil {
		b.Fatal(err)
	}
	if err := f.Store.GroupFetched(b.Context(), name, f.Now()); err != nil {
		b.Fatal(err)
	}
	f.Pass(b, "groups")
	return f
}

// markFetched notes that projects were fetched when they were quiet.
func (f *fixture) markFetched(b *testing.B, all []buildbtw.Project) {
	b.Helper()
	for _, p := range all {
		if err := f.Store.NoteFetch(b.Context(), store.Fetched{Project: p, Began: f.Now()}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPushToIteration goes from the moment at which a webhook is taken in to
// the new iteration of a buildspace, with the loops running, over the sources of
// a whole distribution. The pause for further pushes (--debounce) is none.
func BenchmarkPushToIteration(b *testing.B) {
	for _, name := range []string{"ripgrep", "zlib"} {
		b.Run(name, func(b *testing.B) { benchPush(b, name) })
	}
}

func benchPush(b *testing.B, name string) {
	f, id, text := newDistribution(b, name)
	ctx, stop := context.WithCancel(b.Context())
	ended := make(chan struct{})
	go func() {
		f.Run(ctx)
		close(ended)
	}()
	var took []float64
	builds := 0
	for b.Loop() {
		b.StopTimer()
		if _, err := f.gitlab.Push(b.Context(), id, gitlabtest.Change{Files: map[string]string{".SRCINFO": text, "push": strconv.Itoa(len(took))}}); err != nil {
			b.Fatal(err)
		}
		before := f.newest(b)
		began := time.Now()
		b.StartTimer()
		if err := f.Forge.HandlePush(b.Context(), toldOf(id, name)); err != nil {
			b.Fatal(err)
		}
		for f.newest(b).Number == before.Number {
			if time.Since(began) > time.Minute {
				b.Fatal("no iteration within a minute")
			}
			time.Sleep(time.Millisecond) // as somebody who watches would
		}
		took = append(took, time.Since(began).Seconds()*1e3)
		builds = f.newest(b).Counts.Total()
	}
	stop()
	<-ended
	b.ReportMetric(slices.Max(took), "ms-worst")
	b.ReportMetric(float64(builds), "builds")
}

func (f *fixture) newest(b *testing.B) store.IterationRow {
	b.Helper()
	rows, err := f.Store.Iterations(b.Context(), "space")
	if err != nil {
		b.Fatal(err)
	}
	if len(rows) == 0 {
		return store.IterationRow{}
	}
	return rows[0]
}

// newDistribution is a mirror of a whole distribution, of which one source is a
// project of the stand-in with a buildspace of its own.
func newDistribution(b *testing.B, name string) (f *fixture, id int64, text string) {
	b.Helper()
	f = newFixture(b)
	texts := schedulertest.ImportDistribution(b, filepath.Join(filepath.Dir(f.Sources), "sources.git"))
	f.Restart(b)
	f.SourceDirs, f.Debounce, f.Now = nil, 0, time.Now
	text = string(texts[name])
	id = f.gitlab.CreateProject(groupPath + "/" + name)
	if _, err := f.gitlab.Push(b.Context(), id, gitlabtest.Change{Files: map[string]string{".SRCINFO": text}}); err != nil {
		b.Fatal(err)
	}
	if err := f.Prepare(b.Context()); err != nil {
		b.Fatal(err)
	}
	f.mustMirror(b)
	f.Space(b, "space", name)
	f.Pass(b, "iterate")
	return f, id, text
}

// cpuTime is what the process and the gits that it has waited for have used:
// other work on the machine spoils it least of all.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var sum int64
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var use syscall.Rusage
		if err := syscall.Getrusage(who, &use); err != nil {
			b.Fatal(err)
		}
		sum += use.Utime.Nano() + use.Stime.Nano()
	}
	return time.Duration(sum)
}
