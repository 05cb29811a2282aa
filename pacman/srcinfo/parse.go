package srcinfo

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// MaxSize is the size in bytes above which a file is refused unread. The
// largest .SRCINFO of a whole distribution has 75 kB.
const MaxSize = 1 << 20

// Parse reads a .SRCINFO file. It is as tolerant as makepkg's own writing
// needs: indentation of any kind, comment lines, blank lines, CRLF, keys it
// does not know (newer makepkg may have new ones; they are listed in
// Info.Unknown). Everything else that is wrong is a *ParseError; text that is
// not UTF-8 has its bad bytes replaced. It keeps no reference to text.
func Parse(text []byte) (*Info, error) {
	if len(text) > MaxSize {
		return nil, &ParseError{Reason: fmt.Sprintf("the file has %d bytes, more than the %d allowed", len(text), MaxSize)}
	}
	p := parser{rest: validString(text), binary: hasControl(text), info: &Info{}}
	for p.next() {
		if reason := p.parseLine(); reason != "" {
			return nil, lineError(p.line, p.text, reason)
		}
	}
	if err := p.finish(); err != nil {
		return nil, err
	}
	return p.info, nil
}

func validString(text []byte) string {
	if utf8.Valid(text) {
		return string(text)
	}
	return string(bytes.ToValidUTF8(text, []byte("\ufffd")))
}

// hasControl reports whether there are bytes that no line of text may hold.
func hasControl(text []byte) bool {
	for _, c := range text {
		if c < ' ' && c != '\t' && c != '\n' || c == 0x7f {
			return true
		}
	}
	return false
}

// parser is the state between two lines.
type parser struct {
	rest     string // the text behind the line
	binary   bool   // whether there are control characters anywhere
	line     int
	text     string // the line, trimmed
	info     *Info
	baseLine int      // where pkgbase stands, 0 before it
	section  *Fields  // the section of the next assignments
	seen     []string // keys that this section has had
}

// next moves to the next line and reports whether there is one.
func (p *parser) next() bool {
	if p.rest == "" {
		return false
	}
	end := strings.IndexByte(p.rest, '\n')
	if end < 0 {
		end = len(p.rest)
	}
	p.text = trim(p.rest[:end])
	p.rest = p.rest[min(end+1, len(p.rest)):]
	p.line++
	return true
}

func (p *parser) parseLine() (reason string) {
	if p.text == "" || p.text[0] == '#' {
		return ""
	}
	if p.binary && hasControl([]byte(p.text)) {
		return "control character: this is not a text file"
	}
	key, value, found := strings.Cut(p.text, "=")
	key, value = trim(key), trim(value)
	if !found || key == "" || !all(key, archByte) {
		return "not of the form key = value"
	}
	return p.assign(key, value)
}

// trim is strings.Trim of blanks, tabs and carriage returns, without the cost
// of a general cutset on every line.
func trim(s string) string {
	for s != "" && blank(s[0]) {
		s = s[1:]
	}
	for s != "" && blank(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

func blank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' }

func (p *parser) assign(key, value string) (reason string) {
	switch {
	case key == "pkgbase":
		return p.openBase(value)
	case p.baseLine == 0:
		return key + " before pkgbase"
	case key == "pkgname":
		return p.openPackage(value)
	}
	first := p.markSeen(key)
	if number := p.versionPart(key); number != nil {
		return p.assignVersion(number, key, value, first)
	}
	return p.assignField(key, value, first)
}

func (p *parser) openBase(name string) (reason string) {
	if p.baseLine != 0 {
		return "second pkgbase"
	}
	p.info.Pkgbase, p.baseLine = name, p.line
	p.section = &p.info.Base
	return checkName("pkgbase", name)
}

// openPackage begins a section that has, so far, everything of the base. The
// lists are shared with it until assignments replace them.
func (p *parser) openPackage(name string) (reason string) {
	same := func(other Package) bool { return other.Name == name }
	if slices.ContainsFunc(p.info.Packages, same) {
		return "second section of this pkgname"
	}
	p.info.Packages = append(p.info.Packages, Package{Name: name, Fields: p.info.Base})
	p.section = &p.info.Packages[len(p.info.Packages)-1].Fields
	p.seen = p.seen[:0]
	return checkName("pkgname", name)
}

// markSeen records that the section has the key and reports whether this is its
// first line.
func (p *parser) markSeen(key string) (first bool) {
	for i := len(p.seen) - 1; i >= 0; i-- {
		if p.seen[i] == key {
			return false
		}
	}
	p.seen = append(p.seen, key)
	return true
}

// versionPart returns the field for a part of the version, nil for other keys.
func (p *parser) versionPart(key string) *string {
	switch key {
	case "epoch":
		return &p.info.Epoch
	case "pkgver":
		return &p.info.Pkgver
	case "pkgrel":
		return &p.info.Pkgrel
	}
	return nil
}

func (p *parser) assignVersion(part *string, key, value string, first bool) (reason string) {
	if len(p.info.Packages) > 0 {
		return key + " in a pkgname section: it belongs to the pkgbase"
	}
	if !first {
		return "second " + key
	}
	*part = value
	switch key {
	case "epoch":
		return checkEpoch(value)
	case "pkgver":
		return checkPkgver(value)
	}
	return checkPkgrel(value)
}

func (p *parser) assignField(key, value string, first bool) (reason string) {
	name, arch := split(key)
	suffixed := len(name) < len(key)
	if values := p.section.values(name); values != nil {
		p.info.MaySign = p.info.MaySign || name == "source" && mayBeSignature(value)
		return assignValues(values, suffix{suffixed, arch}, value, first)
	}
	if list := p.section.list(key); list != nil {
		return assignList(list, key, value, first)
	}
	if text := p.section.text(key); text != nil {
		if !first {
			return "second " + key
		}
		*text = value
		return ""
	}
	if suffixed && p.plainOnly(name) && slices.Contains(p.section.Arch, arch) {
		return name + " cannot depend on the architecture"
	}
	if first {
		p.info.Unknown = append(p.info.Unknown, key)
	}
	return ""
}

// plainOnly reports whether a key is known and never has a suffix.
func (p *parser) plainOnly(name string) bool {
	return p.section.text(name) != nil || p.section.list(name) != nil || p.versionPart(name) != nil
}

// assignList adds a value; the first one of a section replaces the inherited
// list, and an empty first one clears it.
func assignList(list *[]string, name, value string, first bool) (reason string) {
	if first {
		*list = nil
	}
	if value == "" {
		return ""
	}
	*list = append(*list, value)
	if name == "arch" {
		return checkArchs(*list)
	}
	return ""
}

func checkArchs(archs []string) string {
	if len(archs) > 1 && slices.Contains(archs, "any") {
		return "any beside other architectures"
	}
	return checkArch(archs[len(archs)-1])
}

type suffix struct {
	present bool
	arch    string
}

// assignValues is assignList for one architecture: values of the others stay
// as they were inherited.
func assignValues(values *Values, s suffix, value string, first bool) (reason string) {
	if s.present && first {
		if s.arch == "any" {
			return "any is no architecture that values can be for"
		}
		if reason := checkArch(s.arch); reason != "" {
			return reason
		}
	}
	if first {
		*values = values.without(s.arch)
	}
	if value != "" {
		*values = append(*values, Value{Arch: s.arch, Text: value})
	}
	return ""
}

// finish checks the fields that the file as a whole must have.
func (p *parser) finish() error {
	switch {
	case p.baseLine == 0:
		return lineError(max(p.line, 1), "", "pkgbase is missing")
	case p.info.Pkgver == "":
		return p.missing("pkgver")
	case p.info.Pkgrel == "":
		return p.missing("pkgrel")
	case len(p.info.Base.Arch) == 0:
		return p.missing("arch")
	case len(p.info.Packages) == 0:
		return p.missing("pkgname")
	}
	return nil
}

func (p *parser) missing(key string) error {
	return lineError(p.baseLine, "pkgbase = "+p.info.Pkgbase, key+" is missing")
}
