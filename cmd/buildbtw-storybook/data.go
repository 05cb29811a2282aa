package main

import (
	"strings"
	"time"

	"buildbtw"
	"buildbtw/buildgraph"
	"buildbtw/views"
)

// ago is a moment before now, in the browser's time too: ages tick there.
func ago(d time.Duration) views.Moment {
	now := time.Now()
	return views.Moment{At: now.Add(-d), Now: now}
}

func link(id int64, pkgbase string, status buildbtw.Status) views.BuildLink {
	return views.BuildLink{ID: id, Pkgbase: pkgbase, Architecture: "x86_64", Stage: 1, Status: status}
}

func line(id int64, pkgbase, version string, status buildbtw.Status, reason string) views.BuildLine {
	return views.BuildLine{
		BuildLink: link(id, pkgbase, status), Version: version, Reason: reason, Level: int(id) % 5,
		Changed: ago(time.Duration(id*37) * time.Second), Buildspace: "openssl-3.6", Iteration: 4,
	}
}

func home() views.Home {
	base := line(4, "yarn", "1.22.22-2", buildbtw.StatusBuilding, "")
	base.OfBase = true
	v := views.Home{
		Verdicts: views.Verdicts{buildbtw.VerdictYours: 3, buildbtw.VerdictNone: 1, buildbtw.VerdictBroken: 2, buildbtw.VerdictFlaky: 1, buildbtw.VerdictInfrastructure: 1},
		Running: []views.RunningBuild{
			{BuildLine: line(1, "qt6-webengine", "6.9.1-4", buildbtw.StatusBuilding, ""), Worker: "build01", Started: ago(3 * time.Hour)},
			{BuildLine: line(2, "curl", "8.17.0-2", buildbtw.StatusBuilding, ""), Worker: "build02", Started: ago(42 * time.Second)},
			{BuildLine: base, Worker: "build02", Started: ago(20 * time.Second)},
			{BuildLine: line(3, "python-cryptography-vectors-with-a-long-name", "46.0.3-1", buildbtw.StatusScheduled, ""), Worker: "gitlab", Started: ago(2 * time.Second)},
		},
		RunningMore: 4,
		Needs:       needs(), NeedsMore: 3,
		Finished: []views.FinishedBuild{
			finished(20, "nghttp3", buildbtw.StatusBuilt), finished(12, "nodejs", buildbtw.StatusFailed),
			finished(21, "openssh", buildbtw.StatusBuilt), finished(22, "ca-certificates-with-a-very-long-package-name-utils", buildbtw.StatusBuilt),
		},
		Workers: 3, CanChange: true,
	}
	for i, c := range append(cards()[:5:5], queuedCard()) {
		c.Changed = ago(time.Duration(i*i+1) * time.Minute)
		v.Add(c)
	}
	return v
}

// queuedCard is a buildspace of which nothing is built now.
func queuedCard() views.BuildspaceCard {
	return card("icu-78", buildbtw.IterationStatusBuilding, 2, buildbtw.Counts{"built": 1, "pending": 31, "waiting": 140}, "icu")
}

// noMachine is the home page while builds wait and no worker asks for them.
func noMachine() views.Home {
	v := views.Home{CanChange: true}
	c := queuedCard()
	c.Changed = ago(3 * time.Minute)
	v.Add(c)
	return v
}

// newer is a commit that was pushed to the source of what failed.
func newer() *views.CommitLine {
	return &views.CommitLine{
		ID: strings.Repeat("d2", 20), Subject: "Fix build with libcalc 2", Author: "Anna", At: ago(6 * time.Minute), Since: "/source/commits",
		URL: "https://gitlab.archlinux.org/archlinux/packaging/packages/yarn/-/commit/" + strings.Repeat("d2", 20),
	}
}

// calcError says why builds failed.
func calcError() *views.FirstError {
	return &views.FirstError{
		Text: "/build/nodejs/src/calc.c:12:10: fatal error: calc.h: No such file or directory", Cause: "calc.h: No such file or directory", URL: "/builds/12/log?attempt=1#L812",
	}
}

func needs() []views.Need {
	nodejs, freeradius := link(12, "nodejs", buildbtw.StatusFailed), link(13, "freeradius", buildbtw.StatusFailed)
	nodejs.Verdict, freeradius.Verdict = buildbtw.VerdictYours, buildbtw.VerdictBroken
	return []views.Need{
		{Buildspace: "gcc", Iteration: 1, Message: `gcc at 5d6e7f8: .SRCINFO line 12: "pkgrel = ": a value is missing`, Since: ago(3 * time.Hour)},
		{Machine: "flaky", Message: "Five builds in a row ended with an infrastructure error: no space left on device.", Since: ago(30 * time.Second)},
		{Build: &nodejs, Buildspace: "openssl-3.6", Iteration: 4, Blocks: 412, Message: "build() failed with exit code 4", Since: ago(7 * time.Minute), Fixable: true, Newer: newer(), Error: calcError(), Same: []views.BuildLink{link(14, "libreoffice-still", buildbtw.StatusFailed)}},
		{Build: &freeradius, Buildspace: "openssl-3.6", Iteration: 4, Message: "check() failed with exit code 2: 3 of 118 tests failed, see tests/test-suite.log", Since: ago(8 * time.Minute), Fixable: true},
	}
}

func finished(id int64, pkgbase string, status buildbtw.Status) views.FinishedBuild {
	return views.FinishedBuild{Build: link(id, pkgbase, status), Buildspace: "openssl-3.6", Iteration: 4, At: ago(time.Duration(id*9) * time.Second)}
}

func cards() []views.BuildspaceCard {
	return []views.BuildspaceCard{
		card("openssl-3.6", buildbtw.IterationStatusBuilding, 4, largeCounts(), "openssl", "python-cryptography/openssl-3.6"),
		card("poppler", buildbtw.IterationStatusFailed, 2, buildbtw.Counts{"built": 38, "failed": 3, "blocked": 12}, "poppler/25.11"),
		card("haskell-rebuild", buildbtw.IterationStatusBuilt, 1, buildbtw.Counts{"built": 212, "skipped": 40}, "ghc", "haskell-aeson", "haskell-text", "haskell-lens", "haskell-http-types", "pandoc"),
		card("gcc", buildbtw.IterationStatusInvalid, 1, buildbtw.Counts{}, "gcc"),
		{Name: "libvpx", Changesets: []string{"libvpx"}, Created: ago(time.Second), CreatedBy: "anna", Scope: buildbtw.ScopeAuto},
		card("zlib-ng", buildbtw.IterationStatusStopped, 7, buildbtw.Counts{"built": 5, "skipped": 20}, "zlib"),
		{Name: "given-up", Changesets: []string{"zlib"}, Iteration: 1, Status: buildbtw.IterationStatusBuilt, Counts: buildbtw.Counts{"built": 5, "skipped": 20}, GivenUp: 20, Created: ago(time.Hour), CreatedBy: "anna"},
	}
}

func card(name string, status buildbtw.IterationStatus, n int, counts buildbtw.Counts, changesets ...string) views.BuildspaceCard {
	return views.BuildspaceCard{
		Name: name, Changesets: changesets, Iteration: n, Status: status, Counts: counts,
		Created: ago(time.Duration(n*5) * time.Hour), CreatedBy: "anna", Scope: buildbtw.ScopeAuto,
	}
}

func largeCounts() buildbtw.Counts {
	return buildbtw.Counts{"built": 2104, "skipped": 310, "failed": 4, "building": 12, "scheduled": 3, "pending": 96, "waiting": 3943, "blocked": 413}
}

func form(p *buildgraph.Plan) views.PlanForm {
	f := views.PlanForm{
		Settings: buildbtw.DefaultSettings(), Architectures: []string{"x86_64", "aarch64"}, ConfirmAbove: 500,
		Suggested: []views.SuggestedChangeset{
			{Changeset: "libcalc", Subject: "Fix build with libcalc 2", Author: "Anna", At: ago(6 * time.Minute)},
			{Changeset: "openssl/3.6", Subject: "openssl 3.6.0", Author: "Levente", At: ago(3 * time.Hour)},
			{Changeset: "python-" + strings.Repeat("a-long-name-", 4), Subject: strings.Repeat("A subject that goes on and on ", 5), Author: "Robin", At: ago(50 * time.Hour)},
		},
	}
	if p != nil {
		summary := views.Summarize(p)
		f.Plan, f.Changesets = &summary, "x264/soname-165\nchromaprint"
		f.Planned, f.Work, f.Chain, f.Least, f.Slots, f.Unknown = "0123456789abcdef", "6.2 h", "1.4 h", "1.6 h", 4, 2
		f.Disk, f.DiskUnknown, f.Own = "3.2 GB", 1, []string{"x264", "ffmpeg"}
	}
	return f
}

func wrongForm(field, message string) views.PlanForm {
	f := form(nil)
	f.Changesets, f.Name = "opnessl/3.6", "x264"
	f.Error = views.FormError{Field: field, Message: message}
	return f
}

func confirmForm() views.PlanForm {
	f := form(largePlan())
	f.NeedsConfirm, f.Exclude = true, "chromium firefox"
	return f
}

// bumpForm is a plan whose rebuilds get higher versions than their sources say.
func bumpForm() views.PlanForm {
	plan := smallPlan()
	for _, arch := range plan.Architectures {
		for i, b := range arch.Builds {
			if b.Reason.Kind != buildbtw.ReasonChangeset {
				arch.Builds[i].BumpedFrom, arch.Builds[i].Version = b.Version, b.Version[:len(b.Version)-1]+"9"
			}
		}
	}
	f := form(plan)
	f.Exclude = "handbrake" // opens the settings, among which is that of the versions
	return f
}

// changedForm is a plan that is another one than was shown before the button was pressed.
func changedForm() views.PlanForm {
	f := form(smallPlan())
	f.Changed, f.Error.Message = true, "the form or the sources changed since the plan was made; this is the plan now"
	return f
}

func editForm() views.PlanForm {
	f := form(smallPlan())
	f.Editing = "x264"
	f.Compared = &views.Diff{From: 3, Architectures: []views.DiffArch{{Architecture: "x86_64", Added: []string{"chromaprint", "chromaprint (stage 2)"}, Removed: []string{"handbrake"}}}}
	return f
}

func smallPlan() *buildgraph.Plan {
	reason := func(kind buildbtw.ReasonKind, via, name string) buildbtw.Reason {
		return buildbtw.Reason{Kind: kind, Via: via, Name: name}
	}
	builds := []buildgraph.Build{
		{Pkgbase: "x264", Version: "3:0.165-1", Stage: 1, Reason: reason(buildbtw.ReasonChangeset, "", "")},
		{Pkgbase: "chromaprint", Version: "1.6.0-2", Stage: 1, NoCheck: true, Reason: reason(buildbtw.ReasonChangeset, "", "")},
		{Pkgbase: "ffmpeg", Version: "2:8.0-5", Stage: 1, Level: 1, Reason: reason(buildbtw.ReasonSoname, "x264", "libx264.so=165-64")},
		{Pkgbase: "mpv", Version: "1:0.40.0-4", Stage: 1, Level: 2, Reason: reason(buildbtw.ReasonDepends, "ffmpeg", "ffmpeg")},
		{Pkgbase: "chromaprint", Version: "1.6.0-2", Stage: 2, Level: 3, Reason: reason(buildbtw.ReasonChangeset, "", "")},
	}
	return &buildgraph.Plan{
		Scope: buildbtw.ScopeAuto, Scopes: map[string]int{"none": 4, "direct": 5, "all": 7},
		Architectures: map[string]*buildgraph.ArchPlan{
			"x86_64": {
				Builds: builds, Chain: []string{"x264", "ffmpeg", "mpv"},
				Cuts: []buildgraph.Cut{{From: "chromaprint", To: "ffmpeg", Kinds: []string{"makedepends"}, Cycle: []string{"chromaprint", "ffmpeg"}}},
			},
			"aarch64": {Builds: builds[:2], Chain: []string{"x264"}},
		},
		Warnings: warnings(),
	}
}

func warnings() []buildgraph.Warning {
	return []buildgraph.Warning{
		{Kind: buildgraph.WarnUnreadable, Source: "kodi-addon-vfs", Message: "kodi-addon-vfs: .SRCINFO line 7: pkgrel is missing"},
		{Kind: buildgraph.WarnUnmet, Source: "handbrake", Message: "handbrake needs x264<3:0.164, and no source offers that"},
		{Kind: buildgraph.WarnUnresolved, Source: "obs-studio", Message: "obs-studio needs libajantv2, which no source provides; the base must"},
	}
}

func largePlan() *buildgraph.Plan {
	arch := &buildgraph.ArchPlan{}
	for i := range 6885 {
		arch.Builds = append(arch.Builds, buildgraph.Build{
			Pkgbase: madeUp(i), Version: "1.0-1", Stage: 1, Level: i * 62 / 6885,
			Reason: buildbtw.Reason{Kind: buildbtw.ReasonDepends, Via: "curl", Name: "curl"},
		})
	}
	for i := range 62 {
		arch.Chain = append(arch.Chain, madeUp(i*111))
	}
	for i := range 70 {
		a, b := madeUp(i), madeUp(i+1)
		arch.Cuts = append(arch.Cuts, buildgraph.Cut{From: a, To: b, Kinds: []string{"makedepends"}, Cycle: []string{a, b}})
	}
	return &buildgraph.Plan{
		Scope: buildbtw.ScopeAll, Scopes: map[string]int{"none": 1, "direct": 141, "all": 6885},
		Architectures: map[string]*buildgraph.ArchPlan{"x86_64": arch}, Warnings: warnings(),
	}
}
