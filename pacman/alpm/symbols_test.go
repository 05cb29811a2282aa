package alpm_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"strings"
	"testing"
)

// hostile is a 64-bit library whose tables are what a test wants: they are mapped
// where they lie in the file.
type hostile struct {
	tags   []elf.Dyn64
	tables bytes.Buffer
}

const (
	hostileDynamic = 64 + 2*56 // after the header and two program headers
	hostileTables  = hostileDynamic + 4096
)

// table appends a table and returns its address.
func (h *hostile) table(t *testing.T, data any) uint64 {
	t.Helper()
	at := uint64(hostileTables + h.tables.Len())
	if err := binary.Write(&h.tables, binary.LittleEndian, data); err != nil {
		t.Fatal(err)
	}
	return at
}

func (h *hostile) tag(tag elf.DynTag, value uint64) {
	h.tags = append(h.tags, elf.Dyn64{Tag: int64(tag), Val: value})
}

func (h *hostile) file(t *testing.T) string {
	t.Helper()
	var b bytes.Buffer
	write := func(data any) {
		if err := binary.Write(&b, binary.LittleEndian, data); err != nil {
			t.Fatal(err)
		}
	}
	size := uint64(hostileTables + h.tables.Len())
	header := elf.Header64{
		Type: uint16(elf.ET_DYN), Machine: uint16(elf.EM_X86_64), Version: 1, Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 2,
	}
	copy(header.Ident[:], "\x7fELF\x02\x01\x01")
	write(header)
	write(elf.Prog64{Type: uint32(elf.PT_LOAD), Filesz: size, Memsz: size})
	dynamic := uint64(16 * (len(h.tags) + 1))
	write(elf.Prog64{Type: uint32(elf.PT_DYNAMIC), Off: hostileDynamic, Vaddr: hostileDynamic, Filesz: dynamic, Memsz: dynamic})
	write(append(h.tags, elf.Dyn64{}))
	b.Write(make([]byte, hostileTables-b.Len()))
	b.Write(h.tables.Bytes())
	return b.String()
}

// TestTablesOfALibraryAreBoundedTogether has tables that lie in one another: each is
// small, and what they say is gigabytes.
func TestTablesOfALibraryAreBoundedTogether(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		make func(h *hostile)
		want string
	}{
		"4,000 libraries share a list of 4,000 versions": {func(h *hostile) {
			const n = 4000
			text := "libhostile.so.1\x00" + strings.Repeat("X", 240) + "PRIVATE\x00"
			strtab := h.table(t, []byte(text))
			h.tag(elf.DT_STRTAB, strtab)
			h.tag(elf.DT_STRSZ, uint64(len(text)))
			h.tag(elf.DT_SONAME, 0)
			var needs, versions []byte
			for i := range uint32(n) {
				aux := 16 * (n - i) // from this record to the list behind all
				needs = binary.LittleEndian.AppendUint16(needs, 1)
				needs = binary.LittleEndian.AppendUint16(needs, n)
				for _, v := range []uint32{0, aux, 16} {
					needs = binary.LittleEndian.AppendUint32(needs, v)
				}
				for _, v := range []uint32{0, 0, 16, 16} { // hash, flags and index, name, next
					versions = binary.LittleEndian.AppendUint32(versions, v)
				}
			}
			h.tag(elf.DT_VERNEED, h.table(t, append(needs, versions...)))
			h.tag(elf.DT_VERNEEDNUM, n)
		}, "more than 4096 needed versions of symbols"},
		"100,000 symbols share a name of a megabyte": {func(h *hostile) {
			const n, length = 100_000, 1 << 20
			text := "libhostile.so.1\x00HOSTILE_PRIVATE\x00" + strings.Repeat("n", length)
			h.tag(elf.DT_STRTAB, h.table(t, []byte(text)))
			h.tag(elf.DT_STRSZ, uint64(len(text)))
			h.tag(elf.DT_SONAME, 0)
			symbols, versions := make([]elf.Sym64, n), make([]uint16, n)
			for i := range n {
				symbols[i].Name, versions[i] = 32, 2
			}
			h.tag(elf.DT_SYMTAB, h.table(t, symbols))
			h.tag(elf.DT_VERSYM, h.table(t, versions))
			h.tag(elf.DT_HASH, h.table(t, []uint32{1, n, 0}))
			var def []byte
			for _, v := range []uint16{1, 0, 2, 1} { // version, flags, index, count
				def = binary.LittleEndian.AppendUint16(def, v)
			}
			for _, v := range []uint32{0, 20, 0, 16, 0} { // hash, to the name, next; name, next
				def = binary.LittleEndian.AppendUint32(def, v)
			}
			h.tag(elf.DT_VERDEF, h.table(t, def))
			h.tag(elf.DT_VERDEFNUM, 1)
		}, "names of symbols of more than"},
	} {
		t.Run(name, func(t *testing.T) {
			var h hostile
			c.make(&h)
			got := readInterface(t, fooInfo, entry{name: "usr/lib/libhostile.so.1", body: h.file(t)})
			if !strings.Contains(got.Unknown, c.want) {
				t.Errorf("unknown because %q, want %q", got.Unknown, c.want)
			}
		})
	}
}
