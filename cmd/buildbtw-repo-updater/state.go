package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"buildbtw/internal/atomicfile"
	"buildbtw/internal/flock"

	"buildbtw"
)

// state is the state of the clones in one directory.
type state struct {
	Directory string `json:"directory"`
	Server    string `json:"server"`
	Group     string `json:"group"`

	// SeenUntil is the latest activity up to which every project has been
	// fetched or is noted below as to be fetched. It is saved after that.
	SeenUntil time.Time `json:"seen_until"`

	Projects map[int64]*clone `json:"projects"` // by GitLab's number, which stays when a project is renamed

	file string
}

// clone is the state of one clone.
type clone struct {
	buildbtw.Project
	FetchedAt time.Time `json:"fetched_at"`         // when the last fetch that succeeded began; zero: none did
	ChangedAt time.Time `json:"changed_at"`         // when a fetch last brought something
	NextAt    time.Time `json:"next_at"`            // when it is to be fetched again though nothing shows; zero: when it is active
	Failures  int       `json:"failures,omitempty"` // in a row
	Gone      bool      `json:"gone,omitempty"`     // archived, deleted, or moved out of the group; the clone stays
}

// due reports whether the project is to be fetched without having been active.
func (c *clone) due(now time.Time) bool {
	return !c.Gone && (c.FetchedAt.IsZero() && c.Failures == 0 || !c.NextAt.IsZero() && !now.Before(c.NextAt))
}

// stateHome returns the directory for states (XDG Base Directory
// Specification).
func stateHome(getenv func(string) string) (string, error) {
	if dir := getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "buildbtw", "repo-updater"), nil
	}
	home := getenv("HOME")
	if !filepath.IsAbs(home) {
		return "", errors.New("neither XDG_STATE_HOME nor HOME says where to keep state")
	}
	return filepath.Join(home, ".local", "state", "buildbtw", "repo-updater"), nil
}

// openState locks and reads the state of a directory. release unlocks it.
func openState(home, directory string) (s *state, release func(), err error) {
	if err := os.MkdirAll(home, 0o700); err != nil {
		return nil, nil, fmt.Errorf("make the directory for state: %w", err)
	}
	digest := sha256.Sum256([]byte(directory))
	base := filepath.Join(home, hex.EncodeToString(digest[:8]))
	lock, err := flock.Take(base + ".lock")
	if errors.Is(err, flock.ErrLocked) {
		return nil, nil, fmt.Errorf("%s is being updated by another process; wait for it", directory)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("lock the state: %w", err)
	}
	s, err = readState(base + ".json")
	if errors.Is(err, os.ErrNotExist) {
		s, err = &state{Directory: directory, Projects: map[int64]*clone{}, file: base + ".json"}, nil
	}
	if err != nil {
		return nil, nil, errors.Join(err, lock.Release())
	}
	return s, func() { _ = lock.Release() }, nil
}

func readState(file string) (*state, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	s := &state{file: file}
	if err := json.Unmarshal(text, s); err != nil {
		return nil, fmt.Errorf("the state in %s cannot be read; remove it, and everything is looked at again: %w", file, err)
	}
	if s.Projects == nil {
		s.Projects = map[int64]*clone{}
	}
	return s, nil
}

// save replaces the file in one step.
func (s *state) save() error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := atomicfile.WriteBytes(s.file, 0o600, text); err != nil {
		return fmt.Errorf("save the state: %w", err)
	}
	return nil
}
