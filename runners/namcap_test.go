package runners_test

import (
	"fmt"
	"strings"
	"testing"

	"buildbtw/api"
	"buildbtw/runners"
)

func TestLinesOfNamcapAreThoseOfThePackages(t *testing.T) {
	t.Parallel()
	job := runners.Job{Job: api.Job{Pkgnames: []string{"foo", "foo-doc"}}}
	r := runners.Result{}.WithNamcap(job, "foo E: Missing license\nfoo I: a hint\nbar E: of another\nTraceback: E: x\nfoo-doc W: Empty\nfoo E: Missing license\n")
	if want := "foo E: Missing license\nfoo-doc W: Empty"; !r.NamcapRan || r.Namcap != want {
		t.Errorf("%q, want %q", r.Namcap, want)
	}
	if r := (runners.Result{}).WithNamcap(job, ""); !r.NamcapRan || r.Namcap != "" {
		t.Errorf("without a line: %+v", r)
	}
	var long strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&long, "foo W: %d %s\n", i, strings.Repeat("x", i%50))
	}
	r = runners.Result{}.WithNamcap(job, long.String())
	if n := strings.Count(r.Namcap, "\n") + 1; n > api.MaxNamcap || n < 100 || len(r.Namcap) > api.MaxNamcapText {
		t.Errorf("%d lines of %d bytes", n, len(r.Namcap))
	}
}
