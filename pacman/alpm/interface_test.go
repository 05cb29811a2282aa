package alpm_test

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"buildbtw/pacman/alpm"
)

// gcc compiles a one-line C file with these arguments and gives what came out.
func gcc(tb testing.TB, args ...string) string {
	tb.Helper()
	if _, err := exec.LookPath("gcc"); err != nil {
		tb.Skip("skipped: gcc is not installed")
	}
	dir := tb.TempDir()
	source, out := filepath.Join(dir, "x.c"), filepath.Join(dir, "out")
	if err := os.WriteFile(source, []byte("int x(void) { return 1; }\nint main(void) { return x(); }\n"), 0o600); err != nil {
		tb.Fatal(err)
	}
	cmd := exec.CommandContext(tb.Context(), "gcc", append(args, "-fPIC", "-o", out, source)...)
	if text, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("gcc %v: %v\n%s", args, err, text)
	}
	body, err := os.ReadFile(out)
	if err != nil {
		tb.Fatal(err)
	}
	return string(body)
}

func sharedLibrary(tb testing.TB, soname string, args ...string) string {
	tb.Helper()
	return gcc(tb, append(args, "-shared", "-nostdlib", "-Wl,-soname,"+soname)...)
}

func readInterface(tb testing.TB, entries ...entry) alpm.Interface {
	tb.Helper()
	_, i, err := alpm.ReadInterface(bytes.NewReader(tarOf(tb, entries...)), tb.TempDir())
	if err != nil {
		tb.Fatal(err)
	}
	return i
}

var fooInfo = entry{name: ".PKGINFO", body: pkgInfoText}

func TestSonamesAreThoseOfSharedLibraries(t *testing.T) {
	t.Parallel()
	foo := sharedLibrary(t, "libfoo.so.1", "-g")
	link := func(typ byte, to string) tar.Header { return tar.Header{Typeflag: typ, Linkname: to} }
	big := foo + strings.Repeat("\x00", 6<<20) // more than is kept in memory
	for name, c := range map[string]struct {
		entries []entry
		want    []string
	}{
		"a library with its links": {[]entry{
			{name: "usr/lib/libfoo.so.1.2", body: foo},
			{name: "usr/lib/libfoo.so.1", header: link(tar.TypeSymlink, "libfoo.so.1.2")},
			{name: "usr/lib/libfoo.so", header: link(tar.TypeSymlink, "libfoo.so.1.2")},
		}, []string{"libfoo.so=1-64"}},
		"stripped":             {[]entry{{name: "usr/lib/libfoo.so.1", body: sharedLibrary(t, "libfoo.so.1.0", "-s")}}, []string{"libfoo.so=1.0-64"}},
		"a large one":          {[]entry{{name: "usr/lib/libfoo.so.1", body: big}}, []string{"libfoo.so=1-64"}},
		"32 bits":              {[]entry{{name: "usr/lib32/libfoo.so.1", body: sharedLibrary(t, "libfoo.so.1", "-m32")}}, []string{"libfoo.so=1-32"}},
		"without a version":    {[]entry{{name: "usr/lib/foo/libfoo-2.so", body: sharedLibrary(t, "libfoo-2.so")}}, []string{"libfoo-2.so=libfoo-2.so-64"}},
		"in a directory apart": {[]entry{{name: "opt/foo/lib64/libfoo.so", body: foo}}, []string{"libfoo.so=1-64"}},
		"one soname twice": {[]entry{
			{name: "usr/lib/libfoo.so.1", body: foo},
			{name: "usr/lib/copy/libfoo.so.1", body: foo},
			{name: "usr/lib/libbar.so.0", body: sharedLibrary(t, "libbar.so.0")},
		}, []string{"libbar.so=0-64", "libfoo.so=1-64"}},
		"an extension without soname": {[]entry{{name: "usr/lib/python3.11/site-packages/foo.cpython-311-x86_64-linux-gnu.so", body: gcc(t, "-shared", "-nostdlib")}}, nil},
		"a static library":            {[]entry{{name: "usr/lib/libfoo.a", body: "!<arch>\n"}}, nil},
		"an object file":              {[]entry{{name: "usr/lib/foo.so", body: gcc(t, "-c")}}, nil},
		"a program":                   {[]entry{{name: "usr/bin/foo.so", body: gcc(t)}}, nil},
		"a linker script":             {[]entry{{name: "usr/lib/libc.so", body: "GROUP ( /usr/lib/libc.so.6 )"}}, nil},
		"an empty file":               {[]entry{{name: "usr/lib/libfoo.so"}}, nil},
		"two bytes":                   {[]entry{{name: "usr/lib/libfoo.so", body: "\x7fE"}}, nil},
		"debugging symbols":           {[]entry{{name: "usr/lib/debug/usr/lib/libfoo.so.1.debug", body: foo}}, nil},
		"a directory":                 {[]entry{{name: "usr/lib/libfoo.so.1/", header: link(tar.TypeDir, "")}}, nil},
		"a link out of the package":   {[]entry{{name: "usr/lib/libfoo.so.1", header: link(tar.TypeSymlink, "../../../../etc/passwd")}}, nil},
		"a hard link": {[]entry{
			{name: "usr/lib/libfoo.so.1", body: foo}, {name: "usr/lib/libfoo.so", header: link(tar.TypeLink, "usr/lib/libfoo.so.1")},
		}, []string{"libfoo.so=1-64"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := readInterface(t, append([]entry{fooInfo}, c.entries...)...)
			got.Directories, got.Links, got.Symbols, got.Exports, got.Content = nil, nil, nil, nil, nil // other tests'
			want := alpm.Interface{Pkgname: "foo", Version: "1:1.0-2", Sonames: c.want}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// edited gives a copy of a 64-bit library in which some bytes are replaced.
func edited(body string, offset int, with ...byte) string {
	b := []byte(body)
	copy(b[offset:], with)
	return string(b)
}

func TestUnreadableLibrariesMakeTheInterfaceUnknown(t *testing.T) {
	t.Parallel()
	foo := sharedLibrary(t, "libfoo.so.1")
	file, err := elf.NewFile(strings.NewReader(foo))
	if err != nil {
		t.Fatal(err)
	}
	dynamic := file.Section(".dynamic")
	at := slices.IndexFunc(file.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_DYNAMIC })
	dynamicHeader := 64 + 56*at // file header, then program headers
	const phnum, shoff, filesz = 56, 40, 32
	huge := binary.LittleEndian.AppendUint64(nil, 1<<62)
	for name, c := range map[string]struct{ body, want string }{
		"only the magic":            {foo[:4], "cut off"},
		"half":                      {foo[:len(foo)/2], "cut off"},
		"all but a byte":            {foo[:len(foo)-1], "cut off"},
		"class":                     {edited(foo, elf.EI_CLASS, 9), "unknown ELF class 9"},
		"byte order":                {edited(foo, elf.EI_DATA, 9), "unknown ELF byte order 9"},
		"65,535 segments":           {edited(foo, phnum, 0xff, 0xff), "65535 ELF segments"},
		"sections behind the end":   {edited(foo, shoff, huge...), "cut off"},
		"huge dynamic segment":      {edited(foo, dynamicHeader+filesz, binary.LittleEndian.AppendUint64(nil, 1<<20)...), "cut off"},
		"dynamic segment of 128 kB": {edited(foo+strings.Repeat("x", 1<<18), dynamicHeader+filesz, 0, 0, 2, 0, 0, 0, 0, 0), "dynamic segment of 131072 bytes"},
		"strings elsewhere":         {edited(foo, int(tagOffset(t, file, dynamic, elf.DT_STRTAB)), huge...), "string table is not in the file"},
		"soname behind the strings": {edited(foo, int(tagOffset(t, file, dynamic, elf.DT_SONAME)), huge...), "string table is not in the file"},
		"a soname of 300 bytes":     {sharedLibrary(t, strings.Repeat("x", 300)), "longer than 255 bytes"},
		"a soname of two lines":     {sharedLibrary(t, "libfoo.so.1\nprovides y"), "not text"},
	} {
		t.Run(name, func(t *testing.T) {
			got := readInterface(t, fooInfo, entry{name: "usr/lib/libfoo.so.1", body: c.body})
			if !strings.Contains(got.Unknown, c.want) || !strings.Contains(got.Unknown, "usr/lib/libfoo.so.1") || got.Digest() != "" {
				t.Errorf("unknown because %q, digest %q; want %q and no digest", got.Unknown, got.Digest(), c.want)
			}
			if _, changed := alpm.Noticed([]alpm.Dep{{Name: "foo"}}, []alpm.Interface{got}, []alpm.Interface{got}); !changed {
				t.Error("an unknown interface counts as unchanged")
			}
		})
	}
	t.Run("a hard link to something else", func(t *testing.T) {
		got := readInterface(t, fooInfo, entry{name: "usr/share/x", body: foo},
			entry{name: "usr/lib/libfoo.so.1", header: tar.Header{Typeflag: tar.TypeLink, Linkname: "usr/share/x"}})
		if !strings.Contains(got.Unknown, "hard link") {
			t.Errorf("unknown because %q", got.Unknown)
		}
	})
}

// tagOffset gives the place in the file of a value in the dynamic segment.
func tagOffset(t *testing.T, file *elf.File, dynamic *elf.Section, tag elf.DynTag) uint64 {
	t.Helper()
	data, err := dynamic.Data()
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(data); i += 16 {
		if elf.DynTag(file.ByteOrder.Uint64(data[i:])) == tag {
			return dynamic.Offset + uint64(i) + 8
		}
	}
	t.Fatalf("the library has no %s", tag)
	return 0
}

func TestLibraryOverTheLimitIsUnknown(t *testing.T) {
	t.Parallel()
	limits := alpm.DefaultLimits()
	limits.Library = 1000
	file := tarOf(t, fooInfo, entry{name: "usr/lib/libfoo.so.1", body: sharedLibrary(t, "libfoo.so.1")})
	_, got, err := limits.ReadInterface(bytes.NewReader(file), "")
	if err != nil || !strings.Contains(got.Unknown, "more than 1000 bytes") {
		t.Errorf("unknown because %q, error %v", got.Unknown, err)
	}
}

func TestNowhereToPutALargeLibraryIsAnErrorOfTheMachine(t *testing.T) {
	t.Parallel()
	body := sharedLibrary(t, "libfoo.so.1") + strings.Repeat("\x00", 6<<20)
	file := tarOf(t, fooInfo, entry{name: "usr/lib/libfoo.so.1", body: body})
	_, _, err := alpm.ReadInterface(bytes.NewReader(file), filepath.Join(t.TempDir(), "missing"))
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

func TestCutOffPackageHasNoInterface(t *testing.T) {
	t.Parallel()
	file := tarOf(t, fooInfo, entry{name: "usr/lib/libfoo.so.1", body: sharedLibrary(t, "libfoo.so.1") + strings.Repeat("\x00", 6<<20)})
	for _, n := range []int{2000, 3000, 1 << 20, len(file) - 1024} {
		if _, _, err := alpm.ReadInterface(bytes.NewReader(file[:n]), t.TempDir()); err == nil || !strings.Contains(err.Error(), "cut off") {
			t.Errorf("the first %d bytes: error %v", n, err)
		}
	}
}

// TestSonamesAreThoseOfDebugELF compares with the library for all that this
// machine has.
func TestSonamesAreThoseOfDebugELF(t *testing.T) {
	t.Parallel()
	files, _ := filepath.Glob("/usr/lib/*/*.so*")
	more, _ := filepath.Glob("/usr/lib/*.so*")
	n := 0
	for _, name := range append(files, more...) {
		body, err := os.ReadFile(name)
		if err != nil || len(body) > 8<<20 {
			continue
		}
		want := ""
		if f, err := elf.NewFile(bytes.NewReader(body)); err == nil {
			if sonames, err := f.DynString(elf.DT_SONAME); err == nil && len(sonames) > 0 {
				want = alpm.SonameOf(sonames[0], "64")
			}
		}
		got := readInterface(t, fooInfo, entry{name: "usr/lib/x.so", body: string(body)})
		if strings.Join(got.Sonames, " ") != want || got.Unknown != "" {
			t.Errorf("%s: sonames %q (%s), debug/elf reads %q", name, got.Sonames, got.Unknown, want)
		}
		n++
	}
	if n == 0 {
		t.Skip("skipped: no shared libraries here")
	}
	t.Logf("%d libraries", n)
}

func FuzzELF(f *testing.F) {
	f.Add([]byte(sharedLibrary(f, "libfoo.so.1", "-s", "-Wl,-z,noseparate-code,-z,norelro")))
	f.Add([]byte(sharedLibrary(f, "libfoo.so.1", "-s", "-m32")))
	f.Add([]byte(sharedLibrary(f, "libfoo.so.1", "-s"))[:200])
	f.Fuzz(func(t *testing.T, body []byte) {
		got := readInterface(t, fooInfo, entry{name: "usr/lib/libfoo.so.1", body: string(body)})
		for _, s := range got.Sonames {
			if len(s) > 600 || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
				t.Errorf("soname %q", s)
			}
		}
		if len(got.Sonames) > 1 || len(got.Sonames) == 1 && got.Unknown != "" {
			t.Errorf("sonames %q, unknown %q", got.Sonames, got.Unknown)
		}
	})
}
