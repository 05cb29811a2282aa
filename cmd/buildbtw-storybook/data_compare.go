package main

import (
	"fmt"
	"strings"

	"buildbtw"
	"buildbtw/views"
)

func compareSide(id int64, status buildbtw.Status) views.CompareSide {
	return views.CompareSide{BuildID: id, Status: status, Version: "1.0-1", Commit: strings.Repeat("6d75864", 6)[:40], Seconds: 95, Size: 12 << 20}
}

// comparePage has lines in every list.
func comparePage() views.Compare {
	v := views.Compare{
		A: "openssl-3.6#3", B: "openssl-3.6#4", Asked: true, Buildspace: "openssl-3.6", Number: 4, Architectures: []string{"x86_64"},
		EdgesAdded: 3, EdgesRemoved: 1, Same: 6412, Unknown: 3,
		Missing: []string{"Sizes and dependencies are not compared: the repository of openssl-3.6#3 for x86_64 cannot be read any more."},
		Choice:  []views.CompareChoice{{Name: "openssl-3.6#4", Words: "made 2026-03-01 12:00"}, {Name: "base", Words: "the base repositories"}},
	}
	was, is := compareSide(3, buildbtw.StatusBuilt), compareSide(12, buildbtw.StatusFailed)
	newer := compareSide(13, buildbtw.StatusBuilt)
	newer.Version, newer.Commit, newer.Seconds, newer.Size = "2.0.0-1", strings.Repeat("48f7caf", 6)[:40], 310, 31<<20
	line := func(name string, a, b views.CompareSide, added ...string) views.CompareLine {
		d := views.CompareLine{Name: name, Architecture: "x86_64", A: a, B: b}
		for _, s := range added {
			if gone, removed := strings.CutPrefix(s, "-"); removed {
				d.Removed = append(d.Removed, gone)
			} else {
				d.Added = append(d.Added, s)
			}
		}
		return d
	}
	blocked, failed := compareSide(14, buildbtw.StatusBlocked), compareSide(15, buildbtw.StatusFailed)
	lists := map[buildbtw.CompareList][]views.CompareLine{
		buildbtw.CompareNewlyFailing: {line("nodejs", was, is), line("python-cryptography", was, is)},
		buildbtw.CompareStillFailing: {line("dovecot", failed, is)},
		buildbtw.CompareFixed:        {line("curl", failed, newer)},
		buildbtw.CompareNewlyBlocked: {line("electron37", was, blocked)},
		buildbtw.CompareAdded:        {line("openssl-fips", views.CompareSide{}, newer)},
		buildbtw.CompareRemoved:      {line("openssl-1.1", was, views.CompareSide{})},
		buildbtw.CompareOtherCommit:  {line("openssl", was, newer)},
		buildbtw.CompareSlower:       {line("openssl", was, newer)},
		buildbtw.CompareVersions:     {line("openssl", was, newer), line("a-package-with-a-name-that-is-much-longer-than-others", was, newer)},
		buildbtw.CompareSonames:      {line("openssl", was, newer, "libcrypto.so=4-64", "libssl.so=4-64", "-libcrypto.so=3-64", "-libssl.so=3-64")},
		buildbtw.CompareNeeded:       {line("curl", was, newer, "libssl.so=4-64", "-libssl.so=3-64")},
		buildbtw.CompareProvides:     {line("openssl", was, newer, "openssl-engine=4")},
		buildbtw.CompareDepends:      {line("curl", was, newer, "libngtcp2", "-krb5")},
		buildbtw.CompareSizes:        {line("openssl", was, newer)},
	}
	for _, l := range buildbtw.CompareLists() {
		v.Lists = append(v.Lists, views.CompareList{List: l, Total: len(lists[l]), Lines: lists[l]})
	}
	v.Lists[0].Total = 342
	return v
}

// compareListPage is the second page of one list.
func compareListPage() views.Compare {
	v := comparePage()
	for i := range v.Lists {
		v.Lists[i].Lines = nil
	}
	l := &v.Lists[0]
	l.Shown, l.Start = true, 100
	for i := range 100 {
		l.Lines = append(l.Lines, views.CompareLine{
			Name: fmt.Sprintf("python-module-%d", i), Architecture: "x86_64", A: compareSide(3, buildbtw.StatusBuilt), B: compareSide(12, buildbtw.StatusFailed),
		})
	}
	return v
}

func compareFilesPage() views.CompareFiles {
	return views.CompareFiles{A: "base", B: "openssl-3.6#4", MoreAdded: 312, Line: views.CompareLine{
		Name: "openssl", Architecture: "x86_64", A: views.CompareSide{Status: buildbtw.StatusBuilt, Version: "3.6.0-1"}, B: compareSide(13, buildbtw.StatusBuilt),
		Added: []string{"usr/lib/libcrypto.so.4", "usr/lib/libssl.so.4"}, Removed: []string{"usr/lib/libcrypto.so.3", "usr/lib/libssl.so.3"},
	}}
}
