package alpm

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// maxDirectories is how many versioned directories one package may have. Erlang
// and boost have about a hundred.
const maxDirectories = 4096

// Directories collects the versioned directories of a package from the names of
// its files: those whose name has a version, as /usr/lib/python3.13/,
// /usr/lib/ruby/gems/3.3.0/ or /usr/lib/modules/6.9.7-arch1-1/. Only an interpreter (a
// kernel, a compiler, a program with plugins) of that version finds the files in one,
// whether the package depends on it by name or not.
//
// Some interpreters look for modules that were built for one version in a
// directory without any (R, OCaml, PHP, Node's addons, Erlang). For those the
// package that has the interpreter's program is told apart from the ones that
// have modules: see List.
//
// The zero value is empty.
type Directories struct {
	found map[string]bool
	last  string // most names follow one of the same directory
}

// Add adds the directories of a file or directory, by its name in the package.
func (d *Directories) Add(name string) {
	if d.last != "" && strings.HasPrefix(name, d.last) {
		return
	}
	if dir, sure := versionedDirectory(name); dir != "" {
		if sure {
			d.last = dir
		}
		if sure || dir != name { // an entry of perl5/ alone tells nothing
			d.add(dir)
		}
		return
	}
	for _, m := range unversionedModules() {
		switch {
		case name == m.program:
			d.add(m.directory + "@")
		case strings.HasPrefix(name, m.directory) && strings.HasSuffix(name, m.suffix) && !strings.HasSuffix(name, "/"):
			d.add(m.directory)
		}
	}
}

func (d *Directories) add(dir string) {
	if d.found == nil {
		d.found = map[string]bool{}
	}
	if len(d.found) <= maxDirectories {
		d.found[dir] = true
	}
}

// Names returns the directories as they were found, sorted: in the place of an
// interpreter's version stands nothing, which List fills in. The error is
// ErrLimit when there are too many.
func (d *Directories) Names() ([]string, error) {
	if len(d.found) == 0 {
		return nil, nil
	}
	if len(d.found) > maxDirectories {
		return nil, fmt.Errorf("%w: more than %d versioned directories", ErrLimit, maxDirectories)
	}
	names := make([]string, 0, len(d.found))
	for name := range d.found {
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}

// DirectoriesOf returns the Interface.Directories of a package of this version, by the
// names from Directories.Names: usr/lib/R/library/@4.4 for
// the package that has R itself, since its modules go with that version.
func DirectoriesOf(names []string, version string) []string {
	if !slices.ContainsFunc(names, func(n string) bool { return strings.HasSuffix(n, "@") }) {
		return names
	}
	list := slices.Clone(names)
	for i, name := range list {
		for _, m := range unversionedModules() {
			if name == m.directory+"@" {
				list[i] += leading(upstream(version), m.parts)
			}
		}
	}
	slices.Sort(list)
	return list
}

// modules are an interpreter's modules in a directory without a version.
type modules struct {
	program   string // the interpreter
	directory string
	suffix    string // of the files that depend on the version
	parts     int    // how much of the version they depend on
}

func unversionedModules() []modules {
	return []modules{
		{"usr/bin/R", "usr/lib/R/library/", "", 2},
		{"usr/bin/ocamlc", "usr/lib/ocaml/", "", 3},
		{"usr/bin/php", "usr/lib/php/modules/", ".so", 2},
		{"usr/bin/php-legacy", "usr/lib/php-legacy/modules/", ".so", 2},
		{"usr/bin/node", "usr/lib/node_modules/", ".node", 1},
		{"usr/bin/erl", "usr/lib/erlang/lib/", "", 1},
	}
}

// upstream returns a version without epoch and pkgrel.
func upstream(version string) string {
	if _, rest, found := strings.Cut(version, ":"); found {
		version = rest
	}
	version, _, _ = strings.Cut(version, "-")
	return version
}

// leading returns so many parts of a version.
func leading(version string, parts int) string {
	list := strings.Split(version, ".")
	return strings.Join(list[:min(parts, len(list))], ".")
}

// maxDepth is how far below usr/lib a versioned directory lies at most:
// usr/lib/ruby/gems/3.3.0. Deeper ones belong to a module.
const maxDepth = 3

// versionedDirectory returns the directory with a version in which a file lies,
// with a final slash; empty when there is none. Of nested ones it is the first
// whose name has a version with a dot or is nothing but a version: perl5 and
// qt6 are names rather than versions, so that perl5/5.40 is preferred to perl5.
// It is sure when the name is of that kind.
func versionedDirectory(name string) (dir string, sure bool) {
	root := moduleRoot(name)
	if root == "" {
		return "", false
	}
	at, weak := len(root), ""
	for depth := 0; depth < maxDepth; {
		part, _, isDirectory := strings.Cut(name[at:], "/")
		if !isDirectory {
			break
		}
		at += len(part) + 1
		if isTriplet(part) {
			continue
		}
		if depth == 0 && !hasModules(root, part) {
			return "", false
		}
		depth++
		switch {
		case isVersion(part):
			return name[:at], true
		case weak == "" && strings.ContainsAny(part, "0123456789"):
			weak = name[:at]
		}
	}
	return weak, false
}

// moduleRoot returns the directory, with a final slash, in which modules of
// interpreters lie.
func moduleRoot(name string) string {
	for _, root := range []string{"usr/lib/", "usr/share/", "usr/lib32/", "usr/lib64/"} {
		if strings.HasPrefix(name, root) {
			return root
		}
	}
	return ""
}

// InLibraryDirectory reports whether a file of a package lies where the dynamic linker
// looks for libraries by default, not in a directory below.
func InLibraryDirectory(name string) bool {
	switch path.Dir(name) {
	case "usr/lib", "usr/lib32", "usr/lib64", "lib", "lib64":
		return true
	}
	return false
}

// hasModules reports whether directories with versions in a directory of usr/lib
// or usr/share may have modules of an interpreter. In usr/share most have
// documentation, pictures or data.
func hasModules(root, part string) bool {
	name := strings.TrimRight(part, "0123456789.-")
	if root == "usr/share/" {
		switch name {
		case "python", "perl", "ruby", "lua", "luajit", "php", "guile", "tcl", "tk", "julia", "octave", "emacs", "vim", "ocaml", "chez", "racket", "gauche":
			return true
		}
		return false
	}
	switch name {
	case "debug", "cmake", "pkgconfig", "firmware", "systemd", "udev", "sysusers.d", "tmpfiles.d":
		return false
	}
	return true
}

// isTriplet reports whether a directory is named by a machine, as
// usr/lib/x86_64-linux-gnu: its digits are no version.
func isTriplet(part string) bool {
	return strings.Contains(part, "-linux-") || strings.HasSuffix(part, "-linux") || strings.Contains(part, "-w64-")
}

// isVersion reports whether a name begins with a digit, or has digits on both
// sides of a dot.
func isVersion(part string) bool {
	if digit(part[0:min(1, len(part))]) {
		return true
	}
	for i := 1; i+1 < len(part); i++ {
		if part[i] == '.' && digit(part[i-1:i]) && digit(part[i+1:i+2]) {
			return true
		}
	}
	return false
}

func digit(s string) bool { return s != "" && s[0] >= '0' && s[0] <= '9' }

// NameFamily returns a name with its version replaced by #, so that names that differ only
// in the version have the same family: directories of two versions of an interpreter, two
// sonames of a library. For usr/lib/python3.13/ it is usr/lib/python#/.
func NameFamily(name string) string {
	if before, _, versioned := strings.Cut(name, "@"); versioned {
		return before + "@#"
	}
	if soname, version, ok := strings.Cut(name, ":"); ok {
		return soname + ":" + withoutVersion(version)
	}
	if library, version, ok := strings.Cut(name, "="); ok {
		version, bits := cutBits(version)
		if version == library {
			return name
		}
		return library + "=#-" + bits
	}
	parts := strings.Split(strings.TrimSuffix(name, "/"), "/")
	if len(parts) > 1 && parts[1] == "lib64" {
		parts[1] = "lib"
	}
	for i, part := range parts {
		if i > 1 && !isTriplet(part) {
			parts[i] = withoutVersion(part)
		}
	}
	return path.Join(parts...) + "/"
}

// withoutVersion puts # in the place of a version.
func withoutVersion(part string) string {
	if digit(part) {
		return "#"
	}
	var b strings.Builder
	for i := 0; i < len(part); i++ {
		if !digit(part[i : i+1]) {
			b.WriteByte(part[i])
			continue
		}
		for i+1 < len(part) && (digit(part[i+1:i+2]) || part[i+1] == '.' && i+2 < len(part) && digit(part[i+2:i+3])) {
			i++
		}
		b.WriteByte('#')
	}
	return b.String()
}
