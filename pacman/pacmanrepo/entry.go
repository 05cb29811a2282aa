package pacmanrepo

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"buildbtw/pacman/alpm"
)

// entry is what a repository's databases say about one package: the texts as
// they stand there, and the values of desc that the writer works with.
type entry struct {
	desc  []byte
	files []byte

	filename, name, version, arch string
	sha256                        string // lower case hexadecimal
	size                          int64  // of the file, bytes
}

// dir is the entry's directory inside a database.
func (e *entry) dir() string { return e.name + "-" + e.version }

func (e *entry) same(other *entry) bool {
	return other != nil && bytes.Equal(e.desc, other.desc) && bytes.Equal(e.files, other.files)
}

// file is what the bytes of a package file are, besides what is inside.
type file struct {
	name        string
	md5, sha256 string
	size        int64
}

// newEntry writes the texts that repo-add (6.0.2, db_write_entry) would write.
func newEntry(f file, p *alpm.Package) *entry {
	return &entry{
		desc: formatDesc(f, &p.Info), files: formatFiles(p.Files),
		filename: f.name, name: p.Info.Name, version: p.Info.Version, arch: p.Info.Arch,
		sha256: f.sha256, size: f.size,
	}
}

func formatDesc(f file, i *alpm.PkgInfo) []byte {
	var b bytes.Buffer
	put := func(field string, values ...string) {
		// repo-add leaves out a field whose first value is empty.
		if len(values) == 0 || values[0] == "" {
			return
		}
		fmt.Fprintf(&b, "%%%s%%\n%s\n\n", field, strings.Join(values, "\n"))
	}
	put("FILENAME", f.name)
	put("NAME", i.Name)
	put("BASE", i.Base)
	put("VERSION", i.Version)
	put("DESC", i.Desc)
	put("GROUPS", i.Groups...)
	put("CSIZE", strconv.FormatInt(f.size, 10))
	put("ISIZE", strconv.FormatInt(i.Size, 10))
	put("MD5SUM", f.md5)
	put("SHA256SUM", f.sha256)
	put("URL", i.URL)
	put("LICENSE", i.Licenses...)
	put("ARCH", i.Arch)
	put("BUILDDATE", strconv.FormatInt(i.BuildDate, 10))
	put("PACKAGER", i.Packager)
	put("REPLACES", i.Replaces...)
	put("CONFLICTS", i.Conflicts...)
	put("PROVIDES", i.Provides...)
	put("DEPENDS", i.Depends...)
	put("OPTDEPENDS", i.OptDepends...)
	put("MAKEDEPENDS", i.MakeDepends...)
	put("CHECKDEPENDS", i.CheckDepends...)
	return b.Bytes()
}

func formatFiles(names []string) []byte {
	var b bytes.Buffer
	b.WriteString("%FILES%\n")
	for _, name := range names {
		b.WriteString(name)
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// parseEntry reads back what newEntry or repo-add wrote.
func parseEntry(desc, files []byte) (*entry, error) {
	e := &entry{
		desc: desc, files: files,
		filename: descValue(desc, "FILENAME"), name: descValue(desc, "NAME"), version: descValue(desc, "VERSION"),
		arch: descValue(desc, "ARCH"), sha256: descValue(desc, "SHA256SUM"),
	}
	if e.filename == "" || e.name == "" || e.version == "" || len(e.sha256) != 64 {
		return nil, fmt.Errorf("database entry %.80q lacks file name, name, version or digest", desc)
	}
	size, err := strconv.ParseInt(descValue(desc, "CSIZE"), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("database entry of %s: size: %w", e.filename, err)
	}
	e.size = size
	return e, nil
}

// descValue returns the first line of a field, or nothing.
func descValue(desc []byte, field string) string {
	_, rest, found := bytes.Cut(desc, []byte("%"+field+"%\n"))
	if !found {
		return ""
	}
	value, _, _ := bytes.Cut(rest, []byte("\n"))
	return string(value)
}
