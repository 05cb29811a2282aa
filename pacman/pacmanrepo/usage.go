package pacmanrepo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// Usage is what files take on disk. A file with several names, as reuse makes them, is
// counted once.
type Usage struct {
	Files int
	Bytes int64
	Frees int64 // bytes of the files that have no name elsewhere: so much removing all of them gives back
}

// inode is one file, whatever its names.
type inode struct{ device, number uint64 }

// seen is how often a file was met.
type seen struct {
	names, links uint64
	size         int64
}

// Names returns those of all repositories on disk, sorted.
func (r *Repos) Names() ([]string, error) {
	entries, err := r.disk.readDir(r.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the repositories: %w", err)
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() && checkName("repository", e.Name()) == nil {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

// Old reports whether nothing was written to a repository for so long.
func (r *Repos) Old(repository string, age time.Duration) (bool, error) {
	written, err := r.Modified(repository)
	if err != nil || !written.IsZero() {
		return r.opts.Now().Sub(written) >= age, err
	}
	info, err := r.disk.stat(filepath.Join(r.dir, repository))
	if err != nil {
		return false, gone(err)
	}
	return r.opts.Now().Sub(info.ModTime()) >= age, nil
}

// Usage returns what some repositories take together. One that is not there takes nothing.
func (r *Repos) Usage(ctx context.Context, repositories ...string) (Usage, error) {
	files := map[inode]seen{}
	for _, name := range repositories {
		if err := checkName("repository", name); err != nil {
			return Usage{}, err
		}
		if err := r.disk.measure(ctx, filepath.Join(r.dir, name), files); err != nil {
			return Usage{}, fmt.Errorf("measure repository %s: %w", name, err)
		}
	}
	return usageOf(files), nil
}

// StagingUsage returns what uploads take that are not published yet.
func (r *Repos) StagingUsage(ctx context.Context) (Usage, error) {
	files := map[inode]seen{}
	if err := r.disk.measure(ctx, r.opts.Staging, files); err != nil {
		return Usage{}, fmt.Errorf("measure the uploads: %w", err)
	}
	return usageOf(files), nil
}

// Usage returns what all generations of all targets take. What they share with the
// repositories of iterations is not among what removing frees.
func (g *Generations) Usage(ctx context.Context) (Usage, error) {
	files := map[inode]seen{}
	if err := g.disk.measure(ctx, g.dir, files); err != nil {
		return Usage{}, fmt.Errorf("measure the repositories of targets: %w", err)
	}
	return usageOf(files), nil
}

func usageOf(files map[inode]seen) Usage {
	var u Usage
	for _, f := range files {
		u.Files++
		u.Bytes += f.size
		if f.names == f.links {
			u.Frees += f.size
		}
	}
	return u
}

// measure adds the files below a directory.
func (d disk) measure(ctx context.Context, dir string, files map[inode]seen) error {
	return d.within(dir, func(root *os.Root, name string) error {
		err := fs.WalkDir(root.FS(), filepath.ToSlash(name), func(_ string, e fs.DirEntry, err error) error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err != nil || !e.Type().IsRegular() {
				return gone(err)
			}
			info, err := e.Info()
			if err != nil {
				return gone(err)
			}
			if s, ok := info.Sys().(*syscall.Stat_t); ok {
				id := inode{uint64(s.Dev), s.Ino}                                      //nolint:unconvert // it is signed on some systems
				files[id] = seen{files[id].names + 1, uint64(s.Nlink), s.Blocks * 512} //nolint:unconvert // it is shorter on some systems
			}
			return nil
		})
		return gone(err)
	})
}

// gone takes a file that was removed meanwhile for none.
func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
