package alpm

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Shared libraries are read by their program headers, as the dynamic loader
// does it: section headers may be stripped, and elf.NewFile makes as many of
// them as a file asks for. Nothing here costs more than these bounds.
const (
	maxSegments   = 1024     // real libraries have about ten
	maxDynamic    = 64 << 10 // bytes of the dynamic segment; real ones have less than 2,000
	maxSonameText = 255      // a soname is the name of a file
	maxNeeded     = 4096     // libraries that a file links with; real ones have at most hundreds
	maxVersions   = 4096     // versions of symbols that a library defines or needs; glibc defines 45
	maxSymbols    = 1 << 20  // of a library; the largest have some 200,000
	maxStrings    = 64 << 20 // bytes of the names of its symbols, and of its table of strings
)

// elfFile is the little that is needed of one ELF file.
type elfFile struct {
	r        io.ReaderAt
	size     int64 // bytes
	class    elf.Class
	order    binary.ByteOrder
	segments []elf.Prog64
}

// library has the dynamic segment's soname, needed libraries and symbol versions of a
// program or a shared library. Programs, and libraries that nothing can be linked with by
// name, have no soname.
type library struct {
	soname   string   // DT_SONAME
	bits     string   // word size, 32 or 64
	needed   []string // DT_NEEDED: sonames
	versions []string // that its symbols have: Qt_6, Qt_6_PRIVATE_API@ and a digest of the names that have it
	private  []string // versions that it needs and that promise nothing, as soname:version
	exports  string   // a digest of what it exports, if it has a soname; empty when not known
	buildID  string   // in hexadecimal
}

func isELF(head []byte) bool { return bytes.HasPrefix(head, []byte(elf.ELFMAG)) }

// readLibrary reads an ELF file. Errors describe the fault of the file, or wrap
// the one of r.
func readLibrary(r io.ReaderAt, size int64) (library, error) {
	f := elfFile{r: r, size: size}
	typ, err := f.readHeaders()
	if err != nil || typ != elf.ET_DYN && typ != elf.ET_EXEC {
		return library{}, err
	}
	lib := library{}
	for _, s := range f.segments {
		if elf.ProgType(s.Type) == elf.PT_DYNAMIC {
			lib, err = f.dynamic(s)
			break
		}
	}
	lib.buildID = f.buildID()
	return lib, err
}

func (f *elfFile) bits() string {
	if f.class == elf.ELFCLASS32 {
		return "32"
	}
	return "64"
}

var errELFCut = errors.New("the ELF file is cut off")

// at reads n bytes, which must be inside the file.
func (f *elfFile) at(offset, n uint64) ([]byte, error) {
	if size := uint64(f.size); offset > size || n > size-offset {
		return nil, errELFCut
	}
	buf := make([]byte, n)
	if _, err := f.r.ReadAt(buf, int64(offset)); err != nil {
		return nil, fmt.Errorf("read ELF file: %w", err)
	}
	return buf, nil
}

func (f *elfFile) readHeaders() (elf.Type, error) {
	ident, err := f.at(0, elf.EI_NIDENT)
	if err != nil {
		return 0, err
	}
	switch f.class = elf.Class(ident[elf.EI_CLASS]); f.class {
	case elf.ELFCLASS32, elf.ELFCLASS64:
	default:
		return 0, fmt.Errorf("unknown ELF class %d", ident[elf.EI_CLASS])
	}
	switch elf.Data(ident[elf.EI_DATA]) {
	case elf.ELFDATA2LSB:
		f.order = binary.LittleEndian
	case elf.ELFDATA2MSB:
		f.order = binary.BigEndian
	default:
		return 0, fmt.Errorf("unknown ELF byte order %d", ident[elf.EI_DATA])
	}
	header, err := f.header()
	if err != nil {
		return 0, err
	}
	return elf.Type(header.Type), f.readSegments(header)
}

// header returns a header of either class in the wide form.
func (f *elfFile) header() (h elf.Header64, err error) {
	if f.class == elf.ELFCLASS64 {
		return h, f.decode(0, &h)
	}
	var n elf.Header32
	if err := f.decode(0, &n); err != nil {
		return h, err
	}
	return elf.Header64{
		Type: n.Type, Phoff: uint64(n.Phoff), Phentsize: n.Phentsize, Phnum: n.Phnum,
		Shoff: uint64(n.Shoff), Shentsize: n.Shentsize, Shnum: n.Shnum,
	}, nil
}

// decode reads a structure of fixed size.
func (f *elfFile) decode(offset uint64, to any) error {
	raw, err := f.at(offset, uint64(binary.Size(to)))
	if err != nil {
		return err
	}
	_, err = binary.Decode(raw, f.order, to)
	return err
}

// readSegments also finds files that end too early: their segments or their
// section headers lie behind the end.
func (f *elfFile) readSegments(h elf.Header64) error {
	if h.Phnum > maxSegments {
		return fmt.Errorf("%w: %d ELF segments", ErrLimit, h.Phnum)
	}
	if h.Shoff > uint64(f.size) || uint64(h.Shnum)*uint64(h.Shentsize) > uint64(f.size)-h.Shoff {
		return errELFCut
	}
	for i := range uint64(h.Phnum) {
		s, err := f.segment(h.Phoff + i*uint64(h.Phentsize))
		if err != nil {
			return err
		}
		if s.Off > uint64(f.size) || s.Filesz > uint64(f.size)-s.Off {
			return errELFCut
		}
		f.segments = append(f.segments, s)
	}
	return nil
}

func (f *elfFile) segment(offset uint64) (s elf.Prog64, err error) {
	if f.class == elf.ELFCLASS64 {
		return s, f.decode(offset, &s)
	}
	var n elf.Prog32
	if err := f.decode(offset, &n); err != nil {
		return s, err
	}
	return elf.Prog64{Type: n.Type, Off: uint64(n.Off), Vaddr: uint64(n.Vaddr), Filesz: uint64(n.Filesz)}, nil
}

// dynamic reads the dynamic segment and the tables that it points to.
func (f *elfFile) dynamic(segment elf.Prog64) (lib library, err error) {
	lib.bits = f.bits()
	if segment.Filesz > maxDynamic {
		return lib, fmt.Errorf("%w: ELF dynamic segment of %d bytes", ErrLimit, segment.Filesz)
	}
	raw, err := f.at(segment.Off, segment.Filesz)
	if err != nil {
		return lib, err
	}
	tags, needed := f.tags(raw)
	table, found := f.offset(tags[elf.DT_STRTAB])
	names := stringTable{f, table, tags[elf.DT_STRSZ], found}
	if at, named := tags[elf.DT_SONAME]; named {
		if lib.soname, err = names.at(at); err != nil {
			return lib, err
		}
	}
	if len(needed) > maxNeeded {
		return lib, fmt.Errorf("%w: more than %d needed libraries", ErrLimit, maxNeeded)
	}
	for _, at := range needed {
		soname, err := names.at(at)
		if err != nil {
			return lib, err
		}
		lib.needed = append(lib.needed, soname)
	}
	if lib.private, err = f.privateNeeds(tags, names); err != nil || lib.soname == "" {
		return lib, err
	}
	if lib.versions, err = f.symbolVersions(tags, names); err == nil {
		lib.exports = f.exports(tags, names)
	}
	return lib, err
}

// stringTable is the file's table of dynamic strings.
type stringTable struct {
	f      *elfFile
	offset uint64
	size   uint64
	found  bool // it is in the file
}

func (t stringTable) at(name uint64) (string, error) {
	if !t.found || name >= t.size {
		return "", errors.New("the ELF string table is not in the file")
	}
	return t.f.text(t.offset+name, t.size-name)
}

// whole reads the table, as names of symbols are of any length.
func (t stringTable) whole() ([]byte, error) {
	switch {
	case !t.found:
		return nil, errors.New("the ELF string table is not in the file")
	case t.size > maxStrings:
		return nil, fmt.Errorf("%w: ELF string table of %d bytes", ErrLimit, t.size)
	}
	return t.f.at(t.offset, t.size)
}

// tags reads the entries of a dynamic segment up to the one that ends it, and
// the places of all needed libraries. As for the loader, the last of any other
// kind counts.
func (f *elfFile) tags(raw []byte) (tags map[elf.DynTag]uint64, needed []uint64) {
	tags = map[elf.DynTag]uint64{}
	word := 8
	if f.class == elf.ELFCLASS32 {
		word = 4
	}
	for ; len(raw) >= 2*word; raw = raw[2*word:] {
		tag, value := f.word(raw), f.word(raw[word:])
		switch elf.DynTag(tag) {
		case elf.DT_NULL:
			return tags, needed
		case elf.DT_NEEDED:
			needed = append(needed, value)
		}
		tags[elf.DynTag(tag)] = value
	}
	return tags, needed
}

func (f *elfFile) word(raw []byte) uint64 {
	if f.class == elf.ELFCLASS32 {
		return uint64(f.order.Uint32(raw))
	}
	return f.order.Uint64(raw)
}

// offset returns where in the file an address is that the loader would map.
func (f *elfFile) offset(address uint64) (uint64, bool) {
	for _, s := range f.segments {
		if elf.ProgType(s.Type) == elf.PT_LOAD && address >= s.Vaddr && address-s.Vaddr < s.Filesz {
			return s.Off + address - s.Vaddr, true
		}
	}
	return 0, false
}

// text reads a string that ends in a zero byte within so many bytes.
func (f *elfFile) text(offset, within uint64) (string, error) {
	if offset >= uint64(f.size) {
		return "", errELFCut
	}
	raw, err := f.at(offset, min(within, maxSonameText+1, uint64(f.size)-offset))
	if err != nil {
		return "", err
	}
	name, _, ended := bytes.Cut(raw, []byte{0})
	if !ended || !all(string(name), isSonameText) {
		return "", errors.New("the soname is longer than 255 bytes, or not text")
	}
	return string(name), nil
}

// isSonameText reports whether a soname may be this text: everything visible. Slashes do occur
// in ill-made libraries.
func isSonameText(c byte) bool { return '!' <= c && c <= '~' }
