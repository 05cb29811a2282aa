package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"buildbtw"
	"buildbtw/buildgraph"
	"buildbtw/catalog"
	"buildbtw/cmd/internal/cli"
	"buildbtw/git/gitmirror"
)

// offlineFlags name sources that are read without a server.
type offlineFlags struct {
	sources       []string
	baseRef       string
	architectures []string
	prefer        []string
	ignoreArch    bool
	dataDir       string
}

func (f *offlineFlags) register(flags *pflag.FlagSet) {
	flags.StringArrayVar(&f.sources, "sources", nil, "where the packages' sources are: dir:PATH, a directory of git repositories, of PKGBUILD directories, or of files named *.SRCINFO (repeatable)")
	flags.StringVar(&f.baseRef, "base-ref", "main", "branch at which sources are read")
	flags.StringSliceVar(&f.architectures, "architectures", []string{"x86_64"}, "architectures to plan for")
	flags.StringSliceVar(&f.prefer, "prefer", nil, preferUsage)
	flags.BoolVar(&f.ignoreArch, "ignore-arch", false, ignoreArchUsage)
	flags.StringVar(&f.dataDir, "data-dir", "", "keep the mirror of the sources here, so that the next time is faster (default: a temporary directory)")
}

const (
	preferUsage = "sources, or directories and groups of sources by the names that warnings give them, that win where two define the same package, best first; " +
		"else who meets the constraints of others wins, then the newer"
	ignoreArchUsage = "plan and build every source for every architecture, whatever its arch array says, for ports that build with makepkg --ignorearch"
)

// preferred gives the values of --prefer the form in which sources and their places
// are known: directories, however they are written, have their last name.
func preferred(values []string) []string {
	names := make([]string, 0, len(values))
	for _, value := range values {
		if group, ok := strings.CutPrefix(value, "gitlab:"); ok {
			names = append(names, strings.Trim(group, "/"))
			continue
		}
		dir, isDir := strings.CutPrefix(value, "dir:")
		if isDir || strings.HasPrefix(value, ".") || filepath.IsAbs(value) || strings.HasSuffix(value, "/") {
			if abs, err := filepath.Abs(dir); err == nil {
				dir = filepath.Base(abs)
			}
		}
		names = append(names, dir)
	}
	return names
}

// planner plans without a server.
type planner interface {
	Plan(ctx context.Context, changesets []buildbtw.Changeset, s buildbtw.Settings) (*buildgraph.Plan, error)
	Sources(ctx context.Context) ([]catalog.Source, error)
}

// open reads the sources. The caller calls done when it needs them no more.
func (f *offlineFlags) open(ctx context.Context, durations map[string]float64) (p planner, done func() error, err error) {
	if len(f.sources) == 0 {
		return nil, nil, cli.Usage(errors.New("no sources given; name a directory of packages with --sources dir:PATH"))
	}
	dirs, groups, err := splitSources(f.sources)
	if err == nil && len(groups) > 0 {
		err = cli.Usage(errors.New("a group on GitLab is read by the server only; here name a directory with --sources dir:PATH"))
	}
	if err := errors.Join(err, checkDirs(dirs)); err != nil {
		return nil, nil, err
	}
	files, err := srcinfoFiles(dirs)
	if err != nil {
		return nil, nil, err
	}
	if len(files) > 0 {
		p, err := readSrcinfoFiles(files, f, durations)
		return p, func() error { return nil }, err
	}
	return f.openMirror(ctx, dirs, durations)
}

func (f *offlineFlags) openMirror(ctx context.Context, dirs []string, durations map[string]float64) (planner, func() error, error) {
	dataDir, done := f.dataDir, func() error { return nil }
	if dataDir == "" {
		temporary, err := os.MkdirTemp("", "buildbtw-plan-")
		if err != nil {
			return nil, nil, fmt.Errorf("make a directory for the mirror: %w", err)
		}
		dataDir, done = temporary, func() error { return os.RemoveAll(temporary) }
	}
	p, err := f.mirror(ctx, filepath.Join(dataDir, "sources.git"), dirs, durations, dataDir == f.dataDir)
	if err != nil {
		return nil, nil, errors.Join(err, done())
	}
	return p, done, nil
}

// mirror brings a mirror up to date with directories of sources. One that is not
// kept gets no more than a plan needs.
func (f *offlineFlags) mirror(ctx context.Context, path string, dirs []string, durations map[string]float64, kept bool) (planner, error) {
	mirror, err := gitmirror.Open(ctx, path)
	if err != nil {
		return nil, err
	}
	mirror.SetLinks([]string{"/"}) // whoever plans reads with his own rights, and for himself
	read := mirror.ReadDir
	if kept {
		read = mirror.SyncDir
	}
	c := catalog.New(catalog.Config{Mirror: mirror, BaseRef: f.baseRef, Architectures: f.architectures, Prefer: preferred(f.prefer), IgnoreArch: f.ignoreArch})
	c.SetDurations(durations)
	if err := refresh(ctx, c, dirs, read); err != nil {
		return nil, err
	}
	if mirror.Unread() {
		err = refresh(ctx, c, dirs, read)
	}
	c.SetComplete()
	return c, err
}

// refresh reads directories of sources and puts them into the catalog.
func refresh(ctx context.Context, c *catalog.Catalog, dirs []string, read func(context.Context, string) (gitmirror.Report, error)) error {
	for _, dir := range dirs {
		report, err := read(ctx, dir)
		if err != nil {
			return err
		}
		for slug, err := range report.Broken {
			fmt.Fprintf(os.Stderr, "warning: %s: %v\n", slug, err)
		}
	}
	return c.Refresh(ctx)
}

// srcinfoFiles lists the files named *.SRCINFO in directories and in their
// subdirectories, by name. A directory that has a .SRCINFO itself is a source
// and has none of these.
func srcinfoFiles(dirs []string) ([]string, error) {
	var files []string
	for _, dir := range dirs {
		for _, pattern := range []string{"*.SRCINFO", "*/*.SRCINFO"} {
			found, err := filepath.Glob(filepath.Join(dir, pattern))
			if err != nil {
				return nil, fmt.Errorf("look for .SRCINFO files in %s: %w", dir, err)
			}
			for _, name := range found {
				if !strings.HasPrefix(filepath.Base(name), ".") {
					files = append(files, name)
				}
			}
		}
	}
	return files, nil
}
