package pacmanrepo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"buildbtw"
	"buildbtw/pacman/alpm"
)

// interfaceName is the file beside a staged package that says what dependents
// can notice of it.
const interfaceName = "interface.json"

func keepInterface(dir string, i alpm.Interface) error {
	text, err := json.Marshal(i)
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, interfaceName), func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
}

// Interfaces returns what dependents can notice of the packages of an attempt
// that are staged still, by their SHA-256.
func (r *Repos) Interfaces(attempt int64) (map[string]alpm.Interface, error) {
	files, err := filepath.Glob(filepath.Join(r.attemptDir(attempt), "*", interfaceName))
	if err != nil {
		return nil, fmt.Errorf("list the interfaces of attempt %d: %w", attempt, err)
	}
	all := make(map[string]alpm.Interface, len(files))
	for _, path := range files {
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // published and gone meanwhile
		}
		if err != nil {
			return nil, fmt.Errorf("read the interfaces of attempt %d: %w", attempt, err)
		}
		var i alpm.Interface
		if err := json.Unmarshal(text, &i); err != nil {
			return nil, fmt.Errorf("read the interfaces of attempt %d: %w", attempt, err)
		}
		all[filepath.Base(filepath.Dir(path))] = i
	}
	return all, nil
}

// readPackage reads a package file to its end.
func readPackage(ctx context.Context, path string) (*alpm.Package, error) {
	p, _, err := readInterface(ctx, path)
	return p, err
}

// readInterface reads a package file to its end, shared libraries included.
func readInterface(ctx context.Context, path string) (*alpm.Package, alpm.Interface, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, alpm.Interface{}, err
	}
	defer f.Close()
	in := &incoming{ctx: ctx, r: f}
	p, i, err := alpm.ReadInterface(in, filepath.Dir(path))
	if err := errors.Join(ctx.Err(), in.err); err != nil {
		return nil, i, err // of our disk
	}
	var disk *fs.PathError
	switch {
	case errors.As(err, &disk):
		return nil, i, err
	case err != nil:
		return nil, i, buildbtw.Invalid("%s is no sound package: %w", filepath.Base(path), err)
	}
	return p, i, nil
}
