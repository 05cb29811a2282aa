package pacmanrepo_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"buildbtw"
	"buildbtw/pacman/alpm"
	"buildbtw/pacman/pacmanrepo"
)

// odd are lines of .PKGINFO with the text of headers in the values.
func odd() []string {
	return []string{
		"group = the %SHA256SUM%", "group = " + strings.Repeat("0", 64), "group = %CSIZE% 7", "group = 100%", "group = %",
		"license = x %ARCH%", "license = any", "license = %%", "license = %a%", "license = %A_B%", "license = %A-B%",
		"depend = glibc", "optdepend = x: reads %NAME%", "provides = libü.so", "xdata = pkgtype=%NAME%",
	}
}

// FuzzEntriesAreReadAsWritten takes any .PKGINFO that is accepted.
func FuzzEntriesAreReadAsWritten(f *testing.F) {
	const head = "pkgname = foo\npkgbase = foo\npkgver = 1:1-1\narch = any\n"
	f.Add([]byte(head + "pkgdesc = checks a file against its %SHA256SUM%\n" + strings.Join(odd(), "\n")))
	for _, key := range []string{"pkgdesc", "url", "packager", "group", "license", "depend", "conflict", "checkdepend"} {
		f.Add([]byte(head + key + " = ends in %FILENAME%\n" + key + "x = %NAME%"))
	}
	f.Add([]byte(head + "pkgdesc = a\u0085b\u2028%NAME%\u2029\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		i, err := alpm.ParsePkgInfo(text)
		if err != nil {
			return
		}
		filename, sum := alpm.Filename(i.Name, i.Version, i.Arch, "zst"), strings.Repeat("ab", 32)
		diff, desc := pacmanrepo.ReadBack(filename, sum, sum[:32], 1234, *i)
		if diff != "" {
			t.Errorf("entry (-written +read):\n%s", diff)
		}
		got := map[string][]string{}
		for field, value := range alpm.DescValues(desc) {
			got[field] = append(got[field], string(value))
		}
		want := map[string][]string{
			"FILENAME": {filename}, "NAME": {i.Name}, "BASE": {i.Base}, "VERSION": {i.Version}, "DESC": {i.Desc}, "GROUPS": i.Groups,
			"CSIZE": {"1234"}, "ISIZE": {strconv.FormatInt(i.Size, 10)}, "MD5SUM": {sum[:32]}, "SHA256SUM": {sum}, "URL": {i.URL},
			"LICENSE": i.Licenses, "ARCH": {i.Arch}, "BUILDDATE": {strconv.FormatInt(i.BuildDate, 10)}, "PACKAGER": {i.Packager},
			"REPLACES": i.Replaces, "CONFLICTS": i.Conflicts, "PROVIDES": i.Provides, "DEPENDS": i.Depends,
			"OPTDEPENDS": i.OptDepends, "MAKEDEPENDS": i.MakeDepends, "CHECKDEPENDS": i.CheckDepends,
		}
		for field, values := range want {
			if len(values) == 0 || slices.Equal(values, []string{""}) {
				delete(want, field)
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("values (-want +got):\n%s", d)
		}
	})
}

// TestPacmanReadsOddValuesAsWeDo has the real program read what we published.
func TestPacmanReadsOddValuesAsWeDo(t *testing.T) {
	t.Parallel()
	eachTool(t, func(t *testing.T, o pacmanrepo.Options) {
		r, dir := open(t, o)
		create(t, r, x86)
		p := newPacman(t, pacmanrepo.PacmanConf(dbName, serve(t, r)+"/", repository))
		const desc = "checks a file against its %SHA256SUM%"
		publish(t, r, 1, pkg{name: "odd", version: "1:2-3", ext: "zst", pkgdesc: desc, info: odd()})
		publish(t, r, 2, pkg{name: "next", ext: "zst"})

		p.run(t, "-Sy")
		mustContain(t, p.run(t, "-Sl"), "space odd 1:2-3", "space next 1.0-1")
		said := strings.Join(strings.Fields(p.run(t, "-Si", "odd")), " ")
		mustContain(t, said, "Description : "+desc+" Architecture : x86_64", "Licenses : x %ARCH% any %% %a% %A_B% %A-B% Groups : the %SHA256SUM% "+
			strings.Repeat("0", 64)+" %CSIZE% 7 100% % Provides : libü.so Depends On : glibc Optional Deps : x: reads %NAME%")
		if listed := verify(t, r)[x86].Listed; len(listed) != 2 {
			t.Errorf("listed: %q", listed)
		}
		again := reopen(t, strings.TrimSuffix(dir, "/repos"), o) // reads the entries from the disk
		publish(t, again, 3, pkg{name: "third", ext: "zst"})
		verify(t, again)
	})
}

func TestStageRefusesValuesThatLookLikeAHeader(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"group = %SHA256SUM%":       "group is %SHA256SUM%, which is how databases of pacman name a field; say it with other words in the PKGBUILD",
		"license = %ARCH%":          "license is %ARCH%,",
		"optdepend =  %CSIZE% ":     "optdepend is %CSIZE%,",
		"xdata = %A%":               "xdata is %A%,",
		"invented = %NAME%":         "invented is %NAME%,",
		"depend = a\x1b[2Jb":        "depend is not text: it holds a control character or is not UTF-8; correct it in the PKGBUILD",
		"provides = a\r%SHA256SUM%": "provides is not text",
		"conflict = \xff":           "conflict is not text",
	} {
		r, dir := open(t, pacmanrepo.Options{})
		p := pkg{name: "foo", info: []string{line}}
		content := p.bytes(t)
		_, err := r.Stage(t.Context(), p.upload(1, content), bytes.NewReader(content))
		if err := hasKind(err, buildbtw.KindInvalid, want); err != nil {
			t.Errorf("%q: %v", line, err)
		}
		nothingStaged(t, dir)
	}
}

// TestStageReadsBackWhatItWrote has the disk change what was written.
func TestStageReadsBackWhatItWrote(t *testing.T) {
	t.Parallel()
	elsewhere, dir := open(t, pacmanrepo.Options{})
	other := stage(t, elsewhere, 1, pkg{name: "foo", ext: "zst", version: "1.0-2"})
	foreign := filepath.Join(filepath.Dir(dir), "staging", attemptName(1).String(), other[0].SHA256, "entry.tar.zst")
	for what, damage := range map[string]func(entry string) error{
		"garbage": func(entry string) error { return os.WriteFile(entry, []byte("garbage"), 0o600) },
		"nothing": func(entry string) error { return os.Remove(entry) },
		"cut off": func(entry string) error { return os.Truncate(entry, 100) },
		"another package's entry": func(entry string) error {
			text, err := os.ReadFile(foreign)
			return errors.Join(err, os.WriteFile(entry, text, 0o600))
		},
		"a cut off package": func(entry string) error {
			return os.Truncate(filepath.Join(filepath.Dir(entry), "foo-1.0-1-x86_64.pkg.tar.zst"), 10)
		},
	} {
		r, dir := open(t, pacmanrepo.Options{})
		r.BeforeStep(func(op, path string) error {
			if op == "sync" && strings.Contains(path, ".upload-") {
				return damage(filepath.Join(path, "entry.tar.zst"))
			}
			return nil
		})
		p := pkg{name: "foo", ext: "zst"}
		content := p.bytes(t)
		if got, err := r.Stage(t.Context(), p.upload(1, content), bytes.NewReader(content)); err == nil || buildbtw.KindOf(err) != buildbtw.KindInternal {
			t.Errorf("%s: %+v, %v", what, got, err)
		}
		nothingStaged(t, dir)
	}
}

// TestStageComparesWhatItReadsBack finds the entry of another package in the
// place of its own: same file name, same size, another digest.
func TestStageComparesWhatItReadsBack(t *testing.T) {
	t.Parallel()
	elsewhere, dir := open(t, pacmanrepo.Options{})
	other := stage(t, elsewhere, 1, pkg{name: "foo", salt: "a"})
	foreign := filepath.Join(filepath.Dir(dir), "staging", attemptName(1).String(), other[0].SHA256, "entry.tar.zst")
	r, dir := open(t, pacmanrepo.Options{})
	r.BeforeStep(func(op, path string) error {
		if op != "sync" || !strings.Contains(path, ".upload-") {
			return nil
		}
		text, err := os.ReadFile(foreign)
		return errors.Join(err, os.WriteFile(filepath.Join(path, "entry.tar.zst"), text, 0o600))
	})
	p := pkg{name: "foo", salt: "b"}
	content := p.bytes(t)
	if int64(len(content)) != other[0].Size {
		t.Fatalf("the packages have %d and %d bytes; the test needs equal sizes", len(content), other[0].Size)
	}
	if got, err := r.Stage(t.Context(), p.upload(1, content), bytes.NewReader(content)); err == nil {
		t.Errorf("staged as %+v", got)
	}
	nothingStaged(t, dir)
}

// TestDamagedUploadIsReplacedByTheNext repeats an upload of which the disk has
// lost a part.
func TestDamagedUploadIsReplacedByTheNext(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"entry.tar.zst", "foo-1.0-1-x86_64.pkg.tar.zst"} {
		r, dir := open(t, pacmanrepo.Options{})
		create(t, r, x86)
		p := pkg{name: "foo", ext: "zst"}
		staged := stage(t, r, 3, p)
		path := filepath.Join(filepath.Dir(dir), "staging", attemptName(3).String(), staged[0].SHA256, file)
		if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		err := r.Publish(t.Context(), publication(3, staged, x86))
		if err := hasKind(err, buildbtw.KindConflict, "cannot be read any more"); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if err := r.Publish(t.Context(), publication(3, stage(t, r, 3, p), x86)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		verify(t, r)
	}
}
