package srcinfo_test

import (
	"errors"
	"path/filepath"
	"testing"

	"buildbtw/pacman/srcinfo"
)

// FuzzParse checks that what is accepted keeps the promises of Info, and that
// everything else is an error with a line.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/good/*.SRCINFO", "testdata/bad/*.SRCINFO"} {
		paths, err := filepath.Glob(pattern)
		if err != nil || len(paths) == 0 {
			f.Fatalf("no seeds in %s: %v", pattern, err)
		}
		for _, path := range paths {
			f.Add(readFile(f, path))
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		info, err := srcinfo.Parse(text)
		var parse *srcinfo.ParseError
		switch {
		case err == nil:
			checkInfo(t, info)
		case !errors.As(err, &parse) || parse.Reason == "":
			t.Fatalf("error %#v is no ParseError with a reason", err)
		case parse.Line == 0 && len(text) <= srcinfo.MaxSize:
			t.Fatalf("error %v without a line", err)
		}
	})
}

func checkInfo(t *testing.T, info *srcinfo.Info) {
	t.Helper()
	if info.Pkgbase == "" || info.Pkgver == "" || info.Pkgrel == "" || len(info.Base.Arch) == 0 || len(info.Packages) == 0 {
		t.Fatalf("accepted without something that is needed: %+v", info)
	}
	names := map[string]bool{}
	for _, p := range info.Packages {
		if p.Name == "" || names[p.Name] {
			t.Fatalf("accepted with an empty or repeated pkgname %q", p.Name)
		}
		names[p.Name] = true
		for _, v := range p.Depends {
			if v.Text == "" || v.Arch == "any" {
				t.Fatalf("accepted with the depends entry %+v", v)
			}
		}
	}
}
