package buildlog

import (
	"encoding/json"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"

	"buildbtw"
)

// worthKeeping is how many more bytes than the stored index an index must cover
// to be stored again; scanning so much takes a millisecond.
const worthKeeping = 1 << 20

// stored is the file of an index, beside its log. It is only a cache: one that
// does not fit the log, or cannot be read, is made anew.
type stored struct {
	Version int             `json:"version"`
	Log     uint32          `json:"log"` // checksum of the log's ends, see fingerprint
	Sum     uint32          `json:"sum"` // checksum of Index as it stands in the file
	Index   json.RawMessage `json:"index"`
}

// indexVersion changes with the rules and the form of the file.
const indexVersion = 3

func (l *Logs) indexPath(attempt buildbtw.AttemptName) string {
	path := l.path(attempt)
	return path[:len(path)-len(filepath.Ext(path))] + ".index"
}

// loadIndex returns the stored index of a log, or an empty one.
func (l *Logs) loadIndex(path string, log io.ReaderAt, size int64) *index {
	var text []byte
	err := l.within(func(dir *os.Root) (err error) {
		text, err = dir.ReadFile(path)
		return err
	})
	if err != nil {
		return &index{}
	}
	var s stored
	var x index
	if json.Unmarshal(text, &s) != nil || s.Version != indexVersion || crc32.ChecksumIEEE(s.Index) != s.Sum || json.Unmarshal(s.Index, &x) != nil {
		return &index{}
	}
	if sum, err := x.fingerprint(log); err != nil || sum != s.Log || x.Scanned > size || !x.sound(log) {
		return &index{}
	}
	return &x
}

// saveIndex stores the index. It is not synced: a file that a crash cut short
// has another checksum.
func (l *Logs) saveIndex(path string, x *index, log io.ReaderAt) error {
	sum, err := x.fingerprint(log)
	if err != nil {
		return err
	}
	body, err := json.Marshal(x)
	if err != nil {
		return err
	}
	text, err := json.Marshal(stored{Version: indexVersion, Log: sum, Sum: crc32.ChecksumIEEE(body), Index: body})
	if err != nil {
		return err
	}
	temporary := path + ".new"
	return l.within(func(dir *os.Root) error {
		if err := dir.WriteFile(temporary, text, 0o644); err != nil {
			return errors.Join(err, dir.Remove(temporary))
		}
		return dir.Rename(temporary, path)
	})
}

// fitted is how many bytes of each end of a log its fingerprint is made of.
const fitted = 4 << 10

// fingerprint returns a checksum of the beginning and the end of the whole
// lines that x covers: it tells apart different logs, and one that was cut
// short.
func (x *index) fingerprint(log io.ReaderAt) (uint32, error) {
	n := min(fitted, x.LineStart)
	buf := make([]byte, 2*n)
	if _, err := log.ReadAt(buf[:n], 0); err != nil && n > 0 {
		return 0, err
	}
	if _, err := log.ReadAt(buf[n:], x.LineStart-n); err != nil && n > 0 {
		return 0, err
	}
	return crc32.ChecksumIEEE(buf), nil
}

// samples is how many starts are compared with the log.
const samples = 16

// sound reports whether the kept starts ascend and some of them, the last among
// them, are where lines begin.
func (x *index) sound(log io.ReaderAt) bool {
	before := start{Line: 1}
	for _, s := range x.Starts {
		if s.Line <= before.Line || s.Offset-before.Offset < interval {
			return false
		}
		before = s
	}
	if before.Line > x.Lines+1 || before.Offset > x.LineStart || x.LineStart > x.Scanned {
		return false
	}
	var b [1]byte
	for i := len(x.Starts) - 1; i >= 0; i -= len(x.Starts)/samples + 1 {
		if _, err := log.ReadAt(b[:], x.Starts[i].Offset-1); err != nil || b[0] != '\n' {
			return false
		}
	}
	return true
}
