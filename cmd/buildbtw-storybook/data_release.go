package main

import (
	"time"

	"buildbtw"
	"buildbtw/release"
	"buildbtw/views"
)

// releasePage has a change of a soname that one failed user and one outside of the set hold,
// and what can go without it.
func releasePage() views.ReleasePage {
	user := func(name string, held ...string) release.Package {
		return release.Package{Name: name, Base: name, Version: "1.0-1", Architecture: "x86_64", Depends: held}
	}
	built := func(p release.Package, version string) release.Unit {
		p.Version = version
		return release.Unit{Pkgbase: p.Base, Packages: []release.Package{p}}
	}
	ssl := user("openssl", "glibc")
	ssl.Provides = []string{"libssl.so=3-64"}
	view := release.View{Name: "x86_64", Architecture: "x86_64", Repositories: []release.Repository{{Name: "core", Packages: []release.Package{
		user("glibc"), ssl, user("curl", "libssl.so=3-64"), user("mpv", "libssl.so=3-64"), user("nginx", "libssl.so=3-64"), user("zlib-ng"), user("aalib"), user("cacalib", "aalib"),
		user("aalib-docs"),
	}}}}
	ssl.Provides = []string{"libssl.so=4-64"}
	view.Repositories[0].Packages[8].Base = "aalib"
	changed := built(ssl, "4.0.0-1")
	changed.Changeset = true
	result := release.NewBase([]release.View{view}).Largest(release.Problem{Units: []release.Unit{
		changed, built(user("curl", "libssl.so=4-64"), "1.0-2"),
		{Pkgbase: "mpv", NotReady: release.Failed, Detail: "its build failed"},
		built(user("zlib-ng"), "2.3.1-1"), built(user("aalib"), "1.4rc5-19"), built(user("cacalib", "aalib"), "1.1-7"),
		{Pkgbase: "tool", NotReady: release.NotBuilt, Detail: "its build is running"},
	}})
	v := views.ReleasePage{
		Buildspace: "openssl-4", Number: 3, Architectures: []string{"x86_64"}, Result: result, Building: 1,
		Target: "stable", Targets: []string{"stable", "testing"}, CanRelease: true, Digest: "0", Present: 2, Releases: releaseLines(),
		IDs: map[string]int64{"openssl": 1, "curl": 2, "mpv": 3, "zlib-ng": 4, "aalib": 5, "cacalib": 6, "tool": 7},
	}
	result.Apart, result.AllApart = []release.Apart{
		{View: "x86_64", One: "zlib-ng 2.3.1-1", Other: "zlib 1.3.1-2", Replaces: true}, {View: "x86_64", One: "aalib 1.4rc5-19", Other: "aview 1.3.0-7"},
	}, 2
	v.CanChange = true
	v.Checks = []views.ReleaseCheck{{Pkgbase: "curl", Words: "dependencies (2), files (31)"}, {Pkgbase: "openssl", Words: "sonames (2), size (1)"}}
	v.Waivers = []views.WaiverLine{
		{ID: 1, By: "anna", Words: "holds nginx", Reason: "crashes at start with the new library; upstream knows", At: ago(2 * time.Hour)},
		{ID: 2, By: "bert", Words: "releases aalib and cacalib only together", Reason: "tested so", At: ago(20 * time.Minute)},
	}
	versions := map[string]string{"zlib-ng": "2.3.1-1", "aalib": "1.4rc5-19", "cacalib": "1.1-7"}
	for _, pkgbase := range result.Goes {
		v.Goes = append(v.Goes, views.ReleaseUnit{Pkgbase: pkgbase, Version: versions[pkgbase], Pkgnames: []string{pkgbase}})
	}
	return v
}

// releaseOfAll has nothing that is held.
func releaseOfAll() views.ReleasePage {
	v := views.ReleasePage{Buildspace: "openssl-4", Number: 3, Architectures: []string{"x86_64"}, Result: &release.Result{Proven: true, AtMost: 30}}
	for i := range 30 {
		name := madeUp(i)
		v.Result.Goes = append(v.Result.Goes, name)
		v.Goes = append(v.Goes, views.ReleaseUnit{Pkgbase: name, Version: "1.0-2", Pkgnames: []string{name}})
	}
	return v
}

// releaseOfNothing has a choice that was too large to be tried.
func releaseOfNothing() views.ReleasePage {
	return views.ReleasePage{
		Buildspace: "openssl-4", Number: 3, Architectures: []string{"x86_64"}, Target: "stable", NoBase: true,
		Refused: "what can go has changed since you looked: curl is held: its build failed. Nothing was released; look again",
		Result: &release.Result{AtMost: 1, Held: []release.Held{{
			Pkgbase: "openssl", Changeset: true, Kind: release.NotNewer, Package: "openssl 3.6-1", View: "x86_64", Dependency: "core has 3.6-1", Root: "openssl", RootKind: release.NotNewer,
		}}},
	}
}

func releaseLines() []views.ReleaseLine {
	at := func(hours int) views.Moment {
		return views.Moment{At: time.Now().Add(-time.Duration(hours) * time.Hour), Now: time.Now()}
	}
	return []views.ReleaseLine{
		{ID: 14, Buildspace: "openssl-4", Iteration: 3, Target: "stable", State: buildbtw.ReleaseReleased, Packages: 332, By: "anna", At: at(1)},
		{ID: 13, Buildspace: "openssl-4", Iteration: 3, Target: "stable", State: buildbtw.ReleaseWithdrawn, Packages: 12, By: "bertram", At: at(20)},
		{ID: 12, Buildspace: "openssl-4", Iteration: 3, Target: "testing", State: buildbtw.ReleaseFailed, Packages: 1, By: "anna", At: at(70)},
	}
}

// storedRelease is a release in one of its states.
func storedRelease(state buildbtw.ReleaseState) views.StoredRelease {
	r := views.StoredRelease{ReleaseLine: releaseLines()[0], ConfirmedBy: "bertram", Generation: 9, CanRelease: true, Digest: "0"}
	r.State = state
	switch state {
	case buildbtw.ReleaseFailed:
		r.Message = "the server's disk is full; free some space and release again. Nothing of it is shown."
	case buildbtw.ReleaseChecked:
		r.Message = "What can go has changed since it was confirmed: mpv is held: its build failed."
	case buildbtw.ReleaseSigning:
		r.Files, r.Signed = 12, 3
		r.Message = "Not signed yet: the signer refused: with 9 more it would be over 5 files in an hour (--max-per-hour); try again after 2026-12-01T12:30:00Z"
	case buildbtw.ReleaseReleased:
		r.Finished = r.At
	}
	for i := range 8 {
		r.Units = append(r.Units, buildbtw.ReleaseUnit{Pkgbase: madeUp(i), Goes: true, Version: "1.0-2", BuildID: int64(i + 1)})
	}
	r.Units = append(r.Units, buildbtw.ReleaseUnit{Pkgbase: "nginx", Reason: "nginx 1.0-1 in the repositories needs libssl.so=3-64, which would be gone, and was not rebuilt"})
	return r
}

func releaseThatAsks() views.StoredRelease {
	r := storedRelease(buildbtw.ReleaseReleased)
	r.Asks = "Withdrawing release 14 would break what works now: user 1-1 needs libssl.so=4-64, which nothing in x86_64 has; confirm it if that is wanted"
	return r
}

func targetLines() []views.TargetLine {
	since := releaseLines()[0].At
	return []views.TargetLine{
		{Name: "stable", Kind: buildbtw.TargetServed, Generation: 9, Packages: 4604, Since: since},
		{Name: "testing", Kind: buildbtw.TargetServed, After: "stable", Generation: 2, Packages: 12, Since: since},
		{Name: "mirror", Kind: buildbtw.TargetDirectory},
		{Name: "extra-testing", Kind: buildbtw.TargetPkgctl},
	}
}

// targetCheck is of a target in which something is broken.
func targetCheck() views.TargetCheck {
	return views.TargetCheck{
		Target: "stable",
		Broken: []release.Broken{
			{View: "x86_64", Package: "mpv 0.39.0-4", Base: "mpv", Dependency: "libplacebo.so=338-64"},
			{View: "x86_64", Package: "celluloid 0.27-2", Base: "celluloid"},
		},
		Conflicts: []release.Apart{
			{View: "x86_64", One: "exim 4.98-1", Other: "postfix 3.9.0-2"},
			{View: "x86_64", One: "pipewire-jack 1.2.6-1", Other: "jack2 1.9.22-1", Replaces: true},
		},
		AllConflicts: 2,
	}
}

func target() views.Target {
	line := func(number, packages int, state buildbtw.GenerationState, release, undoes int64) views.GenerationLine {
		return views.GenerationLine{
			Generation: buildbtw.Generation{Number: number, State: state, ReleaseID: release, Undoes: undoes, Packages: packages, CreatedBy: "anna"},
			At:         releaseLines()[1].At, Current: number == 9,
		}
	}
	return views.Target{
		TargetLine: targetLines()[0], Releases: releaseLines(),
		Pacman: views.Pacman{Conf: "[stable]\nSigLevel = Never\nServer = http://localhost:8080/repo/target/stable/os/$arch\n", Words: "pacman installs it as any other upgrade:", Command: "sudo pacman -Syu"},
		Generations: []views.GenerationLine{
			line(9, 4604, buildbtw.GenerationComplete, 14, 0), line(8, 4272, buildbtw.GenerationComplete, 11, 13),
			line(7, 4280, buildbtw.GenerationGone, 13, 0), line(1, 0, buildbtw.GenerationGone, 0, 0),
		},
		Architectures: []views.RepositoryArchitecture{{
			Architecture: "x86_64", URL: "/repo/target/stable/os/x86_64/", More: 4602,
			Files: []views.RepositoryFile{{Name: "a52dec-0.8.0-3-x86_64.pkg.tar.zst", Size: 61_000}, {Name: "aalib-1.4rc5-19-x86_64.pkg.tar.zst", Size: 80_000}},
		}},
	}
}

// movePage is the same for what testing has.
func movePage() views.ReleasePage {
	v := releasePage()
	v.Buildspace, v.Number, v.Architectures, v.Building, v.CanChange = "", 0, nil, 0, false
	v.From, v.Targets, v.RefusedBases = "testing", []string{"stable"}, refusedBases()
	v.Releases = []views.ReleaseLine{{ID: 15, From: "testing", Target: "stable", State: buildbtw.ReleaseReleased, Packages: 332, By: "anna", At: ago(time.Hour)}}
	return v
}

// refusedBases are a base repository that lost too much.
func refusedBases() []views.RefusedBase {
	return []views.RefusedBase{{
		Name: "extra", Architecture: "x86_64", Names: buildbtw.Names{"aalib", "abook", "zile"},
		Words: "it has lost 312 of 12,871 packages (aalib, abook, zile and 309 more), which is too many to be taken without a person's word",
	}}
}
