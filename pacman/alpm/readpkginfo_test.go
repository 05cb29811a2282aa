package alpm_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"buildbtw/pacman/alpm"
)

// bounded fails when more is read of it than allowed.
type bounded struct {
	io.Reader
	left int
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if b.left -= n; b.left < 0 {
		return n, errors.New("read on")
	}
	return n, err
}

func TestOnlyTheBeginningOfAPackageIsReadForItsPkgInfo(t *testing.T) {
	t.Parallel()
	sample := samplePackage(t)
	info, err := alpm.ReadPkgInfo(bytes.NewReader(compress(t, "zst", sample)))
	if err != nil || info.Name != "foo" || info.Version != "1:1.0-2" {
		t.Fatalf("%+v, %v", info, err)
	}
	large := tarOf(t, entry{name: ".PKGINFO", body: pkgInfoText}, entry{name: "usr/data", body: strings.Repeat("x", 8<<20)})
	if _, err := alpm.ReadPkgInfo(&bounded{bytes.NewReader(large), 1 << 20}); err != nil {
		t.Errorf("8 MB of content: %v", err)
	}
}

func TestAPkgInfoThatIsHiddenIsAnError(t *testing.T) {
	t.Parallel()
	entries := make([]entry, 0, 201)
	for i := range 200 {
		entries = append(entries, entry{name: fmt.Sprintf("usr/%d", i), body: "x"})
	}
	for name, content := range map[string][]byte{
		"none":           tarOf(t, entry{name: "usr/x", body: "x"}),
		"behind many":    tarOf(t, append(entries, entry{name: ".PKGINFO", body: pkgInfoText})...),
		"behind much":    tarOf(t, entry{name: "usr/x", body: strings.Repeat("x", 65<<20)}, entry{name: ".PKGINFO", body: pkgInfoText}),
		"not an archive": []byte("<html>"),
		"not readable":   tarOf(t, entry{name: ".PKGINFO", body: "pkgname = ../x\n"}),
	} {
		if info, err := alpm.ReadPkgInfo(bytes.NewReader(content)); err == nil {
			t.Errorf("%s: %+v", name, info)
		}
	}
}
