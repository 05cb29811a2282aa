// Package check compares the packages of a build with those that they would replace, and
// looks for what is wrong with them alone: values in, findings out.
package check

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"

	"buildbtw/pacman/alpm"
)

// Kind is what a check looks at.
type Kind string

// The kinds of checks.
const (
	Sonames      Kind = "sonames"      // libraries that are not there any more
	Dependencies Kind = "dependencies" // dependencies and provides that changed
	Files        Kind = "files"        // files that vanished
	Size         Kind = "size"         // a package that became much larger
	Setuid       Kind = "setuid"       // files that newly run with the rights of others
	Install      Kind = "install"      // an install script that changed or was added
	Links        Kind = "links"        // libraries that programs link with and nothing has
	Owners       Kind = "owners"       // files that a package of another name has, too
	Empty        Kind = "empty"        // a package without files
	Reproducible Kind = "reproducible" // a second build that made other packages; not one of All
	Debug        Kind = "debug"        // programs whose debugging symbols are not in the debug package
	Namcap       Kind = "namcap"       // errors and warnings of namcap
)

// Kinds lists the kinds in the order in which they are shown.
func Kinds() []Kind {
	return []Kind{Sonames, Dependencies, Files, Size, Setuid, Install, Links, Owners, Empty, Debug, Namcap, Reproducible}
}

// Words returns what a check found, as a heading.
func (k Kind) Words() string {
	switch k {
	case Sonames:
		return "Libraries that left"
	case Dependencies:
		return "Dependencies and provides that changed"
	case Files:
		return "Files that vanished"
	case Size:
		return "Much larger than before"
	case Setuid:
		return "New files with setuid or setgid"
	case Install:
		return "Install script changed or added"
	case Links:
		return "Libraries that nothing has"
	case Owners:
		return "Files of other packages"
	case Empty:
		return "Packages without files"
	case Namcap:
		return "Errors and warnings of namcap"
	case Reproducible:
		return "Other packages from a second build"
	}
	return "Programs without debugging symbols in the debug package"
}

// Outcome is how a check ended.
type Outcome string

// The outcomes, by rank.
const (
	OK      Outcome = "ok"
	Unknown Outcome = "unknown" // what is needed to tell is not known
	Found   Outcome = "found"
)

// Package is a package as checks see it.
type Package struct {
	Name, Version     string
	Depends, Provides []string
	Conflicts         []string
	Size              int64    // installed, in bytes; 0: not known
	Files             []string // directories end in a slash; nil when not known
	alpm.Interface             // Unknown is not empty when it is not known
}

// Build is the packages that a build made, and what they are compared with.
type Build struct {
	Packages []Package
	Debug    *Package           // the debug package; nil when there is none
	Before   map[string]Package // by pkgname: what the view has

	// Libraries are the sonames that packages of the view and of the build's iteration
	// have. When not those of all packages are known, AllLibraries is false.
	Libraries    map[string]bool
	AllLibraries bool
	// Owned are, by pkgname, files of the build that packages of the view have under another
	// name, each with the owner: "usr/bin/a of b 1-1". Nil when not known.
	Owned map[string][]string
	// Namcap is what namcap wrote about the packages, a line each: "foo E: …". Nil when it
	// was not run.
	Namcap []string
}

// Predecessor is the package of a name that users had when a build was looked at.
type Predecessor struct {
	Version string `json:"version,omitempty"` // empty: they had none
	Digest  string `json:"digest,omitempty"`  // of its file, where that is known
	Target  string `json:"target,omitempty"`  // that it comes from; empty: from the base repositories
	Now     string `json:"now,omitempty"`     // digest of the file of the build's own package
}

// Same reports whether users that have another package now would be told the same: it is that of
// before, or it is the build's own.
func (p Predecessor) Same(now Predecessor) bool {
	return p.Version == now.Version && p.Digest == now.Digest || now.Digest != "" && now.Digest == p.Now
}

// Predecessors are the packages that those of a build would take the place of, by pkgname: with an
// empty one for each name that users did not have.
type Predecessors map[string]Predecessor

// Versions returns the packages as "foo 1-1", sorted, without those that users did not have.
func (p Predecessors) Versions() []string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(p)) {
		if v := p[name].Version; v != "" {
			list = append(list, name+" "+v)
		}
	}
	return list
}

// Finding is the result of a check.
type Finding struct {
	Kind    Kind
	Outcome Outcome
	Lines   []string // what was found, or cannot be told; at most maxLines
	Target  string   // whose users it concerns, where that is not clear; empty else
}

// Without returns the finding without the lines that others of its kind have.
func (f Finding) Without(others []Finding) Finding {
	f.Lines = slices.DeleteFunc(slices.Clone(f.Lines), func(line string) bool {
		return slices.ContainsFunc(others, func(o Finding) bool { return o.Kind == f.Kind && slices.Contains(o.Lines, line) })
	})
	return f
}

// Bounds of a finding.
const (
	maxLines = 100
	maxLine  = 300 // bytes
)

// All runs all checks but Reproducible, which takes a build, in the order of Kinds.
func All(b Build) []Finding {
	run := map[Kind]func(*Build, *Package, *Package, *finding){
		Sonames: sonames, Dependencies: dependencies, Files: files, Size: size, Setuid: setuid,
		Install: install, Links: links, Owners: owners, Empty: empty, Debug: debug,
	}
	list := make([]Finding, 0, len(Kinds()))
	for _, kind := range Kinds() {
		if kind == Reproducible {
			continue
		}
		f := finding{Finding: Finding{Kind: kind, Outcome: OK}}
		if len(b.Packages) == 0 {
			f.Outcome, f.Lines = Unknown, []string{"its packages are not there any more"}
		} else if kind == Namcap {
			f.namcap(b)
			list = append(list, f.done())
			continue
		}
		for i := range b.Packages {
			p := &b.Packages[i]
			f.pkgname = p.Name
			var before *Package
			if old, ok := b.Before[p.Name]; ok {
				if alpm.Vercmp(old.Version, p.Version) > 0 {
					f.unknown("the view has " + old.Version + ", which is newer")
					continue
				}
				before = &old
			}
			run[kind](&b, p, before, &f)
		}
		list = append(list, f.done())
	}
	return list
}

// finding is one that is being made.
type finding struct {
	Finding
	pkgname string
	more    int
}

func (f *finding) line(text string) {
	if len(f.Lines) == maxLines-1 {
		f.more++
		return
	}
	text = f.pkgname + ": " + text
	if len(text) > maxLine {
		text = strings.ToValidUTF8(text[:maxLine], "") + "…"
	}
	f.Lines = append(f.Lines, text)
}

func (f *finding) found(text string) {
	if f.Outcome != Found { // what is not known counts less than what is found
		f.Outcome, f.Lines, f.more = Found, nil, 0
	}
	f.line(text)
}

func (f *finding) unknown(text string) {
	if f.Outcome != Found {
		f.Outcome = Unknown
		f.line(text)
	}
}

func (f *finding) done() Finding {
	if f.more > 0 {
		f.Lines = append(f.Lines, fmt.Sprintf("and %d more", f.more))
	}
	return f.Finding
}

func sonames(b *Build, p, before *Package, f *finding) {
	switch {
	case before == nil || len(before.Sonames) == 0 && before.Unknown == "":
	case before.Unknown != "" || p.Unknown != "":
		f.unknown("which libraries it has or had is not known")
	default:
		for _, soname := range without(before.Sonames, p.Sonames) {
			if !slices.ContainsFunc(b.Packages, func(o Package) bool { return slices.Contains(o.Sonames, soname) }) {
				f.found(soname)
			}
		}
	}
}

func dependencies(_ *Build, p, before *Package, f *finding) {
	if before == nil {
		return
	}
	compare := func(what string, old, now []string) {
		for _, d := range without(old, now) {
			if !slices.Contains(p.plain(now), before.plain([]string{d})[0]) {
				f.found(what + " no more " + d)
			}
		}
		for _, d := range without(now, old) {
			if !slices.Contains(before.plain(old), p.plain([]string{d})[0]) {
				f.found(what + " newly " + d)
			}
		}
	}
	compare("depends", before.Depends, p.Depends)
	compare("provides", before.Provides, p.Provides)
}

// plain replaces the package's own version in dependencies and provides, which follows it by
// itself.
func (p *Package) plain(list []string) []string {
	full := p.Version
	_, bare, epoch := strings.Cut(full, ":")
	if !epoch {
		bare = full
	}
	out := make([]string, len(list))
	for i, text := range list {
		out[i] = text
		at := strings.LastIndexAny(text, "<>=")
		if at < 0 {
			continue
		}
		switch version := text[at+1:]; version {
		case full, bare:
			out[i] = text[:at+1] + "<version>"
		case upstream(full), upstream(bare):
			out[i] = text[:at+1] + "<pkgver>"
		}
	}
	return out
}

func upstream(version string) string {
	version, _, _ = strings.Cut(version, "-")
	return version
}

func files(b *Build, p, before *Package, f *finding) {
	if before == nil {
		return
	}
	if before.Files == nil || p.Files == nil {
		f.unknown("which files it has or had is not known")
		return
	}
	now := map[string]bool{}
	for _, o := range b.Packages {
		for _, file := range o.Files {
			now[file] = true
		}
	}
	for _, file := range before.Files {
		if !strings.HasSuffix(file, "/") && !now[file] {
			f.found(file)
		}
	}
}

// A package is much larger when it grew by a fifth and a mebibyte.
const muchLarger = 1 << 20

func size(_ *Build, p, before *Package, f *finding) {
	switch {
	case before == nil:
	case before.Size == 0 || p.Size == 0:
		f.unknown("its size is not known")
	case p.Size-before.Size > muchLarger && p.Size-before.Size > before.Size/5:
		f.found(humanize.IBytes(uint64(before.Size)) + " before, now " + humanize.IBytes(uint64(p.Size)))
	}
}

func setuid(_ *Build, p, before *Package, f *finding) {
	switch {
	case p.Content == nil:
		f.unknown("the modes of its files are not known")
	case before == nil:
		for _, file := range p.Content.Privileged {
			f.found(file)
		}
	case before.Content == nil:
		for _, file := range p.Content.Privileged {
			f.unknown(file + ", before not known")
		}
	default:
		for _, file := range without(p.Content.Privileged, before.Content.Privileged) {
			f.found(file)
		}
	}
}

func install(_ *Build, p, before *Package, f *finding) {
	switch {
	case p.Content == nil:
		f.unknown("whether it has an install script is not known")
	case p.Content.Install == "" || before == nil:
	case before.Content == nil:
		f.unknown("it has an install script, before not known")
	case before.Content.Install == "":
		f.found("it has an install script now")
	case before.Content.Install != p.Content.Install:
		f.found("the install script changed")
	}
}

func links(b *Build, p, _ *Package, f *finding) {
	if p.Unknown != "" {
		f.unknown("what its programs link with is not known")
		return
	}
	for _, soname := range p.Links {
		if _, ok := alpm.ParseSoname(soname); !ok || b.Libraries[soname] {
			continue
		}
		if b.AllLibraries {
			f.found(soname)
		} else {
			f.unknown(soname + " is not known to be anywhere")
		}
	}
}

func owners(b *Build, p, _ *Package, f *finding) {
	if b.Owned == nil {
		f.unknown("which files others have is not known")
		return
	}
	for _, line := range b.Owned[p.Name] {
		f.found(line)
	}
}

// empty finds packages without files. Those that only depend on others are meant to have
// none, unless there were some before.
func empty(_ *Build, p, before *Package, f *finding) {
	hasFiles := func(o *Package) bool {
		return slices.ContainsFunc(o.Files, func(file string) bool { return !strings.HasSuffix(file, "/") })
	}
	switch {
	case p.Files == nil:
		f.unknown("which files it has is not known")
	case hasFiles(p):
	case before != nil && hasFiles(before):
		f.found("it had files before")
	case len(p.Depends) == 0:
		f.found("it has neither files nor dependencies")
	}
}

// debug compares build IDs with the links in the debug package by which debuggers find
// the symbols.
func debug(b *Build, p, _ *Package, f *finding) {
	if b.Debug == nil {
		return
	}
	if p.Content == nil || b.Debug.Files == nil {
		f.unknown("its build IDs, or the files of the debug package, are not known")
		return
	}
	there := map[string]bool{}
	for _, file := range b.Debug.Files {
		if id, ok := strings.CutPrefix(file, "usr/lib/debug/.build-id/"); ok {
			there[strings.ReplaceAll(strings.TrimSuffix(id, ".debug"), "/", "")] = true
		}
	}
	for _, line := range p.Content.BuildIDs {
		if id, file, _ := strings.Cut(line, " "); !there[id] {
			f.found(file)
		}
	}
}

// namcap finds the lines of namcap, each of which begins with the name of its package. Where it was
// not run that is all there is to say, once.
func (f *finding) namcap(b Build) {
	if b.Namcap == nil {
		f.Outcome, f.Lines = Unknown, []string{"namcap is not on the machine that built it, so it was not run"}
		return
	}
	for _, line := range b.Namcap {
		name, text, _ := strings.Cut(line, " ")
		if slices.ContainsFunc(b.Packages, func(p Package) bool { return p.Name == name }) {
			f.pkgname = name
			f.found(text)
		}
	}
}

// without returns what is in a list and not in another, sorted.
func without(list, other []string) []string {
	in := map[string]bool{}
	for _, s := range list {
		in[s] = true
	}
	for _, s := range other {
		delete(in, s)
	}
	return slices.Sorted(maps.Keys(in))
}
