package baserepo

import (
	"bufio"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/klauspost/compress/zstd"

	"buildbtw/internal/atomicfile"
)

// FileIndex tells which packages of the base own a file. It has a digest of each path, sorted, in a file
// without a name: a distribution has some millions of paths, which would take hundreds of
// megabytes of memory. The file goes when nothing uses the index any more.
type FileIndex struct {
	seed     maphash.Seed
	packages []*Entry // that pacman would install; by number
	file     *os.File // the lists of packages, each compressed; behind them the records, sorted
	start    int64    // of the records
	records  int64
	lists    map[string]span // in file; by pkgname
}

// span is a part of a file, in bytes.
type span struct {
	at   int64
	size int32
}

// record is a path of a package.
type record struct {
	path   uint64 // PathDigest
	number uint32 // of the package
}

const recordSize = 12 // bytes in the file

// maxRecords bounds the files of all repositories: 1.2 GB of disk. Arch Linux has some seven million.
const maxRecords = 100 << 20

const maxList = 128 << 20 // bytes of the list of one package

// usualFiles is about how many files a package has: memory for so many is taken at once, as it
// would be taken several times over while it grows.
const usualFiles = 400

// fileIndexes keeps the index of the newest snapshot.
type fileIndexes struct {
	sync.Mutex
	of     *Snapshot
	newest *FileIndex
}

// FileIndex returns the index of the files of a snapshot's packages, of which only the newest
// is kept. To make it takes some seconds for a distribution; several that ask at once wait for
// one. PathDigest needs the same seed.
func (b *Base) FileIndex(ctx context.Context, s *Snapshot, seed maphash.Seed) (*FileIndex, error) {
	b.indexes.Lock()
	defer b.indexes.Unlock()
	if b.indexes.of == s && b.indexes.newest.seed == seed {
		return b.indexes.newest, nil
	}
	x, err := b.newFileIndex(ctx, s, seed)
	if err != nil {
		return nil, fmt.Errorf("index the files of the base: %w", err)
	}
	b.indexes.of, b.indexes.newest = s, x
	return x, nil
}

// PathDigest returns the digest by which an index knows the path of a file.
func PathDigest(seed maphash.Seed, path []byte) uint64 { return maphash.Bytes(seed, path) }

func (b *Base) newFileIndex(ctx context.Context, s *Snapshot, seed maphash.Seed) (*FileIndex, error) {
	f, err := os.CreateTemp(b.dir, atomicfile.TempPrefix+"*")
	if err != nil {
		return nil, err
	}
	x := &FileIndex{seed: seed, file: f, lists: map[string]span{}}
	if err := errors.Join(os.Remove(f.Name()), x.fill(ctx, b, s)); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return x, nil
}

// fill reads the lists of all repositories and writes the file.
func (x *FileIndex) fill(ctx context.Context, b *Base, s *Snapshot) error {
	numbers := map[string]map[string]uint32{} // by repository and id
	for e := range s.Entries() {
		if numbers[e.Repo] == nil {
			numbers[e.Repo] = map[string]uint32{}
		}
		numbers[e.Repo][e.id()] = uint32(len(x.packages))
		x.packages = append(x.packages, e)
	}
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		return err
	}
	w := listWriter{index: x, z: z, w: bufio.NewWriterSize(x.file, 1<<16)}
	for _, r := range b.repos {
		if s.files[r.Name] == nil {
			continue
		}
		if err := b.readLists(ctx, r, numbers[r.Name], &w); err != nil {
			return err
		}
	}
	slices.SortFunc(w.records, func(a, b record) int {
		return cmp.Or(cmp.Compare(a.path, b.path), cmp.Compare(a.number, b.number))
	})
	return w.finish()
}

// listWriter writes the file of an index: first the lists.
type listWriter struct {
	index   *FileIndex
	z       *zstd.Encoder
	w       *bufio.Writer
	at      int64
	records []record
	text    []byte // of the package that is read
	packed  []byte
}

// readLists adds the lists of the packages of one repository that have a number.
func (b *Base) readLists(ctx context.Context, r *repository, numbers map[string]uint32, w *listWriter) error {
	f, err := os.Open(filepath.Join(b.dir, r.parts[1].file))
	if err != nil {
		return err
	}
	defer f.Close()
	w.records = slices.Grow(w.records, usualFiles*len(numbers))
	return members(untilDone{ctx, f}, b.limits, func(id, name string, text *lines) error {
		number, wanted := numbers[id]
		if !wanted || name != "files" {
			return nil
		}
		return w.add(number, text)
	})
}

// add reads the list of a package.
func (w *listWriter) add(number uint32, text *lines) error {
	w.text = w.text[:0]
	for {
		line, err := text.next()
		switch {
		case errors.Is(err, io.EOF):
			w.packed = w.z.EncodeAll(w.text, w.packed[:0])
			w.index.lists[w.index.packages[number].Name] = span{w.at, int32(len(w.packed))}
			w.at += int64(len(w.packed))
			_, err := w.w.Write(w.packed)
			return err
		case err != nil:
			return err
		case len(line) == 0 || string(line) == "%FILES%":
			continue
		case len(w.records) == maxRecords || len(w.text) > maxList:
			return errors.New("too many files")
		}
		w.text = append(append(w.text, line...), '\n')
		if line[len(line)-1] != '/' {
			w.records = append(w.records, record{PathDigest(w.index.seed, line), number})
		}
	}
}

// finish writes the records, which are sorted, behind the lists.
func (w *listWriter) finish() error {
	var raw [recordSize]byte
	for _, r := range w.records {
		binary.LittleEndian.PutUint64(raw[:], r.path)
		binary.LittleEndian.PutUint32(raw[8:], r.number)
		if _, err := w.w.Write(raw[:]); err != nil {
			return err
		}
	}
	w.index.start, w.index.records = w.at, int64(len(w.records))
	return w.w.Flush()
}

// Files returns the names of a package's files, sorted as its list has them; directories end in
// a slash. It is nil when they are not known.
func (x *FileIndex) Files(pkgname string) ([]string, error) {
	at, ok := x.lists[pkgname]
	if !ok {
		return nil, nil
	}
	packed := make([]byte, at.size)
	if _, err := x.file.ReadAt(packed, at.at); err != nil {
		return nil, fmt.Errorf("read the files of %s: %w", pkgname, err)
	}
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(2*maxList))
	if err != nil {
		return nil, err
	}
	defer z.Close()
	text, err := z.DecodeAll(packed, nil)
	if err != nil {
		return nil, fmt.Errorf("read the files of %s: %w", pkgname, err)
	}
	return strings.FieldsFunc(string(text), func(r rune) bool { return r == '\n' }), nil
}

// Owners calls found for each package that owns a path with one of the digests, which must be
// sorted. It reads the whole index once: some 50 ms for a distribution.
func (x *FileIndex) Owners(digests []uint64, found func(digest uint64, owner *Entry)) error {
	if len(digests) == 0 {
		return nil
	}
	r := bufio.NewReaderSize(io.NewSectionReader(x.file, x.start, x.records*recordSize), 1<<18)
	var raw [recordSize]byte
	for range x.records {
		if _, err := io.ReadFull(r, raw[:]); err != nil {
			return fmt.Errorf("read the index of the files of the base: %w", err)
		}
		path := binary.LittleEndian.Uint64(raw[:])
		for len(digests) > 0 && digests[0] < path {
			digests = digests[1:]
		}
		if len(digests) == 0 {
			return nil
		}
		if digests[0] == path {
			found(path, x.packages[binary.LittleEndian.Uint32(raw[8:])])
		}
	}
	return nil
}
