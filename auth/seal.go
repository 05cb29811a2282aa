package auth

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
)

// seal encrypts and authenticates.
type seal struct{ cipher.AEAD }

// newSeal returns a seal for one purpose with a key that is derived from a secret.
func newSeal(secret, purpose string) *seal {
	key, err := hkdf.Key(sha256.New, []byte(secret), nil, "buildbtw "+purpose, sha256.Size)
	if err != nil {
		panic(fmt.Sprintf("derive a key: %v", err)) // only for lengths that HKDF cannot make
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(fmt.Sprintf("make a cipher: %v", err)) // only for keys of another length
	}
	gcm, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(fmt.Sprintf("make a cipher: %v", err)) // only for other block sizes
	}
	return &seal{gcm}
}

// close encrypts a text that opens only together with context.
func (s *seal) close(text, context []byte) []byte {
	return s.Seal(nil, nil, text, context) //nolint:gosec // G407: it makes a random nonce of its own, good for 2^32 texts
}

// open decrypts a text that close encrypted with the same context.
func (s *seal) open(sealed, context []byte) ([]byte, error) {
	return s.Open(nil, nil, sealed, context)
}
