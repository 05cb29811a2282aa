package srcinfo_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"buildbtw/pacman/srcinfo"
)

func readFile(tb testing.TB, path string) []byte {
	tb.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

func parseGood(t *testing.T, name string) *srcinfo.Info {
	t.Helper()
	info, err := srcinfo.Parse(readFile(t, filepath.Join("testdata", "good", name+".SRCINFO")))
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func diff(t *testing.T, what string, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

func TestEveryBrokenRuleIsNamedWithItsLine(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("testdata/bad/*.SRCINFO")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no bad files: %v", err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			want := strings.TrimSpace(string(readFile(t, strings.TrimSuffix(path, "SRCINFO")+"error")))
			info, err := srcinfo.Parse(readFile(t, path))
			var parse *srcinfo.ParseError
			if !errors.As(err, &parse) || info != nil {
				t.Fatalf("got %v and error %v, want a ParseError", info, err)
			}
			diff(t, "error", err.Error(), want)
		})
	}
}

func TestTooLargeFileIsRefused(t *testing.T) {
	t.Parallel()
	_, err := srcinfo.Parse(bytes.Repeat([]byte("#"), srcinfo.MaxSize+1))
	if err == nil || err.Error() != "the file has 1048577 bytes, more than the 1048576 allowed" {
		t.Errorf("error %v", err)
	}
}

func TestEveryKeyIsRead(t *testing.T) {
	t.Parallel()
	values := func(plain, x86 string) srcinfo.Values {
		return srcinfo.Values{{Text: plain}, {Arch: "x86_64", Text: x86}}
	}
	fields := srcinfo.Fields{
		Pkgdesc: "every key = everywhere", URL: "https://example.org/?a=b#c",
		Install: "whole.install", Changelog: "ChangeLog",
		Arch: []string{"x86_64", "x86_64_v3"}, Groups: []string{"g"},
		License: []string{"GPL-2.0-or-later WITH GCC-exception-2.0"}, Options: []string{"!strip"},
		Backup: []string{"etc/whole.conf"}, NoExtract: []string{"n.zip"},
		ValidPGPKeys: []string{"0123456789ABCDEF0123456789ABCDEF01234567"},
		Depends: srcinfo.Values{
			{Text: "d1"},
			{Text: "libfoo.so=5-64"},
			{Arch: "x86_64", Text: "d64"},
			{Arch: "x86_64_v3", Text: "dv3"},
		},
		MakeDepends: values("md", "md64"), CheckDepends: values("cd", "cd64"),
		OptDepends: values("od: for what: it does", "od64"),
		Provides:   values("p=1", "p64"), Conflicts: values("c<2", "c64"), Replaces: values("r", "r64"),
		Source: values("s.tar.gz::https://example.org/s.tar.gz", "s64"),
		CkSums: values("1", "164"), MD5Sums: values("2", "264"), SHA1Sums: values("3", "364"),
		SHA224Sums: values("4", "464"), SHA256Sums: values("5", "564"), SHA384Sums: values("6", "664"),
		SHA512Sums: values("7", "764"), B2Sums: values("8", "864"),
	}
	info := parseGood(t, "whole")
	diff(t, "info", info, &srcinfo.Info{
		Pkgbase: "whole", Epoch: "3", Pkgver: "1.0", Pkgrel: "2.1", Base: fields,
		Packages: []srcinfo.Package{{Name: "whole", Fields: fields}},
	})
	diff(t, "version", info.Version(), "3:1.0-2.1")
}

func TestPackageSectionsOverrideWhatTheyName(t *testing.T) {
	t.Parallel()
	info := parseGood(t, "split")
	all, docs, tools := info.Packages[0], info.Packages[1], info.Packages[2]
	diff(t, "inherited", all.Fields, info.Base)

	diff(t, "docs: description", docs.Pkgdesc, "documentation")
	diff(t, "docs: emptied url", docs.URL, "")
	diff(t, "docs: architecture", docs.Arch, []string{"any"})
	diff(t, "docs: only another architecture's depends are left", docs.Depends, srcinfo.Values{{Arch: "aarch64", Text: "libatomic"}})
	diff(t, "docs: licence is inherited", docs.License, []string{"MIT"})

	diff(t, "tools: depends", tools.Depends.For("x86_64"), []string{"split", "nasm", "yasm"})
	diff(t, "tools: depends elsewhere", tools.Depends.For("aarch64"), []string{"split", "libatomic"})
	diff(t, "tools: provides", tools.Provides.For("any"), []string{"tools", "tools2"})
	diff(t, "tools: new options", tools.Options, []string{"!strip"})

	diff(t, "base is as it was", info.Base.Depends.For("x86_64"), []string{"glibc", "zlib", "gcc-libs"})
	diff(t, "base options", info.Base.Options, []string(nil))
}

func TestLayoutIsTolerated(t *testing.T) {
	t.Parallel()
	info := parseGood(t, "loose")
	diff(t, "version", info.Version(), "1-1")
	diff(t, "depends", info.Packages[0].Depends.For(""), []string{"a  b#c"})
	diff(t, "description", info.Base.Pkgdesc, "=")

	crlf := parseGood(t, "crlf")
	diff(t, "crlf: name", crlf.Packages[0].Name, "crlf")
	diff(t, "crlf: version", crlf.Version(), "1-1")
	diff(t, "crlf: emptied depends", len(crlf.Base.Depends), 0)

	diff(t, "latin1", parseGood(t, "latin1").Base.Pkgdesc, "caf\ufffd")
}

func TestUnknownKeysAreListed(t *testing.T) {
	t.Parallel()
	diff(t, "unknown", parseGood(t, "newer").Unknown, []string{"moon_phase", "moon_x86_64", "xdata", "pkgver_other", "xdata"})
}

func TestEveryLegalCharacterIsTakenInNames(t *testing.T) {
	t.Parallel()
	info := parseGood(t, "names")
	var names []string
	for _, p := range info.Packages {
		names = append(names, p.Name)
	}
	diff(t, "names", names, []string{"@a.b_c+d-E", "+", "_.-"})
	diff(t, "version without its zero epoch", info.Version(), "1.0+r3~g%a_b-10")
}

func TestValuesForGivesCommonOnesFirst(t *testing.T) {
	t.Parallel()
	v := srcinfo.Values{{Arch: "x86_64", Text: "1"}, {Text: "2"}, {Arch: "i686", Text: "3"}, {Text: "4"}}
	diff(t, "x86_64", v.For("x86_64"), []string{"2", "4", "1"})
	diff(t, "none", v.For(""), []string{"2", "4"})
	diff(t, "empty", srcinfo.Values(nil).For("x86_64"), []string(nil))
}
