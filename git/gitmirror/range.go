package gitmirror

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"buildbtw"
)

const (
	// MaxRange is how many commits of a Range are listed.
	MaxRange = 100

	rangeTime     = 20 * time.Second // for reading what lies between two commits
	keptRanges    = 256
	maxRecipeDiff = 256 << 10 // bytes of a diff of PKGBUILD
	maxDiffLines  = 2000
	maxDiffLine   = 500      // characters of a line of it
	maxRaw        = 64 << 10 // bytes of the list of changed files
	maxChanged    = 100      // changed files that are listed
)

// Range is the history between two commits, as "git log --oneline FROM..TO" lists it.
type Range struct {
	From, To string
	Commits  []Commit // the newest first, at most MaxRange
	More     int      // older ones that are not listed
	Behind   int      // commits of From that To does not have: a branch was rewritten, or From is newer
}

// Total returns how many commits To has that From does not have.
func (r Range) Total() int { return len(r.Commits) + r.More }

// Changes are the files that differ between two commits.
type Changes struct {
	Recipe    []DiffLine // of PKGBUILD; empty when it is the same, or Whole is not empty
	RecipeCut bool       // the diff goes on
	Whole     string     // why there is no diff of PKGBUILD, in words; else empty
	Files     []ChangedFile
	MoreFiles bool // others changed too
}

// DiffLine is a line of a unified diff.
type DiffLine struct {
	Kind DiffKind
	Text string // without what is invisible, which it shows as <U+202E>
	Old  int    // number of the line before, and after; 0 where it has none
	New  int
}

// DiffKind is the character with which a line of a unified diff begins.
type DiffKind byte

// The kinds of lines in a diff.
const (
	DiffSame    DiffKind = ' '
	DiffAdded   DiffKind = '+'
	DiffRemoved DiffKind = '-'
	DiffPlace   DiffKind = '@' // says where the next lines are
)

// ChangedFile is a file that differs between two commits.
type ChangedFile struct {
	Path   string
	Status string // added, removed, changed, or type changed
	Before int64  // bytes; 0 when it was not there or is no file
	After  int64
}

// Between returns the commits that to has and from does not have. When from is empty these
// are all commits of to. The error is NotFound when one of them is not in the mirror.
func (m *Mirror) Between(ctx context.Context, from, to string) (Range, error) {
	if err := m.have(ctx, from, to); err != nil {
		return Range{}, err
	}
	key := from + ".." + to
	if r, ok := m.ranges.Get(key); ok {
		return r, nil
	}
	bounded, cancel := context.WithTimeoutCause(ctx, rangeTime, errSlow)
	defer cancel()
	r := Range{From: from, To: to}
	span := []string{to, "--"}
	if from != "" {
		span = []string{"^" + from, to, "--"}
	}
	out, err := m.git.output(bounded, append([]string{"rev-list", "--max-count=" + strconv.Itoa(MaxRange)}, span...)...)
	if err != nil {
		return r, fmt.Errorf("list the commits between %s and %s: %w", from, to, err)
	}
	ids := strings.Fields(out)
	known, err := m.Commits(bounded, ids)
	if err != nil {
		return r, err
	}
	for _, id := range ids {
		c, ok := known[id]
		if !ok {
			c.ID = id
		}
		r.Commits = append(r.Commits, c)
	}
	if r.Behind, r.More, err = m.counts(bounded, from, to); err != nil {
		return r, err
	}
	r.More = max(0, r.More-len(ids))
	m.ranges.Put(key, r)
	return r, nil
}

// counts returns how many commits from has that to does not have, and the other way round.
func (m *Mirror) counts(ctx context.Context, from, to string) (behind, ahead int, err error) {
	if from == "" {
		out, err := m.git.output(ctx, "rev-list", "--count", to, "--")
		if err != nil {
			return 0, 0, fmt.Errorf("count the commits of %s: %w", to, err)
		}
		ahead, err = strconv.Atoi(strings.TrimSpace(out))
		return 0, ahead, err
	}
	out, err := m.git.output(ctx, "rev-list", "--left-right", "--count", from+"..."+to, "--")
	if err != nil {
		return 0, 0, fmt.Errorf("count the commits between %s and %s: %w", from, to, err)
	}
	if _, err := fmt.Sscan(out, &behind, &ahead); err != nil {
		return 0, 0, fmt.Errorf("count the commits between %s and %s: %w", from, to, err)
	}
	return behind, ahead, nil
}

// have returns NotFound unless all of the ids that are not empty are commits of the mirror.
func (m *Mirror) have(ctx context.Context, ids ...string) error {
	ids = slices.DeleteFunc(ids, func(id string) bool { return id == "" })
	for _, id := range ids {
		if err := checkCommit(id); err != nil {
			return err
		}
	}
	for again := range 2 {
		known, err := m.Commits(ctx, ids)
		if err != nil {
			return err
		}
		missing := slices.IndexFunc(ids, func(id string) bool { return known[id].ID == "" })
		if missing < 0 {
			return nil
		}
		if again > 0 || !m.mirrorCommit(ctx, ids[missing]) {
			return buildbtw.NotFound("commit %s is not in the mirror; it may have been removed from its source", ids[missing])
		}
	}
	return nil
}

// Changes returns the files that differ between two commits, with the diff of PKGBUILD. The
// error is NotFound when one of them is not in the mirror.
func (m *Mirror) Changes(ctx context.Context, from, to string) (Changes, error) {
	var c Changes
	if err := m.have(ctx, from, to); err != nil {
		return c, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, rangeTime, errSlow)
	defer cancel()
	raw := &beginning{limit: maxRaw}
	err := m.git.run(ctx, call{args: []string{"diff-tree", "-r", "-z", "--no-renames", "--full-index", from, to}, stdout: raw})
	if err != nil {
		return c, fmt.Errorf("compare the files of %s and %s: %w", from, to, err)
	}
	files, blobs := changedFiles(string(raw.kept))
	c.MoreFiles = raw.cut || len(files) > maxChanged
	files, blobs = files[:min(len(files), maxChanged)], blobs[:2*min(len(files), maxChanged)]
	if err := m.sizes(ctx, files, blobs); err != nil {
		return c, err
	}
	for i, f := range files {
		files[i].Path = visible(f.Path)
	}
	c.Files = slices.DeleteFunc(files, func(f ChangedFile) bool { return f.Path == pkgbuild })
	return c, m.recipeDiff(ctx, &c, from, to)
}

// recipeDiff adds the diff of PKGBUILD.
func (m *Mirror) recipeDiff(ctx context.Context, c *Changes, from, to string) error {
	names := []string{from + ":" + pkgbuild, to + ":" + pkgbuild}
	large := int64(0)
	err := m.git.catFile(ctx, "--batch-check", strings.Join(names, "\n")+"\n", func(r *bufio.Reader) error {
		for range names {
			o, err := readHead(r)
			if err != nil {
				return err
			}
			large = max(large, o.size)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("compare the PKGBUILDs of %s and %s: %w", from, to, err)
	}
	if large > MaxSrcinfo {
		c.Whole = fmt.Sprintf("PKGBUILD has %d bytes; at most %d are compared", large, MaxSrcinfo)
		return nil
	}
	text := &beginning{limit: maxRecipeDiff}
	err = m.git.run(ctx, call{
		args:   []string{"diff-tree", "-p", "-U3", "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames", "--text", from, to, "--", pkgbuild},
		stdout: text,
	})
	if err != nil {
		return fmt.Errorf("compare the PKGBUILDs of %s and %s: %w", from, to, err)
	}
	c.Recipe = diffLines(string(text.kept))
	c.RecipeCut = text.cut
	if len(c.Recipe) > maxDiffLines {
		c.Recipe, c.RecipeCut = c.Recipe[:maxDiffLines], true
	}
	return nil
}

// changedFiles parses what "git diff-tree -z" prints: for each file ":MODE MODE ID ID
// LETTER", a zero byte, the path, a zero byte. An entry that is cut off is left out. Each
// file has two blobs, before and after; "" where there is none.
func changedFiles(raw string) (files []ChangedFile, blobs []string) {
	words := map[string]string{"A": "added", "D": "removed", "M": "changed", "T": "type changed"}
	for {
		head, rest, ok := strings.Cut(raw, "\x00")
		path, rest, whole := strings.Cut(rest, "\x00")
		fields := strings.Fields(head)
		if !ok || !whole || len(fields) != 5 {
			return files, blobs
		}
		raw = rest
		files = append(files, ChangedFile{Path: path, Status: cmp.Or(words[fields[4]], "changed")})
		for _, id := range fields[2:4] {
			if strings.Trim(id, "0") == "" {
				id = ""
			}
			blobs = append(blobs, id)
		}
	}
}

// sizes adds the sizes of files before and after, as far as these are blobs: a submodule is
// a commit.
func (m *Mirror) sizes(ctx context.Context, files []ChangedFile, blobs []string) error {
	var names strings.Builder
	for _, id := range blobs {
		if id != "" {
			names.WriteString(id + "\n")
		}
	}
	if names.Len() == 0 {
		return nil
	}
	return m.git.catFile(ctx, "--batch-check", names.String(), func(r *bufio.Reader) error {
		for i, id := range blobs {
			if id == "" {
				continue
			}
			o, err := readHead(r)
			if err != nil {
				return err
			}
			if i%2 == 0 {
				files[i/2].Before = o.size
			} else {
				files[i/2].After = o.size
			}
		}
		return nil
	})
}

// diffLines parses a unified diff of one file, without its head.
func diffLines(text string) []DiffLine {
	var lines []DiffLine
	var before, after int
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "@@ -") {
			_, _ = fmt.Sscanf(line, "@@ -%d", &before) // git writes it; else lines have no numbers
			if _, rest, ok := strings.Cut(line, " +"); ok {
				_, _ = fmt.Sscanf(rest, "%d", &after)
			}
			lines = append(lines, DiffLine{Kind: DiffPlace, Text: visible(line)})
			continue
		}
		if len(lines) == 0 || line == "" {
			continue // the head
		}
		l := DiffLine{Kind: DiffKind(line[0]), Text: visible(line[1:])}
		switch l.Kind {
		case DiffAdded:
			l.New = after
			after++
		case DiffRemoved:
			l.Old = before
			before++
		case DiffSame:
			l.Old, l.New = before, after
			before, after = before+1, after+1
		default: // "\ No newline at end of file"
			l = DiffLine{Kind: DiffPlace, Text: visible(line)}
		}
		lines = append(lines, l)
	}
	return lines
}

// visible returns a line of at most maxDiffLine characters in which everything can be seen:
// control and formatting characters, which could make a line look like another one, are
// written as <U+202E>, and what is no UTF-8 as <FF>.
func visible(s string) string {
	var b strings.Builder
	n := 0
	for len(s) > 0 {
		if n == maxDiffLine {
			b.WriteString("…")
			break
		}
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, "<%02X>", s[0])
		case r == '\t' || !hidden(r):
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, "<U+%04X>", r)
		}
		s = s[size:]
		n++
	}
	return b.String()
}

// hidden reports whether a character is not seen, or changes how others are: control
// characters, bidirectional marks (UAX 9), joiners, and separators of lines.
func hidden(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co)
}

// beginning is a writer that keeps the first bytes and takes the others.
type beginning struct {
	limit int
	kept  []byte
	cut   bool
}

func (b *beginning) Write(p []byte) (int, error) {
	n := min(len(p), b.limit-len(b.kept))
	b.kept = append(b.kept, p[:n]...)
	b.cut = b.cut || n < len(p)
	return len(p), nil
}

// ResolveCommit is Resolve that takes the full id of any commit in the mirror too, also one
// that no branch of the source has any more.
func (m *Mirror) ResolveCommit(ctx context.Context, slug, ref string) (string, error) {
	if checkCommit(ref) == nil {
		return ref, m.have(ctx, ref)
	}
	return m.Resolve(ctx, slug, ref)
}
