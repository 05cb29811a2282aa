package runners

import (
	"archive/tar"
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func tarball(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		body := strings.Repeat("x", int(h.Size))
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestUnpackTree(t *testing.T) {
	t.Parallel()
	when := time.Unix(1_700_000_000, 0)
	dir := t.TempDir()
	err := unpackTree(dir, bytes.NewReader(tarball(t,
		tar.Header{Name: "pax_global_header", Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "abc"}},
		tar.Header{Name: "PKGBUILD", Size: 5, Mode: 0o664, ModTime: when},
		tar.Header{Name: "keys/", Typeflag: tar.TypeDir, Mode: 0o775},
		tar.Header{Name: "keys/run.sh", Size: 1, Mode: 0o775, ModTime: when},
		tar.Header{Name: "keys/link", Typeflag: tar.TypeSymlink, Linkname: "../PKGBUILD"},
		tar.Header{Name: "dangling", Typeflag: tar.TypeSymlink, Linkname: "keys/none"},
	)))
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, "keys/run.sh"))
	if err != nil || info.Mode().Perm() != 0o755 || !info.ModTime().Equal(when) {
		t.Errorf("%v, %v", info, err)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "keys/link")); string(text) != "xxxxx" || err != nil {
		t.Errorf("link: %q, %v", text, err)
	}
}

func TestUnpackTreeRefuses(t *testing.T) {
	t.Parallel()
	link := func(name, to string) tar.Header {
		return tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: to}
	}
	for _, test := range []struct {
		name    string
		headers []tar.Header
	}{
		{"absolute path", []tar.Header{{Name: "/etc/x", Size: 1}}},
		{"path upwards", []tar.Header{{Name: "a/../../x", Size: 1}}},
		{"absolute link", []tar.Header{link("a", "/etc/passwd")}},
		{"link upwards", []tar.Header{link("d/a", "../../x")}},
		{"link upwards by another link", []tar.Header{link("x/y/top", "../.."), link("e", "x/y/top/../z")}},
		{"file through a link", []tar.Header{link("a", ".."), {Name: "a/x", Size: 1}}},
		{"hard link", []tar.Header{{Name: "a", Typeflag: tar.TypeLink, Linkname: "/etc/passwd"}}},
		{"FIFO", []tar.Header{{Name: "a", Typeflag: tar.TypeFifo}}},
		{"device", []tar.Header{{Name: "a", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			parent := t.TempDir()
			dir := filepath.Join(parent, "tree")
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			err := unpackTree(dir, bytes.NewReader(tarball(t, test.headers...)))
			var bad *treeError
			if !errors.As(err, &bad) {
				t.Errorf("got %v", err)
			}
			if entries, err := os.ReadDir(parent); err != nil || len(entries) != 1 {
				t.Errorf("written outside: %v, %v", entries, err)
			}
		})
	}
}

// A stream that ends early is nobody's fault, and never a tree.
func TestUnpackTreeNoticesTornStreams(t *testing.T) {
	t.Parallel()
	whole := tarball(t, tar.Header{Name: "PKGBUILD", Size: 2000, Mode: 0o644})
	for _, n := range []int{0, 100, 600, 2000} {
		err := unpackTree(t.TempDir(), bytes.NewReader(whole[:n]))
		var bad *treeError
		if err == nil || errors.As(err, &bad) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func FuzzUnpackTree(f *testing.F) {
	f.Add(tarball(f, tar.Header{Name: "PKGBUILD", Size: 2, Mode: 0o644}, tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: "../x"}))
	f.Add(tarball(f, tar.Header{Name: "../x", Size: 2}))
	f.Fuzz(func(t *testing.T, text []byte) {
		parent := t.TempDir()
		dir := filepath.Join(parent, "tree")
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		err := unpackTree(dir, bytes.NewReader(text))
		if entries, _ := os.ReadDir(parent); len(entries) != 1 {
			t.Fatalf("written outside: %v", entries)
		}
		if err != nil {
			return
		}
		root, err := os.OpenRoot(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		walk := func(name string, _ fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if _, err := root.Stat(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s leads out: %v", name, err)
			}
			return nil
		}
		if err := fs.WalkDir(root.FS(), ".", walk); err != nil {
			t.Error(err)
		}
	})
}
