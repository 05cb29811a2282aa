package alpm

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Versions of symbols: Drepper, "ELF Symbol Versioning"; glibc's elf/link.h. The
// records are the same in files of both word sizes.

// isPrivate reports whether a version's symbols may change while its name stays, as those
// of Qt_6_PRIVATE_API and GLIBC_PRIVATE: users of them must be rebuilt with each change.
func isPrivate(version string) bool { return strings.Contains(version, "PRIVATE") }

// verdef is a version that a library defines.
type verdef struct {
	Version, Flags, Index, Count uint16
	Hash, Aux, Next              uint32
}

// verdaux is the name of a version that a library defines.
type verdaux struct{ Name, Next uint32 }

// verneed is a library of which a file needs versions.
type verneed struct {
	Version, Count  uint16
	File, Aux, Next uint32
}

// vernaux is a version that a file needs.
type vernaux struct {
	Hash         uint32
	Flags, Other uint16
	Name, Next   uint32
}

// baseVersion marks the one that has the library's own name.
const baseVersion = 1

var errVersions = errors.New("the ELF versions of symbols cannot be read")

// symbolVersions returns the versions that the symbols of a library have, sorted.
// A private one has behind it the digest of the names of its symbols.
func (f *elfFile) symbolVersions(tags map[elf.DynTag]uint64, names stringTable) ([]string, error) {
	private := map[uint16]string{}
	var list []string
	err := f.eachVersion(tags, names, func(def verdef, name string) {
		switch {
		case def.Flags&baseVersion != 0:
		case isPrivate(name):
			private[def.Index&0x7fff] = name
		default:
			list = append(list, name)
		}
	})
	if err != nil {
		return nil, err
	}
	if len(private) > 0 {
		digests, err := f.privateSymbols(tags, names, private)
		if err != nil {
			return nil, err
		}
		list = append(list, digests...)
	}
	return sortUnique(list), nil
}

// eachVersion calls found for each version that the library defines, with its name.
func (f *elfFile) eachVersion(tags map[elf.DynTag]uint64, names stringTable, found func(verdef, string)) error {
	at, ok := f.offset(tags[elf.DT_VERDEF])
	if !ok || tags[elf.DT_VERDEF] == 0 {
		return nil
	}
	for n := range tags[elf.DT_VERDEFNUM] {
		if n >= maxVersions {
			return fmt.Errorf("%w: more than %d versions of symbols", ErrLimit, maxVersions)
		}
		var def verdef
		if err := f.decode(at, &def); err != nil {
			return err
		}
		var aux verdaux
		if err := f.decode(at+uint64(def.Aux), &aux); err != nil {
			return err
		}
		name, err := names.at(uint64(aux.Name))
		if err != nil {
			return err
		}
		found(def, name)
		if def.Next == 0 {
			break
		}
		at += uint64(def.Next)
	}
	return nil
}

// versionNames returns the names of the versions that the library defines, by index.
func (f *elfFile) versionNames(tags map[elf.DynTag]uint64, names stringTable) (map[uint16]string, error) {
	by := map[uint16]string{}
	err := f.eachVersion(tags, names, func(def verdef, name string) {
		if def.Flags&baseVersion == 0 {
			by[def.Index&0x7fff] = name
		}
	})
	return by, err
}

// nameAt returns a symbol's name in the table of strings.
func nameAt(text []byte, at uint32) ([]byte, error) {
	if uint64(at) >= uint64(len(text)) {
		return nil, errVersions
	}
	name, _, _ := bytes.Cut(text[at:], []byte{0})
	return name, nil
}

// privateSymbols returns each private version, by its index, with a digest of
// the names of the symbols that have it.
func (f *elfFile) privateSymbols(tags map[elf.DynTag]uint64, names stringTable, private map[uint16]string) ([]string, error) {
	count, err := f.symbolCount(tags)
	if err != nil {
		return nil, err
	}
	size := uint64(elf.Sym64Size)
	if f.class == elf.ELFCLASS32 {
		size = elf.Sym32Size
	}
	symbols, ok := f.offset(tags[elf.DT_SYMTAB])
	versions, found := f.offset(tags[elf.DT_VERSYM])
	if !ok || !found {
		return nil, errVersions
	}
	table, err := f.at(symbols, count*size)
	if err != nil {
		return nil, err
	}
	index, err := f.at(versions, count*2)
	if err != nil {
		return nil, err
	}
	text, err := names.whole()
	if err != nil {
		return nil, err
	}
	have := map[string][][]byte{}
	left := maxStrings // bytes of names, which may lie in one another
	for i := range count {
		version, ok := private[f.order.Uint16(index[2*i:])&0x7fff]
		if !ok {
			continue
		}
		name, err := nameAt(text, f.order.Uint32(table[i*size:]))
		if err != nil {
			return nil, err
		}
		if left -= len(name); left < 0 {
			return nil, fmt.Errorf("%w: names of symbols of more than %d bytes", ErrLimit, maxStrings)
		}
		have[version] = append(have[version], name)
	}
	var list []string
	for _, version := range private {
		slices.SortFunc(have[version], bytes.Compare)
		sum := sha256.Sum256(bytes.Join(have[version], []byte{'\n'}))
		list = append(list, version+"@"+hex.EncodeToString(sum[:8]))
	}
	return list, nil
}

// symbolCount returns the number of dynamic symbols, which stands in the old
// table of hashes; the newer one has it at the end of its last chain.
func (f *elfFile) symbolCount(tags map[elf.DynTag]uint64) (uint64, error) {
	if at, ok := f.offset(tags[elf.DT_HASH]); ok && tags[elf.DT_HASH] != 0 {
		var head struct{ Buckets, Chains uint32 }
		if err := f.decode(at, &head); err != nil {
			return 0, err
		}
		return bounded(uint64(head.Chains))
	}
	at, ok := f.offset(tags[elf.DT_GNU_HASH])
	if !ok || tags[elf.DT_GNU_HASH] == 0 {
		return 0, errVersions
	}
	var head struct{ Buckets, First, Words, Shift uint32 }
	if err := f.decode(at, &head); err != nil {
		return 0, err
	}
	if head.Buckets > maxSymbols || head.Words > maxSymbols {
		return 0, errVersions
	}
	word := uint64(8)
	if f.class == elf.ELFCLASS32 {
		word = 4
	}
	buckets := at + 16 + uint64(head.Words)*word
	raw, err := f.at(buckets, uint64(head.Buckets)*4)
	if err != nil {
		return 0, err
	}
	var last uint32
	for ; len(raw) > 0; raw = raw[4:] {
		last = max(last, f.order.Uint32(raw))
	}
	if last < head.First {
		return uint64(head.First), nil
	}
	chains := buckets + uint64(head.Buckets)*4
	for i := uint64(last); i < maxSymbols; i++ {
		hash, err := f.at(chains+(i-uint64(head.First))*4, 4)
		if err != nil {
			return 0, err
		}
		if f.order.Uint32(hash)&1 != 0 { // ends a chain
			return bounded(i + 1)
		}
	}
	return bounded(maxSymbols + 1)
}

func bounded(symbols uint64) (uint64, error) {
	if symbols > maxSymbols {
		return 0, fmt.Errorf("%w: more than %d symbols", ErrLimit, maxSymbols)
	}
	return symbols, nil
}

// privateNeeds returns the private versions that a file needs of other
// libraries: libQt6Core.so.6:Qt_6_PRIVATE_API.
func (f *elfFile) privateNeeds(tags map[elf.DynTag]uint64, names stringTable) ([]string, error) {
	at, ok := f.offset(tags[elf.DT_VERNEED])
	if !ok || tags[elf.DT_VERNEED] == 0 {
		return nil, nil
	}
	var list []string
	left := maxVersions // of all libraries: their lists may lie in one another
	for n := range tags[elf.DT_VERNEEDNUM] {
		if n >= maxNeeded {
			return nil, fmt.Errorf("%w: versions of more than %d libraries", ErrLimit, maxNeeded)
		}
		var need verneed
		if err := f.decode(at, &need); err != nil {
			return nil, err
		}
		soname, err := names.at(uint64(need.File))
		if err != nil {
			return nil, err
		}
		one := at + uint64(need.Aux)
		for range need.Count {
			if left--; left < 0 {
				return nil, fmt.Errorf("%w: more than %d needed versions of symbols", ErrLimit, maxVersions)
			}
			var aux vernaux
			if err := f.decode(one, &aux); err != nil {
				return nil, err
			}
			version, err := names.at(uint64(aux.Name))
			if err != nil {
				return nil, err
			}
			if isPrivate(version) {
				list = append(list, soname+":"+version)
			}
			if aux.Next == 0 {
				break
			}
			one += uint64(aux.Next)
		}
		if need.Next == 0 {
			break
		}
		at += uint64(need.Next)
	}
	return sortUnique(list), nil
}
