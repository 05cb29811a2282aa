package pacmanrepo

import (
	"context"
	"encoding/hex"
	"hash"
	"io"
)

// incoming reads until its context is done, and remembers a failure of the one
// that sends: io.Copy gives failures of reading and of writing alike, but the
// first is the client's and the second is ours.
type incoming struct {
	ctx context.Context //nolint:containedctx // lives as long as one upload
	r   io.Reader
	err error
}

func (in *incoming) Read(p []byte) (int, error) {
	if err := in.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := in.r.Read(p)
	if err != nil && err != io.EOF {
		in.err = err
	}
	return n, err
}

// sums are the digests that a database lists.
type sums struct{ md5, sha256 hash.Hash }

func hexSum(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }
