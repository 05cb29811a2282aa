package alpm

import (
	"archive/tar"
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Deviation is the first difference between two packages that should be the same.
type Deviation struct {
	Member string // of the archive; empty when both have the same members, packed differently
	Field  string // such as content, mode or size
	First  string // value of the field in the first package; for content some bytes
	Second string
	Offset int64 // of the first byte of the content that differs

	elf  bool  // the content is that of an ELF file, see Section
	size int64 // bytes of the first one's content
}

// String returns the difference in words.
func (d Deviation) String() string {
	switch {
	case d.Member == "":
		return "the files are the same, and packed differently"
	case d.Field == fieldContent:
		return fmt.Sprintf("%s: content differs at byte %d: %s, and %s", shown(d.Member), d.Offset, d.First, d.Second)
	case d.Field == fieldMember:
		return fmt.Sprintf("the first has %s where the second has %s", shown(d.First), shown(d.Second))
	}
	return fmt.Sprintf("%s: %s %s, and %s", shown(d.Member), d.Field, shown(d.First), shown(d.Second))
}

// Fields of members that have a meaning of their own here.
const (
	fieldContent = "content"
	fieldMember  = "member" // First and Second are names
	endOfMembers = "its end"
)

// shown returns a text of a package as one that can be shown: in one line, and short.
func shown(text string) string {
	const most = 200
	quoted := strconv.Quote(text)
	if quoted[1:len(quoted)-1] != text {
		text = quoted
	}
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// Deviate returns the first difference between two package files that are not the same
// bytes. Both are read as streams, member by member, until one of the package's own
// files differs: what the metadata that makepkg adds says of the others follows from them
// and is named only when nothing else differs. An error wraps ErrLimit when a package is
// larger than the limits, and is that of ctx, first or second when one cannot be read on.
func (l Limits) Deviate(ctx context.Context, first, second io.Reader) (Deviation, error) {
	a, stopA := iter.Pull2(l.members(first))
	defer stopA()
	b, stopB := iter.Pull2(l.members(second))
	defer stopB()
	var found Deviation // in metadata
	for {
		one, errOne, ok := a()
		two, errTwo, also := b()
		switch {
		case errOne != nil:
			return found, fmt.Errorf("read the first package: %w", errOne)
		case errTwo != nil:
			return found, fmt.Errorf("read the second package: %w", errTwo)
		case !ok && !also:
			return found, nil
		case !ok || !also || one.header.Name != two.header.Name:
			if ok && (found.Member == "" || !isMetadata(one.header.Name)) || !ok {
				found = Deviation{Member: nameOf(one, ok), Field: fieldMember, First: nameOf(one, ok), Second: nameOf(two, also)}
			}
			return found, nil
		}
		d, differs, err := deviation(ctx, one, two)
		switch {
		case err != nil:
			return found, err
		case differs && !isMetadata(d.Member):
			return d, nil
		case differs && found.Member == "":
			found = d
		}
	}
}

// member is an entry of an archive, whose content can be read until the next one is asked for.
type member struct {
	header  *tar.Header
	content io.Reader
}

func nameOf(m member, ok bool) string {
	if !ok {
		return endOfMembers
	}
	return m.header.Name
}

// isMetadata reports whether a member is about others, and not a file of the package.
func isMetadata(name string) bool {
	return name == ".BUILDINFO" || name == ".MTREE" || name == ".PKGINFO"
}

var errEnough = errors.New("enough was read")

// members yields the entries of an archive. An error is the last that it yields.
func (l Limits) members(r io.Reader) iter.Seq2[member, error] {
	return func(yield func(member, error) bool) {
		err := l.ReadArchive(r, func(h *tar.Header, content io.Reader) error {
			if !yield(member{h, content}, nil) {
				return errEnough
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			yield(member{}, err)
		}
	}
}

// deviation compares two entries of one name.
func deviation(ctx context.Context, one, two member) (d Deviation, differs bool, err error) {
	a, b := one.header, two.header
	type field struct{ name, first, second string }
	first := func(list ...field) bool {
		i := slices.IndexFunc(list, func(f field) bool { return f.first != f.second })
		if i >= 0 {
			d = Deviation{Member: a.Name, Field: list[i].name, First: list[i].first, Second: list[i].second}
		}
		return i >= 0
	}
	if first(
		field{"type", string(a.Typeflag), string(b.Typeflag)},
		field{"size", strconv.FormatInt(a.Size, 10), strconv.FormatInt(b.Size, 10)},
		field{"link target", a.Linkname, b.Linkname},
	) {
		return d, true, nil
	}
	if d, differs, err = compareContent(ctx, one, two); differs || err != nil {
		return d, differs, err
	}
	differs = first(
		field{"mode", strconv.FormatInt(a.Mode, 8), strconv.FormatInt(b.Mode, 8)},
		field{"owner", ownerWords(a), ownerWords(b)},
		field{"device", fmt.Sprint(a.Devmajor, ":", a.Devminor), fmt.Sprint(b.Devmajor, ":", b.Devminor)},
		field{"mtime", a.ModTime.UTC().Format(timeWords), b.ModTime.UTC().Format(timeWords)},
		field{"attributes", attributes(a), attributes(b)},
	)
	return d, differs, nil
}

const timeWords = "2006-01-02 15:04:05.999999999 UTC"

func ownerWords(h *tar.Header) string {
	return fmt.Sprintf("%s (%d), group %s (%d)", h.Uname, h.Uid, h.Gname, h.Gid)
}

// attributes returns the extended attributes of an entry, such as capabilities.
func attributes(h *tar.Header) string {
	var list []string
	for _, key := range slices.Sorted(maps.Keys(h.PAXRecords)) {
		if strings.HasPrefix(key, "SCHILY.xattr.") || strings.HasPrefix(key, "LIBARCHIVE.xattr.") {
			list = append(list, key+"="+h.PAXRecords[key])
		}
	}
	return strings.Join(list, ", ")
}

// shownBytes is how many bytes of both contents a difference shows.
const shownBytes = 16

// compareContent finds the first byte that differs between two contents of one size.
func compareContent(ctx context.Context, one, two member) (Deviation, bool, error) {
	const block = 64 << 10
	a, b := make([]byte, block), make([]byte, block)
	d := Deviation{Member: one.header.Name, Field: fieldContent, size: one.header.Size}
	if !isFile(one.header) {
		return d, false, nil
	}
	for d.Offset < d.size {
		n := int(min(block, d.size-d.Offset))
		if _, err := io.ReadFull(one.content, a[:n]); err != nil {
			return d, false, fmt.Errorf("read the first package: %w", archiveError(cut(err)))
		}
		if _, err := io.ReadFull(two.content, b[:n]); err != nil {
			return d, false, fmt.Errorf("read the second package: %w", archiveError(cut(err)))
		}
		if err := ctx.Err(); err != nil {
			return d, false, fmt.Errorf("compare packages: %w", context.Cause(ctx))
		}
		if d.Offset == 0 {
			d.elf = isELF(a[:n])
		}
		for i := range n {
			if a[i] != b[i] {
				end := min(n, i+shownBytes)
				d.Offset, d.First, d.Second = d.Offset+int64(i), strconv.QuoteToASCII(string(a[i:end])), strconv.QuoteToASCII(string(b[i:end]))
				return d, true, nil
			}
		}
		d.Offset += int64(n)
	}
	return d, false, nil
}

// Section returns the name of the section of an ELF file that a difference of content
// lies in; empty when there is none or it cannot be told. It reads the first package
// once more, up to the member, and looks into no file of more than 4 MiB.
func (l Limits) Section(first io.Reader, d Deviation) (name string, err error) {
	if !d.elf || d.size > maxInMemory {
		return "", nil
	}
	err = l.ReadArchive(first, func(h *tar.Header, content io.Reader) error {
		if h.Name != d.Member || h.Size != d.size {
			return nil
		}
		buf := make([]byte, d.size)
		if _, err := io.ReadFull(content, buf); err != nil {
			return cut(err)
		}
		name = sectionAt(buf, d.Offset)
		return errEnough
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return name, err
}

// maxSections bounds the sections of an ELF file in which a byte is looked for.
const maxSections = 1 << 16

// sectionAt returns the name of the section of an ELF file that has the byte at an offset.
func sectionAt(file []byte, offset int64) string {
	f := elfFile{r: bytes.NewReader(file), size: int64(len(file))}
	if _, err := f.readHeaders(); err != nil {
		return ""
	}
	h, err := f.header()
	if err != nil || h.Shnum == 0 || h.Shnum >= uint16(elf.SHN_LORESERVE) || int(h.Shnum) > maxSections {
		return ""
	}
	names, err := f.section(h, f.nameSection())
	if err != nil {
		return ""
	}
	for i := range h.Shnum {
		s, err := f.section(h, i)
		at := uint64(offset)
		if err != nil || elf.SectionType(s.Type) == elf.SHT_NOBITS || elf.SectionType(s.Type) == elf.SHT_NULL || at < s.Off || at-s.Off >= s.Size {
			continue
		}
		size := uint64(len(file))
		if names.Off > size || names.Size > size-names.Off || uint64(s.Name) >= names.Size {
			return ""
		}
		name, _, _ := bytes.Cut(file[names.Off : names.Off+names.Size][s.Name:], []byte{0})
		return shown(string(name))
	}
	return ""
}

// nameSection returns the number of the section that has the names of all.
func (f *elfFile) nameSection() uint16 {
	at, n := uint64(62), uint64(2) // e_shstrndx, the last field of the header
	if f.class == elf.ELFCLASS32 {
		at = 50
	}
	raw, err := f.at(at, n)
	if err != nil {
		return 0
	}
	return f.order.Uint16(raw)
}

// section returns the header of a section, of either class in the wide form.
func (f *elfFile) section(h elf.Header64, i uint16) (s elf.Section64, err error) {
	if i >= h.Shnum {
		return s, errELFCut
	}
	offset := h.Shoff + uint64(i)*uint64(h.Shentsize)
	if f.class == elf.ELFCLASS64 {
		return s, f.decode(offset, &s)
	}
	var n elf.Section32
	if err := f.decode(offset, &n); err != nil {
		return s, err
	}
	return elf.Section64{Name: n.Name, Type: n.Type, Off: uint64(n.Off), Size: uint64(n.Size)}, nil
}
