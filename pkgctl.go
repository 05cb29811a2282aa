package buildbtw

import (
	"net/mail"
	"regexp"
	"slices"
	"strings"
)

// Pkgctl is how a distribution with Arch Linux's dbscripts takes packages: a packager copies
// them into staging/REPOSITORY/ on a host and runs db-update there.
type Pkgctl struct {
	Host      string   // as ssh takes it: repos.example.org or user@repos.example.org
	Suffix    string   // of the repositories that receive packages: "", "-testing" or "-staging"
	New       string   // the repository, without the suffix, of pkgbases that none has; empty: they are not taken
	Packagers []string // domains and addresses of which a package's packager has one; empty: any
}

// unstable returns the suffixes of repositories whose packages are on their way into the one
// without a suffix.
func unstable() []string { return []string{"-testing", "-staging"} }

// hostName is what cannot be an option of ssh, nor anything to a shell.
var hostName = regexp.MustCompile(`^([a-z_][a-z0-9_-]{0,31}@)?[A-Za-z0-9][A-Za-z0-9.-]{0,252}$`)

// parse reads an option: suffix=testing or suffix=staging, new=REPOSITORY, and
// packagers=DOMAIN+ADDRESS+…. It reports whether it is one of them.
func (p *Pkgctl) parse(key, value string) bool {
	switch key {
	case "suffix":
		p.Suffix = "-" + value
		return slices.Contains(unstable(), p.Suffix)
	case "new":
		p.New = value
		return checkName("repository", value, slugName) == nil && Stable(value) == value
	case "packagers":
		p.Packagers = strings.Split(strings.ToLower(value), "+")
		return !slices.Contains(p.Packagers, "")
	}
	return false
}

// checkPkgctl refuses settings that a target of kind pkgctl cannot have.
func (t Target) checkPkgctl() error {
	switch {
	case t.Kind != TargetPkgctl:
		return nil
	case !hostName.MatchString(t.Pkgctl.Host):
		return Invalid("target %s: write %s=pkgctl:HOST with the host on which packagers run db-update, such as repos.example.org", t.Name, t.Name)
	case t.After != "":
		return Invalid("target %s: what stands behind a pkgctl target are the base repositories; leave ,after= away", t.Name)
	case t.Keys == "":
		return Invalid("target %s: db-update takes signed packages only; add ,sign=required,keys=FILE with the public keys of the packagers", t.Name)
	}
	return nil
}

// Stable returns the name of a repository without the suffix of one whose packages are on
// their way: "extra" for extra-testing.
func Stable(repository string) string {
	for _, suffix := range unstable() {
		if name, ok := strings.CutSuffix(repository, suffix); ok && name != "" {
			return name
		}
	}
	return repository
}

// Receives returns the repository into which a pkgbase goes that is in these repositories now.
// The error says why that is not known.
func (p Pkgctl) Receives(now []string) (string, error) {
	var stable []string
	for _, repository := range now {
		stable = append(stable, Stable(repository))
	}
	slices.Sort(stable)
	stable = slices.Compact(stable)
	switch {
	case len(stable) > 1:
		return "", Conflict("it is in %s, so that it is not known which of them receives it", strings.Join(stable, " and "))
	case len(stable) == 1:
		return stable[0] + p.Suffix, nil
	case p.New == "":
		return "", Conflict("no repository has it, and the target does not say where new ones go (,new=REPOSITORY)")
	}
	return p.New + p.Suffix, nil
}

// Unstabler reports whether packages of a repository are on their way into another one, or into
// what that one is on its way to: extra-testing is such of extra, core-staging of both.
func Unstabler(repository, than string) bool {
	rank := func(name string) int {
		return 1 + slices.IndexFunc(unstable(), func(suffix string) bool { return strings.HasSuffix(name, suffix) })
	}
	return rank(repository) > rank(than)
}

// CheckPackager returns an error when a packager is not named, or is none of the target's:
// "Anna <anna@example.org>".
func (p Pkgctl) CheckPackager(packager string) error {
	if packager == "" || packager == "Unknown Packager" {
		return Invalid("its packager is not named; set PACKAGER where packages are built")
	}
	if len(p.Packagers) == 0 {
		return nil
	}
	address, err := mail.ParseAddress(packager)
	if err != nil {
		return Invalid("its packager is %.80q, which is not of the form NAME <ADDRESS>", packager)
	}
	mailbox := strings.ToLower(address.Address)
	_, domain, _ := strings.Cut(mailbox, "@")
	if !slices.Contains(p.Packagers, mailbox) && !slices.Contains(p.Packagers, domain) {
		return Invalid("its packager %.80q is none of this distribution's (%s); set PACKAGER where packages are built", packager, Names(p.Packagers).Summary())
	}
	return nil
}

// GitTag returns the tag of a version in its packaging repository, as pkgctl release makes it:
// git allows neither : nor ~.
func GitTag(version string) string {
	return strings.ReplaceAll(strings.Replace(version, ":", "-", 1), "~", ".")
}

var (
	plusBetween = regexp.MustCompile(`([a-zA-Z0-9]+)\+([a-zA-Z]+)`)
	noPathSign  = regexp.MustCompile(`[^a-zA-Z0-9_.-]`)
	dashes      = regexp.MustCompile(`[_-]{2,}`)
)

// ProjectPath returns the name of the packaging repository of a pkgbase, as pkgctl makes it:
// GitLab allows no + in a path, and no project called tree.
func ProjectPath(pkgbase string) string {
	path := plusBetween.ReplaceAllString(pkgbase, "$1-$2")
	path = strings.ReplaceAll(path, "+", "plus")
	path = noPathSign.ReplaceAllString(path, "-")
	path = dashes.ReplaceAllString(path, "-")
	if path == "tree" {
		return "unix-tree"
	}
	return path
}

// ReleaseFile is a file of a release that a packager hands over.
type ReleaseFile struct {
	ReleaseID    int64  `bun:"release_id,pk"`
	Name         string `bun:"name,pk"`
	Pkgbase      string `bun:"pkgbase"`
	Pkgname      string `bun:"pkgname"`
	Version      string `bun:"version"`
	Architecture string `bun:"architecture"` // of the package
	Repository   string `bun:"repository"`   // that receives it
	SHA256       string `bun:"sha256"`
	Size         int64  `bun:"size"`
	BuildID      int64  `bun:"build_id"` // which has it
}
