package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"buildbtw/cmd/internal/cmdtest"
)

// source NAME VERSION [KEY=VALUE...] commits a package to the branch main of a
// source, making the source if it is new. Keys are those of .SRCINFO; fake.KEY
// says what the fake runner does; branch=NAME commits to another branch.
func (s *story) source(_ *testscript.TestScript, args []string) error {
	if len(args) < 2 {
		return errors.New("usage: source NAME VERSION [KEY=VALUE...]")
	}
	p := parsePackage(args[0], args[1], args[2:])
	return cmdtest.Commit(filepath.Join(s.dir, "sources", args[0]), p.branch, "version "+args[1],
		map[string]string{"PKGBUILD": "", ".SRCINFO": p.srcinfo, ".fake": p.fake})
}

// storyPackage is what one call of the command source commits.
type storyPackage struct{ branch, srcinfo, fake string }

func parsePackage(name, version string, pairs []string) storyPackage {
	p := storyPackage{branch: "main"}
	var base, sections strings.Builder
	fmt.Fprintf(&base, "pkgbase = %s\n\tpkgver = %s\n\tpkgrel = 1\n\tarch = x86_64\n", name, version)
	for _, pair := range pairs {
		key, value, _ := strings.Cut(pair, "=")
		switch wish, isFake := strings.CutPrefix(key, "fake."); {
		case isFake:
			p.fake += wish + "=" + value + "\n"
		case key == "branch":
			p.branch = value
		case key == "pkgname":
			fmt.Fprintf(&sections, "\npkgname = %s\n", value)
		default:
			fmt.Fprintf(&base, "\t%s = %s\n", key, value)
		}
	}
	if sections.Len() == 0 {
		fmt.Fprintf(&sections, "\npkgname = %s\n", name)
	}
	p.srcinfo = base.String() + sections.String()
	return p
}
