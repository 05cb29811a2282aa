package main

import (
	"fmt"
	"strings"
	"time"

	"buildbtw"
	"buildbtw/views"
)

func sourceList() views.Sources {
	v := views.Sources{
		Total: 7889, TotalBroken: 53, Next: "/sources?cursor=x", BrokenLeft: 51,
		Roots: []views.RootLine{
			{Name: "packages", Synced: ago(20 * time.Second), Took: "312ms", Sources: 7885, Broken: 2},
			{Name: "overlay", Synced: ago(21 * time.Second), Took: "4ms", Sources: 4, Error: "open overlay: permission denied"},
		},
		Broken: []views.SourceLine{
			{Slug: "kodi-addon-vfs", Ref: "main", Commit: commit("3f"), Error: ".SRCINFO line 7: pkgrel is missing"},
			{Slug: "xorg-xempty", Ref: "main", Commit: commit("a0"), Error: "there is no .SRCINFO at this commit"},
		},
	}
	for i := range 20 {
		name := madeUp(i)
		v.Lines = append(v.Lines, views.SourceLine{Slug: name, Ref: "main", Commit: commit("9c"), Pkgbase: name, Version: "1.2.3-1"})
	}
	return v
}

func brokenSources() views.Sources {
	v := sourceList()
	v.BrokenOnly, v.Lines, v.BrokenLeft = true, nil, 0
	v.Broken[0].Error = script
	v.Broken[1].Slug = strings.Repeat("a-very-long-source-name-", 8)
	return v
}

// fillingSources is the page while a group is fetched for the first time, with
// another group for which GitLab does not answer.
func fillingSources() views.Sources {
	return views.Sources{
		Wait: "The sources are being fetched for the first time: 4312 of 10214 projects of https://gitlab.archlinux.org/archlinux/packaging/packages so far.",
		Groups: []views.SourceGroup{
			{URL: "https://gitlab.archlinux.org/archlinux/packaging/packages", Projects: 10214, Untried: 5902, Broken: 3, Asked: ago(4 * time.Minute)},
			{
				URL: "https://gitlab.archlinux.org/archlinux/private", Projects: 12, Filled: true, Asked: ago(9 * time.Hour),
				Error: "list the projects of group archlinux/private: GitLab does not accept the token; it has expired or was revoked: make a new one and give it with --gitlab-token",
			},
		},
	}
}

func source() views.SourceDetail {
	return views.SourceDetail{
		SourceLine: views.SourceLine{Slug: "openssl", Ref: "main", Commit: commit("7d"), Pkgbase: "openssl", Version: "3.6.0-1"},
		Pkgnames:   []string{"openssl", "openssl-docs"}, PlanURL: "/buildspaces/new?changesets=openssl",
		Spaces: []views.SourceSpace{{Card: cards()[0], Ref: "openssl-3.6"}, {Card: cards()[1]}},
	}
}

func brokenSource() views.SourceDetail {
	return views.SourceDetail{SourceLine: views.SourceLine{Slug: "kodi-addon-vfs", Ref: "main", Commit: commit("3f"), Error: ".SRCINFO line 7: " + script}}
}

func workerList() views.Workers {
	leases := []views.WorkerLease{
		{Pkgbase: "qt6-webengine", URL: "/build/building", Buildspace: "openssl-3.6", Iteration: 4, Runner: "pkgctl", Started: ago(3 * time.Hour), Heartbeat: ago(9 * time.Second)},
		{Pkgbase: "curl", URL: "/build/building", Buildspace: "openssl-3.6", Iteration: 4, Slot: 1, Runner: "pkgctl", Started: ago(42 * time.Second), Heartbeat: ago(2 * time.Minute), Late: true},
		{Pkgbase: "git", URL: "/build/building", Buildspace: "openssl-3.6", Iteration: 4, Slot: 2, Runner: "pkgctl", Started: ago(time.Minute), Heartbeat: ago(4 * time.Second), Publishing: true},
		{Pkgbase: buildbtw.BaselineName("yarn"), URL: "/build/on-the-base", Slot: 3, Runner: "pkgctl", Started: ago(20 * time.Second), Heartbeat: ago(4 * time.Second)},
	}
	var recent []views.WorkerAttempt
	for i, outcome := range []buildbtw.Outcome{buildbtw.OutcomeBuilt, buildbtw.OutcomeFailed, buildbtw.OutcomeInfrastructure, buildbtw.OutcomeLost, buildbtw.OutcomeTimedOut, buildbtw.OutcomeReleased} {
		recent = append(recent, views.WorkerAttempt{Pkgbase: madeUp(i), URL: "/build/built", Outcome: outcome, Finished: ago(time.Duration(i+1) * time.Hour), Took: "4 min 7 s"})
	}
	return views.Workers{ServerURL: "https://buildbtw.example.org", CanManage: true, Machines: []views.WorkerCard{
		{Name: "build01", Architectures: buildbtw.Names{"x86_64"}, Runners: buildbtw.Names{"pkgctl"}, Labels: buildbtw.Names{"big", "kvm"}, Version: "0.1.0", FirstSeen: ago(2000 * time.Hour), LastSeen: ago(2 * time.Second), Leases: leases, Recent: recent, Machine: machine(), Measured: ago(2 * time.Second), Busy: 0.914},
		{Name: "build02", Architectures: buildbtw.Names{"x86_64", "aarch64"}, Runners: buildbtw.Names{"makepkg"}, Version: "0.1.0", LastSeen: ago(9 * time.Second), Recent: recent[:1], Busy: 0.07},
		{Name: "build03", Architectures: buildbtw.Names{"x86_64"}, Runners: buildbtw.Names{"pkgctl"}, LastSeen: ago(4 * time.Second), Draining: ago(20 * time.Minute), Leases: leases[:1]},
		{Name: "old-laptop", Architectures: buildbtw.Names{"x86_64"}, Runners: buildbtw.Names{"makepkg"}, LastSeen: ago(49 * time.Hour), Gone: true},
		{Name: "flaky", Architectures: buildbtw.Names{"x86_64"}, Runners: buildbtw.Names{"vm"}, LastSeen: ago(30 * time.Second), SetAside: "Five builds in a row ended with an infrastructure error: no space left on device."},
	}}
}

func machine() buildbtw.MachineState {
	return buildbtw.MachineState{Load: 29.7, Cores: 32, MemoryTotal: 128 << 30, MemoryFree: 51 << 30, DiskTotal: 2 << 40, DiskFree: 340 << 30}
}

func packageDetail() views.PackageDetail {
	v := views.PackageDetail{
		Name: "openssl", Pkgbase: "openssl", Architecture: "x86_64", Architectures: []string{"x86_64"}, Source: "openssl", Commit: commit("7d"),
		Version: "3.6.0-1", Description: "The Open Source toolkit for Secure Sockets Layer and Transport Layer Security", Homepage: "https://www.openssl.org",
		BaseRepository: "core", BaseVersion: "3.5.4-1", Pkgnames: []string{"openssl", "openssl-docs"}, Provides: []string{"libcrypto.so", "libssl.so"},
		Optional: []string{"perl: for c_rehash"}, Sonames: []string{"libcrypto.so=3-64", "libssl.so=3-64"}, Links: []string{"libz.so=1-64"},
		Needs: []views.NeedLine{
			{Dependency: "glibc", Kinds: []string{"depends"}},
			{Dependency: "libz.so=1-64", Kinds: []string{"depends"}, By: []string{"zlib", "zlib-ng-compat"}},
			{Dependency: "perl>=5.40", Kinds: []string{"makedepends", "checkdepends"}, By: []string{"perl"}},
		},
		UserTotal: 412, UserCounts: []views.KindCount{{Kind: "depends", Count: 388}, {Kind: "makedepends", Count: 41}, {Kind: "checkdepends", Count: 7}},
		Past:    pastBuilds(),
		PlanURL: "/buildspaces/new?changesets=openssl", FeedURL: "/packages/openssl/feed.atom",
	}
	for i := range 60 {
		v.Users = append(v.Users, views.UserLine{Pkgbase: madeUp(i), Kinds: []string{"depends"}, Dependencies: []string{[]string{"openssl", "libssl.so=3-64"}[i%2]}})
	}
	for i, status := range []buildbtw.Status{buildbtw.StatusFailed, buildbtw.StatusBuilt, buildbtw.StatusBlocked} {
		b := views.PackageBuild{URL: "/build/" + string(status), Iteration: 5 - i, Architecture: "x86_64", Stage: 1, Version: "3.6.0-1", Status: status, Changed: ago(time.Duration(i+1) * time.Hour), Took: "12 min 4 s"}
		space := views.PackageSpace{Name: cards()[i].Name, Newest: b}
		for j := range 4 - i {
			b.Iteration, b.Status = 4-j, buildbtw.Statuses()[(i+j)%7]
			space.Earlier = append(space.Earlier, b)
		}
		v.Spaces = append(v.Spaces, space)
	}
	return v
}

func hostilePackage() views.PackageDetail {
	v := packageDetail()
	v.Name, v.Description, v.Homepage = strings.Repeat("a-very-long-package-name-", 8), script, "javascript:alert(1)"
	v.Needs[0].Dependency, v.Provides[0], v.Optional[0], v.Sonames[0], v.Spaces[0].Name = script, script, script, script, strings.Repeat("long-", 40)
	return v
}

func packageUsers() views.PackageUsers {
	v := packageDetail()
	return views.PackageUsers{Package: v, Users: v.Users, Kind: "depends", Next: "/next"}
}

func errorDetail(status int, title, detail string) views.ErrorDetail {
	return views.ErrorDetail{Status: status, Title: title, Detail: detail, Next: []views.ErrorLink{
		{URL: "/", Label: "What runs now"}, {URL: "/buildspaces", Label: "All buildspaces"},
	}}
}

func notFound() views.ErrorDetail {
	v := errorDetail(404, "Not found", `there is no package "opnessl": no source makes it, the base does not have it, and it was never built here`)
	v.Search = "opnessl"
	v.Guesses = []views.SearchName{{Name: "openssl", Kind: "package", Pkgbase: "openssl", URL: "/package/known"}, {Name: "openssl-3.6", Kind: "buildspace", URL: "/"}}
	return v
}

func serverError() views.ErrorDetail {
	v := errorDetail(500, "Server error", "The server failed to answer. The cause is in its log.")
	v.Request = "K3V7Q2NA5TXE"
	v.Next = append([]views.ErrorLink{{URL: "/x", Label: "Try again"}}, v.Next...)
	return v
}

func hostileError() views.ErrorDetail {
	v := errorDetail(422, "Invalid input", fmt.Sprintf("%q is no cursor", script))
	v.Search = script
	return v
}

// loginBeside is a login of a program on the machine of the browser.
func loginBeside() views.Login {
	return views.Login{User: buildbtw.User{Kind: buildbtw.KindPerson, Name: "anna", Role: buildbtw.RoleAdmin}, Name: "bbtw@laptop", Action: "/auth/cli"}
}

// loginAnywhere is a login with a short code, under a long name.
func loginAnywhere() views.Login {
	return views.Login{
		User: buildbtw.User{Kind: buildbtw.KindPerson, Name: "bob", Role: buildbtw.RolePackager}, Name: "bbtw@" + strings.Repeat("a-long-host-name.", 5) + "example.org",
		From: "2001:db8::7", Since: ago(90 * time.Second), Action: "/auth/device/answer",
	}
}

func pastBuilds() views.History {
	var h views.History
	for i := range 26 {
		b := views.PastBuild{
			Build:      views.BuildLink{ID: int64(400 + i), Pkgbase: "openssl", Status: buildbtw.StatusBuilt},
			Buildspace: []string{"openssl-3.6", "zlib-1.4", "glibc-2.42"}[i%3], Iteration: i/3 + 1, Version: fmt.Sprintf("3.6.0-%d", i/4+1),
			Finished: ago(time.Duration(26-i) * 9 * time.Hour), Took: time.Duration(150+(i*37)%60+4*i) * time.Second,
			Size: int64(7<<20 + (i*7919)%400_000), Memory: int64(900<<20 + (i*31)%7*40<<20),
		}
		if i%11 == 7 {
			b.Build.Status, b.Size, b.Took = buildbtw.StatusFailed, 0, time.Duration(20+i)*time.Second
		}
		if i < 6 { // of before memory was measured
			b.Memory = 0
		}
		h = append(h, b)
	}
	return h
}
