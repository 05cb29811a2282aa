package signing_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"buildbtw"
	"buildbtw/signing"
)

// file returns a file of a list.
func file(t testing.TB, name, content string) signing.File {
	t.Helper()
	h := sha512.New()
	if _, err := io.WriteString(h, content); err != nil {
		t.Fatal(err)
	}
	state, err := signing.State(h)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(content))
	return signing.File{Name: name, Size: int64(len(content)), SHA256: hex.EncodeToString(sum[:]), State: state}
}

// listOf returns a list of packages with version 1.0-2.
func listOf(t testing.TB, release int64, names ...string) signing.List {
	t.Helper()
	l := signing.List{Format: signing.Format, Release: release, Target: "stable", Buildspace: "openssl", Iteration: 2, Set: strings.Repeat("0a", 32), Base: strings.Repeat("0b", 32)}
	for _, n := range names {
		l.Files = append(l.Files, file(t, n+"-1.0-2-x86_64.pkg.tar.zst", n))
	}
	return l
}

func marshal(t testing.TB, l signing.List) []byte {
	t.Helper()
	text, err := json.Marshal(l)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestAListIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	l := listOf(t, 7, "a", "b")
	got, err := signing.ParseList(bytes.NewReader(marshal(t, l)))
	if err != nil || got.Digest() != l.Digest() || len(l.Digest()) != 64 {
		t.Errorf("%+v, %v", got, err)
	}
	if other := listOf(t, 8, "a", "b"); other.Digest() == l.Digest() {
		t.Error("lists of two releases have the same digest")
	}
	if n := len(l.Files[0].State); n != 204 {
		t.Errorf("the state has %d bytes", n)
	}
}

func TestListsThatNobodySigns(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(l *signing.List){
		"another format":      func(l *signing.List) { l.Format = 2 },
		"no release":          func(l *signing.List) { l.Release = 0 },
		"no iteration":        func(l *signing.List) { l.Iteration = 0 },
		"a path as target":    func(l *signing.List) { l.Target = "../stable" },
		"no target":           func(l *signing.List) { l.Target = "" },
		"no buildspace":       func(l *signing.List) { l.Buildspace = "" },
		"no files":            func(l *signing.List) { l.Files = nil },
		"not in order":        func(l *signing.List) { l.Files[0], l.Files[1] = l.Files[1], l.Files[0] },
		"a file twice":        func(l *signing.List) { l.Files[1] = l.Files[0] },
		"no base":             func(l *signing.List) { l.Base = "none" },
		"no set":              func(l *signing.List) { l.Set = "" },
		"no package":          func(l *signing.List) { l.Files[0].Name = "a.txt" },
		"a path":              func(l *signing.List) { l.Files[0].Name = "../a-1.0-2-x86_64.pkg.tar.zst" },
		"a file's digest":     func(l *signing.List) { l.Files[0].SHA256 = strings.Repeat("A", 64) },
		"another size":        func(l *signing.List) { l.Files[0].Size++ },
		"a negative size":     func(l *signing.List) { l.Files[0].Size = -1 },
		"no state":            func(l *signing.List) { l.Files[0].State = nil },
		"half a state":        func(l *signing.List) { l.Files[0].State = l.Files[0].State[:100] },
		"the state's padding": func(l *signing.List) { l.Files[0].State[180] = 1 },
		"state of SHA-384":    func(l *signing.List) { l.Files[0].State[3] = 4 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := listOf(t, 7, "a", "b")
			change(&l)
			if _, err := signing.ParseList(bytes.NewReader(marshal(t, l))); buildbtw.KindOf(err) != buildbtw.KindInvalid {
				t.Errorf("accepted: %v", err)
			}
		})
	}
}

func TestWhatIsNoList(t *testing.T) {
	t.Parallel()
	text := string(marshal(t, listOf(t, 7, "a")))
	for _, bad := range []string{"", "{", "[]", text + "{}", text + "x", strings.Replace(text, `"release"`, `"digest":"00","release"`, 1), text[:len(text)-1]} {
		if _, err := signing.ParseList(strings.NewReader(bad)); err == nil {
			t.Errorf("accepted: %.60s", bad)
		}
	}
	endless := io.MultiReader(strings.NewReader(`{"target":"`), &letters{})
	if _, err := signing.ParseList(endless); err == nil || !strings.Contains(err.Error(), "bytes") {
		t.Errorf("a list without end: %.100v", err)
	}
}

// letters is endless.
type letters struct{}

func (*letters) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

func TestAnswersHaveASignatureForEachFile(t *testing.T) {
	t.Parallel()
	l := listOf(t, 7, "a", "b")
	one := func(i int) string {
		return fmt.Sprintf(`{"name":%q,"sha256":%q,"signature":"AAAA"}`, l.Files[i].Name, l.Files[i].SHA256)
	}
	for answer, want := range map[string]string{
		`{"signatures":[` + one(1) + `,` + one(0) + `]}`:      "",
		`{"signatures":[` + one(0) + `]}`:                     "1 files of release 7 have no signature, such as b-1.0-2-x86_64.pkg.tar.zst",
		`{"signatures":[` + one(0) + `,` + one(0) + `]}`:      "two signatures",
		`{"signatures":[{"name":"c","sha256":"00"}]}`:         "not a file of release 7",
		`{"error":"not today","signatures":[` + one(0) + `]}`: "the signer refused: not today",
		`welcome to example.org`:                              "read the signer's answer",
	} {
		signatures, err := signing.ParseAnswer(strings.NewReader(answer), l)
		if want == "" && (err != nil || len(signatures) != 2) || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, %v", answer, signatures, err)
		}
	}
}

func FuzzParseList(f *testing.F) {
	f.Add(marshal(f, listOf(f, 7, "a", "b")))
	f.Add([]byte(`{"format":1,"files":[{"name":"a-1-1-any.pkg.tar","sha512_state":"c2hhBw=="}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		l, err := signing.ParseList(bytes.NewReader(text))
		if err != nil {
			return
		}
		again, err := signing.ParseList(bytes.NewReader(marshal(t, l)))
		if err != nil || again.Digest() != l.Digest() {
			t.Errorf("%v", err)
		}
		for _, file := range l.Files {
			if _, err := file.Resume(); err != nil {
				t.Error(err)
			}
		}
	})
}

func BenchmarkParseList(b *testing.B) {
	var names []string
	for i := range 10_000 {
		names = append(names, fmt.Sprintf("package%06d", i))
	}
	text := marshal(b, listOf(b, 7, names...))
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := signing.ParseList(bytes.NewReader(text)); err != nil {
			b.Fatal(err)
		}
	}
}
