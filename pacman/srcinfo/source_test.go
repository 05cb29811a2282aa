package srcinfo_test

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	"buildbtw/internal/distribution"
	"buildbtw/pacman/srcinfo"
)

// byMakepkg asks makepkg's own functions about every line of its input.
const byMakepkg = `LIBRARY=/usr/share/makepkg; source $LIBRARY/util/source.sh
while read -r entry; do
	printf '%s\t%s\t' "$(get_filename "$entry")" "$(get_protocol "$entry")"
	case $(get_protocol "$entry") in
		git|hg|svn) fragment=$(get_uri_fragment "$entry"); printf '%s\t%s\n' "$fragment" "$(get_uri_query "$entry")" ;;
		*) printf '\t\n' ;;
	esac
done`

func TestSourcesAreTakenApartAsByMakepkg(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("makepkg"); err != nil {
		t.Skip("skipped: makepkg is not installed")
	}
	seen := map[string]bool{}
	entries := []string{
		"foo.patch", "https://h/a-1.tar.gz", "a::https://h/x?y=z", "https://h/x.git", "git+https://h/x.git", "git+https://h/x.git/",
		"git+https://h/x.git#tag=v1", "git+https://h/x#commit=abc?signed", "git+https://h/x?signed#tag=v1", "n::git+https://h/x.git?signed#branch=a/b",
		"git://h/x.git", "git+https://h/x.github.io", "hg+http://h/y#revision=3", "svn+https://h/trunk", "svn://h/p/trunk/", "fossil+https://h/f",
		"bzr+lp:project", "bzr+https://h/b", "https://h/x#frag", "dir/../file", "x.sig", "a.asc::https://h/download", "https://h/x.tar.sign",
	}
	distribution.Each(t, func(_ *testing.T, files []distribution.File) {
		for _, f := range files {
			info, err := srcinfo.Parse(f.Text)
			if err != nil {
				continue
			}
			// A few hundred: each costs four processes.
			if list := info.Base.Source.For("x86_64"); len(list) > 0 && len(seen) < 200 && !seen[list[0]] {
				seen[list[0]] = true
				entries = append(entries, list[0])
			}
		}
	})
	cmd := exec.Command("bash", "-c", byMakepkg)
	cmd.Stdin = strings.NewReader(strings.Join(entries, "\n") + "\n")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(lines) != len(entries) {
		t.Fatalf("%d answers to %d entries", len(lines), len(entries))
	}
	for n, entry := range entries {
		s := srcinfo.ParseSource(entry)
		query := ""
		if s.Signed {
			query = "signed"
		}
		if got := strings.Join([]string{s.Name, s.Protocol, s.Fragment, query}, "\t"); got != lines[n] {
			t.Errorf("%s:\n got %q\nwant %q", entry, got, lines[n])
		}
	}
}

func TestSignaturesAmongSources(t *testing.T) {
	t.Parallel()
	for entry, want := range map[string]bool{
		"x.tar.gz": false, "x.tar.gz.sig": true, "https://h/x.sign": true, "https://h/x.asc": true, "x.sig::https://h/d": true, "https://h/x.sig?raw": false,
		"git+https://h/x?signed": true, "git+https://h/x#tag=1": false, "git+https://h/x.sig": false,
	} {
		if got := srcinfo.ParseSource(entry).Signature(); got != want {
			t.Errorf("%s: %v", entry, got)
		}
	}
}
