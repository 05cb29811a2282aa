package gitlab_test

import (
	"slices"
	"testing"

	"buildbtw/gitlab"
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
