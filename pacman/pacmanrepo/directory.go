package pacmanrepo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"buildbtw"
)

// Directory is a repository elsewhere that another program serves, in the layout of
// repo-add: {dir}/os/{architecture}. It is brought to the state of a generation in two
// steps, which may be repeated after a crash at any point.
type Directory struct {
	generations *Generations
	target      string
	dir         string
	disk        disk
}

// Directory opens the directory in which a target is kept.
func (g *Generations) Directory(target, dir string) (*Directory, error) {
	if err := checkName("target", target); err != nil {
		return nil, err
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return nil, buildbtw.Unavailable("the directory of target %s is not there, or cannot be read", target)
	}
	return &Directory{generations: g, target: target, dir: dir, disk: disk{dirs: [2]string{dir, g.dir}, before: g.disk.before}}, nil
}

func (d *Directory) archive(arch, kind string) string {
	return filepath.Join(archDirOf(d.dir, arch), archiveName(d.target, kind))
}

// mark is the path of a file that says whose repository it is.
func (d *Directory) mark() string { return filepath.Join(d.dir, ".buildbtw-"+d.target) }

// Foreign reports whether the directory has a database of the target's name that somebody
// else has put there.
func (d *Directory) Foreign(architectures []string) bool {
	if _, err := d.disk.stat(d.mark()); err == nil {
		return false
	}
	for _, arch := range architectures {
		found, err := d.disk.glob(archDirOf(d.dir, arch), d.target+".db*")
		if err != nil || len(found) > 0 {
			return true
		}
	}
	return false
}

// PutFiles puts the packages of a generation beside those that are there. Nobody sees a
// difference: a package of another content that has the name of one which is listed waits
// under a hidden name.
func (d *Directory) PutFiles(ctx context.Context, number int) error {
	return d.each(number, func(arch string, next, now *database) error {
		dir := archDirOf(d.dir, arch)
		if err := d.disk.mkdirAll(dir); err != nil {
			return err
		}
		for _, e := range next.sorted() {
			if err := ctx.Err(); err != nil {
				return err
			}
			generation := archDirOf(d.generations.generationDir(d.target, number), arch)
			for _, name := range d.disk.withSignature(generation, e.filename) {
				if name == e.filename && now.lists(e) {
					continue
				}
				if err := d.put(filepath.Join(generation, name), filepath.Join(dir, name)); err != nil {
					return fmt.Errorf("put %s into the directory: %w", name, err)
				}
			}
		}
		return d.disk.syncDir(dir)
	})
}

// put places a file. One of the same name that the database does not list with this digest
// is replaced in Switch.
func (d *Directory) put(from, to string) error {
	if d.disk.sameFile(from, to) {
		return nil
	}
	waiting := waitingName(to)
	if err := d.disk.remove(waiting); err != nil {
		return err
	}
	if err := d.disk.link(from, waiting); err != nil {
		return err
	}
	if _, err := d.disk.stat(to); err == nil {
		return nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return d.disk.rename(waiting, to)
}

// lists reports whether a database has exactly this package. A nil one has none.
func (d *database) lists(e *entry) bool {
	if d == nil {
		return false
	}
	old := d.entries[e.name]
	return old != nil && old.filename == e.filename && old.sha256 == e.sha256
}

// Switch makes the databases of a generation those of the directory, each by rename.
func (d *Directory) Switch(ctx context.Context, number int) error {
	if err := d.PutFiles(ctx, number); err != nil {
		return err
	}
	if err := d.disk.writeFile(d.mark(), func(io.Writer) error { return nil }); err != nil {
		return err
	}
	return d.each(number, func(arch string, next, _ *database) error {
		dir, generation := archDirOf(d.dir, arch), archDirOf(d.generations.generationDir(d.target, number), arch)
		var late []string
		for _, e := range next.sorted() {
			for _, name := range d.disk.withSignature(generation, e.filename) {
				path := filepath.Join(dir, name)
				if _, err := d.disk.stat(waitingName(path)); err == nil {
					late = append(late, path)
				}
			}
		}
		for _, kind := range kinds() {
			from := filepath.Join(generation, archiveName(d.target, kind))
			info, err := d.disk.stat(from)
			if err != nil {
				return err
			}
			for _, name := range d.disk.withSignature(generation, archiveName(d.target, kind)) {
				if err := writeDatabase(d.disk, filepath.Join(dir, ".tmp."+name), d.generations.copyOf(filepath.Join(generation, name)), info.ModTime()); err != nil {
					return err
				}
			}
		}
		for _, path := range late {
			if err := d.disk.remove(path); err != nil {
				return err
			}
		}
		for _, kind := range kinds() {
			names := d.disk.withSignature(generation, archiveName(d.target, kind))
			if len(names) == 1 { // nobody signed it: the signature of an older one would be refused
				for _, name := range []string{archiveName(d.target, kind), d.target + "." + kind} {
					if err := d.disk.remove(filepath.Join(dir, name+signatureSuffix)); err != nil {
						return err
					}
				}
			}
			for _, name := range names {
				if err := d.disk.rename(filepath.Join(dir, ".tmp."+name), filepath.Join(dir, name)); err != nil {
					return err
				}
				suffix := strings.TrimPrefix(name, archiveName(d.target, kind))
				if err := d.disk.symlink(name, filepath.Join(dir, d.target+"."+kind+suffix)); err != nil {
					return err
				}
			}
		}
		for _, path := range late {
			if err := d.disk.rename(waitingName(path), path); err != nil {
				return err
			}
		}
		return d.disk.syncDir(dir)
	})
}

// each calls f for each architecture of a generation with its database, and with that of the
// directory, which is nil when there is none that can be read.
func (d *Directory) each(number int, f func(arch string, next, now *database) error) error {
	architectures, err := d.generations.Architectures(d.target, number)
	if err != nil {
		return err
	}
	for _, arch := range architectures {
		id := ID{d.target, d.target, arch}
		next, err := d.generations.read(id, number)
		if err != nil {
			return err
		}
		var now *database
		if entries, err := d.disk.readArchive(d.archive(arch, "db")); err == nil && entries != nil {
			now = &database{id: id, entries: entries}
		}
		if err := f(arch, next, now); err != nil {
			return err
		}
	}
	return nil
}

// Remove deletes the packages that a generation has and none of those that are kept. Other
// files of the directory are somebody else's.
func (d *Directory) Remove(number int, kept []int) error {
	needed := map[string]bool{}
	for _, n := range kept {
		if n == number {
			continue
		}
		if err := d.each(n, func(arch string, next, _ *database) error {
			for _, e := range next.entries {
				needed[arch+"/"+e.filename] = true
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return d.each(number, func(arch string, next, _ *database) error {
		for _, e := range next.entries {
			if needed[arch+"/"+e.filename] || !strings.Contains(e.filename, ".pkg.tar") {
				continue
			}
			for _, name := range []string{e.filename, e.filename + signatureSuffix} {
				if err := d.disk.remove(filepath.Join(archDirOf(d.dir, arch), name)); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
