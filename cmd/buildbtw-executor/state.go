package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"buildbtw/internal/atomicfile"
	"buildbtw/internal/flock"

	"buildbtw"
)

// stateDir has a directory for each job that has begun and was not cleaned up.
type stateDir string

func (d stateDir) job(id int64) jobDir {
	return jobDir(filepath.Join(string(d), "jobs", strconv.FormatInt(id, 10)))
}

// jobs lists the directories of all jobs.
func (d stateDir) jobs() ([]jobDir, error) {
	entries, err := os.ReadDir(filepath.Join(string(d), "jobs"))
	if err != nil {
		return nil, fmt.Errorf("list jobs: %w", err)
	}
	var list []jobDir
	for _, e := range entries {
		if _, err := strconv.ParseInt(e.Name(), 10, 64); err == nil && e.IsDir() {
			list = append(list, jobDir(filepath.Join(string(d), "jobs", e.Name())))
		}
	}
	return list, nil
}

// maxSlots bounds the concurrent builds of one machine.
const maxSlots = 1024

// takeSlot returns a number that no other build of this machine has until release
// is called, or this process ends. GitLab numbers jobs for each runner of its
// configuration only.
func (d stateDir) takeSlot() (slot int, release func(), err error) {
	dir := filepath.Join(string(d), "slots")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return 0, nil, fmt.Errorf("take a slot: %w", err)
	}
	for slot := range maxSlots {
		lock, err := flock.Take(filepath.Join(dir, strconv.Itoa(slot)))
		if errors.Is(err, flock.ErrLocked) {
			continue
		}
		if err != nil {
			return 0, nil, fmt.Errorf("take a slot: %w", err)
		}
		return slot, func() { _ = lock.Release() }, nil
	}
	return 0, nil, fmt.Errorf("%d builds run on this machine already", maxSlots)
}

// jobDir is one job's.
type jobDir string

func (d jobDir) work() string { return filepath.Join(string(d), "work") }
func (d jobDir) file() string { return filepath.Join(string(d), "state.json") }

// state is passed from one stage of a job to the next, and to the cleaning up.
type state struct {
	Job    int64     `json:"job"`
	Build  string    `json:"build"`
	Runner process   `json:"runner"` // the gitlab-runner that executes the job
	Begun  time.Time `json:"begun"`
	Until  time.Time `json:"until"`           // the job's time limit; zero: unknown
	Lease  string    `json:"lease,omitempty"` // of an attempt that was not reported yet

	Outcome buildbtw.Outcome `json:"outcome,omitempty"` // how the build ended
}

// maxState bounds a state file in bytes.
const maxState = 64 << 10

// readState returns the state of a job. There is none before prepare.
func (d jobDir) readState() (state, error) {
	var s state
	f, err := os.Open(d.file())
	if err != nil {
		return s, err
	}
	defer f.Close()
	if err := json.NewDecoder(io.LimitReader(f, maxState)).Decode(&s); err != nil {
		return s, fmt.Errorf("read %s: %w", d.file(), err)
	}
	return s, nil
}

// writeState replaces the state in one step.
func (d jobDir) writeState(s state) error {
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return fmt.Errorf("make the job's directory: %w", err)
	}
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := atomicfile.WriteBytes(d.file(), 0o600, text); err != nil {
		return fmt.Errorf("write the job's state: %w", err)
	}
	return nil
}
