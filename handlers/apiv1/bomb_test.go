package apiv1_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"debug/elf"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"buildbtw/api"
	"buildbtw/store/storetest"
)

// packer writes a package that may be a bomb.
type packer struct {
	t testing.TB
	*tar.Writer
	plain *bytes.Buffer // what the writer writes to
}

const packageInfo = "pkgname = libalpha\npkgbase = libalpha\npkgver = 1.0-1\narch = x86_64\nsize = 1\nbuilddate = 1\n"

func (p packer) file(name string, content []byte) {
	p.t.Helper()
	p.declare(name, int64(len(content)))
	if _, err := p.Write(content); err != nil {
		p.t.Fatal(err)
	}
}

// declare writes the header of a file without its content.
func (p packer) declare(name string, size int64) {
	p.t.Helper()
	if err := p.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: size}); err != nil {
		p.t.Fatal(err)
	}
}

// zeros repeats a stream of zero bytes as often as needed: all three formats may
// consist of several streams.
func zeros(t testing.TB, size int, packed func(io.Writer) (io.WriteCloser, error)) []byte {
	const one = 8 << 20
	return bytes.Repeat(squeezed(t, make([]byte, one), packed), size/one)
}

func squeezed(t testing.TB, plain []byte, packed func(io.Writer) (io.WriteCloser, error)) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := packed(&b)
	if err == nil {
		_, err = w.Write(plain)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zstandard(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) }

// manyNames is a library that links with 4,000 others, whose names are as long as
// they may be.
func manyNames(t testing.TB, number int) []byte {
	t.Helper()
	const n, dynamicAt = 4000, 64 + 2*56
	tables := uint64(dynamicAt + 16*(n+3))
	var names bytes.Buffer
	tags := []elf.Dyn64{{Tag: int64(elf.DT_STRTAB), Val: tables}, {Tag: int64(elf.DT_STRSZ), Val: n * 251}}
	for i := range n {
		tags = append(tags, elf.Dyn64{Tag: int64(elf.DT_NEEDED), Val: uint64(names.Len())})
		fmt.Fprintf(&names, "lib%0240d.so.1\x00", number*n+i)
	}
	tags[1].Val = uint64(names.Len())
	size := tables + uint64(names.Len())
	header := elf.Header64{
		Type: uint16(elf.ET_DYN), Machine: uint16(elf.EM_X86_64), Version: 1, Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 2,
	}
	copy(header.Ident[:], "\x7fELF\x02\x01\x01")
	dynamic := uint64(16 * (n + 3))
	var b bytes.Buffer
	for _, part := range []any{
		header,
		elf.Prog64{Type: uint32(elf.PT_LOAD), Filesz: size, Memsz: size},
		elf.Prog64{Type: uint32(elf.PT_DYNAMIC), Off: dynamicAt, Vaddr: dynamicAt, Filesz: dynamic, Memsz: dynamic},
		tags,
		elf.Dyn64{},
		names.Bytes(),
	} {
		if err := binary.Write(&b, binary.LittleEndian, part); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// rawHeader is a header without all that archive/tar checks and chooses.
func rawHeader(typeflag byte, name string, size int) []byte {
	h := make([]byte, 512)
	copy(h, name)
	copy(h[100:], "0000644\x00")
	copy(h[124:], fmt.Sprintf("%011o\x00", size))
	h[156] = typeflag
	copy(h[257:], "ustar\x0000")
	sum := int(8 * ' ') // its own field counts as spaces
	for _, b := range h {
		sum += int(b)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	return h
}

// attributes are a megabyte of the next file's, which may never come.
func attributes() []byte {
	const size = 1 << 20
	record := fmt.Sprintf("%d comment=", size)
	return append(rawHeader(tar.TypeXHeader, "pax", size), record+strings.Repeat("c", size-len(record)-1)+"\n"...)
}

// A package that costs the server more than it has bytes is refused for what it is,
// whatever was done to it, and nothing is as if it had been: neither the attempt nor
// its lease nor the disk. Not parallel: it measures what is allocated.
func TestABombThroughTheDoorIsRefused(t *testing.T) {
	s := newServer(t)
	s.space("work", "libalpha")
	job := s.claim()
	row, err := s.store.Lease(t.Context(), job.Lease)
	s.must(err)
	staging := filepath.Join(s.data, "staging", row.Attempt.Name().String())
	state := func() string {
		var b api.BuildDetail
		s.call("GET", "/builds/"+job.BuildID, nil, http.StatusOK, &b)
		b.TookSeconds = 0 // so far
		body, err := json.Marshal(b)
		s.must(err)
		text := string(body)
		files, err := os.ReadDir(staging)
		if err == nil && len(files) > 0 {
			text += fmt.Sprint(files)
		}
		return text
	}
	before := state()
	xzip := func(w io.Writer) (io.WriteCloser, error) { return xz.NewWriter(w) }
	gzipped := func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil }
	huge := func(p packer) { p.declare("usr/share/zeros", 60<<30) }
	closed := func(p packer) { s.must(p.Close()) }
	for _, c := range []struct {
		name   string
		packed func(io.Writer) (io.WriteCloser, error)
		make   func(packer)
		rest   []byte
		want   string
		mib    uint64 // that may be allocated
		long   bool
	}{
		{"60 GiB of zeros, zst", zstandard, huge, zeros(t, 1<<30, zstandard), "250 times as large", 16, false},
		{"60 GiB of zeros, xz", xzip, huge, zeros(t, 1<<30, xzip), "250 times as large", 400, true},
		{"60 GiB of zeros, gz", gzipped, huge, zeros(t, 1<<30, gzipped), "250 times as large", 16, false},
		{"more than it may be", zstandard, func(p packer) { p.declare("usr/share/zeros", 65<<30) }, nil, "files of more than", 16, false},
		{"zeros behind its end", zstandard, closed, zeros(t, 64<<20, zstandard), "bytes between two files", 16, false},
		{"headers without a file", zstandard, func(p packer) { s.must(p.Flush()) }, squeezed(t, bytes.Repeat(attributes(), 40), zstandard), "bytes between two files", 32, false},
		{"a description of 50 MB", zstandard, func(p packer) { p.file(".PKGINFO", bytes.Repeat([]byte("depends = x\n"), 4<<20)) }, nil, "more than 1048576 bytes", 16, false},
		{"deep directories", zstandard, func(p packer) {
			for i := range 600 {
				p.file(fmt.Sprintf("%d", i)+strings.Repeat("/d", 2040), nil)
			}
		}, nil, "directories", 200, false},
		{"many files", zstandard, func(p packer) {
			s.must(p.Flush())
			for i := range 1<<20 + 1 {
				_, _ = p.plain.Write(rawHeader(tar.TypeReg, fmt.Sprintf("f%d", i), 0))
			}
		}, nil, "more than 1048576 entries", 1500, true},
		{"long names", zstandard, func(p packer) {
			for i := range 34_000 {
				p.file(fmt.Sprintf("%04d%s", i, strings.Repeat("n", 4000)), nil)
			}
		}, nil, "names of more than", 1500, true},
		{"names in libraries", zstandard, func(p packer) {
			for i := range 200 {
				p.file(fmt.Sprintf("usr/lib/lib%d.so.1", i), manyNames(t, i))
			}
		}, nil, "names of programs of more than", 64, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.t = t
			if c.long && testing.Short() {
				t.Skip("takes some seconds; run without -short")
			}
			var plain bytes.Buffer
			p := packer{t, tar.NewWriter(&plain), &plain}
			if !strings.HasPrefix(c.want, "more than 1048576 bytes") {
				p.file(".PKGINFO", []byte(packageInfo))
			}
			c.make(p)
			body := append(squeezed(t, plain.Bytes(), c.packed), c.rest...)
			plain = bytes.Buffer{}
			var start, after runtime.MemStats
			runtime.ReadMemStats(&start)
			got := s.upload(job, "libalpha-1.0-1-x86_64.pkg.tar.zst", body, digest(body))
			runtime.ReadMemStats(&after)
			s.wantProblem(got, http.StatusUnprocessableEntity, c.want)
			mib := (after.TotalAlloc - start.TotalAlloc) >> 20
			if storetest.RaceDetector {
				c.mib *= 10 // with it a sync.Pool forgets at random what it keeps
			}
			t.Logf("%d kB of upload, %d MiB allocated", len(body)>>10, mib)
			if mib > c.mib {
				t.Errorf("%d MiB were allocated for %d kB of upload, want at most %d", mib, len(body)>>10, c.mib)
			}
			if now := state(); now != before {
				t.Errorf("the build, or what is on disk, has changed:\n%s\nbefore:\n%s", now, before)
			}
			var beat api.HeartbeatAnswer
			s.call("POST", lease(job, "heartbeat"), nil, http.StatusOK, &beat)
			if beat.Action != api.Continue {
				t.Errorf("the lease: %+v", beat)
			}
		})
	}
	s.t = t
	s.finishBuilt(job)
}
