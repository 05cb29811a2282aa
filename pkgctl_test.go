package buildbtw_test

import (
	"strings"
	"testing"

	"buildbtw"
)

func TestWhichRepositoryReceivesAPackage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		target buildbtw.Pkgctl
		now    string // repositories that have it
		want   string // that receives it, or words of the error
	}{
		{buildbtw.Pkgctl{}, "extra", "extra"},
		{buildbtw.Pkgctl{}, "extra-testing extra", "extra"},
		{buildbtw.Pkgctl{Suffix: "-testing"}, "extra", "extra-testing"},
		{buildbtw.Pkgctl{Suffix: "-staging"}, "core-testing core", "core-staging"},
		{buildbtw.Pkgctl{Suffix: "-testing", New: "extra"}, "", "extra-testing"},
		{buildbtw.Pkgctl{New: "extra"}, "core", "core"},
		{buildbtw.Pkgctl{}, "", "does not say where new ones go"},
		{buildbtw.Pkgctl{}, "extra core-testing", "it is in core and extra"},
	} {
		got, err := c.target.Receives(strings.Fields(c.now))
		if got != c.want && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%+v, %s: %q (%v), want %q", c.target, c.now, got, err, c.want)
		}
	}
	for _, c := range []struct {
		repository, than string
		want             bool
	}{
		{"extra-testing", "extra", true},
		{"core-staging", "extra", true},
		{"core-staging", "core-testing", true},
		{"core-testing", "core-testing", false},
		{"core-testing", "core-staging", false},
		{"extra", "core", false},
	} {
		if got := buildbtw.Unstabler(c.repository, c.than); got != c.want {
			t.Errorf("%s before %s: %v", c.repository, c.than, got)
		}
	}
}

func TestWhoseAPackageIs(t *testing.T) {
	t.Parallel()
	anybody, ours := buildbtw.Pkgctl{}, buildbtw.Pkgctl{Packagers: []string{"example.org", "bob@example.net"}}
	for _, c := range []struct {
		target   buildbtw.Pkgctl
		packager string
		words    string // of the error; empty: none
	}{
		{anybody, "Eve", ""},
		{anybody, "", "not named"},
		{anybody, "Unknown Packager", "not named"},
		{ours, "Anna <anna@Example.org>", ""},
		{ours, "Bob <bob@example.net>", ""},
		{ours, "Bob <rob@example.net>", "none of this distribution's"},
		{ours, "Eve <eve@example.org.evil.example>", "none of this distribution's"},
		{ours, "Anna", "not of the form"},
	} {
		if err := c.target.CheckPackager(c.packager); (err == nil) != (c.words == "") || err != nil && !strings.Contains(err.Error(), c.words) {
			t.Errorf("%q: %v, want %q", c.packager, err, c.words)
		}
	}
}

func TestTagsAreThoseOfPkgctl(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]string{"1.0-1": "1.0-1", "1:2.0-1": "1-2.0-1", "1.0~rc1-1": "1.0.rc1-1"} {
		if got := buildbtw.GitTag(version); got != want {
			t.Errorf("%s: %s", version, got)
		}
	}
}

// What the function of devtools 1.5.0 makes of them.
func TestProjectsAreThoseOfPkgctl(t *testing.T) {
	t.Parallel()
	for pkgbase, want := range map[string]string{
		"curl": "curl", "libsigc++": "libsigcplusplus", "gtk4": "gtk4", "c++utilities": "cplusplusutilities", "dvd+rw-tools": "dvd-rw-tools",
		"memtest86+": "memtest86plus", "tree": "unix-tree", "texlive_core": "texlive_core", "a@b": "a-b", "a__b": "a-b", "gst-plugins": "gst-plugins",
	} {
		if got := buildbtw.ProjectPath(pkgbase); got != want {
			t.Errorf("%s: %s, want %s", pkgbase, got, want)
		}
	}
}
