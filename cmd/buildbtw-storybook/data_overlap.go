package main

import "buildbtw/views"

// overlaps has a buildspace that shares a changed library with one, many rebuilds with
// another, and what was not computed with a third.
func overlaps() views.Overlaps {
	o := views.Overlaps{Buildspace: "openssl-4", Number: 3, CanChange: true, With: []views.OverlapLine{{
		Buildspace: "curl-9", Number: 1, BothLose: true,
		Words: "Overlaps with curl-9 #1: both change curl; openssl-4 changes openssl, which curl-9 rebuilds; libssl.so=3-64 would be gone from the base.",
		Here:  "If curl-9 is released first, openssl-4 loses 332 of 332 sources that can go, and needs a new iteration: aria2, curl, git, mpv, nginx and 327 more.",
		There: "If openssl-4 is released first, curl-9 loses 2 of 40 sources that can go, and needs a new iteration: curl, git.",
		Shared: []views.SharedLine{
			{Pkgbase: "curl", Here: "changed", There: "changed"}, {Pkgbase: "openssl", Here: "changed", There: "rebuilt", Lost: "libcrypto.so=3-64, libssl.so=3-64"},
		},
	}}}
	many := views.OverlapLine{Buildspace: "python-3.15", Number: 2, Words: "Overlaps with python-3.15 #2: both rebuild aalib, bind, dovecot, git, nmap and 195 more.", More: 12}
	for i := range 188 {
		many.Shared = append(many.Shared, views.SharedLine{Pkgbase: madeUp(i), Here: "rebuilt", There: "rebuilt"})
	}
	o.With = append(o.With, many, views.OverlapLine{
		Buildspace: "gone", Number: 7, Words: "Overlaps with gone #7: both rebuild zlib-ng.", Unknown: "gone #7 has no builds, so that nothing can be released",
		Shared: []views.SharedLine{{Pkgbase: "zlib-ng", Here: "rebuilt", There: "rebuilt"}},
	})
	return o
}

// movedOnly has nothing in common with others, but others moved on.
func movedOnly() views.Overlaps {
	o := views.Overlaps{
		Buildspace: "mpv-wayland", Number: 1, CanChange: true, Behind: []string{"mpv/wayland lacks 3 commits that main has."},
		Outdated: []string{"ffmpeg 2:8.0-3, the base has 2:8.1-1"},
	}
	for i := range 30 {
		o.Stale = append(o.Stale, madeUp(i))
	}
	return o
}
