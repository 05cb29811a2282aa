package main

import (
	"strings"
	"time"

	"buildbtw"
	"buildbtw/views"
)

// commit is a commit whose id repeats two digits.
func commit(digits string) views.CommitLine {
	id := strings.Repeat(digits, 20)
	return views.CommitLine{
		ID: id, Subject: "upgpkg: 3.6.0-1: new upstream release", Author: "Levente Polyak", At: ago(27 * time.Hour),
		URL: "https://gitlab.archlinux.org/archlinux/packaging/packages/openssl/-/commit/" + id,
	}
}

// hostileCommit is one whose author does not mean well.
func hostileCommit() views.CommitLine {
	return views.CommitLine{ID: strings.Repeat("66", 20), Subject: script + strings.Repeat(" and-a-word-without-an-end", 7), Author: strings.Repeat("Wolfeschlegelsteinhausenbergerdorff", 4), At: ago(time.Minute)}
}

func sourceCommits() views.SourceCommits {
	from := commit("7a")
	v := views.SourceCommits{
		Slug: "openssl", From: &from, To: commit("5d"), More: 1204, Behind: 2, ReverseURL: "/source/commits", DiffCut: true, MoreFiles: true,
		Commits: []views.CommitLine{commit("5d"), hostileCommit(), commit("9e"), {ID: strings.Repeat("ab", 20), Missing: true}},
		Files: []views.ChangedFile{
			{Path: ".SRCINFO", Status: "changed", Before: 1320, After: 1324},
			{Path: "ca-dir.patch", Status: "removed", Before: 904},
			{Path: "keys/pgp/" + strings.Repeat("EFC0A467D613CB83C7ED6D30D894E2CE8B3D79F5", 3) + ".asc", Status: "added", After: 30 << 10},
		},
	}
	for _, l := range []string{
		"@@ -3,9 +3,9 @@", " pkgname=openssl", " _ver=3.6.0", " # use a pacman compatible version scheme", "-pkgver=3.5.4", "+pkgver=${_ver/[a-z]/.${_ver//[0-9.]/}}", " pkgrel=1",
		"-pkgdesc='The Open Source toolkit for Secure Sockets Layer'", "+pkgdesc='The Open Source toolkit for <U+202E> Secure Sockets Layer " + strings.Repeat("and Transport Layer Security ", 8) + "'",
		"@@ -40,3 +40,4 @@ build() {", " \tmake depend", "+\tmake -j <script>alert(1)</script>", " \tmake",
	} {
		if strings.HasPrefix(l, "@@") {
			v.Diff = append(v.Diff, views.CodeLine{Kind: "@", Text: l})
		} else {
			v.Diff = append(v.Diff, views.CodeLine{Kind: l[:1], Text: l[1:]})
		}
	}
	return v
}

// sourceHistory is all commits of a source.
func sourceHistory() views.SourceCommits {
	return views.SourceCommits{Slug: "openssl", To: commit("5d"), More: 310, Commits: []views.CommitLine{commit("5d"), commit("9e"), commit("7a")}}
}

// noDiff is two commits of which there is little to show.
func noDiff() views.SourceCommits {
	from := views.CommitLine{ID: strings.Repeat("66", 20)}
	return views.SourceCommits{Slug: "openssl", From: &from, To: commit("5d"), NoDiff: "PKGBUILD has 2097152 bytes; at most 1048576 are compared"}
}

func pushes() views.Pushes {
	made := func(name string, number int, status buildbtw.IterationStatus, counts buildbtw.Counts) views.PushCause {
		return views.PushCause{Buildspace: name, Iteration: views.IterationSummary{Number: number, Status: status, Counts: counts}, LastIteration: number}
	}
	failed := made("openssl-3.6", 4, buildbtw.IterationStatusBuilding, buildbtw.Counts{buildbtw.StatusBuilt: 212, buildbtw.StatusFailed: 3, buildbtw.StatusPending: 31})
	failed.Later, failed.LastIteration = 3, 7
	line := func(source, ref string, c views.CommitLine, caused ...views.PushCause) views.PushLine {
		return views.PushLine{Source: source, Ref: ref, Commit: c, Caused: caused}
	}
	followed := line("curl", "openssl-3.6", *newer())
	followed.Followers = []string{"openssl-3.6", "curl-8", "tls", "http3", "quic", "nghttp3"}
	return views.Pushes{
		First: "/pushes/some", Next: "/pushes/some",
		Lines: []views.PushLine{
			followed,
			line("openssl", "main", commit("5d"), failed, made("python-3.14", 12, buildbtw.IterationStatusBuilt, buildbtw.Counts{buildbtw.StatusBuilt: 1})),
			line("evil", strings.Repeat("a-branch/", 12)+"x", hostileCommit(), made(strings.Repeat("long-name-", 12), 1, buildbtw.IterationStatusSuperseded, nil)),
			line("gone", "main", views.CommitLine{ID: strings.Repeat("ab", 20), Missing: true}),
		},
	}
}
