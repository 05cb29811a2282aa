package baserepo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"buildbtw"
)

// errFound ends the reading of an archive whose rest is not wanted.
var errFound = errors.New("found")

// Files returns the names of a package's files: sorted, directories end in a slash. It
// reads the copy of the list on disk, of which only libraries stay in memory; that of a
// large repository takes some seconds. The error is NotFound when there is no list, or
// the package is not in it.
func (b *Base) Files(ctx context.Context, e Entry) ([]string, error) {
	for _, r := range b.repos {
		if r.Name == e.Repo {
			return b.filesIn(ctx, r, e)
		}
	}
	return nil, buildbtw.NotFound("there is no base repository %.40q", e.Repo)
}

func (b *Base) filesIn(ctx context.Context, r *repository, e Entry) ([]string, error) {
	missing := buildbtw.NotFound("the list of files of %s %s in %s is not known", e.Name, e.Version, r.Name)
	f, err := os.Open(filepath.Join(b.dir, r.parts[1].file))
	if err != nil {
		return nil, missing
	}
	defer f.Close()
	var files []string
	err = members(untilDone{ctx, f}, b.limits, func(id, name string, text *lines) error {
		if id != e.id() || name != "files" {
			return nil
		}
		for {
			line, err := text.next()
			switch {
			case errors.Is(err, io.EOF):
				return errFound
			case err != nil:
				return err
			case len(line) == 0 || string(line) == "%FILES%":
				continue
			}
			file, err := text.keep(line)
			if err != nil {
				return err
			}
			files = append(files, file)
		}
	})
	if err == nil {
		return nil, missing
	}
	if !errors.Is(err, errFound) {
		return nil, fmt.Errorf("read the list of files of %s: %w", r.Name, err)
	}
	slices.Sort(files)
	return files, nil
}
