package alpm

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// PkgInfo is a package's .PKGINFO. The fields have the names of PKGBUILD(5);
// lists are in file order, without empty values.
type PkgInfo struct {
	Name      string
	Base      string // empty in packages of old makepkg
	Version   string // [epoch:]pkgver-pkgrel
	Desc      string
	URL       string
	Arch      string
	Packager  string
	BuildDate int64 // seconds since 1970
	Size      int64 // installed, in bytes

	Licenses     []string
	Groups       []string
	Conflicts    []string
	Replaces     []string
	Provides     []string
	Backup       []string
	Depends      []string
	OptDepends   []string
	MakeDepends  []string
	CheckDepends []string

	XData map[string]string // newer makepkg: pkgtype=debug and others; nil when there is none

	Unknown []string // keys that mean nothing to pacman, in file order; repo-add would take each for a shell variable
}

// MaxPkgInfo is the size in bytes above which a .PKGINFO is refused.
const MaxPkgInfo = 1 << 20

// maxValue bounds a value in bytes: libalpm reads no database that has a line of
// more than 512 KiB, and baserepo none of more than 64.
const maxValue = 32 << 10

// ParsePkgInfo reads a .PKGINFO. Keys it does not know are only named. Name,
// version and architecture must be there and legal, so that they can be parts
// of paths; nothing that has one value may be given twice; no value holds a
// control character. White space inside values becomes single spaces, as
// repo-add does it. A value that has the form of a field's header in databases
// (%NAME%) is refused; with other text around it it is none.
func ParsePkgInfo(text []byte) (*PkgInfo, error) {
	if len(text) > MaxPkgInfo {
		return nil, fmt.Errorf(".PKGINFO: more than %d bytes", MaxPkgInfo)
	}
	p := pkgInfoParser{seen: map[string]bool{}}
	line := 0
	for text := range strings.SplitSeq(string(text), "\n") {
		line++
		if err := p.parseLine(strings.TrimSpace(text)); err != nil {
			return nil, fmt.Errorf(".PKGINFO line %d: %w", line, err)
		}
	}
	if err := p.info.check(); err != nil {
		return nil, fmt.Errorf(".PKGINFO: %w", err)
	}
	return &p.info, nil
}

type pkgInfoParser struct {
	info PkgInfo
	seen map[string]bool // keys with one value that were given
}

func (p *pkgInfoParser) parseLine(line string) error {
	if line == "" || line[0] == '#' {
		return nil
	}
	key, value, found := strings.Cut(line, "=")
	key = strings.TrimSpace(key)
	if !found || key == "" || !all(key, isArch) {
		return fmt.Errorf("%q is not of the form key = value", shorten(line))
	}
	if !utf8.ValidString(value) || strings.IndexFunc(value, isControl) >= 0 {
		return fmt.Errorf("%s is not text: it holds a control character or is not UTF-8; correct it in the PKGBUILD", key)
	}
	value = strings.Join(strings.Fields(value), " ")
	if len(value) > maxValue {
		return fmt.Errorf("%s has %d bytes; at most %d are allowed", key, len(value), maxValue)
	}
	if isDescHeader(value) {
		return fmt.Errorf("%s is %s, which is how databases of pacman name a field; say it with other words in the PKGBUILD", key, shorten(value))
	}
	return p.assign(key, value)
}

func isControl(r rune) bool { return unicode.IsControl(r) && r != '\t' }

func (p *pkgInfoParser) assign(key, value string) error {
	if list := p.info.list(key); list != nil {
		if value != "" {
			*list = append(*list, value)
		}
		return nil
	}
	if key == "xdata" {
		return p.assignXData(value)
	}
	text, number := p.info.text(key), p.info.number(key)
	if text == nil && number == nil {
		p.info.Unknown = append(p.info.Unknown, key)
		return nil
	}
	if p.seen[key] {
		return fmt.Errorf("second %s", key)
	}
	p.seen[key] = true
	if text != nil {
		*text = value
		return nil
	}
	return parseNumber(number, key, value)
}

func parseNumber(number *int64, key, value string) error {
	if value == "" || !all(value, isDigit) {
		return fmt.Errorf("%s %q is not a number", key, shorten(value))
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return fmt.Errorf("%s %q is too large", key, shorten(value))
	}
	*number = n
	return nil
}

func (p *pkgInfoParser) assignXData(value string) error {
	key, value, found := strings.Cut(value, "=")
	if !found || key == "" {
		return fmt.Errorf("xdata %q is not of the form key=value", shorten(key))
	}
	if _, given := p.info.XData[key]; given {
		return fmt.Errorf("second xdata %s", shorten(key))
	}
	if p.info.XData == nil {
		p.info.XData = map[string]string{}
	}
	p.info.XData[key] = value
	return nil
}

// text returns the field for a key with one value, nil for other keys.
func (i *PkgInfo) text(key string) *string {
	switch key {
	case "pkgname":
		return &i.Name
	case "pkgbase":
		return &i.Base
	case "pkgver":
		return &i.Version
	case "pkgdesc":
		return &i.Desc
	case "url":
		return &i.URL
	case "arch":
		return &i.Arch
	case "packager":
		return &i.Packager
	}
	return nil
}

func (i *PkgInfo) number(key string) *int64 {
	switch key {
	case "builddate":
		return &i.BuildDate
	case "size":
		return &i.Size
	}
	return nil
}

func (i *PkgInfo) list(key string) *[]string {
	switch key {
	case "license":
		return &i.Licenses
	case "group":
		return &i.Groups
	case "conflict":
		return &i.Conflicts
	case "replaces":
		return &i.Replaces
	case "provides":
		return &i.Provides
	case "backup":
		return &i.Backup
	case "depend":
		return &i.Depends
	case "optdepend":
		return &i.OptDepends
	case "makedepend":
		return &i.MakeDepends
	case "checkdepend":
		return &i.CheckDepends
	}
	return nil
}

func (i *PkgInfo) check() error {
	if err := checkName(i.Name); err != nil {
		return fmt.Errorf("pkgname %q: %w", shorten(i.Name), err)
	}
	if i.Base != "" {
		if err := checkName(i.Base); err != nil {
			return fmt.Errorf("pkgbase %q: %w", shorten(i.Base), err)
		}
	}
	if err := checkVersion(i.Version); err != nil {
		return err
	}
	return checkArch(i.Arch)
}

// shorten cuts a text for messages, which hostile text must not fill.
func shorten(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}
