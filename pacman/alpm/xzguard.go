package alpm

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// xzGuard passes the bytes of an .xz file on and checks each block's header on
// the way. The xz library allocates a dictionary of any size that a header asks
// for, up to 4 GB, and has no setting against it. Only the structure is
// followed (xz-file-format 1.2.1); the library checks the contents.
type xzGuard struct {
	r       *bufio.Reader
	window  int64  // most bytes a dictionary may have
	budget  int64  // most bytes that all dictionaries may have: each block gets a new one
	pending []byte // looked at, not yet handed out
	skip    int64  // bytes to pass on unseen before step is called again
	step    func() error
	check   int64 // size of the check field in this stream
	block   int64 // bytes of this block so far
}

func newXzGuard(r *bufio.Reader, limits Limits) *xzGuard {
	g := &xzGuard{r: r, window: limits.Window, budget: limits.Unpacked}
	g.step = g.streamHeader
	return g
}

var errXz = errors.New("damaged xz data")

func (g *xzGuard) Read(p []byte) (int, error) {
	for len(g.pending) == 0 && g.skip == 0 {
		if err := g.step(); err != nil {
			return 0, err
		}
	}
	if len(g.pending) > 0 {
		n := copy(p, g.pending)
		g.pending = g.pending[n:]
		return n, nil
	}
	n, err := g.r.Read(p[:min(int64(len(p)), g.skip)])
	g.skip -= int64(n)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// take reads n bytes that are to be looked at and then handed out. The error
// is io.EOF when there are none at all.
func (g *xzGuard) take(n int64) ([]byte, error) {
	start := len(g.pending)
	g.pending = append(g.pending, make([]byte, n)...)
	if _, err := io.ReadFull(g.r, g.pending[start:]); err != nil {
		g.pending = nil
		return nil, err
	}
	return g.pending[start:], nil
}

// must is take where the file cannot end.
func (g *xzGuard) must(n int64) ([]byte, error) {
	taken, err := g.take(n)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return taken, err
}

// streamHeader is at the file's beginning and after every stream.
func (g *xzGuard) streamHeader() error {
	g.pending = nil
	magic, err := g.take(4)
	if err != nil || binary.LittleEndian.Uint32(magic) == 0 { // the end, or padding
		return err
	}
	rest, err := g.must(8)
	if err != nil {
		return err
	}
	sizes := [16]int64{0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64}
	g.check = sizes[rest[3]&15]
	g.step = g.blockHeader
	return nil
}

// blockHeader is before a block, or before the index that ends a stream.
func (g *xzGuard) blockHeader() error {
	g.pending = nil
	first, err := g.must(1)
	if err != nil {
		return err
	}
	if first[0] == 0 {
		return g.index()
	}
	size := (int64(first[0]) + 1) * 4
	header, err := g.must(size - 1)
	if err != nil {
		return err
	}
	if err := g.checkDictionary(header); err != nil {
		return err
	}
	g.block, g.step = size, g.chunk
	return nil
}

// checkDictionary reads the filters of a block header, without its first byte.
// The library knows only one filter, LZMA2.
func (g *xzGuard) checkDictionary(header []byte) error {
	flags, rest := header[0], header[1:]
	for _, present := range []bool{flags&0x40 != 0, flags&0x80 != 0} {
		if !present {
			continue
		}
		_, n := binary.Uvarint(rest)
		if n <= 0 {
			return errXz
		}
		rest = rest[n:]
	}
	const lzma2 = 0x21
	if flags&3 != 0 || len(rest) < 3 || rest[0] != lzma2 || rest[1] != 1 || rest[2] > 40 {
		return errors.New("xz data with filters other than LZMA2")
	}
	bits := int64(rest[2])
	size := (2 | bits&1) << (bits/2 + 11)
	g.budget -= size
	switch {
	case size > g.window:
		return fmt.Errorf("%w: the compression needs %d bytes of memory, %d are allowed", ErrLimit, size, g.window)
	case g.budget < 0:
		return fmt.Errorf("%w: the compression has too many blocks", ErrLimit)
	}
	return nil
}

// chunk is before an LZMA2 chunk, or before the byte that ends a block.
func (g *xzGuard) chunk() error {
	g.pending = nil
	control, err := g.must(1)
	if err != nil {
		return err
	}
	g.block++
	switch c := control[0]; {
	case c == 0:
		g.skip, g.step = (4-g.block%4)%4+g.check, g.blockHeader
		return nil
	case c <= 2:
		return g.chunkData(2, 0, 0)
	case c >= 0xc0:
		return g.chunkData(4, 2, 1)
	case c >= 0x80:
		return g.chunkData(4, 2, 0)
	}
	return errXz
}

// chunkData passes over the data of a chunk. Its size less one is two bytes,
// at a place in the size fields; properties follow them.
func (g *xzGuard) chunkData(fields, at, properties int64) error {
	sizes, err := g.must(fields)
	if err != nil {
		return err
	}
	g.skip = int64(binary.BigEndian.Uint16(sizes[at:])) + 1 + properties
	g.block += fields + g.skip
	return nil
}

// index follows the byte 0 that begins it: a count, two numbers for each
// block, padding, a checksum, and the stream's footer. Numbers are passed on
// one at a time: the library keeps them, and refuses more than it has seen.
func (g *xzGuard) index() error {
	size := int64(1)
	count, err := g.uvarint(&size)
	if err != nil {
		return err
	}
	left := count
	g.step = func() error {
		g.pending = nil
		if left == 0 {
			const checksumAndFooter = 4 + 12
			g.skip, g.step = (4-size%4)%4+checksumAndFooter, g.streamHeader
			return nil
		}
		left--
		if _, err := g.uvarint(&size); err != nil {
			return err
		}
		_, err := g.uvarint(&size)
		return err
	}
	return nil
}

func (g *xzGuard) uvarint(size *int64) (uint64, error) {
	start := len(g.pending)
	for range 9 {
		b, err := g.must(1)
		if err != nil {
			return 0, err
		}
		*size++
		if b[0] < 0x80 {
			n, _ := binary.Uvarint(g.pending[start:])
			return n, nil
		}
	}
	return 0, errXz
}
