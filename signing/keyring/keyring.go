// Package keyring verifies signatures over files of a release with the public keys that a
// target accepts.
package keyring

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"buildbtw"
	"buildbtw/signing"
)

const (
	maxFile   = 8 << 20 // bytes; the keyring of Arch Linux has 1 MB
	maxPacket = 8 << 10 // bytes of a signature, also of pacman's database entries
	skew      = 5 * time.Minute
)

// Keyring is a set of public keys. It is never changed.
type Keyring struct{ keys openpgp.EntityList }

// Load reads the public keys of a file, armored or not, as `gpg --export` writes them.
func Load(path string) (*Keyring, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the accepted keys: %w", err)
	}
	defer f.Close()
	k, err := Read(f)
	if err != nil {
		return nil, fmt.Errorf("read the accepted keys in %s: %w", path, err)
	}
	return k, nil
}

// Read reads public keys. A file with a secret key is refused: none belongs where
// signatures are only verified.
func Read(r io.Reader) (*Keyring, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	switch {
	case err != nil:
		return nil, err
	case len(text) > maxFile:
		return nil, buildbtw.Invalid("it has more than %d bytes", maxFile)
	}
	keys, err := parseKeys(text)
	if err != nil {
		return nil, buildbtw.Invalid("no OpenPGP keys: %v", err)
	}
	if slices.ContainsFunc(keys, func(e *openpgp.Entity) bool { return e.PrivateKey != nil }) {
		return nil, buildbtw.Invalid("it has a secret key; export the public ones with gpg --export --armor")
	}
	return &Keyring{keys}, nil
}

// parseKeys reads keys in one of the two forms that gpg exports; several armored blocks
// may follow each other.
func parseKeys(text []byte) (openpgp.EntityList, error) {
	if len(text) > 0 && text[0] >= 0x80 { // every packet begins with bit 7 (RFC 4880, 4.2)
		return openpgp.ReadKeyRing(bytes.NewReader(text))
	}
	const begin = "-----BEGIN PGP "
	blocks := strings.Split(string(text), begin)[1:]
	if len(blocks) == 0 {
		return nil, errors.New("it has neither packets nor an armored block")
	}
	var keys openpgp.EntityList
	for _, b := range blocks {
		list, err := openpgp.ReadArmoredKeyRing(strings.NewReader(begin + b))
		if err != nil {
			return nil, err
		}
		keys = append(keys, list...)
	}
	return keys, nil
}

// Fingerprints returns the fingerprints of the primary keys.
func (k *Keyring) Fingerprints() []string {
	list := make([]string, len(k.keys))
	for i, e := range k.keys {
		list[i] = fingerprint(e.PrimaryKey)
	}
	return list
}

// Valid returns the fingerprints of the keys, and subkeys, that may sign at a time.
func (k *Keyring) Valid(now time.Time) []string {
	var list []string
	add := func(key openpgp.Key) {
		bind := key.SelfSignature
		if bind != nil && bind.FlagsValid && bind.FlagSign && key.PublicKey.Version == 4 && valid(key, now) == nil {
			list = append(list, fingerprint(key.PublicKey))
		}
	}
	for _, e := range k.keys {
		primary, _ := e.PrimarySelfSignature()
		add(openpgp.Key{Entity: e, PublicKey: e.PrimaryKey, SelfSignature: primary, Revocations: e.Revocations})
		for _, sub := range e.Subkeys {
			add(openpgp.Key{Entity: e, PublicKey: sub.PublicKey, SelfSignature: sub.Sig, Revocations: sub.Revocations})
		}
	}
	return list
}

// Verify returns the fingerprint of the key that made a detached signature over a file. It
// returns an error of kind invalid unless the signature is of version 4, over the bytes of
// a document, with SHA-512, by a key that is accepted and valid now, and nothing follows
// it. gpg's exit code would not tell that a key has expired.
func (k *Keyring) Verify(f signing.File, signature []byte, now time.Time) (string, error) {
	sig, err := parse(signature)
	if err != nil {
		return "", buildbtw.Invalid("the signature of %.200s: %v", f.Name, err)
	}
	key, err := k.find(sig, now)
	if err != nil {
		return "", buildbtw.Invalid("the signature of %.200s: %v", f.Name, err)
	}
	first, err := f.Resume()
	if err != nil {
		return "", fmt.Errorf("verify the signature of %s: %w", f.Name, err)
	}
	second, err := f.Resume()
	if err != nil {
		return "", fmt.Errorf("verify the signature of %s: %w", f.Name, err)
	}
	// The first bytes of the digest, which a signature has outside of what is signed: gpg
	// does not look at them, but other programs do.
	if errors.Join(packet.VerifyHashTag(first, sig), key.PublicKey.VerifySignature(second, sig)) != nil {
		return "", buildbtw.Invalid("the signature of %.200s is not valid: it was made for other contents or by another key than %s", f.Name, fingerprint(key.PublicKey))
	}
	return fingerprint(key.PublicKey), nil
}

// VerifyTag returns the fingerprint of the key that signed a git tag, given the text of its
// object. The error, of kind invalid, says in words why `git verify-tag` with these keys would
// refuse it; a digest weaker than SHA-256 is refused, too.
func (k *Keyring) VerifyTag(text []byte, now time.Time) (string, error) {
	signed, armored := signing.SplitTag(text)
	switch {
	case armored == "":
		return "", buildbtw.Invalid("it is not signed")
	case !strings.HasPrefix(armored, "-----BEGIN PGP SIGNATURE-----"):
		return "", buildbtw.Invalid("it has no OpenPGP signature, but another one")
	}
	sig, err := readArmored(armored)
	if err != nil {
		return "", buildbtw.Invalid("its signature: %v", err)
	}
	key, err := k.find(sig, now)
	if err != nil {
		return "", buildbtw.Invalid("its signature: %v", err)
	}
	first, second := sig.Hash.New(), sig.Hash.New()
	first.Write(signed)
	second.Write(signed)
	if errors.Join(packet.VerifyHashTag(first, sig), key.PublicKey.VerifySignature(second, sig)) != nil {
		return "", buildbtw.Invalid("its signature is not valid: it was made for another tag, or by another key than %s", fingerprint(key.PublicKey))
	}
	return fingerprint(key.PublicKey), nil
}

// readArmored reads the signature of a tag.
func readArmored(text string) (*packet.Signature, error) {
	block, err := armor.Decode(strings.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("its armor cannot be read: %w", err)
	}
	p, err := packet.Read(io.LimitReader(block.Body, maxPacket))
	if err != nil {
		return nil, fmt.Errorf("it is no OpenPGP packet: %w", err)
	}
	sig, ok := p.(*packet.Signature)
	switch {
	case !ok:
		return nil, errors.New("it is another OpenPGP packet than a signature")
	case sig.Version != 4 || sig.SigType != packet.SigTypeBinary:
		return nil, errors.New("it is not of OpenPGP version 4 over a binary document")
	case !slices.Contains([]crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512}, sig.Hash):
		return nil, fmt.Errorf("it is made with %v", sig.Hash)
	case len(sig.IssuerFingerprint) != 20 || sig.IssuerKeyId == nil:
		return nil, errors.New("it does not name its key by fingerprint and id")
	}
	return sig, nil
}

// Export returns the keys as gpg reads them, not armored.
func (k *Keyring) Export() ([]byte, error) {
	var b bytes.Buffer
	for _, e := range k.keys {
		if err := e.Serialize(&b); err != nil {
			return nil, fmt.Errorf("write the accepted keys: %w", err)
		}
	}
	return b.Bytes(), nil
}

// parse reads one signature packet.
func parse(signature []byte) (*packet.Signature, error) {
	if len(signature) > maxPacket {
		return nil, fmt.Errorf("it has %d bytes; at most %d are allowed", len(signature), maxPacket)
	}
	rest := bytes.NewReader(signature)
	p, err := packet.Read(rest)
	if err != nil {
		return nil, fmt.Errorf("it is no OpenPGP packet: %w", err)
	}
	sig, ok := p.(*packet.Signature)
	switch {
	case !ok:
		return nil, errors.New("it is another OpenPGP packet than a signature; it must be detached and not armored")
	case rest.Len() > 0:
		return nil, errors.New("something follows it")
	case sig.Version != 4:
		return nil, fmt.Errorf("it is of OpenPGP version %d; only 4 can be read everywhere", sig.Version)
	case sig.SigType != packet.SigTypeBinary:
		return nil, fmt.Errorf("it has type %#x, but must be one over a binary document", byte(sig.SigType))
	case sig.Hash != crypto.SHA512:
		return nil, fmt.Errorf("it is made with %v; SHA-512 is needed", sig.Hash)
	case len(sig.IssuerFingerprint) != 20 || sig.IssuerKeyId == nil:
		return nil, errors.New("it does not name its key by fingerprint and id")
	}
	for _, n := range sig.Notations {
		if n.IsCritical {
			return nil, errors.New("it has a critical notation")
		}
	}
	return sig, nil
}

// find returns the accepted key that a signature names, if it may sign and is valid.
func (k *Keyring) find(sig *packet.Signature, now time.Time) (openpgp.Key, error) {
	if sig.CreationTime.After(now.Add(skew)) {
		return openpgp.Key{}, fmt.Errorf("it was made at %s, which is in the future", sig.CreationTime.UTC().Format(time.RFC3339))
	}
	if sig.SigLifetimeSecs != nil && *sig.SigLifetimeSecs != 0 {
		return openpgp.Key{}, errors.New("it expires; what it signs stays for longer")
	}
	name := signing.Key{Fingerprint: [20]byte(sig.IssuerFingerprint)}.String()
	for _, key := range k.keys.KeysByIdUsage(*sig.IssuerKeyId, packet.KeyFlagSign) {
		if key.PublicKey.Version != 4 || !bytes.Equal(key.PublicKey.Fingerprint, sig.IssuerFingerprint) {
			continue
		}
		// A clock that is behind must not make a signature's key one of the future.
		if err := valid(key, now); err != nil {
			return openpgp.Key{}, fmt.Errorf("its key %s %w", name, err)
		}
		if sig.CreationTime.Before(key.PublicKey.CreationTime) {
			return openpgp.Key{}, fmt.Errorf("it is older than its key %s", name)
		}
		return key, nil
	}
	return openpgp.Key{}, fmt.Errorf("its key %s is not among the accepted ones that may sign: %s", name, strings.Join(k.Fingerprints(), ", "))
}

// valid returns an error unless a key and the primary key that it belongs to may be used.
func valid(key openpgp.Key, now time.Time) error {
	primary, identity := key.Entity.PrimarySelfSignature()
	later := now.Add(skew)
	switch {
	case primary == nil:
		return errors.New("has no valid self-signature")
	case key.Entity.Revoked(now), key.Revoked(now), identity != nil && identity.Revoked(now):
		return errors.New("is revoked")
	case expired(key.Entity.PrimaryKey, primary, now), expired(key.PublicKey, key.SelfSignature, now):
		return errors.New("has expired")
	case key.Entity.PrimaryKey.CreationTime.After(later), key.PublicKey.CreationTime.After(later):
		return errors.New("was made in the future")
	}
	return nil
}

// expired reports whether the signature that binds a key, or the key, has run out.
func expired(key *packet.PublicKey, bind *packet.Signature, now time.Time) bool {
	after := func(from time.Time, seconds *uint32) bool {
		return seconds != nil && *seconds != 0 && !now.Before(from.Add(time.Duration(*seconds)*time.Second))
	}
	return after(key.CreationTime, bind.KeyLifetimeSecs) || after(bind.CreationTime, bind.SigLifetimeSecs)
}

func fingerprint(k *packet.PublicKey) string { return fmt.Sprintf("%X", k.Fingerprint) }
