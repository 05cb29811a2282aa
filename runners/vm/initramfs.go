package vm

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"buildbtw/infrastructure"
)

// cpio writes the format that the kernel unpacks as its first file system:
// initramfs, "newc" in Documentation/driver-api/early-userspace/buffer-format.
type cpio struct {
	w   io.Writer
	ino int
	err error
}

// Modes of entries, as in stat(2).
const (
	modeDir  = 0o040755
	modeFile = 0o100755
	modeLink = 0o120777
)

func (c *cpio) add(name string, mode int, data []byte) {
	c.ino++
	header := fmt.Sprintf("070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
		c.ino, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name)+1, 0)
	c.padded(append([]byte(header+name), 0))
	c.padded(data)
}

// padded writes to a multiple of four bytes.
func (c *cpio) padded(b []byte) {
	if c.err == nil {
		_, c.err = c.w.Write(append(b, make([]byte, (4-len(b)%4)%4)...))
	}
}

// writeInitramfs writes the guest's first file system: busybox, init.sh, and the
// kernel modules, numbered in the order in which they are to be loaded.
func writeInitramfs(w io.Writer, g Guest, modules []string) error {
	busybox, err := os.ReadFile(g.Busybox)
	if err != nil {
		return fmt.Errorf("read busybox: %w", err)
	}
	init, ok := infrastructure.GuestScript("init")
	if !ok {
		return errors.New("the guest's init is missing from this program")
	}
	c := &cpio{w: w}
	for _, dir := range []string{"bin", "etc", "modules"} {
		c.add(dir, modeDir, nil)
	}
	c.add("bin/busybox", modeFile, busybox)
	c.add("bin/sh", modeLink, []byte("busybox"))
	c.add("init", modeFile, []byte(init))
	if len(modules) > 0 {
		list, err := findModules(g.Modules, modules)
		if err != nil {
			return err
		}
		for i, m := range list {
			c.add(fmt.Sprintf("modules/%02d-%s.ko", i, m.name), modeFile, m.text)
		}
	}
	c.add("TRAILER!!!", 0, nil)
	return c.err
}

// module is a kernel module, unpacked.
type module struct {
	name string
	text []byte
}

// findModules reads modules and their dependencies, dependencies first. A
// missing module is built into the kernel, or the guest will report that it
// lacks it.
func findModules(dir string, names []string) ([]module, error) {
	if dir == "" {
		return nil, nil
	}
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if base, _, found := strings.Cut(d.Name(), ".ko"); found {
				files[strings.ReplaceAll(base, "-", "_")] = path
			}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look for kernel modules: %w", err)
	}
	f := moduleFinder{files: files, seen: map[string]bool{}}
	for _, name := range names {
		if err := f.add(name); err != nil {
			return nil, err
		}
	}
	return f.list, nil
}

type moduleFinder struct {
	files map[string]string
	seen  map[string]bool
	list  []module
}

func (f *moduleFinder) add(name string) error {
	name = strings.ReplaceAll(name, "-", "_")
	path := f.files[name]
	if f.seen[name] || path == "" {
		return nil
	}
	f.seen[name] = true
	text, err := readModule(path)
	if err != nil {
		return fmt.Errorf("read the kernel module %s: %w", path, err)
	}
	for _, need := range moduleNeeds(text) {
		if err := f.add(need); err != nil {
			return err
		}
	}
	f.list = append(f.list, module{name, text})
	return nil
}

// moduleNeeds reads the list "depends=a,b" of a module's .modinfo section.
func moduleNeeds(text []byte) []string {
	_, rest, found := bytes.Cut(text, []byte("\x00depends="))
	if !found {
		return nil
	}
	list, _, _ := bytes.Cut(rest, []byte{0})
	if len(list) == 0 {
		return nil
	}
	return strings.Split(string(list), ",")
}

func readModule(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	switch filepath.Ext(path) {
	case ".zst":
		d, err := zstd.NewReader(f)
		if err != nil {
			return nil, err
		}
		defer d.Close()
		return io.ReadAll(d)
	case ".xz":
		d, err := xz.NewReader(f)
		if err != nil {
			return nil, err
		}
		return io.ReadAll(d)
	}
	return io.ReadAll(f)
}
