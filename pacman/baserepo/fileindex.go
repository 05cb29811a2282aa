package baserepo

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"buildbtw/internal/atomicfile"
)

// FileIndex tells which packages of the base own a file. It has a digest of each path, sorted, in a file
// without a name: a distribution has some millions of paths, which would take hundreds of
// megabytes of memory. The file goes when nothing uses the index any more.
type FileIndex struct {
	seed     maphash.Seed
	packages []*Entry // that pacman would install; by number
	unlisted map[string]bool
	file     *os.File // records, sorted
	records  int64
}

// record is a path of a package.
type record struct {
	path   uint64 // PathDigest
	number uint32 // of the package
}

const recordSize = 12 // bytes in the file

// maxRecords bounds the files of all repositories: 1.2 GB of disk. Arch Linux has some seven million.
const maxRecords = 100 << 20

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
	x := &FileIndex{seed: seed, unlisted: map[string]bool{}}
	numbers := map[string]map[string]uint32{} // by repository and id
	for e := range s.Entries() {
		if numbers[e.Repo] == nil {
			numbers[e.Repo] = map[string]uint32{}
		}
		numbers[e.Repo][e.id()] = uint32(len(x.packages))
		x.packages = append(x.packages, e)
	}
	var records []record
	for _, r := range b.repos {
		if s.files[r.Name] == nil {
			x.unlisted[r.Name] = true
			continue
		}
		var err error
		if records, err = b.readRecords(ctx, r, numbers[r.Name], seed, records); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(records, func(a, b record) int {
		switch {
		case a.path < b.path:
			return -1
		case a.path > b.path:
			return 1
		}
		return int(a.number) - int(b.number)
	})
	return x, x.write(b.dir, records)
}

// readRecords appends the paths of the packages of one repository that have a number.
func (b *Base) readRecords(ctx context.Context, r *repository, numbers map[string]uint32, seed maphash.Seed, records []record) ([]record, error) {
	f, err := os.Open(filepath.Join(b.dir, r.parts[1].file))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	records = slices.Grow(records, usualFiles*len(numbers))
	err = members(untilDone{ctx, f}, b.limits, func(id, name string, text *lines) error {
		number, wanted := numbers[id]
		if !wanted || name != "files" {
			return nil
		}
		for {
			line, err := text.next()
			switch {
			case errors.Is(err, io.EOF):
				return nil
			case err != nil:
				return err
			case len(line) == 0 || line[len(line)-1] == '/' || string(line) == "%FILES%":
				continue
			case len(records) == maxRecords:
				return fmt.Errorf("more than %d files", maxRecords)
			}
			records = append(records, record{PathDigest(seed, line), number})
		}
	})
	return records, err
}

// write keeps sorted records in a file that nobody else can open.
func (x *FileIndex) write(dir string, records []record) (err error) {
	f, err := os.CreateTemp(dir, atomicfile.TempPrefix+"*")
	if err != nil {
		return err
	}
	if err := os.Remove(f.Name()); err != nil {
		return errors.Join(err, f.Close())
	}
	w := bufio.NewWriterSize(f, 1<<16)
	var raw [recordSize]byte
	for _, r := range records {
		binary.LittleEndian.PutUint64(raw[:], r.path)
		binary.LittleEndian.PutUint32(raw[8:], r.number)
		if _, err := w.Write(raw[:]); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	if err := w.Flush(); err != nil {
		return errors.Join(err, f.Close())
	}
	x.file, x.records = f, int64(len(records))
	return nil
}

// Listed reports whether the list of a package's files was known when the index was made.
func (x *FileIndex) Listed(e *Entry) bool { return !x.unlisted[e.Repo] }

// Owners calls found for each package that owns a path with one of the digests, which must be
// sorted. It reads the whole index once: some 50 ms for a distribution.
func (x *FileIndex) Owners(digests []uint64, found func(digest uint64, owner *Entry)) error {
	if len(digests) == 0 {
		return nil
	}
	r := bufio.NewReaderSize(io.NewSectionReader(x.file, 0, x.records*recordSize), 1<<18)
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
