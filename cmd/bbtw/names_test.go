package main

import (
	"strings"
	"testing"

	"buildbtw"
)

func TestNamesOfAList(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ about, text, want, err string }{
		{"lines, comments, blanks, each once", "# by anna\ncurl\n\n  git # a user\ncurl\n", "2:curl 4:git", ""},
		{"with repositories, as sogrep", "core/curl\nextra/git\n", "1:curl 2:git", ""},
		{"one line, as arch-rebuild-order", "curl git  mpv\n", "1:curl 1:git 1:mpv", ""},
		{"columns, as pacman and todo lists", "extra/curl x86_64\ngit 2.50-1 any\nmpv 1:0.40.0-3.1\r\n", "1:curl 2:git 3:mpv", ""},
		{"names with digits first", "7zip 0ad\nnss-3 \n", "1:7zip 1:0ad 2:nss-3", ""},
		{"a todo list", `{"name":"x","packages":[{"pkgname":"libcurl-gnutls","pkgbase":"curl","status_str":"Incomplete"},
			{"pkgname":"git","pkgbase":"git","status_str":"Complete"},{"pkgname":"mpv"}]}`, "0:curl 0:mpv", ""},
		{"an array of names", `["curl", "git"]`, "0:curl 0:git", ""},
		{"nothing", "# only this\n", "", "has no names"},
		{"not a name", "curl\nno!good\n", "", `line 2: "no!good" is no package name`},
		{"a path", "curl\n\n/etc/passwd\n", "", "line 3"},
		{"other JSON", `{"a": 1}`, "", `no "packages"`},
		{"broken JSON", `{"packages": [`, "", "not JSON"},
		{"numbers in JSON", `{"packages": [1]}`, "", "package 1 of the list"},
		{"a name missing in JSON", `[{"pkgbase": ""}]`, "", "package 1 of the list: the package name is missing"},
		{"a long line", strings.Repeat("a ", maxListLine), "", "longer than"},
	} {
		names, err := parseNames([]byte(c.text))
		var got []string
		for _, n := range names {
			got = append(got, string(rune('0'+n.line))+":"+n.name)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %q, want %q", c.about, got, c.want)
		}
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: error %v, want %q", c.about, err, c.err)
		}
	}
}

// FuzzParseNames wants from any list names that makepkg accepts, each once, or an error.
func FuzzParseNames(f *testing.F) {
	for _, seed := range []string{"curl\nextra/git x86_64\n", `{"packages":[{"pkgbase":"a"}]}`, `["a",1]`, "a#b\x00", "[", "{", "a/b/c", "1-1 1-1"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		names, err := parseNames(text)
		if err == nil && len(names) == 0 {
			t.Fatal("neither names nor an error")
		}
		seen := map[string]bool{}
		for _, n := range names {
			if seen[n.name] || buildbtw.CheckPkgname(n.name) != nil {
				t.Fatalf("%q", n.name)
			}
			seen[n.name] = true
		}
	})
}
