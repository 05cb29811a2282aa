package buildlog

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"buildbtw"
)

func (l *Logs) compressedPath(attempt buildbtw.AttemptName) string { return l.path(attempt) + ".zst" }

// restingTime is how long nothing was written to a log before it is compressed: whoever
// watched the build's end has read it by then.
const restingTime = 10 * time.Minute

// Compress replaces a log that nobody writes to any more by a compressed one, and returns
// how many bytes that gave back. Readers notice nothing: those that have the log open go on
// with the file that they have. A log that is not there, is compressed, or grew within the
// last minutes is left as it is.
//
// The compressed log is complete on disk before the other one goes; while both are there the
// other one counts, so that a crash at any point loses nothing.
func (l *Logs) Compress(ctx context.Context, attempt buildbtw.AttemptName) (saved int64, err error) {
	g := l.hold(attempt)
	defer l.release(attempt, g)
	g.writing.Lock()
	defer g.writing.Unlock()
	err = l.within(func(dir *os.Root) error {
		f, err := dir.Open(l.path(attempt))
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		info, err := f.Stat()
		if err != nil || l.Now().Sub(info.ModTime()) < restingTime {
			return err
		}
		text := readerWithin{ctx, f}
		err = replaceFile(dir, l.compressedPath(attempt), info.ModTime(), func(w io.Writer) error { return writeCompressed(w, text, info.Size()) })
		if err != nil {
			return err
		}
		packed, err := dir.Stat(l.compressedPath(attempt))
		if err != nil {
			return err
		}
		saved = info.Size() - packed.Size()
		return dir.Remove(l.path(attempt))
	})
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("compress log %s: %w", attempt, err)
	}
	return saved, nil
}

// expand replaces a compressed log by one that can be appended to. It is called with the
// log's writing lock. One that is not there is no error, nor is one that lies elsewhere: an
// attempt that writes to its log has it in the directory.
func (l *Logs) expand(attempt buildbtw.AttemptName) error {
	err := l.within(func(dir *os.Root) error {
		f, err := dir.Open(l.compressedPath(attempt))
		if err != nil {
			return err
		}
		c, err := openCompressedFile(f)
		if err != nil {
			return err
		}
		defer func() { _ = c.Close() }()
		err = replaceFile(dir, l.path(attempt), time.Time{}, func(w io.Writer) error {
			_, err := io.Copy(w, io.NewSectionReader(c, 0, c.size))
			return err
		})
		if err != nil {
			return err
		}
		return dir.Remove(l.compressedPath(attempt))
	})
	if errors.Is(err, fs.ErrNotExist) { // the log, or the directory of all
		return nil
	}
	return err
}

// replaceFile writes a file that is seen only when it is whole and on disk. A time that is
// not zero becomes that of the file.
func replaceFile(dir *os.Root, name string, modified time.Time, write func(io.Writer) error) (err error) {
	temporary := name + ".new"
	f, err := dir.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close(), dir.Remove(temporary))
		}
	}()
	w := bufio.NewWriterSize(f, 64<<10)
	if err := write(w); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if !modified.IsZero() {
		if err := dir.Chtimes(temporary, modified, modified); err != nil {
			return err
		}
	}
	if err := dir.Rename(temporary, name); err != nil {
		return err
	}
	_ = f.Close() // it is synced
	return syncDir(dir, filepath.Dir(name))
}

// syncDir makes the names in a directory durable.
func syncDir(dir *os.Root, name string) error {
	d, err := dir.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// readerWithin reads until its context ends.
type readerWithin struct {
	ctx context.Context //nolint:containedctx // it lives as long as one call
	r   io.Reader
}

func (r readerWithin) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.r.Read(p)
}

// Remove deletes a log and what is kept beside it, also elsewhere, and returns how many bytes of
// the disk that gives back. One that is not there is no error. Readers that have it open in the
// directory go on.
func (l *Logs) Remove(ctx context.Context, attempt buildbtw.AttemptName) (freed int64, err error) {
	g := l.hold(attempt)
	defer l.release(attempt, g)
	g.writing.Lock()
	defer g.writing.Unlock()
	g.indexing.Lock()
	defer g.indexing.Unlock()
	if l.Away != nil {
		if err := l.Away.Remove(ctx, attempt); err != nil {
			return 0, fmt.Errorf("remove log %s: %w", attempt, err)
		}
	}
	g.index, g.saved = nil, 0
	l.stamped.Delete(attempt)
	err = l.within(func(dir *os.Root) error {
		for _, name := range []string{l.compressedPath(attempt), l.path(attempt), l.indexPath(attempt), l.stampPath(attempt)} {
			info, err := dir.Stat(name)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return err
			}
			if err := dir.Remove(name); err != nil {
				return err
			}
			freed += info.Size()
		}
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return freed, fmt.Errorf("remove log %s: %w", attempt, err)
	}
	g.wake()
	return freed, nil
}

// Stored is a log as it lies on disk.
type Stored struct {
	Attempt  buildbtw.AttemptName
	Plain    bool      // not compressed
	Packed   bool      // compressed; neither when the log itself lies elsewhere
	Bytes    int64     // on disk, with what is kept beside it
	Modified time.Time // when the latest of its files was written
}

// Stored calls f with every log on disk, in no certain order, until f returns false. It
// reads a directory at a time.
func (l *Logs) Stored(ctx context.Context, f func(Stored) bool) error {
	err := l.within(func(dir *os.Root) error {
		below := dir.FS()
		shards, err := fs.ReadDir(below, ".")
		if err != nil {
			return err
		}
		for _, s := range shards {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if _, err := strconv.ParseInt(s.Name(), 10, 64); err != nil || !s.IsDir() {
				continue
			}
			logs, err := storedIn(below, s.Name())
			if err != nil {
				return err
			}
			for _, log := range logs {
				if !f(log) {
					return nil
				}
			}
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list the logs: %w", err)
	}
	return nil
}

func storedIn(below fs.FS, shard string) (map[buildbtw.AttemptName]Stored, error) {
	files, err := fs.ReadDir(below, shard)
	if err != nil {
		return nil, err
	}
	logs := map[buildbtw.AttemptName]Stored{}
	for _, file := range files {
		stem, kind, _ := strings.Cut(file.Name(), ".")
		attempt, ok := buildbtw.ParseAttemptName(stem)
		if !ok || file.IsDir() {
			continue
		}
		info, err := file.Info()
		if errors.Is(err, fs.ErrNotExist) { // it was replaced meanwhile
			if info, err = fs.Stat(below, path.Join(shard, file.Name())); errors.Is(err, fs.ErrNotExist) {
				continue
			}
		}
		if err != nil {
			return nil, err
		}
		log := logs[attempt]
		log.Attempt, log.Bytes, log.Plain, log.Packed = attempt, log.Bytes+info.Size(), log.Plain || kind == "log", log.Packed || kind == "log.zst"
		if info.ModTime().After(log.Modified) {
			log.Modified = info.ModTime()
		}
		logs[attempt] = log
	}
	return logs, nil
}
