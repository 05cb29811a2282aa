package browser_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"buildbtw/api"
	"buildbtw/cmd/internal/cmdtest"
)

// BenchmarkLogInTheBrowser measures a log of 200 MB in Chromium: the first view,
// when the server has never looked into the log ("new"), and when it has; and a
// jump to its middle. Run with -benchtime 1x: it makes five runs of its own.
func BenchmarkLogInTheBrowser(b *testing.B) {
	chromium := needPrograms(b)
	needModules(b)
	s := newStage(b)
	build := s.failedBuild(b)
	lines := s.writeHugeLog(b)
	for b.Loop() {
		var views, jumps []float64
		for run := range 6 {
			first, jump := measureLog(b, s, build, chromium, lines)
			if run == 0 {
				b.ReportMetric(first, "first-view-new-ms")
				continue
			}
			views, jumps = append(views, first), append(jumps, jump)
		}
		b.ReportMetric(median(views), "first-view-ms")
		b.ReportMetric(median(jumps), "jump-ms")
	}
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

// failedBuild has zeppelin built, so that there is an attempt with a log.
func (s *stage) failedBuild(b *testing.B) (id string) {
	b.Helper()
	c, err := s.server.Client(api.Options{})
	must(b, err)
	must(b, s.push(pushed{Name: "zeppelin", Version: "7.4", Fake: []string{"outcome=failed"}}))
	must(b, s.startWorker("w1"))
	create := func() (bool, error) {
		_, err := c.CreateBuildspace(s.ctx, api.NewBuildspace{Name: "airship", Changesets: []string{"zeppelin"}})
		return err == nil, nil // until the sources have been read
	}
	must(b, cmdtest.Poll(s.ctx, time.Minute, create))
	must(b, cmdtest.Poll(s.ctx, time.Minute, func() (bool, error) {
		builds, err := c.Builds(s.ctx, api.BuildFilter{Buildspace: "airship", Status: "failed"})
		if err != nil || len(builds) == 0 {
			return false, nil // there is no iteration yet
		}
		id = builds[0].ID
		return true, nil
	}))
	return id
}

// writeHugeLog puts a log of 200 MB in the place of the only one.
func (s *stage) writeHugeLog(b *testing.B) (lines int) {
	b.Helper()
	logs, err := filepath.Glob(filepath.Join(s.dir, "data", "logs", "*", "*.log"))
	must(b, err)
	if len(logs) != 1 {
		b.Fatalf("%d logs", len(logs))
	}
	var part strings.Builder
	for i := 0; part.Len() < 4<<20; i++ {
		fmt.Fprintf(&part, "\x1b[32m[%5d/9000]\x1b[0m cc -Wall -O2 -pipe -fno-plt -fexceptions -c src/module_%d/file_%d.c -o build/%d.o\n", i, i%50, i, i)
		lines++
	}
	must(b, os.WriteFile(logs[0], []byte(strings.Repeat(part.String(), 50)), 0o644))
	return lines * 50
}

// measureLog gives milliseconds.
func measureLog(b *testing.B, s *stage, build, chromium string, lines int) (first, jump float64) {
	b.Helper()
	out, err := runNode(b.Context(), "measure/log.mjs", []string{"STORY_SERVER=" + s.server.URL, "CHROMIUM=" + chromium},
		"/builds/"+build+"/log", fmt.Sprint(lines), "1")
	if err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	var took struct{ First, Jump float64 }
	must(b, json.Unmarshal(out, &took))
	return took.First, took.Jump
}

func must(b testing.TB, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}
