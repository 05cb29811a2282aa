package alpm

import "strings"

// Vercmp compares two versions, [epoch:]pkgver[-pkgrel], as pacman's vercmp
// does: -1 when a is older, 1 when it is newer, else 0. A missing epoch is 0;
// a missing pkgrel is equal to any. It is not a total order: 1-1 and 1-2 are
// both equal to 1.
func Vercmp(a, b string) int {
	if a == b {
		return 0
	}
	x, y := parseEVR(a), parseEVR(b)
	if c := segmentCompare(x.epoch, y.epoch); c != 0 {
		return c
	}
	if c := segmentCompare(x.version, y.version); c != 0 || !x.released || !y.released {
		return c
	}
	return segmentCompare(x.release, y.release)
}

type evr struct {
	epoch, version, release string
	released                bool // whether there is a release
}

// parseEVR splits as libalpm's function of this name: the epoch ends at a
// colon with only digits before it, the release begins after the last hyphen.
func parseEVR(s string) evr {
	out := evr{epoch: "0", version: s}
	digits := span(s, isDigit)
	if strings.HasPrefix(s[digits:], ":") {
		if digits > 0 {
			out.epoch = s[:digits]
		}
		out.version = s[digits+1:]
	}
	if i := strings.LastIndexByte(out.version, '-'); i >= 0 {
		out.version, out.release, out.released = out.version[:i], out.version[i+1:], true
	}
	return out
}

// segmentCompare is libalpm's rpmvercmp: it compares runs of digits as
// numbers and runs of letters as text, from left to right.
func segmentCompare(a, b string) int {
	if a == b {
		return 0
	}
	for a != "" && b != "" {
		gapA, gapB := span(a, isSeparator), span(b, isSeparator)
		a, b = a[gapA:], b[gapB:]
		if a == "" || b == "" {
			break
		}
		if gapA != gapB {
			return sign(gapA - gapB)
		}
		class, numeric := isLetter, isDigit(a[0])
		if numeric {
			class = isDigit
		}
		endA, endB := span(a, class), span(b, class)
		if endB == 0 { // a number is newer than letters
			return chooseSign(numeric)
		}
		if c := compareRun(a[:endA], b[:endB], numeric); c != 0 {
			return c
		}
		a, b = a[endA:], b[endB:]
	}
	return compareRest(a, b)
}

func compareRun(a, b string, numeric bool) int {
	if numeric {
		a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
		if len(a) != len(b) {
			return sign(len(a) - len(b))
		}
	}
	return strings.Compare(a, b)
}

// compareRest decides when one side has come to its end: the rest makes the
// longer one newer, but letters make it older (1.0rc1 < 1.0 < 1.0.1).
func compareRest(a, b string) int {
	switch {
	case a == "" && b == "":
		return 0
	case a == "" && !isLetter(b[0]), a != "" && isLetter(a[0]):
		return -1
	}
	return 1
}

func sign(n int) int { return chooseSign(n > 0) }

func chooseSign(positive bool) int {
	if positive {
		return 1
	}
	return -1
}

// span returns the length of the longest prefix of s that is of the class.
func span(s string, class func(byte) bool) int {
	n := 0
	for n < len(s) && class(s[n]) {
		n++
	}
	return n
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

func isSeparator(c byte) bool { return !isDigit(c) && !isLetter(c) }
