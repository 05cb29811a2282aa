package buildbtw

import "time"

// Signature is a detached OpenPGP signature over a package file.
type Signature struct {
	FileSHA256 string    `bun:"file_sha256,pk"`
	Key        string    `bun:"key,pk"`    // fingerprint of the key, or subkey, that made it
	Packet     []byte    `bun:"signature"` // not armored
	By         string    `bun:"by"`
	At         time.Time `bun:"at"`
}

// SigningFile is a file of a release that waits for signatures.
type SigningFile struct {
	ReleaseID int64  `bun:"release_id,pk"`
	Name      string `bun:"name,pk"`
	SHA256    string `bun:"sha256"`
	Size      int64  `bun:"size"`
	State     []byte `bun:"state"` // of SHA-512 after its bytes
}
