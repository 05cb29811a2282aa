package alpm_test

import (
	"testing"

	"buildbtw/pacman/alpm"
)

func TestFilenamesAreReadAsWritten(t *testing.T) {
	t.Parallel()
	for want, c := range map[string][4]string{
		"foo-1.0-1-x86_64.pkg.tar.zst":            {"foo", "1.0-1", "x86_64", "zst"},
		"foo-bar-2:1.0-1.1-any.pkg.tar.xz":        {"foo-bar", "2:1.0-1.1", "any", "xz"},
		"lib32-gtk+2-r1~x-3-x86_64_v3.pkg.tar.gz": {"lib32-gtk+2", "r1~x-3", "x86_64_v3", "gz"},
		"@a.b_c+d-1-1-any.pkg.tar":                {"@a.b_c+d", "1-1", "any", ""},
	} {
		if got := alpm.Filename(c[0], c[1], c[2], c[3]); got != want {
			t.Errorf("Filename(%q) = %q, want %q", c, got, want)
		}
		name, version, arch, err := alpm.ParseFilename(want)
		if err != nil || name != c[0] || version != c[1] || arch != c[2] {
			t.Errorf("ParseFilename(%q) = %q, %q, %q, %v", want, name, version, arch, err)
		}
	}
}

func TestIllegalFilenamesAreErrors(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"", ".pkg.tar.zst", "foo.pkg.tar.zst", "1-1-any.pkg.tar.zst", "foo-1-1-any.pkg.tar.zst.sig",
		"foo-1-1-any.tar.zst", "foo-1-1-any.pkg.tar.bz2", "../foo-1-1-any.pkg.tar.zst", "a/foo-1-1-any.pkg.tar.zst",
		"-foo-1-1-any.pkg.tar.zst", ".foo-1-1-any.pkg.tar.zst", "foo-1-x-any.pkg.tar.zst", "foo-1-1-a ny.pkg.tar.zst",
		"foo-a:1-1-any.pkg.tar.zst", "foo-1/2-1-any.pkg.tar.zst", "foo-1-1-any.pkg.tar.zst\x00", "foo\n-1-1-any.pkg.tar",
	} {
		if name, version, arch, err := alpm.ParseFilename(s); err == nil {
			t.Errorf("ParseFilename(%q) = %q, %q, %q, want an error", s, name, version, arch)
		}
	}
}

func FuzzParseFilename(f *testing.F) {
	f.Add("foo-bar-2:1.0-1.1-any.pkg.tar.xz")
	f.Add("foo-1-1-any.pkg.tar")
	f.Fuzz(func(t *testing.T, s string) {
		name, version, arch, err := alpm.ParseFilename(s)
		if err != nil {
			return
		}
		prefix := alpm.Filename(name, version, arch, "")
		if len(s) < len(prefix) || s[:len(prefix)] != prefix {
			t.Errorf("%q is written as %q", s, prefix)
		}
	})
}
