package alpm

import (
	"archive/tar"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxPath is Linux's PATH_MAX in bytes, without the NUL.
const maxPath = 4095

// checkPath refuses names that would lead out of the directory where a package
// is unpacked. makepkg never writes them.
func checkPath(name string) error {
	if name == "" || strings.IndexByte(name, 0) >= 0 {
		return errors.New("entry without a usable name")
	}
	if len(name) > maxPath {
		return fmt.Errorf("entry %q has a name of %d bytes; at most %d can be unpacked", shorten(name), len(name), maxPath)
	}
	for part := range strings.SplitSeq(strings.TrimSuffix(name, "/"), "/") {
		if part == "" || part == "." || part == ".." {
			return fmt.Errorf("entry %q does not stay inside the package", shorten(name))
		}
	}
	return nil
}

// listName returns the name as bsdtar -t prints it in a UTF-8 locale, and so as
// repo-add writes it: one line, with escapes.
func listName(header *tar.Header) string {
	name := header.Name
	if header.Typeflag == tar.TypeDir && !strings.HasSuffix(name, "/") {
		name += "/"
	}
	if strings.IndexFunc(name, needsEscape) < 0 {
		return name
	}
	var out strings.Builder
	for i := 0; i < len(name); {
		r, size := utf8.DecodeRuneInString(name[i:])
		if r == utf8.RuneError && size == 1 || needsEscape(r) {
			escapeBytes(&out, name[i:i+size])
		} else {
			out.WriteString(name[i : i+size])
		}
		i += size
	}
	return out.String()
}

func needsEscape(r rune) bool { return r == '\\' || r == utf8.RuneError || !unicode.IsPrint(r) }

func escapeBytes(out *strings.Builder, bytes string) {
	for i := range len(bytes) {
		if j := strings.IndexByte("\a\b\f\n\r\t\v\\", bytes[i]); j >= 0 {
			out.WriteByte('\\')
			out.WriteByte(`abfnrtv\`[j])
			continue
		}
		fmt.Fprintf(out, `\%03o`, bytes[i])
	}
}

// sortUnique is LC_ALL=C sort -u.
func sortUnique(names []string) []string {
	slices.Sort(names)
	return slices.Compact(names)
}
