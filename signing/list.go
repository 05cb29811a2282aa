// Package signing has what the signers of a release and the server have in common: the
// list of files that is signed, OpenPGP signatures over it, and a signer's policy. It does
// no I/O and holds no key.
//
// A signature over a file needs only the state of SHA-512 after the file's bytes: the
// signer hashes the rest of what OpenPGP signs into it (RFC 4880, section 5.2.4). So no
// signer gets files, and none signs a digest that somebody sends: it signs files of a
// release, which the list names.
package signing

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"regexp"
	"slices"
	"time"

	"buildbtw"
	"buildbtw/pacman/alpm"
)

// Format is the version of a list. A signer refuses one that it does not know.
const Format = 1

// Bounds of what is parsed.
const (
	MaxList   = 64 << 20 // bytes of a list: 100,000 files are about 50 MB
	MaxAnswer = 128 << 20
	maxFiles  = 100_000
)

var sha256Hex = regexp.MustCompile(`^[0-9a-f]{64}$`)

// List is what a signer is asked to sign: all packages of a release, or when these are signed
// and its target's databases need signatures those as they will be, with what the release was
// computed against.
type List struct {
	Format     int    `json:"format"`
	Release    int64  `json:"release"`
	Target     string `json:"target"`
	Buildspace string `json:"buildspace"`
	Iteration  int    `json:"iteration"`
	From       string `json:"from,omitempty"` // the target that has the files already; then there is no buildspace
	Set        string `json:"set"`            // SHA-256 of the pkgbases, versions and files that go
	Base       string `json:"base"`           // SHA-256 of what the databases of the base repositories had
	Files      []File `json:"files"`          // by name
}

// Source names what the files come from: "space #3", or a target.
func (l List) Source() string {
	if l.From != "" {
		return l.From
	}
	return fmt.Sprintf("%s #%d", l.Buildspace, l.Iteration)
}

// File is a package file of a release, or a database that lists its packages.
type File struct {
	Name   string `json:"name"` // of a package, or DatabaseName
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
	State  []byte `json:"sha512_state"` // see State
}

// Signature is a detached signature over a file of a list.
type Signature struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"` // of the file
	Packet []byte `json:"signature"`
}

// Answer is a signer's reply to a list: signatures of all its files, or why there are none.
type Answer struct {
	Signatures []Signature `json:"signatures,omitempty"`
	Error      string      `json:"error,omitempty"`
}

// Signer signs lists. A list that was signed before is signed again, or answered with the
// same signatures.
type Signer interface {
	Sign(ctx context.Context, l List) ([]Signature, error)
}

// State returns the state of SHA-512 after what was written to h, which sha512.New made:
// 204 bytes, with which it can be resumed elsewhere.
func State(h hash.Hash) ([]byte, error) {
	m, ok := h.(encoding.BinaryMarshaler)
	if !ok || h.Size() != sha512.Size {
		return nil, errors.New("the hash is not SHA-512, or its state cannot be read")
	}
	return m.MarshalBinary()
}

// resume returns SHA-512 in a state, and how many bytes were written to it.
func resume(state []byte) (hash.Hash, uint64, error) {
	h := sha512.New()
	m, ok := h.(encoding.BinaryUnmarshaler)
	if !ok {
		return nil, 0, errors.New("SHA-512 cannot be resumed")
	}
	if err := m.UnmarshalBinary(state); err != nil {
		return nil, 0, fmt.Errorf("the state of SHA-512: %w", err)
	}
	// Bytes beyond those that wait for the rest of their block are no part of the state.
	if again, err := State(h); err != nil || !bytes.Equal(again, state) {
		return nil, 0, errors.New("the state of SHA-512 is not written as Go writes it")
	}
	return h, binary.BigEndian.Uint64(state[len(state)-8:]), nil // crypto/sha512 ends its state with the length
}

// Resume returns SHA-512 in the state of the file.
func (f File) Resume() (hash.Hash, error) {
	h, n, err := resume(f.State)
	if err != nil {
		return nil, err
	}
	if f.Size < 0 || n != uint64(f.Size) {
		return nil, fmt.Errorf("its SHA-512 state is that of %d bytes, but the file has %d", n, f.Size)
	}
	return h, nil
}

// ParseList reads a list and checks it.
func ParseList(r io.Reader) (List, error) {
	var l List
	if err := decode(r, MaxList, &l); err != nil {
		return List{}, fmt.Errorf("read the list: %w", err)
	}
	return l, l.Validate()
}

// ParseAnswer reads a signer's answer to a list: one signature of each file. What it
// returns is not verified.
func ParseAnswer(r io.Reader, l List) ([]Signature, error) {
	var a Answer
	if err := decode(r, MaxAnswer, &a); err != nil {
		return nil, fmt.Errorf("read the signer's answer: %w", err)
	}
	if a.Error != "" {
		return nil, buildbtw.Conflict("the signer refused: %.1000s", a.Error)
	}
	return a.Signatures, l.Match(a.Signatures)
}

// Match returns an error unless there is one signature for each file of the list.
func (l List) Match(signatures []Signature) error {
	left := map[string]string{}
	for _, f := range l.Files {
		left[f.Name] = f.SHA256
	}
	for _, s := range signatures {
		if left[s.Name] == "" || left[s.Name] != s.SHA256 {
			return buildbtw.Invalid("%.200q with SHA-256 %.64q is not a file of release %d, or has two signatures", s.Name, s.SHA256, l.Release)
		}
		delete(left, s.Name)
	}
	if len(left) > 0 {
		return buildbtw.Invalid("%d files of release %d have no signature, such as %s", len(left), l.Release, slices.Min(slices.Collect(maps.Keys(left))))
	}
	return nil
}

// decode reads one JSON value without fields that are not known and without anything
// after it.
func decode(r io.Reader, limit int64, into any) error {
	bounded := &io.LimitedReader{R: r, N: limit + 1}
	d := json.NewDecoder(bounded)
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if bounded.N <= 0 {
		return buildbtw.Invalid("it has more than %d bytes", limit)
	}
	if err != nil {
		return buildbtw.Invalid("%v", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return buildbtw.Invalid("something follows its end")
	}
	return nil
}

// Validate returns an error of kind invalid unless the list can be signed.
func (l List) Validate() error {
	switch {
	case l.Format != Format:
		return buildbtw.Invalid("the list has format %d; this program knows %d", l.Format, Format)
	case l.Release <= 0:
		return buildbtw.Invalid("the list names no release")
	case l.From != "" && (l.Iteration != 0 || l.Buildspace != ""):
		return buildbtw.Invalid("the list names both a target and a buildspace that the files come from")
	case l.Iteration <= 0 && l.From == "":
		return buildbtw.Invalid("the list names no iteration")
	case len(l.Files) == 0:
		return buildbtw.Invalid("release %d has no files", l.Release)
	case len(l.Files) > maxFiles:
		return buildbtw.Invalid("release %d has %d files; at most %d are signed at once", l.Release, len(l.Files), maxFiles)
	case !sha256Hex.MatchString(l.Set) || !sha256Hex.MatchString(l.Base):
		return buildbtw.Invalid("release %d has no digest of its set, or of its base", l.Release)
	}
	if err := buildbtw.CheckSlug(l.Target); err != nil {
		return buildbtw.Invalid("%.100q is no target's name", l.Target)
	}
	if l.From != "" {
		if err := buildbtw.CheckSlug(l.From); err != nil {
			return buildbtw.Invalid("%.100q is no target's name", l.From)
		}
	} else if err := buildbtw.CheckBuildspaceName(l.Buildspace); err != nil {
		return err
	}
	for i, f := range l.Files {
		if i > 0 && cmp.Compare(l.Files[i-1].Name, f.Name) >= 0 {
			return buildbtw.Invalid("the files of the list are not in the order of their names, or %.200q is there twice", f.Name)
		}
		if err := f.validate(); err != nil {
			return buildbtw.Invalid("file %.200q: %v", f.Name, err)
		}
	}
	return nil
}

// DatabaseName names a database of an architecture in a list: "x86_64/stable.db.tar.zst".
func DatabaseName(architecture, archive string) string { return architecture + "/" + archive }

var databaseName = regexp.MustCompile(`^[a-z0-9_]+/([^/]+)\.(?:db|files)\.tar\.zst$`)

// ParseDatabaseName returns the target of whose repository a file of a list is a database;
// false when it is none.
func ParseDatabaseName(name string) (target string, ok bool) {
	parts := databaseName.FindStringSubmatch(name)
	if parts == nil || buildbtw.CheckTargetName(parts[1]) != nil {
		return "", false
	}
	return parts[1], true
}

// Databases returns how many of the files are databases.
func (l List) Databases() int {
	n := 0
	for _, f := range l.Files {
		if _, ok := ParseDatabaseName(f.Name); ok {
			n++
		}
	}
	return n
}

func (f File) validate() error {
	if _, ok := ParseDatabaseName(f.Name); !ok {
		if _, _, _, err := alpm.ParseFilename(f.Name); err != nil {
			return err
		}
	}
	if !sha256Hex.MatchString(f.SHA256) {
		return errors.New("it has no SHA-256 digest")
	}
	_, err := f.Resume()
	return err
}

// Digest returns the SHA-256 of the list, which names it in logs.
func (l List) Digest() string {
	text, err := json.Marshal(l)
	if err != nil {
		return "" // a struct of numbers and strings can be written
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// SignWith signs all files of a list. sign returns the values of a signature over a
// digest, which Unsigned.Packet takes.
func (l List) SignWith(key Key, at time.Time, sign func(digest []byte) ([][]byte, error)) ([]Signature, error) {
	signatures := make([]Signature, 0, len(l.Files))
	for _, f := range l.Files {
		u, err := key.prepare(f, at)
		if err != nil {
			return nil, fmt.Errorf("sign %s: %w", f.Name, err)
		}
		values, err := sign(u.Digest)
		if err != nil {
			return nil, fmt.Errorf("sign %s: %w", f.Name, err)
		}
		packet, err := u.Packet(values)
		if err != nil {
			return nil, fmt.Errorf("sign %s: %w", f.Name, err)
		}
		signatures = append(signatures, Signature{Name: f.Name, SHA256: f.SHA256, Packet: packet})
	}
	return signatures, nil
}
