package chaos

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// mountSmall makes dir a small file system of its own. The answer says why not.
func mountSmall(t *testing.T, dir, size string) error {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		return fmt.Errorf("a small file system cannot be mounted, which needs root: %w", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
	return nil
}

// fill writes a file that leaves no room.
func fill(dir string) (file string, err error) {
	file = filepath.Join(dir, "ballast")
	f, err := os.Create(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	block := make([]byte, 1<<20)
	for size := len(block); size >= 512; {
		if _, err := f.Write(block[:size]); err != nil {
			size /= 2
		}
	}
	return file, nil
}
