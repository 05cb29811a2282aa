package signing

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/bits"
	"strings"
	"time"
)

// Algorithm is a public key algorithm (RFC 4880, section 9.1; EdDSA: RFC 9580, 9.1).
type Algorithm byte

// Algorithms that keys of distributions have, and that gpg 2.2 knows.
const (
	RSA   Algorithm = 1
	EdDSA Algorithm = 22 // Ed25519 in the older encoding
)

// Numbers of RFC 4880.
const (
	signatureV4   = 4
	overBinary    = 0x00 // the type of a signature over a document's bytes (5.2.1)
	hashSHA512    = 10   // 9.4
	subCreated    = 2    // 5.2.3.4
	subIssuer     = 16   // 5.2.3.5
	subIssuerFull = 33   // RFC 9580, 5.2.3.35
	tagSignature  = 2    // 4.3
)

// Key is a signer's public key, as far as its signatures name it.
type Key struct {
	Fingerprint [20]byte
	Algorithm   Algorithm
}

// ParseFingerprint reads a fingerprint of a version 4 key, as gpg prints it.
func ParseFingerprint(s string) (f [20]byte, err error) {
	b, err := hex.DecodeString(strings.ReplaceAll(strings.TrimPrefix(s, "0x"), " ", ""))
	if err != nil || len(b) != len(f) {
		return f, fmt.Errorf("%.100q is no fingerprint of an OpenPGP key, which has 40 hexadecimal digits", s)
	}
	return [20]byte(b), nil
}

// String returns the fingerprint as gpg prints it.
func (k Key) String() string { return strings.ToUpper(hex.EncodeToString(k.Fingerprint[:])) }

// Unsigned is a signature that lacks the values which the secret key makes.
type Unsigned struct {
	Digest []byte // what is signed: SHA-512

	key    Key
	hashed []byte // from the version to the end of the hashed subpackets
}

// prepare returns a version 4 signature over a file (RFC 4880, 5.2.3), without its values.
func (k Key) prepare(f File, at time.Time) (Unsigned, error) {
	if k.Algorithm != RSA && k.Algorithm != EdDSA {
		return Unsigned{}, fmt.Errorf("the key %s has algorithm %d; Ed25519 (%d) and RSA (%d) are supported", k, k.Algorithm, EdDSA, RSA)
	}
	h, err := f.Resume()
	if err != nil {
		return Unsigned{}, err
	}
	seconds := at.Unix()
	if seconds < 0 || seconds >= 1<<32 {
		return Unsigned{}, fmt.Errorf("%s is no time of an OpenPGP signature", at)
	}
	var sub []byte
	sub = append(sub, 2+byte(len(k.Fingerprint)), subIssuerFull, signatureV4) // length, type, version of the key
	sub = append(sub, k.Fingerprint[:]...)
	sub = append(sub, 5, subCreated)
	sub = binary.BigEndian.AppendUint32(sub, uint32(seconds))

	hashed := []byte{signatureV4, overBinary, byte(k.Algorithm), hashSHA512}
	hashed = binary.BigEndian.AppendUint16(hashed, uint16(len(sub)))
	hashed = append(hashed, sub...)

	h.Write(hashed)
	h.Write([]byte{signatureV4, 0xff})
	h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(hashed))))
	return Unsigned{Digest: h.Sum(nil), key: k, hashed: hashed}, nil
}

// Packet returns the signature with its values: of RSA the signature, of EdDSA r and s. The
// header is of the old format, which every program that reads signatures knows.
func (u Unsigned) Packet(values [][]byte) ([]byte, error) {
	if want := map[Algorithm]int{RSA: 1, EdDSA: 2}[u.key.Algorithm]; len(values) != want {
		return nil, fmt.Errorf("a signature of algorithm %d has %d values, not %d", u.key.Algorithm, want, len(values))
	}
	body := bytes.Clone(u.hashed)
	body = append(body, 0, 10, 9, subIssuer) // subpackets that are not hashed: the key's id
	body = append(body, u.key.Fingerprint[12:]...)
	body = append(body, u.Digest[0], u.Digest[1])
	for _, v := range values {
		v = bytes.TrimLeft(v, "\x00")
		if len(v) == 0 || len(v) > 2048 {
			return nil, fmt.Errorf("a value of the signature has %d bytes", len(v))
		}
		body = binary.BigEndian.AppendUint16(body, uint16(8*len(v)-bits.LeadingZeros8(v[0])))
		body = append(body, v...)
	}
	if len(body) < 256 {
		return append([]byte{0x80 | tagSignature<<2, byte(len(body))}, body...), nil
	}
	header := binary.BigEndian.AppendUint16([]byte{0x80 | tagSignature<<2 | 1}, uint16(len(body)))
	return append(header, body...), nil
}
