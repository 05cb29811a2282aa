package gitmirror

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadRefsOverlaysPackedByLooseRefs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	one, two, three := strings.Repeat("1", 40), strings.Repeat("2", 40), strings.Repeat("3", 40)
	write(t, filepath.Join(dir, "packed-refs"), "# pack-refs with: peeled fully-peeled sorted\n"+
		one+" refs/heads/main\n"+one+" refs/tags/v1\n^"+three+"\n"+one+" refs/remotes/origin/main\n")
	write(t, filepath.Join(dir, "refs/heads/main"), two+"\n")
	write(t, filepath.Join(dir, "refs/heads/main.lock"), three+"\n")
	write(t, filepath.Join(dir, "refs/heads/deep/er"), three+"\n")
	write(t, filepath.Join(dir, "refs/heads/alias"), "ref: refs/heads/deep/er\n")
	write(t, filepath.Join(dir, "refs/heads/dangling"), "ref: refs/heads/none\n")
	write(t, filepath.Join(dir, "refs/heads/loop"), "ref: refs/heads/loop\n")
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if _, _, err := readRefs(root); err == nil || !strings.Contains(err.Error(), "heads/loop") {
		t.Errorf("a loop must be an error that names it: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, "refs/heads/loop")); err != nil {
		t.Fatal(err)
	}
	refs, reftable, err := readRefs(root)
	want := sourceRefs{"heads/main": two, "heads/deep/er": three, "heads/alias": three, "tags/v1": one}
	if diff := cmp.Diff(want, refs); diff != "" || reftable || err != nil {
		t.Errorf("reftable %v, %v, (-want +got):\n%s", reftable, err, diff)
	}
}

func TestReadRefsLeavesOtherFormatsToGit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "reftable", "tables.list"), "")
	got, err := readRepository(dir)
	if !got.reftable || err != nil {
		t.Errorf("%+v, %v", got, err)
	}
}

func FuzzParsePacked(f *testing.F) {
	f.Add([]byte("# pack-refs\n1111111111111111111111111111111111111111 refs/heads/main\n^22\n"))
	f.Add([]byte("ref: refs/heads/x refs/heads/main\n\x00"))
	f.Fuzz(func(t *testing.T, text []byte) {
		refs, err := parsePacked(bytes.NewReader(text))
		for name, object := range refs {
			if !isHex(object) || !bytes.Contains(text, []byte(object+" refs/"+name)) {
				t.Errorf("%q at %q (%v)", name, object, err)
			}
		}
	})
}

func FuzzReadObject(f *testing.F) {
	f.Add([]byte("aa commit 24\ntree 1\ncommitter t 7 +1\n\n"))
	f.Add([]byte("aa blob 2\nhi\n"))
	f.Add([]byte("32f95c0d1244a78b2be1bab8de17906fabb2c4a8 blob 2\nhi\n"))
	f.Add([]byte("x missing\n"))
	f.Add([]byte("aa tree 99999999\nabc\n"))
	f.Add([]byte("aa blob -5\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		o, err := readObject(bufio.NewReader(bytes.NewReader(text)))
		if o.size < 0 || len(o.text) > len(text) || err == nil && o.size <= MaxSrcinfo && o.kind != "damaged" && int64(len(o.text)) != o.size {
			t.Errorf("%d bytes of %d, %v", len(o.text), o.size, err)
		}
	})
}

func FuzzParseTip(f *testing.F) {
	f.Add("refs/sources/a/heads/main commit 11  ")
	f.Add("refs/sources/a/tags/v1 tag 11 commit 22")
	f.Add("refs/sources/a/heads tag")
	f.Fuzz(func(t *testing.T, line string) {
		tip, target, ok := parseTip(line)
		if ok && (!strings.HasPrefix(line, refRoot+tip.Slug+"/") || target != "commit" && target != "tag") {
			t.Errorf("%q gives %+v to %q", line, tip, target)
		}
	})
}

func FuzzParseRecord(f *testing.F) {
	f.Add("a", "none")
	f.Fuzz(func(t *testing.T, input, srcinfo string) {
		want := record{input, srcinfo}
		got, ok := parseRecord(want.message())
		if plain := input != "" && srcinfo != "" && !strings.ContainsAny(input+srcinfo, "\n"); plain && (!ok || got != want) {
			t.Errorf("got %+v, %v", got, ok)
		}
	})
}

func TestSuggestListsTheClosestFive(t *testing.T) {
	t.Parallel()
	got := suggest("it has", "mian", []string{"a-very-long-name", "b", "c", "d", "main", "e", "f"})
	if !strings.HasPrefix(got, "it has main, ") || !strings.HasSuffix(got, " and 2 more") {
		t.Errorf("got %q", got)
	}
}

func TestAccessKeepsSecretsOffTheCommandLine(t *testing.T) {
	t.Parallel()
	a := Access{Server: "https://gitlab.test/", Token: "s3cret", SSHKey: "/etc/it's/key", KnownHosts: "/etc/known 100%", Agent: "/run/agent"}
	https := strings.Join(a.environment("https://gitlab.test/a.git"), "\n")
	if !strings.Contains(https, "GIT_CONFIG_KEY_0=http.https://gitlab.test/.extraHeader") || strings.Contains(https, "s3cret") || strings.Contains(https, "SSH") {
		t.Errorf("for HTTPS:\n%s", https)
	}
	ssh := strings.Join(a.environment("ssh://git@gitlab.test/a.git"), "\n")
	for _, want := range []string{`'/etc/it'\''s/key'`, `'-oUserKnownHostsFile="/etc/known 100%%"'`, "StrictHostKeyChecking=yes", "SSH_AUTH_SOCK=/run/agent", "GIT_ALLOW_PROTOCOL=ssh"} {
		if !strings.Contains(ssh, want) {
			t.Errorf("%s is missing in:\n%s", want, ssh)
		}
	}
	if strings.Contains(ssh, "GIT_CONFIG") {
		t.Errorf("the token goes over SSH:\n%s", ssh)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
