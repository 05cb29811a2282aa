// Package pkgrel raises the pkgrel of a package source: it finds the next version and
// changes the one line of the PKGBUILD and of the .SRCINFO that says it.
package pkgrel

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"

	"buildbtw"
	"buildbtw/pacman/alpm"
)

// Next returns the lowest version with the pkgver of the given one that is higher than
// all those shown, and whether there is one: the version itself, or with a whole pkgrel
// above theirs. A higher pkgrel does not help where another pkgver or epoch is shown.
func Next(version string, shown []string) (next string, ok bool) {
	if above(version, shown) {
		return version, true
	}
	pkgver, pkgrel, found := strings.Cut(version, "-")
	if !found {
		return version, false
	}
	highest := whole(pkgrel)
	for _, s := range shown {
		if other, rel, _ := strings.Cut(s, "-"); alpm.Vercmp(other, pkgver) == 0 {
			highest = max(highest, whole(rel))
		}
	}
	if highest < 0 || highest >= maxPkgrel {
		return version, false
	}
	next = pkgver + "-" + strconv.Itoa(highest+1)
	if !above(next, shown) {
		return version, false
	}
	return next, true
}

// maxPkgrel is the largest pkgrel that is raised; the highest of a whole distribution has
// three digits.
const maxPkgrel = 1_000_000

// whole returns the part of a pkgrel before its point, -1 when that is no number:
// PKGBUILD(5) allows "3" and "3.1".
func whole(pkgrel string) int {
	text, _, _ := strings.Cut(pkgrel, ".")
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return -1
	}
	return n
}

func above(version string, shown []string) bool {
	for _, s := range shown {
		if alpm.Vercmp(version, s) <= 0 {
			return false
		}
	}
	return true
}

// Source is the text of a package source that says its version.
type Source struct {
	PKGBUILD, Srcinfo []byte

	// Repeated is set when the .SRCINFO has the pkgver and pkgrel in another place,
	// too, most often in a dependency of one package of a split package on another.
	// Srcinfo then says the old pkgrel there, and has to be made anew from the PKGBUILD.
	Repeated bool
}

var (
	// pkgrel is changed in all ways in which bash can: an assignment, an arithmetic
	// expression, a builtin that takes the name of a variable.
	changesPkgrel = regexp.MustCompile(`(?:^|[^A-Za-z0-9_$\{#])pkgrel[ \t]*(?:\[[^\]]*\])?(?:[-+*/%&|^]?=|<<=|>>=|\+\+|--)|(?:\+\+|--)[ \t]*pkgrel\b|` +
		`\b(?:read|let|declare|typeset|local|export|readonly|unset|mapfile|readarray|getopts|eval)\b[^#]*\bpkgrel\b|printf[ \t]+-v[ \t]*['"]?pkgrel\b|\bfor[ \t]+pkgrel\b`)
	plainPkgrel   = regexp.MustCompile(`^pkgrel=(["']?)([0-9]+(?:\.[0-9]+)?)(["']?)[ \t]*(?:[ \t]#.*)?$`)
	srcinfoPkgrel = regexp.MustCompile(`^[ \t]*pkgrel[ \t]*=[ \t]*(.*?)[ \t]*$`)
	srcinfoPkgver = regexp.MustCompile(`^[ \t]*pkgver[ \t]*=[ \t]*(.*?)[ \t]*$`)
	pkgverStart   = regexp.MustCompile(`(?m)^[ \t]*(?:function[ \t]+)?pkgver[ \t]*(?:\([ \t]*\)|\{|$)`)
)

// Raise returns a source with another pkgrel. It changes a PKGBUILD that assigns a plain
// number to pkgrel on one line, the same that the .SRCINFO has, and returns an error for
// any other, because only bash could evaluate it. The error's text is to follow the name
// of the package.
func Raise(recipe, srcinfo []byte, pkgrel string) (Source, error) {
	if whole(pkgrel) < 0 {
		return Source{}, buildbtw.Invalid("%q is no pkgrel", pkgrel)
	}
	old, raised, err := raiseRecipe(recipe, pkgrel)
	if err != nil {
		return Source{}, err
	}
	s := Source{PKGBUILD: raised}
	lines := bytes.SplitAfter(srcinfo, []byte("\n"))
	place, rel, err := only(lines, srcinfoPkgrel, "pkgrel")
	if err != nil {
		return Source{}, err
	}
	_, ver, err := only(lines, srcinfoPkgver, "pkgver")
	if err != nil {
		return Source{}, err
	}
	if rel != old {
		return Source{}, buildbtw.Invalid("its PKGBUILD has pkgrel %s and its .SRCINFO %.20q", old, rel)
	}
	line := string(lines[place])
	at := strings.LastIndex(line, rel)
	lines[place] = []byte(line[:at] + pkgrel + line[at+len(rel):])
	s.Srcinfo = bytes.Join(lines, nil)
	s.Repeated = mentions(string(srcinfo), ver+"-"+rel)
	return s, nil
}

// raiseRecipe changes the line of a PKGBUILD, and returns the pkgrel that it had.
func raiseRecipe(recipe []byte, pkgrel string) (old string, raised []byte, err error) {
	lines := bytes.SplitAfter(recipe, []byte("\n"))
	found := -1
	for i, line := range lines {
		if trimmed := bytes.TrimLeft(line, " \t"); len(trimmed) == 0 || trimmed[0] == '#' || !changesPkgrel.Match(line) {
			continue
		}
		if found >= 0 {
			return "", nil, buildbtw.Invalid("its PKGBUILD sets pkgrel on the lines %d and %d", found+1, i+1)
		}
		found = i
	}
	if found < 0 {
		return "", nil, buildbtw.Invalid("its PKGBUILD has no line that begins with pkgrel=")
	}
	line := string(bytes.TrimRight(lines[found], "\n"))
	parts := plainPkgrel.FindStringSubmatchIndex(line)
	continued := found > 0 && bytes.HasSuffix(bytes.TrimRight(lines[found-1], "\n"), []byte(`\`))
	if parts == nil || continued || line[parts[2]:parts[3]] != line[parts[6]:parts[7]] {
		return "", nil, buildbtw.Invalid("its PKGBUILD has no plain number on line %d: %.60s", found+1, strings.TrimSpace(line))
	}
	old = line[parts[4]:parts[5]]
	lines[found] = []byte(line[:parts[4]] + pkgrel + line[parts[5]:] + string(lines[found][len(line):]))
	return old, bytes.Join(lines, nil), nil
}

// only returns the value of the one line that matches.
func only(lines [][]byte, expression *regexp.Regexp, name string) (place int, value string, err error) {
	place = -1
	for i, line := range lines {
		m := expression.FindSubmatch(bytes.TrimRight(line, "\r\n"))
		if m == nil {
			continue
		}
		if place >= 0 {
			return 0, "", buildbtw.Invalid("its .SRCINFO has more than one line with %s", name)
		}
		place, value = i, string(m[1])
	}
	if place < 0 || value == "" {
		return 0, "", buildbtw.Invalid("its .SRCINFO has no %s", name)
	}
	return place, value, nil
}

// mentions reports whether a text has a version that no letter, digit or point goes on
// from on either side.
func mentions(text, version string) bool {
	for from := 0; ; {
		i := strings.Index(text[from:], version)
		if i < 0 {
			return false
		}
		begin := from + i
		end := begin + len(version)
		before := begin > 0 && isWord(text[begin-1])
		after := end < len(text) && (isWord(text[end]) && text[end] != '.' || text[end] == '.' && end+1 < len(text) && isDigit(text[end+1]))
		if !before && !after {
			return true
		}
		from = begin + 1
	}
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isWord(c byte) bool {
	return isDigit(c) || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '.' || c == '_'
}

// HasPkgver reports whether a PKGBUILD has a pkgver() function. makepkg then asks it
// for the pkgver when it builds, and sets pkgrel to 1 when that is another one.
func HasPkgver(recipe []byte) bool { return pkgverStart.Match(recipe) }
