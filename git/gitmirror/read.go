package gitmirror

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"buildbtw"
	"buildbtw/pacman/srcinfo"
)

// MaxSrcinfo is the size in bytes above which a .SRCINFO is not read. The
// largest of a whole distribution has 60 KB.
const MaxSrcinfo = 1 << 20

// Srcinfo is the .SRCINFO of one commit, or why there is none: Err is NotFound
// when the commit has no such file, and TooLarge above MaxSrcinfo. Text is
// shared and must not be changed.
type Srcinfo struct {
	Text []byte
	Time time.Time // the committer's, of the commit
	Err  error
}

// Parse returns the parsed text. The error is written for people.
func (s Srcinfo) Parse() (*srcinfo.Info, error) {
	if s.Err != nil {
		return nil, s.Err
	}
	info, err := srcinfo.Parse(s.Text)
	if err != nil {
		return nil, fmt.Errorf(".SRCINFO: %w", err)
	}
	return info, nil
}

// ReadSrcinfos reads the .SRCINFO at every one of the commits, in one process,
// and returns an entry for each. Texts are cached: a commit never changes. One
// that could not be read is read again, as it may come later.
func (m *Mirror) ReadSrcinfos(ctx context.Context, commits []string) (map[string]Srcinfo, error) {
	infos := make(map[string]Srcinfo, len(commits))
	var missing []string
	var ask strings.Builder
	for _, c := range commits {
		if err := checkCommit(c); err != nil {
			return nil, fmt.Errorf("read .SRCINFO of %d commits: %w", len(commits), err)
		}
		if _, listed := infos[c]; listed {
			continue
		}
		info, known := m.srcinfos.Get(c)
		infos[c] = info
		if !known {
			missing = append(missing, c)
			ask.WriteString(c + "^{commit}\n" + c + ":" + srcinfoName + "\n")
		}
	}
	if len(missing) == 0 {
		return infos, nil
	}
	r, w := io.Pipe()
	parsed := make(chan error, 1)
	go func() {
		err := readBatch(bufio.NewReaderSize(r, 64<<10), len(missing), func(i int, info Srcinfo) {
			infos[missing[i]] = info
			if info.Err == nil {
				m.srcinfos.Put(missing[i], info)
			}
		})
		r.CloseWithError(err)
		parsed <- err
	}()
	err := m.git.run(ctx, call{args: []string{"cat-file", "--batch", "--buffer"}, stdin: strings.NewReader(ask.String()), stdout: w})
	w.CloseWithError(err)
	if err := errors.Join(err, <-parsed); err != nil {
		return nil, fmt.Errorf("read .SRCINFO of %d commits: %w", len(missing), err)
	}
	return infos, nil
}

// readBatch parses the answers of "cat-file --batch" about n commits: each
// itself, and its .SRCINFO.
func readBatch(r *bufio.Reader, n int, found func(int, Srcinfo)) error {
	for i := range n {
		commit, err := readAnswer(r, "commit")
		if err != nil {
			return fmt.Errorf("answer %d of git cat-file: %w", 2*i, err)
		}
		info, err := readAnswer(r, "blob")
		if err != nil {
			return fmt.Errorf("answer %d of git cat-file: %w", 2*i+1, err)
		}
		if info.Err == nil {
			info.Time, info.Err = committerTime(commit.Text)
		}
		found(i, info)
	}
	return nil
}

// readAnswer reads one answer (git-cat-file(1), "BATCH OUTPUT"): "OBJECT TYPE
// SIZE", the content and a newline, or "NAME missing".
func readAnswer(r *bufio.Reader, kind string) (Srcinfo, error) {
	head, err := r.ReadString('\n')
	if err != nil {
		return Srcinfo{}, err
	}
	field := strings.Fields(head)
	if len(field) < 3 || strings.HasSuffix(head, " missing\n") {
		return Srcinfo{Err: buildbtw.NotFound("there is no .SRCINFO; make one with: makepkg --printsrcinfo > .SRCINFO")}, nil
	}
	size, err := strconv.ParseUint(field[2], 10, 62)
	if err != nil {
		return Srcinfo{}, err
	}
	var info Srcinfo
	switch {
	case kind != field[1]:
		info.Err = buildbtw.Invalid(".SRCINFO is a %s, not a file", field[1])
	case size > MaxSrcinfo:
		info.Err = buildbtw.TooLarge("the .SRCINFO has %d bytes; at most %d are read", size, MaxSrcinfo)
	default:
		info.Text = make([]byte, size)
		if _, err := io.ReadFull(r, info.Text); err != nil {
			return Srcinfo{}, err
		}
		size = 0
	}
	_, err = io.CopyN(io.Discard, r, int64(size)+1)
	return info, err
}

// committerTime returns the time in a commit object, from the line "committer
// NAME <MAIL> SECONDS ZONE" of its head.
func committerTime(commit []byte) (time.Time, error) {
	head, _, _ := strings.Cut(string(commit), "\n\n")
	_, line, _ := strings.Cut(head, "\ncommitter ")
	line, _, _ = strings.Cut(line, "\n")
	fields := strings.Fields(line)
	if len(fields) < 2 {
		return time.Time{}, buildbtw.Invalid("the commit does not say when it was made")
	}
	seconds, err := strconv.ParseInt(fields[len(fields)-2], 10, 64)
	if err != nil {
		return time.Time{}, buildbtw.Invalid("the commit does not say when it was made: %w", err)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// Archive writes the tree of a commit as an uncompressed tar. Nothing has been
// written when the error is NotFound.
func (m *Mirror) Archive(ctx context.Context, commit string, w io.Writer) error {
	if err := checkCommit(commit); err != nil {
		return err
	}
	if full, err := m.peel(ctx, commit); err != nil || full == "" {
		return errors.Join(err, buildbtw.NotFound("commit %s is not in the mirror", commit))
	}
	err := m.git.run(ctx, call{args: []string{"archive", "--format=tar", commit}, stdout: w})
	if err != nil {
		return fmt.Errorf("write archive of commit %s: %w", commit, err)
	}
	return nil
}

// checkCommit accepts only full object names, and nothing else that git
// understands (options, refs, expressions).
func checkCommit(commit string) error {
	if len(commit) != 40 && len(commit) != 64 || !isHex(commit) {
		return buildbtw.Invalid("%.80q is no commit; give the full name", commit)
	}
	return nil
}

func isHex(s string) bool {
	return strings.Trim(s, "0123456789abcdef") == ""
}
