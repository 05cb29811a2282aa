package vm

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// block fills up to a multiple of what a tar consists of.
func block(s string) string { return s + strings.Repeat("\x00", (sector-len(s)%sector)%sector) }

// tarHeader is a header of a tar (POSIX ustar).
func tarHeader(name string, size int, kind byte) string {
	h := name + strings.Repeat("\x00", 100-len(name)) + "0000644\x000000000\x000000000\x00" +
		fmt.Sprintf("%011o\x00%011o\x00", size, 0) + "        " + string(kind) + strings.Repeat("\x00", 100) + "ustar\x0000"
	h = block(h)
	sum := 0
	for _, b := range []byte(h) {
		sum += int(b)
	}
	return h[:148] + fmt.Sprintf("%06o\x00 ", sum) + h[156:]
}

// holes is a tar with one file of so many bytes, none of which is in it: a sparse
// file in the form 1.0 of GNU tar.
func holes(name string, size int64) []byte {
	record := func(key, value string) string {
		rest := " " + key + "=" + value + "\n"
		n := len(rest) + 2
		if n >= 100 {
			n++
		}
		return fmt.Sprint(n) + rest
	}
	pax := record("GNU.sparse.major", "1") + record("GNU.sparse.minor", "0") +
		record("GNU.sparse.name", name) + record("GNU.sparse.realsize", fmt.Sprint(size))
	return []byte(tarHeader("pax", len(pax), 'x') + block(pax) +
		tarHeader("file", sector, '0') + block(fmt.Sprintf("1\n%d\n0\n", size)) + strings.Repeat("\x00", 2*sector))
}

// A guest must not fill the build machine's disk with what was never on its own.
func TestWhatComesOutOfAGuestFitsItsDisk(t *testing.T) {
	t.Parallel()
	const disk = 1 << 20
	for size, says := range map[int64]string{disk: "", 64 << 20: "more than its disk holds"} {
		dir := t.TempDir()
		file := filepath.Join(dir, "disk")
		text := holes(packageDir+"/a", size)
		if err := os.WriteFile(file, append(text, bytes.Repeat([]byte{0}, disk-len(text))...), 0o600); err != nil {
			t.Fatal(err)
		}
		out := filepath.Join(dir, "out")
		if err := os.Mkdir(out, 0o700); err != nil {
			t.Fatal(err)
		}
		err := readDisk(file, out)
		if (err != nil) != (says != "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%d bytes: %v, want %q", size, err, says)
		}
		info, err := os.Stat(filepath.Join(out, packageDir, "a"))
		if says == "" && (err != nil || info.Size() != size) || says != "" && err == nil {
			t.Errorf("%d bytes: %v, %v", size, info, err)
		}
	}
}
