package srcinfo

import (
	"slices"
	"strings"
)

// Source is an entry of a source array, taken apart by the rules of makepkg's
// util/source.sh.
type Source struct {
	Entry    string
	Name     string // of the file or directory in SRCDEST, or of a file beside the PKGBUILD
	Protocol string // by which it is fetched: https, git, …; "local" for a file beside the PKGBUILD
	URL      string // for the program that fetches it, without VCS prefix, fragment and query; empty when local
	Fragment string // of a VCS: commit=…, tag=…, branch=…
	Signed   bool   // of a VCS: "?signed", the commit or tag must have a valid signature
}

// versionControl lists makepkg's version control systems.
const versionControl = " bzr fossil git hg svn "

// VCS reports whether the source is a repository of a version control system.
func (s Source) VCS() bool { return strings.Contains(versionControl, " "+s.Protocol+" ") }

// Signature reports whether makepkg verifies a PGP signature for this entry.
func (s Source) Signature() bool {
	if s.VCS() {
		return s.Signed
	}
	for _, end := range []string{".sig", ".sign", ".asc"} {
		if strings.HasSuffix(s.Name, end) {
			return true
		}
	}
	return false
}

// ParseSource takes an entry of a source array apart. Every entry is one.
func ParseSource(entry string) Source {
	s := Source{Entry: entry, Protocol: "local"}
	name, url, named := strings.Cut(entry, "::")
	if !named {
		url = entry
	}
	if scheme, _, found := strings.Cut(url, "://"); found && strings.Contains(entry, "://") {
		s.Protocol, _, _ = strings.Cut(scheme, "+")
	} else if scheme, _, found := strings.Cut(url, "lp:"); found {
		s.Protocol, _, _ = strings.Cut(scheme, "+") // bzr+lp:project, of Launchpad
		if s.Protocol == "" {
			s.Protocol = "lp"
		}
	}
	if s.Protocol == "local" {
		s.Name = name[strings.LastIndexByte(name, '/')+1:]
		if named {
			s.Name = name
		}
		return s
	}
	s.URL = url
	if s.VCS() {
		_, s.Fragment, _ = strings.Cut(url, "#")
		s.Fragment, _, _ = strings.Cut(s.Fragment, "?")
		_, query, _ := strings.Cut(url, "?")
		query, _, _ = strings.Cut(query, "#")
		s.Signed = query == "signed"
		s.URL = strings.TrimPrefix(url, s.Protocol+"+")
		s.URL, _, _ = strings.Cut(s.URL, "#")
		s.URL, _, _ = strings.Cut(s.URL, "?")
	}
	s.Name = name
	if !named {
		s.Name = s.fileName()
	}
	return s
}

// fileName returns the last component of a URL, as makepkg's get_filename.
func (s Source) fileName() string {
	if !s.VCS() {
		return s.Entry[strings.LastIndexByte(s.Entry, '/')+1:]
	}
	name := strings.TrimSuffix(s.URL, "/")
	name = name[strings.LastIndexByte(name, '/')+1:]
	switch s.Protocol {
	case "bzr":
		if _, project, found := strings.Cut(name, "lp:"); found {
			name = project
		}
	case "fossil":
		name += ".fossil"
	case "git":
		name, _, _ = strings.Cut(name, ".git")
	}
	return name
}

// Signatures returns the sources of an architecture that carry or are a PGP
// signature.
func (i *Info) Signatures(arch string) []Source {
	if !i.MaySign {
		return nil
	}
	var list []Source
	for at := range i.Base.Source {
		v := &i.Base.Source[at]
		if v.Arch != "" && v.Arch != arch || !mayBeSignature(v.Text) {
			continue
		}
		if s := ParseSource(v.Text); s.Signature() {
			list = append(list, s)
		}
	}
	return list
}

// mayBeSignature is false for most entries that are none, and cheap.
func mayBeSignature(entry string) bool {
	return strings.Contains(entry, ".sig") || strings.Contains(entry, ".asc") || strings.Contains(entry, "signed")
}

// Unverified returns why the PGP signatures of an architecture's sources cannot be
// verified; empty when they can, or when there are none. keys are the files of
// keys/pgp, which export-pkgbuild-keys of devtools names FINGERPRINT.asc: the
// source brings its keys along, because keyservers are not to be relied on.
func (i *Info) Unverified(arch string, keys []string) string {
	switch {
	case len(i.Signatures(arch)) == 0:
		return ""
	case len(i.Base.ValidPGPKeys) == 0:
		return "validpgpkeys names no key"
	}
	for _, name := range keys {
		if strings.HasSuffix(name, ".asc") {
			return ""
		}
	}
	return "keys/pgp has no key"
}

// MissingKeys returns the fingerprints of validpgpkeys without a file in keys/pgp.
// A source that is signed with one of them cannot be built.
func (i *Info) MissingKeys(arch string, keys []string) []string {
	if len(i.Signatures(arch)) == 0 {
		return nil
	}
	var missing []string
	for _, fingerprint := range i.Base.ValidPGPKeys {
		if !slices.Contains(keys, fingerprint+".asc") {
			missing = append(missing, fingerprint)
		}
	}
	return missing
}
