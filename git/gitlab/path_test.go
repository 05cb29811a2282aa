package gitlab_test

import (
	"bytes"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"buildbtw/git/gitlab"
)

func TestPathOf(t *testing.T) {
	for name, want := range map[string]string{
		"zlib": "zlib", "gtk+": "gtkplus", "libsigc++-3.0": "libsigcplusplus-3.0", "dvd+rw-tools": "dvd-rw-tools",
		"memtest86+": "memtest86plus", "lib32-gtk+2": "lib32-gtkplus2", "a_-b": "a-b", "tree": "unix-tree", "x++y": "xplusplusy",
		"foo@bar": "foo-bar", "tree-sitter": "tree-sitter", "a+b": "a-b", "a+b+c": "a-bplusc", "g++": "gplusplus", "python-_x": "python-x",
		"Ümlaut": "-mlaut", "": "",
	} {
		if got := gitlab.PathOf(name); got != want {
			t.Errorf("PathOf(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestNamesLeadBack(t *testing.T) {
	names := gitlab.NewNames([]string{"gtk+", "tree", "a+b", "a-b", "zlib", "zlib"})
	for path, want := range map[string][]string{
		"gtkplus": {"gtk+"}, "unix-tree": {"tree"}, "a-b": {"a+b", "a-b"}, "zlib": {"zlib"}, "tree": nil, "gtk+": nil,
	} {
		if got := names.Of(path); !slices.Equal(got, want) {
			t.Errorf("names of %q: %q, want %q", path, got, want)
		}
	}
}

// devtools are the rules as devtools have them, for sed.
const devtools = `s/([a-zA-Z0-9]+)\+([a-zA-Z]+)/\1-\2/g; s/\+/plus/g; s/[^a-zA-Z0-9_\-\.]/-/g; s/[_\-]{2,}/-/g; s/^tree$/unix-tree/g`

// TestPathsOfADistribution compares with what devtools make of every name in a
// distribution that is not plain (testdata/paths.txt: name and path), and leads
// back. Names that would be the same project are in no distribution.
func TestPathsOfADistribution(t *testing.T) {
	text, err := os.ReadFile("testdata/paths.txt")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	want := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, path, _ := strings.Cut(strings.TrimSpace(line), " ")
		names = append(names, name)
		want[name] = path
	}
	if len(names) < 100 {
		t.Fatalf("%d names", len(names))
	}
	back := gitlab.NewNames(names)
	for name, path := range want {
		if got := gitlab.PathOf(name); got != path || !slices.Equal(back.Of(path), []string{name}) {
			t.Errorf("%s is at %q, want %q, which leads back to %q", name, got, path, back.Of(path))
		}
	}
}

// TestPathsAgainstSed takes the whole data set, where it is there, and what sed
// makes of it.
func TestPathsAgainstSed(t *testing.T) {
	const dataSet = "../../../shared/data/artix-2026-08-22.srcinfo.tar.zst"
	if _, err := os.Stat(dataSet); err != nil {
		t.Skipf("needs the data set of a whole distribution: %v", err)
	}
	out, err := exec.CommandContext(t.Context(), "sh", "-c", `zstd -dc "$0" | tar -xO --wildcards '*.SRCINFO' | sed -nE 's/^[[:space:]]*pkgbase = ([^[:space:]]+).*/\1/p' | sort -u`, dataSet).Output()
	if err != nil {
		t.Skipf("cannot read the data set: %v", err)
	}
	sed := exec.CommandContext(t.Context(), "sed", "-E", devtools)
	sed.Stdin = bytes.NewReader(out)
	paths, err := sed.Output()
	if err != nil {
		t.Fatal(err)
	}
	names, want := strings.Fields(string(out)), strings.Fields(string(paths))
	if len(names) != len(want) || len(names) < 7000 {
		t.Fatalf("%d names, %d paths", len(names), len(want))
	}
	back := gitlab.NewNames(names)
	for i, name := range names {
		if got := gitlab.PathOf(name); got != want[i] || !slices.Contains(back.Of(got), name) {
			t.Errorf("%s is at %q, want %q", name, got, want[i])
		}
	}
}
