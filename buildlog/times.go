package buildlog

import (
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"buildbtw"
)

// stamp is the time at which the bytes of a log from Offset on arrived. A log itself has no
// times: these are the arrivals of its pieces, which the worker sends while it builds.
type stamp struct {
	Offset int64
	At     time.Time
}

// stampSize is that of a stamp in its file: offset and Unix time in ms, big endian.
const stampSize = 16

// maxStampBytes is how much of the file of stamps is read. A day of output has 150 KB.
const maxStampBytes = 4 << 20

// due is how long after the last of n stamps the next one is made: a second, and longer
// for long builds, so that their stamps do not grow as their logs.
func due(n int64) time.Duration { return time.Second + time.Duration(n)*time.Second/512 }

// lastStamp is the latest stamp of a log and how many there are.
type lastStamp struct {
	at time.Time
	n  int64
}

func (l *Logs) stampPath(attempt buildbtw.AttemptName) string {
	path := l.path(attempt)
	return path[:len(path)-len(filepath.Ext(path))] + ".times"
}

// stamp records that the bytes from offset on arrived now. It is called with the log's
// writing lock. Errors are ignored: lines then have older times, or none, and the log goes
// on.
func (l *Logs) stamp(attempt buildbtw.AttemptName, offset int64) {
	now := l.Now()
	last, known := l.stamped.Get(attempt)
	if known && now.Sub(last.at) < due(last.n) {
		return
	}
	_ = l.within(func(dir *os.Root) error {
		f, err := dir.OpenFile(l.stampPath(attempt), appending|os.O_CREATE, 0o644)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		info, err := f.Stat()
		if err != nil {
			return err
		}
		if cut := info.Size() % stampSize; cut != 0 { // of a crash
			if err := f.Truncate(info.Size() - cut); err != nil {
				return err
			}
		}
		record := binary.BigEndian.AppendUint64(nil, uint64(offset))
		if _, err = f.Write(binary.BigEndian.AppendUint64(record, uint64(now.UnixMilli()))); err == nil {
			l.stamped.Put(attempt, lastStamp{now, info.Size()/stampSize + 1})
		}
		return err
	})
}

// readStamps returns the stamps of a log that ascend; one that does not is damaged.
func (l *Logs) readStamps(attempt buildbtw.AttemptName) []stamp {
	var text []byte
	err := l.within(func(dir *os.Root) error {
		f, err := dir.Open(l.stampPath(attempt))
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		text, err = io.ReadAll(io.LimitReader(f, maxStampBytes))
		return err
	})
	if err != nil {
		return nil
	}
	var stamps []stamp
	for ; len(text) >= stampSize; text = text[stampSize:] {
		s := stamp{int64(binary.BigEndian.Uint64(text)), time.UnixMilli(int64(binary.BigEndian.Uint64(text[8:])))}
		if n := len(stamps); n > 0 && (s.Offset <= stamps[n-1].Offset || s.At.Before(stamps[n-1].At)) {
			continue
		}
		stamps = append(stamps, s)
	}
	return stamps
}

// Time returns about when the bytes at an offset arrived: up to a second after the build
// printed them, and in builds of hours up to some ten. It is zero where it is not
// known, as in logs that are older than the records of it.
func (v *View) Time(offset int64) time.Time {
	if v.stamps == nil {
		v.stamps = v.logs.readStamps(v.attempt)
		if v.stamps == nil {
			v.stamps = []stamp{}
		}
	}
	i, found := slices.BinarySearchFunc(v.stamps, offset, func(s stamp, offset int64) int { return int(s.Offset - offset) })
	if !found {
		i--
	}
	if i < 0 {
		return time.Time{}
	}
	return v.stamps[i].At
}
