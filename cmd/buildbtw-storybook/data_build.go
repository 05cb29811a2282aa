package main

import (
	"fmt"
	"strings"
	"time"

	"buildbtw"
	"buildbtw/pacman/alpm"
	"buildbtw/release/check"
	"buildbtw/views"
)

func build(status buildbtw.Status) views.BuildDetail {
	v := views.BuildDetail{
		BuildLink: link(7, "yarn", status), Buildspace: "openssl-3.6", Iteration: 4, Source: "yarn", Commit: commit("4b"),
		Version: "1.22.22-2", Pkgnames: []string{"yarn", "yarn-docs"}, Level: 3, Changed: ago(42 * time.Second),
		Chain: []views.ReasonLink{
			{BuildLink: link(7, "yarn", status), Reason: "depends on nodejs"},
			{BuildLink: link(12, "nodejs", buildbtw.StatusBuilt), Reason: "links libssl.so=3-64 of openssl"},
			{BuildLink: link(3, "openssl", buildbtw.StatusBuilt), Reason: "is a changeset"},
		},
		Dependencies: neighbours("Dependencies in this iteration", neighbour(12, "nodejs", buildbtw.StatusBuilt, "depends", "makedepends")),
		Dependents: neighbours("Builds that need it", neighbour(20, "jupyterlab", buildbtw.StatusBlocked, "makedepends"),
			views.NeighbourLine{BuildLink: link(21, "code", buildbtw.StatusBlocked), Kinds: []string{"checkdepends"}, Through: []string{"gulp", "node-gyp", "npm", "semver"}}),
		Reproduce: recipes(), Events: history(), Actions: actions(status),
	}
	switch status {
	case buildbtw.StatusBlocked:
		failed := link(12, "nodejs", buildbtw.StatusFailed)
		v.Dependencies = neighbours("Dependencies in this iteration", views.NeighbourLine{BuildLink: failed, Kinds: []string{"depends"}})
		v.Roots, v.WaitingFor, v.Events = []views.RootCause{{BuildLink: failed, Blocks: 412}, {BuildLink: link(13, "go", buildbtw.StatusFailed), Blocks: 1}}, []views.BuildLink{failed}, nil
	case buildbtw.StatusPending:
		v.Queue = &views.QueuePlace{
			Number: 43, Of: 145, Start: ago(-2 * time.Hour), More: 39, Higher: 12,
			Before: []views.QueuedBuild{{BuildLink: link(6, "git", status)}, {BuildLink: link(61, "gcc", status), Buildspace: "gcc-16"}, {BuildLink: link(62, "rust", status)}},
		}
		v.Retry = "tried twice, last: the mirror of the base does not answer, next try 12:01:00 UTC"
		v.Attempts = []views.AttemptLine{attempt(1, buildbtw.OutcomeInfrastructure, "no space left on device")}
	case buildbtw.StatusScheduled:
		v.Pipelines = pipelines()
	case buildbtw.StatusSkipped:
		v.SkipReason = buildbtw.CauseUnchanged
	case buildbtw.StatusBuilding:
		v.Attempts = []views.AttemptLine{{Number: 1, Worker: "build01", Runner: "makepkg", State: buildbtw.AttemptRunning, Started: ago(42 * time.Second), Took: "42 s", LogURL: "/log", LogBytes: 31337}}
		v.Log = &views.Log{Build: 7, Attempt: 1, Text: logText(60), From: 1 << 20, End: 2 << 20, Running: true}
		v.Times = views.BuildTimes{Started: ago(64 * time.Minute), Took: "1 h 4 min so far", Usual: "4 min 2 s", TimesUsual: 16}
	case buildbtw.StatusFailed:
		v.FirstError, v.Newer = calcError(), newer()
		v.Since = sinceBuilt()
		v.ErrorLines = []views.QuotedLine{{Text: "cc -O2 -c calc.c"}, {Text: calcError().Text, Error: true}, {Text: "   12 | #include <calc.h>"}, {Text: "compilation terminated."}}
		v.Attempts = []views.AttemptLine{attempt(2, buildbtw.OutcomeFailed, "build() failed with exit code 4"), attempt(1, buildbtw.OutcomeLost, "the worker stopped answering")}
		v.Attempts[0].FirstErrorURL = "/log#L20"
		v.Attempts[0].Kept, v.Attempts[0].Build = ago(-4*time.Hour), "7"
		v.Attempts[0].FirstError = "src/module_19.c:41:9: error: implicit declaration of function 'SSL_CTX_set_ecdh_auto'"
		v.Verdict = buildbtw.VerdictYours
		v.BaselineCheck = baselineCheck(v.Verdict, buildbtw.StatusBuilt)
		v.Log = &views.Log{Build: 7, Attempt: 2, Text: logText(20) + "==> ERROR: A failure occurred in build().\n    Aborting...\n", End: 4000}
	case buildbtw.StatusBuilt:
		v.Checks = checks()
		v.SecondBuild = &views.SecondBuild{ID: 43, Words: buildbtw.RepeatOther.Words(), Blocks: true, Lines: []string{
			`yarn-1.22.22-2-any.pkg.tar.zst: usr/lib/yarn/lib/cli.js: content differs at byte 1041: "2026-12-01 17:46", and "2026-12-01 19:02"`,
			"yarn-docs-1.22.22-2-any.pkg.tar.zst: .MTREE: size 812, and 815",
		}}
		v.Attempts = []views.AttemptLine{attempt(1, buildbtw.OutcomeBuilt, "")}
		v.Log = &views.Log{Build: 7, Attempt: 1, Text: logText(8), End: 600}
		v.Packages = packages()
		v.Since = &views.SinceBuilt{}
		v.Cuts = []views.CutLine{views.NewCutLine("gulp", "yarn", []string{"checkdepends"}, []string{"yarn", "gulp", "node-gyp"})}
		v.Times = views.BuildTimes{Started: ago(5 * time.Minute), Finished: ago(42 * time.Second), Took: "4 min 18 s", Usual: "4 min 2 s"}
	}
	return v
}

// comparison is of a failed build whose commit has that status on the base alone.
func baselineCheck(v buildbtw.Verdict, base buildbtw.Status) views.BaselineCheck {
	on := link(41, "yarn", base)
	return views.BaselineCheck{Words: v.Words(ago(10 * 24 * time.Hour).At), Comparing: true, Base: &on}
}

// comparedBuild has failed, and so has its commit on the base, for another reason.
func comparedBuild() views.BuildDetail {
	v := build(buildbtw.StatusFailed)
	v.Verdict, v.BaselineCheck = buildbtw.VerdictBroken, baselineCheck(buildbtw.VerdictBroken, buildbtw.StatusFailed)
	v.BaselineCheck.BaseError = &views.FirstError{Text: "src/lexer.c:88:3: error: 'yylineno' undeclared (first use in this function)", URL: "/builds/41/log?attempt=1#L212"}
	return v
}

// comparingBuild has failed and waits for a machine.
func comparingBuild() views.BuildDetail {
	v := build(buildbtw.StatusFailed)
	v.Verdict, v.BaselineCheck = buildbtw.VerdictNone, views.BaselineCheck{Words: buildbtw.VerdictNone.Words(time.Time{}), Comparing: true}
	return v
}

// baseBuild is a build on the base alone.
func baseBuild() views.BuildDetail {
	v := build(buildbtw.StatusBuilt)
	v.OfBase, v.Attempts[0].OfBase, v.Level, v.Chain = true, true, 0, nil
	v.Packages, v.Actions, v.Since, v.Cuts = views.PackageList{}, nil, nil, nil
	v.Dependencies, v.Dependents = neighbours("Dependencies in this iteration"), neighbours("Builds that need it")
	return v
}

// sinceBuilt has a change of every kind.
func sinceBuilt() *views.SinceBuilt {
	s := &views.SinceBuilt{
		Last:         &views.ResultLink{BuildID: 5, Buildspace: "openssl-3.6", Iteration: 3, At: ago(24 * time.Minute)},
		FirstFailure: &views.ResultLink{BuildID: 6, Buildspace: "nodejs-24", Iteration: 1, At: ago(9 * time.Minute)},
		Recorded:     true,
		Before:       &views.CommitLine{ID: strings.Repeat("3a", 20)}, Commit: commit("4b"),
		Span: &views.CommitSpan{Total: 5, URL: "/source/commits", Commits: []views.CommitLine{commit("4b"), commit("5d"), hostileCommit()}},
		Packages: []buildbtw.PackageChange{
			{Name: "libcalc", From: "1.4.0-1", To: "2.0.0-1", FromBuildspace: true, ToBuildspace: true, Direct: true, Sonames: []buildbtw.SonameChange{{Library: "libcalc.so", From: "1", To: "2"}}},
			{Name: "icu", From: "76.1-1", To: "78.1-1", Sonames: []buildbtw.SonameChange{{Library: "libicudata.so", From: "76", To: "78"}, {Library: "libicui18n.so", From: "76", To: "78"}, {Library: "libicuuc.so", From: "76", To: "78"}}},
			{Name: "nodejs", From: "23.4.0-1", To: "24.1.0-1", ToBuildspace: true, Direct: true},
			{Name: "meson", From: "1.8.0-1", To: "1.9.0-1", Direct: true, AfterFailure: true},
		},
	}
	for i := range 12 {
		s.Packages = append(s.Packages, buildbtw.PackageChange{Name: fmt.Sprintf("perl-module-%d", i), From: "1.0-1", To: "1.0-2"})
	}
	return s
}

// waitingBuild is one that no machine can take.
func waitingBuild() views.BuildDetail {
	v := build(buildbtw.StatusPending)
	v.Retry, v.Attempts = "", nil
	v.Architecture, v.Queue = "aarch64", &views.QueuePlace{Of: 45, Why: "no machine that is connected builds for aarch64"}
	return v
}

// pipelines are one that waits for a runner after one that came to nothing.
func pipelines() []views.PipelineLine {
	const project = "https://gitlab.example.org/packaging/yarn/-/"
	line := views.PipelineLine{
		Number: 40712, Project: "packaging/yarn", State: buildbtw.PipelineCreated, Status: "pending",
		URL: project + "pipelines/40712", CommitURL: project + "commit/" + strings.Repeat("4b", 20), Created: ago(42 * time.Second),
	}
	before := line
	before.Number, before.State, before.Status, before.URL = 40698, buildbtw.PipelineEnded, "failed", project+"pipelines/40698"
	before.JobURL, before.Message = project+"jobs/91233", "Its pipeline failed before anything was built; the job in GitLab says why."
	before.Created = ago(7 * time.Minute)
	return []views.PipelineLine{line, before}
}

// history is that of one build, which its lines do not name.
func history() []views.EventLine {
	return []views.EventLine{
		{At: ago(42 * time.Second), Actor: "build01", From: buildbtw.StatusPending, To: buildbtw.StatusBuilding, Message: "attempt 2"},
		{At: ago(3 * time.Minute), Actor: buildbtw.System, From: buildbtw.StatusBlocked, To: buildbtw.StatusPending, Message: "all that it waits for is built"},
	}
}

func attempt(n int, outcome buildbtw.Outcome, message string) views.AttemptLine {
	return views.AttemptLine{
		Number: n, Worker: "build01", Runner: "makepkg", State: buildbtw.AttemptFinished, Outcome: outcome, Message: message,
		Started: ago(time.Hour), Finished: ago(55 * time.Minute), Took: "4 min 7 s", LogURL: "/log", LogBytes: 31337,
	}
}

func logText(lines int) string {
	var b strings.Builder
	for i := range lines {
		fmt.Fprintf(&b, "[%3d/%d] Compiling src/module_%d.c -O2 -pipe -fno-plt -fexceptions -Wp,-D_FORTIFY_SOURCE=3\n", i+1, lines, i)
	}
	return b.String()
}

// script is text that others wrote and that must stay text.
const script = `"><script>document.title='owned'</script><img src=x onerror=alert(1)>`

func hostileBuild() views.BuildDetail {
	v := build(buildbtw.StatusFailed)
	v.Version, v.Chain[0].Reason, v.Attempts[0].Message, v.Attempts[0].FirstError = script, script, script, script
	v.Log.Text = script + "\n</div></span>"
	v.Events[0].Message, v.Reproduce[0].Commands = script, script
	v.Packages = packages()
	v.Packages.Lines[0].Info.Desc, v.Packages.Lines[0].Info.URL, v.Packages.Lines[0].Info.Depends = script, "javascript:alert(1)", []string{script}
	v.Packages.Lines[0].Offers.Provides[0].Text, v.Packages.Gone, v.Packages.Against = script, []string{script}, script
	return v
}

// crowdedBuild has names as long as they may be and hundreds of dependents.
func crowdedBuild() views.BuildDetail {
	v := build(buildbtw.StatusBuilt)
	v.Pkgbase, v.Buildspace = strings.Repeat("a-very-long-package-name-", 8), strings.Repeat("long-", 12)+"buildspace"
	v.Commit, v.Version = commit("4b"), "20261125.r12345.g0123456789abcdef-1"
	var lines []views.NeighbourLine
	for i := range 30 {
		lines = append(lines, neighbour(int64(100+i), madeUp(i)+strings.Repeat("-long", i), buildbtw.Statuses()[i%7], "depends"))
		if i%7 == 6 {
			lines[i].SkipReason = buildbtw.CauseUnchanged
		}
	}
	v.Dependents = neighbours("Builds that need it", lines...)
	v.Dependents.Counts = buildbtw.Counts{"built": 310, "failed": 3, "building": 8, "blocked": 91, "skipped": 40}
	for i := range 25 {
		p := v.Packages.Lines[0]
		p.Pkgname = madeUp(i) + strings.Repeat("-docs", i%5)
		v.Packages.Lines = append(v.Packages.Lines, p)
		v.Pkgnames = append(v.Pkgnames, p.Pkgname)
	}
	return v
}

func neighbourPage() views.NeighbourPage {
	v := crowdedBuild()
	return views.NeighbourPage{Build: v, List: v.Dependents, Status: buildbtw.StatusBlocked, First: "/first", Next: "/next"}
}

func neighbour(id int64, name string, status buildbtw.Status, kinds ...string) views.NeighbourLine {
	return views.NeighbourLine{BuildLink: link(id, name, status), Kinds: kinds}
}

func neighbours(title string, lines ...views.NeighbourLine) views.NeighbourList {
	l := views.NeighbourList{ID: "h-" + strings.ToLower(title[:4]), Title: title, Lines: lines, Counts: buildbtw.Counts{}, URL: "/build/dependents"}
	for _, n := range lines {
		l.Counts[n.Status]++
	}
	return l
}

func actions(status buildbtw.Status) []views.BuildAction {
	b := buildbtw.Build{Pkgbase: "yarn", Status: status}
	why := func(err error) string {
		if err == nil {
			return ""
		}
		return buildbtw.MessageOf(err)
	}
	return []views.BuildAction{
		{Label: "Build with my fix", URL: "/fix", Class: "button primary", WhyNot: why(b.CanFix())},
		{Label: "Retry the old commit", URL: "/retry", Class: "button", WhyNot: why(b.CanRetry())},
		{Label: "Rebuild this and its dependents", URL: "/rebuild", Class: "button", WhyNot: why(b.CanRebuild())},
		{Label: "Cancel", URL: "/cancel", Class: "button danger", WhyNot: why(b.CanCancel())},
	}
}

func recipes() []views.Recipe {
	return []views.Recipe{
		{ID: "recipe-source", Title: "The source at exactly this commit", Commands: "mkdir yarn && cd yarn && curl -fsS http://127.0.0.1:8080/api/v1/builds/7/source | tar -x"},
		{ID: "recipe-bbtw", Title: "From the command line", Commands: "bbtw why 7\nbbtw log 7\nbbtw download 7\nbbtw retry 7"},
	}
}

func packages() views.PackageList {
	info := &alpm.PkgInfo{
		Name: "yarn", Base: "yarn", Version: "1:1.22.22-2", Desc: "Fast, reliable, and secure dependency management", URL: "https://yarnpkg.com/",
		Arch: "any", Packager: "Anna Example <anna@example.org>", BuildDate: 1764000000, Size: 5_350_000, Licenses: []string{"BSD-2-Clause"},
		Depends: []string{"nodejs", "libuv.so=1-64"}, OptDepends: []string{"git: for dependencies from git"}, MakeDepends: []string{"gulp", "npm"},
		XData: map[string]string{"pkgtype": "split"},
	}
	return views.PackageList{
		Against: "1:1.22.22-1 in #3", URL: "/build/built", Gone: []string{"yarn-completion"},
		Lines: []views.PackageLine{
			{
				Pkgname: "yarn", Version: "1:1.22.22-2", Was: "1:1.22.22-1", Architecture: "any", Filename: "yarn-1:1.22.22-2-any.pkg.tar.zst",
				SHA256: strings.Repeat("9f", 32), Size: 1234567, URL: "/p", Info: info, Offers: &alpm.Comparison{
					Sonames: []alpm.Difference{
						{Text: "libyarn.so=1-64", Change: alpm.ChangeRemoved},
						{Text: "libyarn.so=2-64", Change: alpm.ChangeAdded},
						{Text: "libyarn-plugin.so=1-64", Change: alpm.ChangeNone},
						{Text: "hook.so=hook.so-64"},
					},
					Provides: []alpm.Difference{{Text: "libyarn.so=2-64", Change: alpm.ChangeAdded}, {Text: "nodejs-package-manager", Change: alpm.ChangeNone}},
				},
			},
			{
				Pkgname: "yarn-docs", Version: "1:1.22.22-2", IsNew: true, Architecture: "any", Filename: "yarn-docs-1:1.22.22-2-any.pkg.tar.zst",
				SHA256: strings.Repeat("8e", 32), Size: 999, URL: "/p",
			},
		},
	}
}

// checks are of a build that misses files and of which one thing is not known.
func checks() views.BuildChecks {
	v := views.BuildChecks{Compared: []views.ComparedWith{{Target: "stable", Packages: []string{"yarn 1.22.22-1"}}, {Target: "testing", Packages: []string{"yarn 4.0.0-1"}, Stale: true}}}
	for _, kind := range check.Kinds() {
		c := views.CheckLine{Finding: check.Finding{Kind: kind, Outcome: check.OK}}
		switch kind {
		case check.Files:
			c.Outcome, c.Blocks = check.Found, true
			for i := range 12 {
				c.Lines = append(c.Lines, fmt.Sprintf("yarn: usr/lib/node_modules/yarn/lib/cli-%02d.js", i))
			}
		case check.Size:
			c.Outcome, c.Lines, c.Users = check.Found, []string{"yarn: 4.8 MiB before, now 9.1 MiB"}, "stable"
		case check.Setuid:
			c.Outcome, c.Lines = check.Unknown, []string{"yarn: usr/bin/yarn-helper 4755, before not known"}
		case check.Namcap:
			c.Outcome, c.Lines = check.Found, []string{"yarn: E: Dependency nodejs detected and not included", "yarn: W: Unused shared library"}
		}
		v.Lines = append(v.Lines, c)
	}
	return v
}
