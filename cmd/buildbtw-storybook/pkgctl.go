package main

import (
	"buildbtw"
	"buildbtw/views"
)

// waitingRelease is a release that a packager is to hand over.
func waitingRelease() views.StoredRelease {
	r := storedRelease(buildbtw.ReleaseWaiting)
	r.Target, r.Host, r.Generation, r.Files, r.InRepos = "extra-testing", "repos.example.org", 0, 9, 3
	r.Message = "3 of 9 packages are in the repositories. Missing: " + buildbtw.Names{"mpv-1.0-2-x86_64.pkg.tar.zst", "curl-1.0-2-x86_64.pkg.tar.zst"}.Summary() + "."
	for i := range 9 {
		name := madeUp(i)
		r.Staged = append(r.Staged, buildbtw.ReleaseFile{Name: name + "-1.0-2-x86_64.pkg.tar.zst", Pkgbase: name, Pkgname: name, Repository: "extra-testing"})
	}
	return r
}

// distributionTarget is a target whose packages go to a distribution with dbscripts.
func distributionTarget() views.Target {
	waiting := views.ReleaseLine{ID: 15, Buildspace: "openssl-3.6", Iteration: 4, Target: "extra-testing", State: buildbtw.ReleaseWaiting, Packages: 9, By: "anna", At: releaseLines()[0].At}
	return views.Target{
		TargetLine: views.TargetLine{Name: "extra-testing", Kind: buildbtw.TargetPkgctl}, Host: "repos.example.org",
		Where:    "Packages go into the repository with -testing behind the name of the one that has them. New ones are not taken.",
		Releases: []views.ReleaseLine{waiting},
	}
}
