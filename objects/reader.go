package objects

import (
	"context"
	"fmt"
	"io"
	"io/fs"

	"buildbtw/internal/lru"
)

// blockSize is how much of an object is fetched at once. A smaller object is one block.
const blockSize = 512 << 10

// cachedBytes is how much of what was fetched last is remembered.
const cachedBytes = 32 << 20

// Blocks reads objects at any place, in blocks, and remembers those that were read last: a page of a
// log, and the next one, cost one request. Objects must not change under their keys while their
// sizes stay the same.
type Blocks struct {
	bucket Bucket
	cache  *lru.Cache[blockKey, []byte]
}

type blockKey struct {
	object string
	size   int64
	number int64
}

// NewBlocks returns a reader of a bucket.
func NewBlocks(b Bucket) *Blocks {
	return &Blocks{b, lru.NewWeighted[blockKey](cachedBytes, func(block []byte) int64 { return int64(len(block)) })}
}

// File returns an object of a size for random access. Nothing is fetched yet. What is read is
// fetched until the context ends.
func (b *Blocks) File(ctx context.Context, o Object) io.ReaderAt { return &file{ctx, b, o} }

type file struct {
	ctx    context.Context //nolint:containedctx // an io.ReaderAt is given none
	blocks *Blocks
	object Object
}

func (f *file) ReadAt(p []byte, offset int64) (n int, err error) {
	if offset < 0 {
		return 0, fs.ErrInvalid
	}
	for n < len(p) {
		if offset >= f.object.Size {
			return n, io.EOF
		}
		block, err := f.blocks.block(f.ctx, f.object, offset/blockSize)
		if err != nil {
			return n, err
		}
		m := copy(p[n:], block[offset%blockSize:])
		n, offset = n+m, offset+int64(m)
	}
	return n, nil
}

func (b *Blocks) block(ctx context.Context, o Object, number int64) ([]byte, error) {
	key := blockKey{o.Key, o.Size, number}
	if block, ok := b.cache.Get(key); ok {
		return block, nil
	}
	begin := number * blockSize
	size := min(blockSize, o.Size-begin)
	body, err := b.bucket.Open(ctx, o.Key, begin, size)
	if err != nil {
		return nil, err
	}
	block := make([]byte, size)
	_, err = io.ReadFull(body, block)
	_ = body.Close() // what was read counts
	if err != nil {
		return nil, fmt.Errorf("read %s from %d: %w", o.Key, begin, err)
	}
	b.cache.Put(key, block)
	return block, nil
}

// Forget drops what is remembered of an object.
func (b *Blocks) Forget(key string) {
	b.cache.DeleteFunc(func(k blockKey) bool { return k.object == key })
}
