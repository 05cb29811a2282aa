package alpm

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
)

// ReadArchive calls entry for each entry of a tar archive, and reads the
// archive to its end, so that truncated and damaged ones are errors.
// Compression is recognised by its first bytes: zst, xz, gz or none. Content
// that entry does not read is skipped; an error from entry ends the reading.
func (l Limits) ReadArchive(r io.Reader, entry func(h *tar.Header, content io.Reader) error) error {
	packed := &packedReader{r: r}
	plain, closeFn, err := decompress(packed, l)
	if err != nil {
		return archiveError(err)
	}
	defer closeFn()
	reader := archiveReader{limits: l, stream: &countingReader{r: plain, packed: packed, limit: l.Unpacked}, entry: entry}
	return reader.read()
}

type archiveReader struct {
	limits  Limits
	stream  *countingReader
	entry   func(*tar.Header, io.Reader) error
	entries int
	names   int   // bytes
	content int64 // bytes, holes of sparse files included
}

// endOfArchive is the length in bytes of the two zero blocks that end a tar
// archive. Go's reader takes a missing one for an end, too, even after a header
// that another should follow.
const endOfArchive = 1024

// maxHeader is how many bytes may lie between the content of one entry and that of
// the next, and behind the last: headers of names and attributes, which are read
// all at once, and the zero bytes with which tar fills its last record.
const maxHeader = 4 << 20

func (a *archiveReader) read() error {
	archive := tar.NewReader(a.stream)
	for {
		before := a.stream.n
		a.stream.headers = before + maxHeader
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return a.finish(a.stream.n - before)
		}
		if err != nil {
			return archiveError(err)
		}
		if err := a.count(header); err != nil {
			return err
		}
		a.stream.headers = 0
		if err := a.entry(header, archive); err != nil {
			return archiveError(err)
		}
		if _, err := io.Copy(io.Discard, archive); err != nil {
			return archiveError(err)
		}
	}
}

// finish reads the rest of the stream behind the archive, of whose end marker
// so many bytes were seen: only zero bytes may follow, and reading them lets
// the decompressor check its sums.
func (a *archiveReader) finish(end int64) error {
	if end < endOfArchive || a.stream.zeros < endOfArchive {
		return errCutOff
	}
	if err := readZeros(a.stream); err != nil {
		return archiveError(err)
	}
	return nil
}

var errCutOff = errors.New("the archive is cut off")

func archiveError(err error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errCutOff
	case errors.Is(err, tar.ErrHeader):
		return errors.New("not a tar archive, compressed with zst, xz, gz or nothing")
	}
	return err
}

// count adds an entry to the counts and checks the limits. Sizes are counted
// apart from the stream, because a sparse file needs no bytes there.
func (a *archiveReader) count(header *tar.Header) error {
	a.entries++
	a.names += len(header.Name)
	if isFile(header) {
		if header.Size > a.limits.Unpacked-a.content {
			return fmt.Errorf("%w: files of more than %d bytes", ErrLimit, a.limits.Unpacked)
		}
		a.content += header.Size
	}
	switch {
	case a.entries > a.limits.Entries:
		return fmt.Errorf("%w: more than %d entries", ErrLimit, a.limits.Entries)
	case a.names > a.limits.Names:
		return fmt.Errorf("%w: names of more than %d bytes", ErrLimit, a.limits.Names)
	}
	return nil
}

// isFile reports whether an entry has content of its own: neither directory, link
// nor device.
func isFile(header *tar.Header) bool {
	return header.Typeflag == tar.TypeReg || header.Typeflag == tar.TypeGNUSparse
}
