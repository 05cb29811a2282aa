package pkgrel_test

import (
	"bytes"
	"strings"
	"testing"

	"buildbtw/pacman/alpm"
	"buildbtw/pacman/pkgrel"
	"buildbtw/pacman/srcinfo"
)

func TestTheNextVersionIsAboveAllThatAreShown(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		version string
		shown   []string
		want    string // empty: a higher pkgrel does not help
	}{
		{"2.0-1", nil, "2.0-1"},
		{"2.0-1", []string{"1.9-7"}, "2.0-1"},
		{"2.0-1", []string{"2.0-1"}, "2.0-2"},
		{"2.0-3", []string{"2.0-1"}, "2.0-3"},
		{"2.0-1", []string{"2.0-1", "2.0-4", "2.0-2"}, "2.0-5"},
		{"2.0-1", []string{"2.0-3.1"}, "2.0-4"},
		{"2.0-1.1", []string{"2.0-1.1"}, "2.0-2"},
		{"2.0-9", []string{"2.0-9"}, "2.0-10"},
		{"1:2.0-1", []string{"1:2.0-1", "3.0-9"}, "1:2.0-2"},
		{"2.0-1", []string{"2.1-1"}, ""},
		{"2.0-1", []string{"1:1.0-1"}, ""},
		{"1.0_1-1", []string{"1.0.1-2"}, "1.0_1-3"}, // vercmp takes both for the same
		{"2.0", []string{"2.0"}, ""},
		{"2.0-x", []string{"2.0-x"}, ""},
	} {
		got, ok := pkgrel.Next(c.version, c.shown)
		if ok != (c.want != "") || ok && got != c.want {
			t.Errorf("%s with %v shown: %s %v, want %q", c.version, c.shown, got, ok, c.want)
		}
	}
}

const (
	recipe = "# Maintainer: somebody\npkgbase=splitty\npkgver=2.0\npkgrel=1\npkgname=(splitty splitty-libs)\n"
	info   = "pkgbase = splitty\n\tpkgver = 2.0\n\tpkgrel = 1\n\narch = x86_64\n\npkgname = splitty\n\npkgname = splitty-libs\n"
)

func TestOneLineOfEachFileChanges(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ from, to string }{
		"plain":     {"pkgrel=1", "pkgrel=12"},
		"quoted":    {"pkgrel='1'", "pkgrel='12'"},
		"double":    {`pkgrel="1"`, `pkgrel="12"`},
		"commented": {"pkgrel=1  # after the soname", "pkgrel=12  # after the soname"},
		"used":      {"pkgrel=1\n_release=$pkgver-${pkgrel}", "pkgrel=12\n_release=$pkgver-${pkgrel}"},
		"other":     {"_pkgrel=7\npkgrel=1", "_pkgrel=7\npkgrel=12"},
		"a comment": {"# pkgrel=3\npkgrel=1", "# pkgrel=3\npkgrel=12"},
	} {
		s, err := pkgrel.Raise([]byte(strings.Replace(recipe, "pkgrel=1", c.from, 1)), []byte(info), "12")
		if err != nil || s.Repeated {
			t.Errorf("%s: %v, repeated %v", name, err, s.Repeated)
			continue
		}
		if want := strings.Replace(recipe, "pkgrel=1", c.to, 1); string(s.PKGBUILD) != want {
			t.Errorf("%s: the PKGBUILD is\n%s", name, s.PKGBUILD)
		}
		if want := strings.Replace(info, "pkgrel = 1", "pkgrel = 12", 1); string(s.Srcinfo) != want {
			t.Errorf("%s: the .SRCINFO is\n%s", name, s.Srcinfo)
		}
	}
	// A last line without an end, and one whose number stands in the name, too.
	s, err := pkgrel.Raise([]byte("pkgver=1\npkgrel=1"), []byte("pkgver=1\npkgrel=1"), "2")
	if err != nil || string(s.PKGBUILD) != "pkgver=1\npkgrel=2" || string(s.Srcinfo) != "pkgver=1\npkgrel=2" {
		t.Errorf("without a last newline: %q, %v", s.PKGBUILD, err)
	}
}

func TestWhatBashAloneUnderstandsIsRefused(t *testing.T) {
	t.Parallel()
	for from, want := range map[string]string{
		"pkgrel=$((1))":                   "no plain number on line 4",
		"pkgrel=$_rel":                    "no plain number",
		"pkgrel=1\npkgrel=2":              "on the lines 4 and 5",
		"pkgrel=1\npkgrel+=1":             "on the lines 4 and 5",
		"pkgrel=1\n((pkgrel++))":          "on the lines 4 and 5",
		"pkgrel=1\n(( ++pkgrel ))":        "on the lines 4 and 5",
		"pkgrel=1\nlet pkgrel=5":          "on the lines 4 and 5",
		"pkgrel=1\nlet 'pkgrel *= 2'":     "on the lines 4 and 5",
		"pkgrel=1\nread -r pkgrel <x":     "on the lines 4 and 5",
		"pkgrel=1\nprintf -v pkgrel %d 5": "on the lines 4 and 5",
		"pkgrel=1\nexport pkgrel":         "on the lines 4 and 5",
		"pkgrel=1; :":                     "no plain number",
		"pkgrel='1\"":                     "no plain number",
		"pkgrel='1":                       "no plain number",
		"pkgrel=1 make":                   "no plain number",
		"pkgrel=1#2":                      "no plain number",
		"if true; then pkgrel=1; fi":      "no plain number",
		"  pkgrel=1":                      "no plain number",
		"pkgrel=1\r":                      "no plain number",
		"echo \\\npkgrel=1":               "no plain number",
		"_rel=1":                          "no line that begins with pkgrel=",
		"pkgrel=3":                        "pkgrel 3 and its .SRCINFO \"1\"",
	} {
		_, err := pkgrel.Raise([]byte(strings.Replace(recipe, "pkgrel=1", from, 1)), []byte(info), "2")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", from, err, want)
		}
	}
	for from, want := range map[string]string{
		"":                             ".SRCINFO has no pkgrel",
		"pkgrel = 1\n\tpkgrel = 1":     "more than one line with pkgrel",
		"pkgrel = 1\n\tpkgver = 2.0.1": "more than one line with pkgver",
	} {
		_, err := pkgrel.Raise([]byte(recipe), []byte(strings.Replace(info, "pkgrel = 1", from, 1)), "2")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf(".SRCINFO %q: %v, want %q", from, err, want)
		}
	}
	for _, to := range []string{"", "x", "-1", "2\nx"} {
		if _, err := pkgrel.Raise([]byte(recipe), []byte(info), to); err == nil {
			t.Errorf("pkgrel %q was taken", to)
		}
	}
}

func TestAVersionThatIsRepeatedIsSeen(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]bool{
		"depends = splitty-libs=2.0-1":                 true,
		"depends = splitty-libs=1:2.0-1":               true,
		"provides = foo=2.0-1 ":                        true,
		"source = foo-2.0-1.tar.gz":                    true,
		"depends = other=12.0-1":                       false,
		"depends = other=2.0-10":                       false,
		"depends = other=2.0-1.1":                      false,
		"depends = other=3.2.0-1":                      false,
		"depends = other=2.0-10\n\tdepends = it=2.0-1": true,
	} {
		s, err := pkgrel.Raise([]byte(recipe), []byte(info+"\t"+line+"\n"), "2")
		if err != nil || s.Repeated != want {
			t.Errorf("%q: %v, repeated %v, want %v", line, err, s.Repeated, want)
		}
	}
}

func TestPkgverFunctionsAreSeen(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"pkgver() {\n git describe\n}": true, "function pkgver {\n:\n}": true, "pkgver ()\n{": true, " pkgver(){": true,
		"pkgver=1\n": false, "_pkgver() {": false, "# pkgver() {": false,
	} {
		if got := pkgrel.HasPkgver([]byte(text)); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// FuzzRaise looks for texts of which more changes than the pkgrel, or that come to
// another version than was asked for.
func FuzzRaise(f *testing.F) {
	f.Add([]byte(recipe), []byte(info), 2)
	f.Add([]byte("pkgrel=\"1\" # x\n"), []byte("pkgver = 1-1\npkgrel = 1\n"), 7)
	f.Add([]byte("echo pkgrel=1 \\\npkgrel=1"), []byte("\tpkgver=1\r\n\tpkgrel=1\r\n"), 10)
	f.Fuzz(func(t *testing.T, recipe, info []byte, n int) {
		to := "9" + strings.Repeat("1", (n%4+4)%4)
		s, err := pkgrel.Raise(recipe, info, to)
		if err != nil {
			return
		}
		oneLineDiffers(t, recipe, s.PKGBUILD)
		oneLineDiffers(t, info, s.Srcinfo)
		before, err := srcinfo.Parse(info)
		if err != nil {
			return
		}
		after, err := srcinfo.Parse(s.Srcinfo)
		if err != nil {
			t.Fatalf("the .SRCINFO cannot be read any more: %v", err)
		}
		pkgver, _, _ := strings.Cut(before.Version(), "-")
		if got, _, _ := strings.Cut(after.Version(), "-"); got != pkgver {
			t.Fatalf("the pkgver of %s became that of %s", before.Version(), after.Version())
		}
		if again, err := pkgrel.Raise(s.PKGBUILD, s.Srcinfo, to); err != nil || !bytes.Equal(again.PKGBUILD, s.PKGBUILD) {
			t.Fatalf("once more: %v", err)
		}
	})
}

func oneLineDiffers(t *testing.T, before, after []byte) {
	t.Helper()
	a, b := bytes.Split(before, []byte("\n")), bytes.Split(after, []byte("\n"))
	if len(a) != len(b) {
		t.Fatalf("%d lines became %d", len(a), len(b))
	}
	n := 0
	for i := range a {
		if !bytes.Equal(a[i], b[i]) {
			n++
			if !bytes.Contains(b[i], []byte("pkgrel")) {
				t.Fatalf("line %q became %q", a[i], b[i])
			}
		}
	}
	if n > 1 {
		t.Fatalf("%d lines changed", n)
	}
}

// FuzzNext looks for versions that are not above what is shown.
func FuzzNext(f *testing.F) {
	f.Add("2.0-1", "2.0-3.1", "1:1-1")
	f.Add("1_0-1", "1.0-2", "")
	f.Fuzz(func(t *testing.T, version, x, y string) {
		next, ok := pkgrel.Next(version, []string{x, y})
		if ok && (alpm.Vercmp(next, x) <= 0 || alpm.Vercmp(next, y) <= 0) {
			t.Fatalf("%s is not above %q and %q", next, x, y)
		}
		pkgver, _, _ := strings.Cut(version, "-")
		if got, _, _ := strings.Cut(next, "-"); got != pkgver {
			t.Fatalf("the pkgver of %q became that of %q", version, next)
		}
	})
}
