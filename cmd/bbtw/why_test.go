package main

import (
	"bytes"
	"testing"
	"time"

	"buildbtw/api"
)

func TestThePlaceOfAPendingBuild(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 1, 14, 20, 0, 0, time.Local)
	before := []api.QueuedBuild{{Pkgbase: "curl", Buildspace: "work"}, {Pkgbase: "gcc", Buildspace: "gcc-16"}, {Pkgbase: "git", Buildspace: "work"}}
	for name, test := range map[string]struct {
		queue *api.QueuePlace
		want  string
	}{
		"none": {nil, ""},
		"43rd": {
			&api.QueuePlace{Place: 43, Of: 145, StartsAt: &at, Before: before, Higher: 12},
			"43rd of 145 for x86_64, starts about 14:20; before it: curl, gcc-16/gcc, git, 39 more (of buildspaces with a higher priority: 12)\n",
		},
		"first":      {&api.QueuePlace{Place: 1, Of: 3, StartsAt: &at}, "1st of 3 for x86_64, starts about 14:20\n"},
		"no machine": {&api.QueuePlace{Of: 3, Why: "no machine is connected"}, "not started yet: no machine is connected; see 'bbtw workers'\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			a := &app{out: &out}
			a.printPlace(api.BuildDetail{Build: api.Build{Buildspace: "work", Architecture: "x86_64"}, Queue: test.queue})
			if out.String() != test.want {
				t.Errorf("got %q, want %q", out.String(), test.want)
			}
		})
	}
}
