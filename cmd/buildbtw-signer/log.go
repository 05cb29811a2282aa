package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"buildbtw/signing"
)

// log is a file with a line for each list that was signed or refused. Lines are appended
// and never changed, so that the file may be one that only allows that (chattr +a).
type log struct{ path string }

// entry is a line of the log.
type entry struct {
	signing.Record

	Refused string `json:"refused,omitempty"` // why nothing was signed
	Torn    bool   `json:"torn,omitempty"`    // the line before is not whole: the program ended while it was written
}

// past is what a process has read of a log. The zero value has read nothing.
type past struct {
	history *signing.History
	file    os.FileInfo // nil: nothing is known
	offset  int64       // behind the last line that was read, bytes
	lines   int
}

// read returns what was signed according to the log. Of a log that has only grown since the
// last call it reads what was appended. A damaged log is an error: nothing is signed without
// knowing what was.
func (l log) read(p *past) (*signing.History, error) {
	f, err := os.Open(l.path)
	if errors.Is(err, fs.ErrNotExist) {
		*p = past{}
		return &signing.History{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the log: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read the log: %w", err)
	}
	if p.file == nil || !os.SameFile(p.file, info) || info.Size() < p.offset {
		*p = past{history: &signing.History{}, file: info}
	}
	if err := p.readOn(l.path, f); err != nil {
		*p = past{} // the next call begins anew
		return nil, err
	}
	return p.history, nil
}

// readOn reads the lines of a log that were not read yet.
func (p *past) readOn(path string, f io.ReadSeeker) error {
	if _, err := f.Seek(p.offset, io.SeekStart); err != nil {
		return fmt.Errorf("read the log: %w", err)
	}
	in := bufio.NewReaderSize(f, 1<<20)
	var damaged error // in the line before
	for {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			// A line without an end was never whole, and its signatures were given to nobody.
			return damaged
		}
		if err != nil {
			return fmt.Errorf("read the log: %w", err)
		}
		p.offset += int64(len(line))
		p.lines++
		var e entry
		err = json.Unmarshal(line, &e)
		if err == nil && e.Torn {
			damaged = nil
			continue
		}
		if damaged != nil {
			return damaged
		}
		if err == nil && e.Refused == "" {
			err = p.history.Add(e.Record)
		}
		if err != nil {
			damaged = fmt.Errorf("line %d of %s is damaged, so that it is not known what was signed: %w", p.lines, path, err)
		}
	}
}

// append writes a line and makes it durable. A line that was not finished by a process
// before is ended first, with a mark.
func (l log) append(e entry) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("write the log: %w", err)
		}
	}()
	text, err := json.Marshal(e)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(l.path, os.O_APPEND|os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if last := make([]byte, 1); info.Size() > 0 {
		if _, err := f.ReadAt(last, info.Size()-1); err != nil {
			return err
		}
		if last[0] != '\n' {
			text = append([]byte("\n{\"torn\":true}\n"), text...)
		}
	}
	if _, err := io.Copy(f, bytes.NewReader(append(text, '\n'))); err != nil {
		return err
	}
	return f.Sync()
}
