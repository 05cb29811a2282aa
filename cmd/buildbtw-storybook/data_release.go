package main

import (
	"time"

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
		IDs: map[string]int64{"openssl": 1, "curl": 2, "mpv": 3, "zlib-ng": 4, "aalib": 5, "cacalib": 6, "tool": 7},
	}
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
	return views.ReleasePage{Buildspace: "openssl-4", Number: 3, Architectures: []string{"x86_64"}, Result: &release.Result{
		AtMost: 1, Held: []release.Held{{Pkgbase: "openssl", Changeset: true, Kind: release.NotNewer, Package: "openssl 3.6-1", View: "x86_64", Dependency: "core has 3.6-1", Root: "openssl", RootKind: release.NotNewer}},
	}}
}
