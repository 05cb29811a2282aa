package alpm

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// The first bytes of the ways to compress a package.
const (
	magicZstd = "\x28\xb5\x2f\xfd"
	magicXz   = "\xfd7zXZ\x00"
	magicGzip = "\x1f\x8b"
)

// decompress returns the plain bytes of r. The decompressor uses at most
// limits.Window of memory; closeFn frees it.
func decompress(r io.Reader, limits Limits) (plain io.Reader, closeFn func(), err error) {
	buffered := bufio.NewReaderSize(r, 64<<10)
	magic, err := buffered.Peek(len(magicXz))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, err
	}
	plain, closeFn, err = buffered, func() {}, nil
	switch head := string(magic); {
	case strings.HasPrefix(head, magicZstd):
		return decompressZstd(buffered, limits.Window)
	case strings.HasPrefix(head, magicXz):
		plain, err = xz.NewReader(newXzGuard(buffered, limits))
	case strings.HasPrefix(head, magicGzip):
		plain, err = gzip.NewReader(buffered)
	}
	return plain, closeFn, err
}

func decompressZstd(r io.Reader, window int64) (plain io.Reader, closeFn func(), err error) {
	decoder, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(uint64(window)))
	if err != nil {
		return nil, nil, err
	}
	return decoder, decoder.Close, nil
}

// Limits of the unpacked size of a package, in bytes and in multiples of its file's size:
// xz unpacks one byte to 7,000 and zstd to 30,000, so that a few megabytes would keep a
// processor busy for minutes. Real packages grow some ten times; one may contain an empty
// file system of 256 MB.
const (
	freeGrowth = 256 << 20
	maxGrowth  = 250
)

// packedReader counts the bytes of the file that have been read.
type packedReader struct {
	r io.Reader
	n int64
}

func (p *packedReader) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	p.n += int64(n)
	return n, err
}

// countingReader counts the bytes read. It stops at a limit, and when the file grows
// too much.
type countingReader struct {
	r       io.Reader
	packed  *packedReader
	n       int64
	zeros   int64 // zero bytes at the end of those read
	limit   int64
	headers int64 // where headers must end; 0 in the content of an entry
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if errors.Is(err, zstd.ErrWindowSizeExceeded) || errors.Is(err, zstd.ErrDecoderSizeExceeded) {
		err = fmt.Errorf("%w: %w", ErrLimit, err)
	}
	c.n += int64(n)
	zeros := int64(n - len(bytes.TrimRight(p[:n], "\x00")))
	if zeros == int64(n) {
		zeros += c.zeros
	}
	c.zeros = zeros
	switch {
	case c.n > c.limit:
		return n, fmt.Errorf("%w: unpacked it has more than %d bytes", ErrLimit, c.limit)
	case c.headers > 0 && c.n > c.headers:
		return n, fmt.Errorf("%w: more than %d bytes between two files", ErrLimit, maxHeader)
	case c.n > freeGrowth+maxGrowth*c.packed.n:
		return n, fmt.Errorf("%w: unpacked it is more than %d times as large", ErrLimit, maxGrowth)
	}
	return n, err
}

// readZeros reads r to its end and refuses anything but zero bytes.
func readZeros(r io.Reader) error {
	buf := make([]byte, 4<<10)
	for {
		n, err := r.Read(buf)
		if len(bytes.TrimLeft(buf[:n], "\x00")) > 0 {
			return errors.New("data after the end of the archive")
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
