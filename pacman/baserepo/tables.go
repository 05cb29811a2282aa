package baserepo

import (
	"archive/tar"
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"buildbtw/pacman/alpm"
)

// Limits far above the numbers of distributions.
const (
	maxMember = 4 << 20 // bytes of one description
	maxLine   = 64 << 10
)

// Entry is a package in a database.
type Entry struct {
	Name, Base, Version, Filename, Arch string
	Depends, MakeDepends, Provides      []string
	Conflicts, Replaces                 []string
	Size                                int64  // installed, in bytes; 0: not known
	SHA256                              string // of the file, in hexadecimal; empty when not known
	Packed                              int64  // of the file, in bytes; 0: not known
	Repo                                string // the name of the base repository
}

// id returns the package's directory in the databases.
func (e *Entry) id() string { return e.Name + "-" + e.Version }

type database []*Entry

func (d database) count() int { return len(d) }

// fileLists are, by id, the files that may be shared libraries and the versioned
// directories. Packages without any are in it, too.
type fileLists map[string]fileList

type fileList struct {
	libraries   []string
	directories []string // as alpm.Directories names them
}

func (f fileLists) count() int { return len(f) }

// links are, by id, the sonames that the packages of a repository link with:
// DT_NEEDED of their programs and libraries.
type links map[string][]string

func (l links) count() int { return len(l) }

// symbols are strings that many packages have, each kept once.
type symbols map[string]string

// keep returns the string that was kept first for these bytes.
func (s symbols) keep(text *lines, line []byte) (string, error) {
	if known, ok := s[string(line)]; ok {
		*text.left -= overhead
		return known, nil
	}
	kept, err := text.keep(line)
	s[kept] = kept
	return kept, err
}

// members calls read for every file of a database with the id of its package.
// Databases know nothing but directories of files.
func members(r io.Reader, limits alpm.Limits, read func(id, name string, lines *lines) error) error {
	buffer := bufio.NewReaderSize(nil, maxLine)
	left := limits.Names
	return limits.ReadArchive(r, func(h *tar.Header, content io.Reader) error {
		if h.Typeflag != tar.TypeReg {
			return nil
		}
		dir, name := path.Split(strings.TrimPrefix(h.Name, "./"))
		buffer.Reset(content)
		err := read(strings.TrimSuffix(dir, "/"), name, &lines{r: buffer, left: &left})
		if err != nil {
			return fmt.Errorf("%.80q: %w", h.Name, err)
		}
		return nil
	})
}

// lines reads a text by lines.
type lines struct {
	r    *bufio.Reader
	left *int // bytes that may still be stored
	n    int  // bytes read
}

// next returns a line that is good until the next one, or io.EOF.
func (l *lines) next() ([]byte, error) {
	line, err := l.r.ReadSlice('\n')
	l.n += len(line)
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, fmt.Errorf("a line of more than %d bytes", maxLine)
	case errors.Is(err, io.EOF) && len(line) > 0:
	case err != nil:
		return nil, err
	}
	return bytes.TrimRight(line, "\r\n"), nil
}

const overhead = 16 // bytes of a string

// keep makes a lasting copy.
func (l *lines) keep(line []byte) (string, error) {
	*l.left -= len(line) + overhead
	if *l.left < 0 {
		return "", fmt.Errorf("%w: it lists too much to be kept in memory", alpm.ErrLimit)
	}
	return string(line), nil
}

// parseDatabase reads desc, and depends of databases of pacman before 4.2.
// Every entry must be legal, or the file is no database.
func parseDatabase(r io.Reader, limits alpm.Limits) (table, error) {
	byID := map[string]*Entry{}
	var all database
	err := members(r, limits, func(id, name string, text *lines) error {
		if name != "desc" && name != "depends" {
			return nil
		}
		e := byID[id]
		if e == nil {
			e = &Entry{}
			byID[id] = e
			all = append(all, e)
		}
		return e.read(text)
	})
	if err != nil {
		return nil, err
	}
	for _, e := range all {
		if err := e.check(); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// read reads the fields that an Entry has.
func (e *Entry) read(text *lines) error {
	var desc alpm.DescLines
	for {
		line, err := text.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if text.n > maxMember {
			return fmt.Errorf("%w: more than %d bytes", alpm.ErrLimit, maxMember)
		}
		field := desc.Value(line)
		switch field {
		case "ISIZE":
			e.Size, _ = strconv.ParseInt(string(line), 10, 64)
			continue
		case "CSIZE":
			e.Packed, _ = strconv.ParseInt(string(line), 10, 64)
			continue
		}
		one, list := e.field(field)
		if one == nil && list == nil {
			continue
		}
		value, err := text.keep(line)
		if err != nil {
			return err
		}
		if one != nil {
			*one = value
		} else {
			*list = append(*list, value)
		}
	}
}

func (e *Entry) field(name string) (one *string, list *[]string) {
	switch name {
	case "NAME":
		return &e.Name, nil
	case "BASE":
		return &e.Base, nil
	case "VERSION":
		return &e.Version, nil
	case "FILENAME":
		return &e.Filename, nil
	case "SHA256SUM":
		return &e.SHA256, nil
	case "ARCH":
		return &e.Arch, nil
	case "DEPENDS":
		return nil, &e.Depends
	case "MAKEDEPENDS":
		return nil, &e.MakeDepends
	case "PROVIDES":
		return nil, &e.Provides
	case "CONFLICTS":
		return nil, &e.Conflicts
	case "REPLACES":
		return nil, &e.Replaces
	}
	return nil, nil
}

// check checks name and version by the rules for file names.
func (e *Entry) check() error {
	if _, _, _, err := alpm.ParseFilename(alpm.Filename(e.Name, e.Version, e.Arch, "")); err != nil {
		return fmt.Errorf("an entry without a legal name, version and architecture: %w", err)
	}
	if e.Base == "" {
		e.Base = e.Name
	}
	return nil
}

// parseFileLists reads the names that may be shared libraries and the versioned
// directories, and drops the others.
func parseFileLists(r io.Reader, limits alpm.Limits) (table, error) {
	lists, known := fileLists{}, symbols{}
	err := members(r, limits, func(id, name string, text *lines) error {
		if name != "files" {
			return nil
		}
		list, err := readFileList(text, known)
		lists[id] = list
		return err
	})
	if err != nil {
		return nil, err
	}
	return lists, nil
}

func readFileList(text *lines, known symbols) (list fileList, err error) {
	var directories alpm.Directories
	for {
		line, err := text.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return list, err
		}
		if len(line) == 0 {
			continue
		}
		directories.Add(string(line))
		if !bytes.Contains(line, []byte(".so")) || line[len(line)-1] == '/' || !alpm.IsLibraryName(string(line)) {
			continue
		}
		kept, err := text.keep(line)
		if err != nil {
			return list, err
		}
		list.libraries = append(list.libraries, kept)
	}
	names, err := directories.Names()
	if err != nil {
		return list, err
	}
	for _, name := range names {
		kept, err := known.keep(text, []byte(name))
		if err != nil {
			return list, err
		}
		list.directories = append(list.directories, kept)
	}
	return list, nil
}

// parseLinks reads the output of dbscripts' createlinks: for every package a
// file with the DT_NEEDED of its programs and libraries, one per line.
func parseLinks(r io.Reader, limits alpm.Limits) (table, error) {
	all, known := links{}, symbols{}
	err := members(r, limits, func(id, name string, text *lines) error {
		if name != "links" {
			return nil
		}
		list := []string{}
		for {
			line, err := text.next()
			if errors.Is(err, io.EOF) {
				slices.Sort(list)
				all[id] = slices.Compact(list)
				return nil
			}
			if err != nil {
				return err
			}
			if len(line) == 0 {
				continue
			}
			soname, err := known.keep(text, line)
			if err != nil {
				return err
			}
			list = append(list, soname)
		}
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}
