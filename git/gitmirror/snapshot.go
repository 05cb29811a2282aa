package gitmirror

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// snapshotBranch is the branch of the commits of plain directories.
const snapshotBranch = "main"

// snapshot is a commit to be made of a plain directory.
type snapshot struct {
	slug   string
	parent string // commit of the snapshot before, or ""
	record record
	files  []file
	time   time.Time // the newest file's, so that the same files give the same commit
	seen   seenDir   // to be remembered when it is committed
}

// record stands in a snapshot's commit message and identifies the directory as it
// was found, for the next pass to compare with. The commit itself may have
// another .SRCINFO than the directory.
type record struct {
	input   string // contentHash of all files
	srcinfo string // contentHash of the directory's own .SRCINFO, or "none"
}

const (
	recordInput   = "Directory: "
	recordSrcinfo = "Srcinfo: "
)

func (r record) message() string {
	return "Snapshot of a plain directory\n\n" + recordInput + r.input + "\n" + recordSrcinfo + r.srcinfo + "\n"
}

func parseRecord(message string) (r record, ok bool) {
	for line := range strings.Lines(message) {
		line = strings.TrimSuffix(line, "\n")
		if v, found := strings.CutPrefix(line, recordInput); found {
			r.input = v
		}
		if v, found := strings.CutPrefix(line, recordSrcinfo); found {
			r.srcinfo = v
		}
	}
	return r, r.input != "" && r.srcinfo != ""
}

func recordOf(files []file) record {
	r := record{input: contentHash(files...), srcinfo: "none"}
	if own := find(files, srcinfoName); own != nil {
		r.srcinfo = contentHash(*own)
	}
	return r
}

// snapshot commits a plain directory to the branch main of its source, if
// anything in it has changed since the last snapshot.
//
// One of many new ones is committed together with others.
func (m *Mirror) snapshot(ctx context.Context, c candidate, have sourceRefs, s *state, many bool) outcome {
	files, err := listFiles(c.dir)
	if err != nil {
		return outcome{err: err, cheap: true}
	}
	o, seen := outcome{print: statHash(files)}, seenDir{}
	if atRest(files, m.now()) {
		seen.stat = o.print
	}
	v, _ := m.seen.Load(c.slug)
	last, _ := v.(seenDir)
	if seen.stat != "" && seen.stat == last.stat && (len(have) == 1 || last.err != nil) {
		return outcome{err: last.err, cheap: true}
	}
	if err := m.looks.rest(s, m.now(), o.print); err != nil {
		return outcome{err: err, resting: true}
	}
	if o.err = readFiles(c.dir, files); o.err != nil {
		return o
	}
	shot := snapshot{slug: c.slug, record: recordOf(files), time: newest(files), seen: seen}
	many = many && len(have) == 0 && !last.alone
	o.wrote, o.err = m.snapshotFiles(ctx, c, shot, files, have, many)
	if o.err == nil && many {
		return o
	}
	var refused refusedError
	if o.err == nil || errors.As(o.err, &refused) {
		seen.err = o.err
		m.seen.Store(c.slug, seen)
	}
	return o
}

// snapshotFiles commits the files unless the last snapshot was made of the same.
func (m *Mirror) snapshotFiles(ctx context.Context, c candidate, s snapshot, files []file, have sourceRefs, many bool) (wrote bool, err error) {
	last, err := m.lastSnapshot(ctx, have)
	if err != nil {
		return false, err
	}
	if last == s.record && len(have) == 1 {
		return false, nil
	}
	if last.input != "" {
		s.parent = have[headsPrefix+snapshotBranch]
	}
	if s.files, err = m.withSrcinfo(ctx, c, files, last); err != nil {
		return false, err
	}
	if many {
		m.addDraft(ctx, s)
		return true, nil
	}
	if err := m.commit(ctx, s); err != nil {
		return true, err
	}
	return true, m.dropOthers(ctx, s.slug, have)
}

// lastSnapshot returns the record of the last snapshot, which is empty when the
// source has none: it is new, or was a git repository before.
func (m *Mirror) lastSnapshot(ctx context.Context, have sourceRefs) (record, error) {
	head := have[headsPrefix+snapshotBranch]
	if head == "" {
		return record{}, nil
	}
	commit, err := m.git.readObjects(ctx, []string{head})
	if err != nil {
		return record{}, err
	}
	_, message, _ := strings.Cut(string(commit[0].text), "\n\n")
	r, ok := parseRecord(message)
	if !ok {
		return record{}, nil
	}
	return r, nil
}

// commit writes snapshots and moves their branches in one run of fast-import,
// whose format is in git-fast-import(1).
func (m *Mirror) commit(ctx context.Context, list ...snapshot) error {
	var in bytes.Buffer
	for _, s := range list {
		s.write(&in)
	}
	in.WriteString("done\n")
	return m.git.run(ctx, call{args: []string{"fast-import", "--quiet", "--done", "--force", "--date-format=raw"}, stdin: &in})
}

// write writes the snapshot for fast-import.
func (s snapshot) write(in *bytes.Buffer) {
	message := s.record.message()
	fmt.Fprintf(in, "commit %s%s/%s%s\n", refRoot, s.slug, headsPrefix, snapshotBranch)
	fmt.Fprintf(in, "committer buildbtw <buildbtw@localhost> %d +0000\ndata %d\n%s\n", s.time.Unix(), len(message), message)
	if s.parent != "" {
		fmt.Fprintf(in, "from %s\n", s.parent)
	}
	in.WriteString("deleteall\n")
	for _, f := range s.files {
		fmt.Fprintf(in, "M %s inline %s\ndata %d\n", f.mode, quotePath(f.path), len(f.data))
		in.Write(f.data)
		in.WriteByte('\n')
	}
}

// quotePath writes a path as fast-import reads it, whatever bytes it has.
func quotePath(path string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(path) {
		switch c := path[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c >= 0x7f:
			fmt.Fprintf(&b, `\%03o`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// dropOthers deletes the refs that the source had when it was a git repository.
func (m *Mirror) dropOthers(ctx context.Context, slug string, have sourceRefs) error {
	var commands strings.Builder
	for _, name := range slices.Sorted(maps.Keys(have)) {
		if name != headsPrefix+snapshotBranch {
			commands.WriteString("delete " + refRoot + slug + "/" + name + "\n")
		}
	}
	if commands.Len() == 0 {
		return nil
	}
	return m.git.run(ctx, call{args: []string{"update-ref", "--stdin"}, stdin: strings.NewReader(commands.String())})
}

// seenDir is the result of the last pass over a plain directory, so that the next
// need not read files that have not changed. It may be lost at any time.
type seenDir struct {
	stat string // statHash of the files; "" when they were too fresh to rely on
	err  error  // why makepkg refuses the PKGBUILD

	alone bool // it could not be committed together with others
}
