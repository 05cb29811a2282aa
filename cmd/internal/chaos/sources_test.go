package chaos

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"buildbtw/pacman/alpm"
)

// root is the source whose change makes everything else be built.
const root = "p000"

// source is a synthetic source, built by the fake runner.
type source struct {
	slug             string
	pkgnames         []string // the first is the slug
	anyArch          bool
	shares           bool // it makes a package called shared, as others do
	depends, makedep []string
	sleep, size      int // milliseconds of work, and bytes in each package
}

// drawSources gives n sources of which each but the first needs at least one
// that stands before it. Like in a distribution a few are needed by very many,
// one in ten is split into several packages, and sizes differ by a thousand.
func drawSources(r *rand.Rand, n int) []source {
	all := make([]source, 0, n)
	for i := range n {
		s := source{slug: fmt.Sprintf("p%03d", i), anyArch: r.IntN(7) == 0, sleep: 300 + r.IntN(3000)}
		s.size = 1 << (8 + r.IntN(12))
		s.pkgnames = []string{s.slug}
		if r.IntN(10) == 0 {
			s.pkgnames = append(s.pkgnames, s.slug+"-docs", s.slug+"-libs")
			s.shares = true
		}
		if i > 0 {
			s.depends = earlier(r, all, 1+r.IntN(3))
			s.makedep = earlier(r, all, r.IntN(3))
		}
		all = append(all, s)
	}
	return all
}

// earlier draws up to n of the sources so far: half of them from the first
// tenth, which so becomes what everything needs.
func earlier(r *rand.Rand, all []source, n int) []string {
	var names []string
	for range n {
		i := r.IntN(len(all))
		if r.IntN(2) == 0 {
			i = r.IntN(1 + len(all)/10)
		}
		s := all[i]
		names = append(names, s.pkgnames[r.IntN(len(s.pkgnames))])
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (s source) arch() string {
	if s.anyArch {
		return "any"
	}
	return "x86_64"
}

func (s source) srcinfo() string {
	var b strings.Builder
	fmt.Fprintf(&b, "pkgbase = %s\n\tpkgver = 1\n\tpkgrel = 1\n\tarch = %s\n", s.slug, s.arch())
	for _, d := range s.makedep {
		fmt.Fprintf(&b, "\tmakedepends = %s\n", d)
	}
	for _, d := range s.depends {
		fmt.Fprintf(&b, "\tdepends = %s\n", d)
	}
	for _, name := range s.pkgnames {
		fmt.Fprintf(&b, "\npkgname = %s\n", name)
	}
	if s.shares {
		b.WriteString("\npkgname = shared\n")
	}
	return b.String()
}

// packages are the file names that the source gives.
func (s source) packages() []string {
	var names []string
	for _, name := range s.pkgnames {
		names = append(names, alpm.Filename(name, "1-1", s.arch(), "zst"))
	}
	return names
}

// writeSources makes a git repository of each source.
func writeSources(dir string, all []source) error {
	for _, s := range all {
		_, err := writeRepository(filepath.Join(dir, s.slug+".git"), []gitFile{
			{".SRCINFO", s.srcinfo()},
			{".fake", fmt.Sprintf("sleep=%dms\nsize=%d\nlog-lines=%d\n", s.sleep, s.size, s.sleep/10)},
			{"PKGBUILD", "pkgname=" + s.slug + "\n"},
		})
		if err != nil {
			return fmt.Errorf("write source %s: %w", s.slug, err)
		}
	}
	return nil
}

// writeFiles writes files with their directories.
func writeFiles(dir string, files map[string]string) error {
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
