package alpm_test

import (
	"archive/tar"
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"buildbtw/pacman/alpm"
)

// TestDeviate compares packages that differ in one thing, and names it.
func TestDeviate(t *testing.T) {
	t.Parallel()
	file := func(name, body string) entry { return entry{name: name, body: body} }
	about := func(text string) []entry {
		return []entry{file(".BUILDINFO", "format = 2\n"+text), file(".MTREE", text), file(".PKGINFO", pkgInfoText+text)}
	}
	with := func(text string, entries ...entry) []entry { return append(about(text), entries...) }
	long := strings.Repeat("a", 100_000)
	for name, c := range map[string]struct {
		first, second []entry
		want          string
	}{
		"nothing":            {with("", file("a", "x")), with("", file("a", "x")), "the files are the same, and packed differently"},
		"content":            {with("", file("a", "one")), with("", file("a", "oNe")), `a: content differs at byte 1: "ne", and "Ne"`},
		"content far behind": {with("", file("a", long+"x")), with("", file("a", long+"y")), `a: content differs at byte 100000: "x", and "y"`},
		"size":               {with("", file("a", "one")), with("", file("a", "ones")), "a: size 3, and 4"},
		"metadata only":      {with("x", file("a", "")), with("y", file("a", "")), `.BUILDINFO: content differs at byte 11: "x", and "y"`},
		"a file before metadata": {
			with("x", file("a", "same"), file("b", "1")), with("yy", file("a", "same"), file("b", "2")), `b: content differs at byte 0: "1", and "2"`,
		},
		"mode":         {with("", entry{name: "a", header: tar.Header{Mode: 0o4755}}), with("", entry{name: "a", header: tar.Header{Mode: 0o755}}), "a: mode 4755, and 755"},
		"mtime":        {with("", entry{name: "a", header: tar.Header{ModTime: time.Unix(1, 0)}}), with("", entry{name: "a", header: tar.Header{ModTime: time.Unix(2, 0)}}), "a: mtime 1970-01-01 00:00:01 UTC, and 1970-01-01 00:00:02 UTC"},
		"owner":        {with("", entry{name: "a", header: tar.Header{Uname: "root"}}), with("", entry{name: "a", header: tar.Header{Uname: "build", Uid: 1000}}), "a: owner root (0), group  (0), and build (1000), group  (0)"},
		"link":         {with("", entry{name: "a", header: tar.Header{Typeflag: tar.TypeSymlink, Linkname: "b"}}), with("", entry{name: "a", header: tar.Header{Typeflag: tar.TypeSymlink, Linkname: "c"}}), "a: link target b, and c"},
		"capability":   {with("", entry{name: "a", header: tar.Header{PAXRecords: map[string]string{"SCHILY.xattr.security.capability": "1"}}}), with("", file("a", "")), "a: attributes SCHILY.xattr.security.capability=1, and "},
		"other name":   {with("", file("a", "")), with("", file("b", "")), "the first has a where the second has b"},
		"more":         {with("", file("a", "")), with("", file("a", ""), file("b", "")), "the first has its end where the second has b"},
		"fewer":        {with("x", file("a", ""), file("b", "")), with("y", file("a", "")), "the first has b where the second has its end"},
		"hostile name": {with("", file("a\nb\x1b[31m", "1")), with("", file("a\nb\x1b[31m", "2")), `"a\nb\x1b[31m": content differs at byte 0: "1", and "2"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, err := alpm.DefaultLimits().Deviate(t.Context(), bytes.NewReader(tarOf(t, c.first...)), bytes.NewReader(tarOf(t, c.second...)))
			if err != nil || d.String() != c.want {
				t.Errorf("%q, %v; want %q", d, err, c.want)
			}
		})
	}
}

// TestDeviateIsBounded reads packages that are cut off, that unpack to more than the limits
// allow, and whose time is over.
func TestDeviateIsBounded(t *testing.T) {
	t.Parallel()
	small := tarOf(t, entry{name: ".MTREE", body: "1"}, entry{name: "a", body: strings.Repeat("x", 3000)})
	large := tarOf(t, entry{name: ".MTREE", body: "2"}, entry{name: "a", body: strings.Repeat("x", 3000)})
	if _, err := alpm.DefaultLimits().Deviate(t.Context(), bytes.NewReader(small), bytes.NewReader(large[:2500])); err == nil || !strings.Contains(err.Error(), "second package: the archive is cut off") {
		t.Errorf("cut off: %v", err)
	}
	limits := alpm.DefaultLimits()
	limits.Unpacked = 2000
	if _, err := limits.Deviate(t.Context(), bytes.NewReader(small), bytes.NewReader(large)); !errors.Is(err, alpm.ErrLimit) {
		t.Errorf("over the limit: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := alpm.DefaultLimits().Deviate(ctx, bytes.NewReader(small), bytes.NewReader(large)); !errors.Is(err, context.Canceled) {
		t.Errorf("out of time: %v", err)
	}
}

// TestSection names the section of a program in which a byte differs.
func TestSection(t *testing.T) {
	t.Parallel()
	program := smallProgram(t)
	f, err := elf.NewFile(bytes.NewReader(program))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	section := f.Section(".comment")
	if section == nil {
		section = f.Section(".rodata")
	}
	if section == nil {
		t.Fatal("the program has neither .comment nor .rodata")
	}
	other := bytes.Clone(program)
	other[section.Offset]++
	pack := func(program []byte) []byte {
		packer, err := zstd.NewWriter(nil)
		if err != nil {
			t.Fatal(err)
		}
		return packer.EncodeAll(tarOf(t, entry{name: "usr/bin/a", body: string(program)}), nil)
	}
	first := pack(program)
	d, err := alpm.DefaultLimits().Deviate(t.Context(), bytes.NewReader(first), bytes.NewReader(pack(other)))
	if err != nil || d.Offset != int64(section.Offset) {
		t.Fatalf("%+v, %v; want offset %d", d, err, section.Offset)
	}
	if name, err := alpm.DefaultLimits().Section(bytes.NewReader(first), d); err != nil || name != section.Name {
		t.Errorf("section %q, %v; want %q", name, err, section.Name)
	}
	for _, damage := range []int{62, 63, 58, 59, 40, 41, 44} { // of the header: names, number and place of the sections
		broken := bytes.Clone(program)
		broken[damage] = 0xfe
		if _, err := alpm.DefaultLimits().Section(bytes.NewReader(pack(broken)), d); err != nil {
			t.Errorf("damaged at %d: %v", damage, err)
		}
	}
}

// smallProgram returns an ELF file that the limits for sections allow.
func smallProgram(t *testing.T) []byte {
	t.Helper()
	const most = 4 << 20
	for _, path := range []string{"/bin/true", "/bin/ls", "/bin/sh"} {
		if b, err := os.ReadFile(path); err == nil && len(b) <= most && bytes.HasPrefix(b, []byte(elf.ELFMAG)) {
			return b
		}
	}
	t.Skip("this machine has no small program in /bin")
	return nil
}
