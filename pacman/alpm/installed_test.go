package alpm_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"buildbtw/pacman/alpm"
)

func TestInstalledPackagesOfABuildInfo(t *testing.T) {
	t.Parallel()
	text := "format = 2\npkgname = app\ninstalled = zlib-1:1.3.1-2-x86_64\ninstalled = libcalc-2.0.0-1.1-any\ninstalled = gtk+-2.0-1-x86_64\n" +
		"installed = ../x-1-1-any\ninstalled = nothing\ninstalled = \ninstalled = libcalc-1.9-1-any\n"
	got, err := alpm.ReadBuildInfo(strings.NewReader(text))
	want := []alpm.Installed{{"gtk+", "2.0-1"}, {"libcalc", "1.9-1"}, {"zlib", "1:1.3.1-2"}}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%v, %s", err, d)
	}
}

func TestInstalledPackagesAsPacmanPrintsThem(t *testing.T) {
	t.Parallel()
	for line, legal := range map[string]bool{
		"libcalc 2.0.0-1": true, "zlib 1:1.3.1-2": true, "libcalc": false, "": false, " 1-1": false, "libcalc 1": false,
		"libcalc  1-1": false, "libcalc 1-1 ": false, "-x 1-1": false, "a/b 1-1": false, "a 1-1\n": false, "a " + strings.Repeat("1", 300) + "-1": false,
	} {
		p, err := alpm.ParseInstalled(line)
		if (err == nil) != legal || legal && p.String() != line {
			t.Errorf("%q: %v, %v", line, p, err)
		}
	}
}

func TestWhatIsInstalledOverAnotherHidesIt(t *testing.T) {
	t.Parallel()
	got := alpm.MergeInstalled([]alpm.Installed{{"b", "1-1"}, {"a", "1-1"}}, []alpm.Installed{{"b", "2-1"}, {"c", "1-1"}})
	if d := cmp.Diff([]alpm.Installed{{"a", "1-1"}, {"b", "2-1"}, {"c", "1-1"}}, got); d != "" {
		t.Error(d)
	}
}
