package buildgraph_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"buildbtw"
	"buildbtw/buildgraph"
)

// Many plans at once, some of one set, some impossible, are those that one after
// the other would be, also after a push that changes an order.
func TestPlansAreThoseMadeOneByOne(t *testing.T) {
	t.Parallel()
	sources := fixture(t)
	w := newWorld(t, sources...)
	var requests []buildgraph.Request
	for i := range 40 {
		slugs := []string{"curl", "openssl", "glibc", "jq", "boost"}
		w.settings.Scope = buildbtw.Scopes()[i%len(buildbtw.Scopes())]
		requests = append(requests, w.request(slugs[i%len(slugs)]))
	}
	requests[7].Changesets = nil
	ix := buildgraph.NewIndex(sources, buildgraph.Options{})
	for n := range 3 {
		moved := w.find("curl")
		info := *moved.Info
		moved.Info, moved.Commit = &info, fmt.Sprint("commit", n)
		makedepends("jq", "boost", "bzip2")(&info, n)
		ix = ix.Update([]buildgraph.Source{moved}, nil)
		alone := buildgraph.NewIndex(replaced(sources, moved), buildgraph.Options{})
		for i := range requests {
			for c := range requests[i].Changesets {
				if requests[i].Changesets[c].Slug == moved.Slug {
					requests[i].Changesets[c] = moved
				}
			}
		}
		for i, got := range ix.Plans(t.Context(), requests) {
			want, err := alone.Plan(t.Context(), requests[i])
			if (err == nil) != (got.Err == nil) {
				t.Fatalf("request %d: error %v, alone %v", i, got.Err, err)
			}
			if diff := cmp.Diff(want, got.Plan); diff != "" {
				t.Fatalf("request %d after push %d (-alone +together):\n%s", i, n, diff)
			}
		}
	}
}

func replaced(sources []buildgraph.Source, by buildgraph.Source) []buildgraph.Source {
	out := make([]buildgraph.Source, 0, len(sources))
	for _, s := range sources {
		if s.Slug == by.Slug {
			s = by
		}
		out = append(out, s)
	}
	return out
}

// Whoever waits for a set that somebody else gave up makes it after all.
func TestPlansThatAreGivenUpLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	w := newWorld(t, fixture(t)...)
	r := w.request("glibc")
	ix := buildgraph.NewIndex(w.sources, w.options)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for i, p := range ix.Plans(gone, []buildgraph.Request{r, r, r, r}) {
		if !errors.Is(p.Err, context.Canceled) {
			t.Errorf("plan %d: error %v, want that it was cancelled", i, p.Err)
		}
	}
	for i, p := range ix.Plans(t.Context(), []buildgraph.Request{r, r, r, r}) {
		if p.Err != nil || len(p.Plan.Architectures["x86_64"].Builds) < 100 {
			t.Errorf("plan %d: %v", i, p.Err)
		}
	}
}
