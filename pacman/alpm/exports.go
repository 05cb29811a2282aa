package alpm

import (
	"cmp"
	"crypto/sha256"
	"debug/elf"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strconv"
)

// exported is a symbol that programs can use of a library.
type exported struct {
	name    []byte
	version uint16 // its index; 0 when the library has no versions
	size    uint64 // of data, which programs copy; 0 of code
}

// maxExported bounds the symbols of a library for which a digest is made; the largest have
// some 200,000.
const maxExported = 1 << 18

// exports returns a digest of the symbols that a library exports: their names and versions,
// and the sizes of data. It is empty when they cannot be read, or are too many; that is no
// fault of the library.
func (f *elfFile) exports(tags map[elf.DynTag]uint64, names stringTable) string {
	count, err := f.symbolCount(tags)
	if err != nil || count > maxExported {
		return ""
	}
	list, err := f.exported(tags, names, count)
	if err != nil {
		return ""
	}
	slices.SortFunc(list, func(a, b exported) int {
		return cmp.Or(slices.Compare(a.name, b.name), cmp.Compare(a.version, b.version), cmp.Compare(a.size, b.size))
	})
	versions, err := f.versionNames(tags, names)
	if err != nil {
		return ""
	}
	sum := sha256.New()
	for _, s := range list {
		sum.Write(s.name)
		sum.Write([]byte("@" + versions[s.version] + " " + strconv.FormatUint(s.size, 10) + "\n"))
	}
	return base64.RawURLEncoding.EncodeToString(sum.Sum(nil)[:12])
}

// exported reads the defined symbols of the dynamic table that others can bind to.
func (f *elfFile) exported(tags map[elf.DynTag]uint64, names stringTable, count uint64) ([]exported, error) {
	size := uint64(elf.Sym64Size)
	if f.class == elf.ELFCLASS32 {
		size = elf.Sym32Size
	}
	at, ok := f.offset(tags[elf.DT_SYMTAB])
	if !ok {
		return nil, errVersions
	}
	table, err := f.at(at, count*size)
	if err != nil {
		return nil, err
	}
	var index []byte
	if at, ok := f.offset(tags[elf.DT_VERSYM]); ok && tags[elf.DT_VERSYM] != 0 {
		if index, err = f.at(at, count*2); err != nil {
			return nil, err
		}
	}
	text, err := names.whole()
	if err != nil {
		return nil, err
	}
	var list []exported
	left := maxStrings // bytes of names, which may lie in one another
	for i := range count {
		s := f.symbol(table[i*size : (i+1)*size])
		bind, visible := elf.ST_BIND(s.Info), elf.ST_VISIBILITY(s.Other)
		if elf.SectionIndex(s.Shndx) == elf.SHN_UNDEF || bind == elf.STB_LOCAL || visible == elf.STV_HIDDEN || visible == elf.STV_INTERNAL {
			continue
		}
		name, err := nameAt(text, s.Name)
		if left -= len(name); err != nil || left < 0 {
			return nil, errVersions
		}
		e := exported{name: name}
		if index != nil {
			e.version = f.order.Uint16(index[2*i:]) & 0x7fff
		}
		if typ := elf.ST_TYPE(s.Info); typ == elf.STT_OBJECT || typ == elf.STT_TLS {
			e.size = s.Size
		}
		list = append(list, e)
	}
	return list, nil
}

// symbol reads a symbol of either class in the wide form.
func (f *elfFile) symbol(raw []byte) elf.Sym64 {
	if f.class == elf.ELFCLASS64 {
		return elf.Sym64{
			Name: f.order.Uint32(raw), Info: raw[4], Other: raw[5], Shndx: f.order.Uint16(raw[6:]), Size: f.order.Uint64(raw[16:]),
		}
	}
	return elf.Sym64{
		Name: f.order.Uint32(raw), Size: uint64(f.order.Uint32(raw[8:])), Info: raw[12], Other: raw[13], Shndx: f.order.Uint16(raw[14:]),
	}
}

const maxNotes = 64 << 10 // bytes of the notes of a file; real ones have some hundred

// buildID returns the build ID, in hexadecimal, by which debuggers find the symbols of a
// program or library; empty when it has none.
func (f *elfFile) buildID() string {
	const gnuBuildID = 3
	for _, s := range f.segments {
		if elf.ProgType(s.Type) != elf.PT_NOTE || s.Filesz > maxNotes {
			continue
		}
		raw, err := f.at(s.Off, s.Filesz)
		if err != nil {
			return ""
		}
		for len(raw) >= 12 {
			name, desc := uint64(f.order.Uint32(raw)), uint64(f.order.Uint32(raw[4:]))
			typ, rest := f.order.Uint32(raw[8:]), raw[12:]
			nameEnd := (name + 3) &^ 3
			end := nameEnd + (desc+3)&^3
			if end > uint64(len(rest)) {
				break
			}
			if typ == gnuBuildID && string(rest[:name]) == "GNU\x00" && desc <= 64 {
				return hex.EncodeToString(rest[nameEnd : nameEnd+desc])
			}
			raw = rest[end:]
		}
	}
	return ""
}
