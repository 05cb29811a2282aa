package main

import (
	"fmt"
	"strings"
	"time"

	"buildbtw"
	"buildbtw/views"
)

func iteration() views.Iteration {
	return views.Iteration{
		Buildspace: "openssl-3.6", Settings: buildbtw.DefaultSettings(), Created: ago(26 * time.Hour), CreatedBy: "anna",
		Number: 4, Latest: 4, Status: buildbtw.IterationStatusBuilding, ReasonText: "openssl/main moved from 1a2b3c4 to 5d6e7f8", Made: ago(2 * time.Hour),
		Counts: largeCounts(), Architectures: []string{"x86_64"}, CanChange: true,
		Changesets: []views.IterationChangeset{
			{Source: "openssl", Ref: "main", Commit: commit("5d")},
			{Source: "python-cryptography", Ref: "openssl-3.6", Commit: commit("c1")},
		},
		Pacman: views.Pacman{
			Conf:  "[openssl-3.6]\nSigLevel = Never\nServer = http://127.0.0.1:8080/repo/openssl-3.6_4/os/$arch",
			Words: "Rebuilt packages keep their version:", Command: "sudo pacman -Sy", IndexURL: "/repo/openssl-3.6_4/",
		},
		Blockers: []views.Blocker{
			{Build: link(12, "nodejs", buildbtw.StatusFailed), Blocks: 412, Frees: 410, Takes: "61 h", Fix: &views.FixableBuild{Build: link(12, "nodejs", buildbtw.StatusFailed), Error: calcError(), Newer: newer()}},
			{Build: link(13, "freeradius", buildbtw.StatusFailed), Blocks: 1, Ticked: true},
			{Build: link(14, "lynx", buildbtw.StatusFailed)},
		},
		SameCauses: []views.SameCause{{Cause: calcError().Cause, Builds: []views.FixableBuild{
			{Build: link(12, "nodejs", buildbtw.StatusFailed)}, {Build: link(13, "freeradius", buildbtw.StatusFailed)}, {Build: link(14, "lynx", buildbtw.StatusFailed)},
		}}},
		Builds:   views.BuildList{Base: "/iteration/building", Lines: buildLines(), Start: 60, Size: 60, Total: 6885},
		Forecast: forecast(), Cuts: []views.CutLine{views.NewCutLine("curl", "krb5", []string{"makedepends"}, []string{"curl", "krb5"})},
		Diff: &views.Diff{From: 3, To: 4, Architectures: []views.DiffArch{{
			Architecture: "x86_64", Added: []string{"aws-lc", "s2n-tls"}, Removed: []string{"stunnel"}, EdgesAdded: 5, EdgesRemoved: 1,
			Changed: []views.DiffChange{{Pkgbase: "openssl", Source: "openssl", FromVersion: "3.5.4-1", ToVersion: "3.6.0-1", To: commit("5d")}, {Pkgbase: "curl", FromCommit: strings.Repeat("1", 40), ToCommit: strings.Repeat("2", 40), Source: "curl", To: views.CommitLine{ID: strings.Repeat("2", 40), Missing: true}}},
		}}},
		Iterations: []views.IterationLine{
			{Number: 4, Status: buildbtw.IterationStatusBuilding, ReasonText: "openssl/main moved from 1a2b3c4 to 5d6e7f8", Made: ago(2 * time.Hour)},
			{Number: 3, Status: buildbtw.IterationStatusSuperseded, ReasonText: "changesets edited", Made: ago(20 * time.Hour)},
			{Number: 2, Status: buildbtw.IterationStatusInvalid, ReasonText: "changesets edited", Made: ago(25 * time.Hour)},
		},
		Events: events(),
	}
}

func forecast() views.Forecast {
	f := views.Forecast{
		Left: "9.3 h", Early: "7.1 h", Late: "14 h", End: ago(-9*time.Hour - 20*time.Minute), Workers: 12, Remaining: 4467, Known: 4102, Blocked: 413, BlockedWork: "61 h", ChainLeft: "6.2 h", ChainMore: 9,
		Chain: []views.BuildLink{link(2, "curl", buildbtw.StatusBuilding), link(30, "cmake", buildbtw.StatusWaiting), link(31, "llvm", buildbtw.StatusWaiting), link(32, "rust", buildbtw.StatusWaiting), link(1, "qt6-webengine", buildbtw.StatusWaiting)},
	}
	began := time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC)
	left := 6885
	for i := range 60 {
		f.BurnDown.Points = append(f.BurnDown.Points, views.BurnPoint{At: began.Add(time.Duration(i) * 4 * time.Minute), Remaining: left})
		left -= 20 + (i*37)%45
		if i == 20 || i == 21 || i == 45 {
			build := link(int64(200+i), madeUp(i), buildbtw.StatusFailed)
			stop := views.BurnStop{At: ago(0), Build: &build, Builds: 9 * i}
			stop.At.At = began.Add(time.Duration(i) * 4 * time.Minute)
			f.BurnDown.Stops = append(f.BurnDown.Stops, stop)
		}
	}
	f.BurnDown.Now, f.BurnDown.Blocked = began.Add(60*4*time.Minute), 413
	f.BurnDown.Early, f.BurnDown.Likely, f.BurnDown.Late = f.BurnDown.Now.Add(7*time.Hour), f.BurnDown.Now.Add(9*time.Hour), f.BurnDown.Now.Add(14*time.Hour)
	return f
}

func activity() views.Activity {
	return views.Activity{
		Buildspace: "openssl-3.6", Number: 4, Architectures: []string{"x86_64"}, Days: views.ActivityDays(events(), time.UTC),
		Base: "/iteration/activity", Feed: "/feed.atom", Older: "?before=1",
	}
}

// activityOfAll has a group of builds, and other buildspaces.
func activityOfAll() views.Activity {
	list := events()
	for i := range 37 {
		b := link(int64(100+i), fmt.Sprintf("python-module-%d", i), buildbtw.StatusBuilt)
		list = append(list, views.EventLine{
			At: ago(27*time.Hour + time.Duration(i)*11*time.Second), Actor: fmt.Sprintf("build%02d", i%4), Build: &b, To: buildbtw.StatusBuilt, Buildspace: "python-3.14", Iteration: 2,
		})
	}
	list = append(list, views.EventLine{At: ago(28 * time.Hour), Actor: buildbtw.System, Message: "Iteration 2 was created. push by anna", Buildspace: "python-3.14", Iteration: 2},
		views.EventLine{At: ago(29 * time.Hour), Actor: "root", Message: "build07: Drained."})
	return views.Activity{Days: views.ActivityDays(list, time.UTC), Base: "/activity/all", Feed: "/feed.atom", Filter: views.ActivityFilter{Person: "anna"}, Newest: "?"}
}

func events() []views.EventLine {
	nodejs, curl := link(12, "nodejs", buildbtw.StatusFailed), link(2, "curl", buildbtw.StatusBuilding)
	return []views.EventLine{
		{At: ago(20 * time.Second), Actor: "build01", Build: &nodejs, From: buildbtw.StatusBuilding, To: buildbtw.StatusFailed, Message: "build() failed with exit code 4", Buildspace: "openssl-3.6", Iteration: 4},
		{At: ago(42 * time.Second), Actor: "build02", Build: &curl, From: buildbtw.StatusPending, To: buildbtw.StatusBuilding, Message: "attempt 1", Buildspace: "openssl-3.6", Iteration: 4},
		{At: ago(2 * time.Hour), Actor: buildbtw.System, Message: "iteration 4: 6,885 builds", Buildspace: "openssl-3.6", Iteration: 4},
		{At: ago(26 * time.Hour), Actor: "anna", Message: "created the buildspace", Buildspace: "openssl-3.6"},
	}
}

func buildLines() []views.BuildLine {
	lines := []views.BuildLine{
		line(12, "nodejs", "24.11.1-2", buildbtw.StatusFailed, "links libssl.so=3-64 of openssl"),
		line(2, "curl", "8.17.0-2", buildbtw.StatusBuilding, "links libssl.so=3-64 of openssl"),
		line(5, "kodi", "21.3-5", buildbtw.StatusScheduled, "depends on curl"),
		line(6, "git", "2.52.0-1", buildbtw.StatusPending, "depends on curl"),
		line(7, "yarn", "1.22.22-2", buildbtw.StatusBlocked, "depends on nodejs"),
		line(8, "libreoffice-fresh", "25.8.3-1", buildbtw.StatusWaiting, "depends on curl"),
		line(3, "openssl", "3.6.0-1", buildbtw.StatusBuilt, "is a changeset"),
		line(9, "ca-certificates-with-a-very-long-package-name-utils", "20240618-1", buildbtw.StatusSkipped, "depends on openssl"),
	}
	lines[0].Took, lines[1].Took, lines[1].TimesUsual, lines[6].Took = "12 min 4 s", "1 h 4 min so far", 16, "6 min 51 s"
	lines[4].Roots = []views.BuildLink{link(12, "nodejs", buildbtw.StatusFailed)}
	lines[5].Waiting = 14
	lines[7].SkipReason = buildbtw.CauseUnchanged
	twice := line(10, "krb5", "1.21.3-2", buildbtw.StatusWaiting, "links libcrypto.so=3-64 of openssl")
	twice.Stage, twice.Waiting = 2, 1
	return append(lines, twice)
}

func failedIteration() views.Iteration {
	v := iteration()
	v.Status = buildbtw.IterationStatusFailed
	v.Counts, v.Verdicts = buildbtw.Counts{"built": 38, "failed": 3, "blocked": 12}, views.Verdicts{buildbtw.VerdictYours: 1, buildbtw.VerdictNone: 1, buildbtw.VerdictBroken: 1, buildbtw.VerdictFlaky: 1}
	v.Blockers[0].Build.Verdict, v.Blockers[1].Build.Verdict, v.Builds.Lines[0].Verdict = buildbtw.VerdictYours, buildbtw.VerdictBroken, buildbtw.VerdictYours
	v.Builds.Start, v.Builds.Total, v.Cuts = 0, len(v.Builds.Lines), nil
	v.Forecast.Remaining, v.Forecast.Blocked, v.Forecast.Chain, v.Forecast.Left, v.Forecast.BlockedWork = 0, 12, nil, "", "1.6 h"
	v.Blockers[0].Blocks, v.Blockers[0].Frees, v.Iterations[0].Status = 11, 10, v.Status
	v.BlockersMore, v.Freed = 3, views.Freed{Ticked: 0, All: 12}
	return v
}

func builtIteration() views.Iteration {
	v := iteration()
	v.Status, v.Blockers, v.Builds.Total = buildbtw.IterationStatusBuilt, nil, 1
	v.Counts = buildbtw.Counts{"built": 14}
	v.Builds.Start, v.Forecast, v.Cuts = 0, views.Forecast{BurnDown: views.BurnDown{Points: v.Forecast.BurnDown.Points}}, nil
	v.Builds.Lines, v.Events, v.Iterations[0].Status = v.Builds.Lines[6:7], v.Events[2:], v.Status
	return v
}

func calculatingIteration() views.Iteration {
	v := iteration()
	return views.Iteration{
		Buildspace: v.Buildspace, Settings: v.Settings, Created: ago(time.Second), CreatedBy: "anna", CanChange: true,
		Status: buildbtw.IterationStatusCalculating, Wanted: "created",
		Changesets: []views.IterationChangeset{{Source: "openssl", Ref: "main"}},
	}
}

func invalidIteration() views.Iteration {
	v := calculatingIteration()
	v.Number, v.Latest, v.Status, v.Made, v.Wanted = 1, 1, buildbtw.IterationStatusInvalid, ago(time.Minute), ""
	v.ReasonText = "created"
	v.Error = "openssl at 5d6e7f8: .SRCINFO line 12: \"pkgrel = \": a value is missing"
	return v
}

func stoppedIteration() views.Iteration {
	v := failedIteration()
	v.Stopped, v.Status, v.Blockers = true, buildbtw.IterationStatusStopped, nil
	v.Counts = buildbtw.Counts{"built": 20, "skipped": 33}
	return v
}

func supersededIteration() views.Iteration {
	v := stoppedIteration()
	v.Stopped, v.Status, v.Number, v.CanChange = false, buildbtw.IterationStatusSuperseded, 3, false
	v.WhyNot = "reader may look but not change; ask an administrator for the packager role"
	return v
}

func filteredIteration() views.Iteration {
	v := iteration()
	v.Architectures = []string{"aarch64", "x86_64"}
	v.Builds = views.BuildList{Base: "/iteration/building", Filter: views.BuildFilter{Query: "zzz", Status: "failed"}}
	v.Unreadable, v.Others = views.Summarize(smallPlan()).Unreadable, views.Summarize(smallPlan()).Others
	return v
}
