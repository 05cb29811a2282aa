package buildlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// A compressed log is in the seekable format of zstd (contrib/seekable_format of its
// repository): frames that each hold frameText bytes of text, the last one fewer, and a
// skippable frame with the sizes of all of them. zstdcat reads it as any other file.

// frameText is how much text a frame has: what a read from any place costs at most.
const frameText = 256 << 10

// The seek table: a header, an entry for each frame, a footer. Numbers are little endian.
const (
	skippableMagic = 0x184D2A5E
	seekableMagic  = 0x8F92EAB1
	tableHeader    = 8
	tableEntry     = 8 // compressed size, then size of the text; no checksums: the frames have them
	tableFooter    = 9
)

// errCompressed is that a compressed log is not as Compress writes it.
var errCompressed = errors.New("the compressed log is damaged; remove its file, or put it back from a backup")

// writeCompressed compresses a text of a given size.
func writeCompressed(w io.Writer, text io.Reader, size int64) error {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(true), zstd.WithSingleSegment(true))
	if err != nil {
		return err
	}
	defer func() { _ = z.Close() }()
	var table []byte
	plain, packed := make([]byte, frameText), []byte(nil)
	for size > 0 {
		part := plain[:min(size, frameText)]
		if _, err := io.ReadFull(text, part); err != nil {
			return err
		}
		packed = z.EncodeAll(part, packed[:0])
		if _, err := w.Write(packed); err != nil {
			return err
		}
		table = binary.LittleEndian.AppendUint32(table, uint32(len(packed)))
		table = binary.LittleEndian.AppendUint32(table, uint32(len(part)))
		size -= int64(len(part))
	}
	end := binary.LittleEndian.AppendUint32(nil, skippableMagic)
	end = binary.LittleEndian.AppendUint32(end, uint32(len(table)+tableFooter))
	end = append(end, table...)
	end = binary.LittleEndian.AppendUint32(end, uint32(len(table)/tableEntry))
	end = append(end, 0) // no checksums
	end = binary.LittleEndian.AppendUint32(end, seekableMagic)
	_, err = w.Write(end)
	return err
}

// compressed is a compressed log, opened for reading at any place: it reads no more than the
// frames that it is asked for, each once in a row.
type compressed struct {
	file   io.ReaderAt
	close  func() error
	starts []int64 // of the frames in the file, and the end of the last
	size   int64   // of the text

	mu    sync.Mutex
	z     *zstd.Decoder // nil until the first read
	frame int           // whose text is in text; -1: none
	text  []byte
}

// openCompressedFile opens a compressed log of the directory, which closes the file, also
// when there is an error.
func openCompressedFile(f *os.File) (*compressed, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	c, err := openCompressed(f, info.Size())
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	c.close = f.Close
	return c, nil
}

// openCompressed reads the table of a compressed log that has a size in bytes.
func openCompressed(f io.ReaderAt, size int64) (*compressed, error) {
	footer := make([]byte, tableFooter)
	if size < tableHeader+tableFooter {
		return nil, errCompressed
	}
	if _, err := f.ReadAt(footer, size-tableFooter); err != nil {
		return nil, err
	}
	frames := int64(binary.LittleEndian.Uint32(footer))
	begin := size - tableFooter - frames*tableEntry
	if binary.LittleEndian.Uint32(footer[5:]) != seekableMagic || footer[4] != 0 || frames > MaxSize/frameText+1 || begin < tableHeader {
		return nil, errCompressed
	}
	table := make([]byte, frames*tableEntry)
	if _, err := f.ReadAt(table, begin); err != nil {
		return nil, err
	}
	c := &compressed{file: f, close: func() error { return nil }, frame: -1, starts: make([]int64, 1, frames+1)}
	for part := range slices.Chunk(table, tableEntry) {
		text := int64(binary.LittleEndian.Uint32(part[4:]))
		if c.size%frameText != 0 || text == 0 || text > frameText { // only the last is shorter
			return nil, errCompressed
		}
		c.size += text
		c.starts = append(c.starts, c.starts[len(c.starts)-1]+int64(binary.LittleEndian.Uint32(part)))
	}
	if c.starts[frames] != begin-tableHeader {
		return nil, errCompressed
	}
	return c, nil
}

// ReadAt reads text.
func (c *compressed) ReadAt(p []byte, offset int64) (n int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if offset < 0 {
		return 0, fs.ErrInvalid
	}
	for n < len(p) {
		if offset >= c.size {
			return n, io.EOF
		}
		if err := c.load(int(offset / frameText)); err != nil {
			return n, err
		}
		m := copy(p[n:], c.text[offset%frameText:])
		n, offset = n+m, offset+int64(m)
	}
	return n, nil
}

// load decompresses a frame, unless it is that of the last read.
func (c *compressed) load(frame int) error {
	if frame == c.frame {
		return nil
	}
	if c.z == nil {
		z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(frameText))
		if err != nil {
			return err
		}
		c.z = z
	}
	packed := make([]byte, c.starts[frame+1]-c.starts[frame])
	if _, err := c.file.ReadAt(packed, c.starts[frame]); err != nil {
		return err
	}
	c.frame = -1
	text, err := c.z.DecodeAll(packed, c.text[:0])
	if err != nil || int64(len(text)) != min(frameText, c.size-int64(frame)*frameText) {
		return errors.Join(fmt.Errorf("part %d: %w", frame, errCompressed), err)
	}
	c.frame, c.text = frame, text
	return nil
}

// Close closes the file.
func (c *compressed) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.z != nil {
		c.z.Close()
	}
	return c.close()
}
