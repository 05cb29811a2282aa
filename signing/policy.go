package signing

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"buildbtw/pacman/alpm"
)

// Policy is what a signer signs.
type Policy struct {
	Targets     []string // by name
	Databases   []string // targets whose databases it signs, by name
	Buildspaces []string // names or patterns of path.Match; empty: all
	PerHour     int      // files that are signed in an hour; 0: none
}

// Record is a list that was signed. A signer remembers all of them.
type Record struct {
	At         time.Time   `json:"at"`
	List       string      `json:"list"` // Digest
	Release    int64       `json:"release"`
	Target     string      `json:"target"`
	Buildspace string      `json:"buildspace"`
	Key        string      `json:"key"`
	Signatures []Signature `json:"signatures"`
}

// History is what a signer signed before. The zero value is an empty one.
type History struct {
	signed   map[signedFile]Signature
	files    map[string]bool                   // SHA-256 of all files, whatever the key
	releases map[signedRelease]map[string]bool // SHA-256 of the files that the release was signed with
	versions map[signedPackage]string          // the newest
	times    []signedAt
}

type (
	signedFile    struct{ key, sha256 string }
	signedRelease struct {
		target  string
		release int64
	}
	signedPackage struct{ target, name, arch string }
	signedAt      struct {
		at    time.Time
		files int
	}
)

// Add notes a record. Records come in the order of their times.
func (h *History) Add(r Record) error {
	if h.signed == nil {
		*h = History{map[signedFile]Signature{}, map[string]bool{}, map[signedRelease]map[string]bool{}, map[signedPackage]string{}, nil}
	}
	release := signedRelease{r.Target, r.Release}
	if h.releases[release] == nil {
		for _, s := range r.Signatures {
			if _, ok := ParseDatabaseName(s.Name); ok {
				continue // they are others when the target has changed meanwhile
			}
			if h.releases[release] == nil {
				h.releases[release] = map[string]bool{}
			}
			h.releases[release][s.SHA256] = true
		}
	}
	fresh := 0
	for _, s := range r.Signatures {
		if file := (signedFile{r.Key, s.SHA256}); h.signed[file].Packet == nil {
			h.signed[file] = s
			fresh++
		}
		h.files[s.SHA256] = true
		if _, ok := ParseDatabaseName(s.Name); ok {
			continue
		}
		name, version, arch, err := alpm.ParseFilename(s.Name)
		if err != nil {
			return err
		}
		if p := (signedPackage{r.Target, name, arch}); h.versions[p] == "" || alpm.Vercmp(version, h.versions[p]) > 0 {
			h.versions[p] = version
		}
	}
	h.times = append(h.times, signedAt{r.At, fresh})
	return nil
}

// Before returns the signatures of a list that key made before, by SHA-256 of the file.
func (h *History) Before(l List, key string) map[string]Signature {
	before := map[string]Signature{}
	for _, f := range l.Files {
		if s, ok := h.signed[signedFile{key, f.SHA256}]; ok && s.Name == f.Name {
			before[f.SHA256] = s
		}
	}
	return before
}

// Check returns why the policy does not allow a list, or nil. What is refused can be
// understood by whoever asked for the release.
func (p Policy) Check(l List, h *History, key string, now time.Time) error {
	if !slices.Contains(p.Targets, l.Target) {
		return fmt.Errorf("this signer does not sign for the target %s; it signs for: %s", l.Target, strings.Join(p.Targets, ", "))
	}
	if l.From != "" && len(p.Buildspaces) > 0 {
		return fmt.Errorf("this signer signs only what comes from the buildspaces %s, and release %d takes what %s has", strings.Join(p.Buildspaces, ", "), l.Release, l.From)
	}
	if l.From == "" && !p.allowsBuildspace(l.Buildspace) {
		return fmt.Errorf("this signer does not sign for the buildspace %s; it signs for: %s", l.Buildspace, strings.Join(p.Buildspaces, ", "))
	}
	if signed := h.releases[signedRelease{l.Target, l.Release}]; signed != nil {
		for _, f := range l.Files {
			if _, ok := ParseDatabaseName(f.Name); !ok && !signed[f.SHA256] {
				return fmt.Errorf("release %d of %s was signed before, without %s as it is now; a release never grows: make a new one", l.Release, l.Target, f.Name)
			}
		}
	}
	for _, f := range l.Files {
		if target, ok := ParseDatabaseName(f.Name); ok {
			if !slices.Contains(p.Databases, target) {
				return fmt.Errorf("this signer does not sign the databases of the target %s; --databases %s allows it", target, target)
			}
			continue
		}
		if err := h.checkVersion(l.Target, f); err != nil {
			return err
		}
	}
	return p.checkRate(len(l.Files)-len(h.Before(l, key)), h, now)
}

func (p Policy) allowsBuildspace(name string) bool {
	return len(p.Buildspaces) == 0 || slices.ContainsFunc(p.Buildspaces, func(pattern string) bool {
		ok, err := path.Match(pattern, name)
		return err == nil && ok
	})
}

// checkVersion refuses a version below the newest that was signed for the target, and
// another file in the place of one that was.
func (h *History) checkVersion(target string, f File) error {
	name, version, arch, err := alpm.ParseFilename(f.Name)
	if err != nil {
		return err
	}
	if h.files[f.SHA256] {
		return nil
	}
	newest := h.versions[signedPackage{target, name, arch}]
	switch order := alpm.Vercmp(version, newest); {
	case newest == "" || order > 0:
		return nil
	case order == 0:
		return fmt.Errorf("%s %s was signed for %s with other contents; raise its pkgrel", name, version, target)
	}
	return fmt.Errorf("%s %s is older than %s, which was signed for %s", name, version, newest, target)
}

func (p Policy) checkRate(files int, h *History, now time.Time) error {
	if files > p.PerHour {
		return fmt.Errorf("the list has %d files to be signed; this signer signs at most %d in an hour (--max-per-hour)", files, p.PerHour)
	}
	recent := 0
	for i := len(h.times) - 1; i >= 0; i-- {
		t := h.times[i]
		if now.Sub(t.at) >= time.Hour {
			break
		}
		if recent += t.files; recent+files > p.PerHour {
			return fmt.Errorf("with %d more it would be over %d files in an hour (--max-per-hour); try again after %s",
				files, p.PerHour, t.at.Add(time.Hour).UTC().Format(time.RFC3339))
		}
	}
	return nil
}

// Validate returns an error unless the policy can be one.
func (p Policy) Validate() error {
	if len(p.Targets) == 0 {
		return errors.New("a signer needs at least one target for which it signs")
	}
	for _, t := range p.Databases {
		if !slices.Contains(p.Targets, t) {
			return fmt.Errorf("it is to sign the databases of %s, but not its packages: add --target %s", t, t)
		}
	}
	for _, pattern := range p.Buildspaces {
		if _, err := path.Match(pattern, ""); err != nil {
			return fmt.Errorf("%q is no pattern of buildspaces: %w", pattern, err)
		}
	}
	if p.PerHour < 1 {
		return errors.New("a signer that signs no files in an hour is of no use")
	}
	return nil
}
