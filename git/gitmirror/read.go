package gitmirror

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1" //nolint:gosec // git's ids have its length
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
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
	Text  []byte
	Keys  []string  // names of the files in keys/pgp, the source's PGP keys
	Notes []string  // parts of the commit that a build will not have, such as submodules; a sentence each
	Time  time.Time // the committer's, of the commit
	Err   error
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

// ReadSrcinfos reads the .SRCINFO at every one of the commits, in a few processes,
// and returns an entry for each. Texts are cached: a commit never changes. One
// that could not be read is read again, as it may come later.
func (m *Mirror) ReadSrcinfos(ctx context.Context, commits []string) (map[string]Srcinfo, error) {
	infos := make(map[string]Srcinfo, len(commits))
	var missing []string
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
		}
	}
	if len(missing) == 0 {
		return infos, nil
	}
	read, missing, err := m.readAhead(ctx, missing)
	if err == nil && len(missing) > 0 {
		var mirrored map[string]Srcinfo
		mirrored, err = m.git.readSrcinfos(ctx, missing)
		maps.Copy(read, mirrored)
	}
	if err != nil {
		return nil, fmt.Errorf("read .SRCINFO of %d commits: %w", len(missing), err)
	}
	for c, info := range read {
		infos[c] = info
		if info.Err == nil {
			m.srcinfos.Put(c, info)
		}
	}
	return infos, nil
}

// parts are the objects that are read of each commit, as git names them after it.
func parts() []string {
	return []string{"^{commit}", "^{tree}", ":" + srcinfoName, ":" + keysDir, ":" + keysDir + "/" + pgpDir, ":" + attributesName}
}

const (
	keysDir, pgpDir = "keys", "pgp"
	attributesName  = ".gitattributes"
)

// readSrcinfos reads the .SRCINFO at commits.
func (g git) readSrcinfos(ctx context.Context, commits []string) (map[string]Srcinfo, error) {
	var names []string
	for _, c := range commits {
		for _, part := range parts() {
			names = append(names, c+part)
		}
	}
	objects, err := g.readObjects(ctx, names)
	if err != nil {
		return nil, err
	}
	infos := make(map[string]Srcinfo, len(commits))
	roots := map[string]tree{}
	for i, c := range commits {
		o := objects[i*len(parts()):]
		info := srcinfoOf(c, o[0], o[1], o[2])
		if info.Err == nil {
			root := entries(o[1])
			info.Keys = keyFiles(root, o[3], o[4])
			roots[c] = tree{entries: root, attributes: o[5]}
		}
		infos[c] = info
	}
	notes, err := g.notes(ctx, roots)
	for c, said := range notes {
		info := infos[c]
		info.Notes = said
		infos[c] = info
	}
	return infos, err
}

// srcinfoOf returns the .SRCINFO of a commit from its objects. Each is the one
// that the object before it names, whatever store of objects it was found in.
func srcinfoOf(id string, commit, root, blob object) Srcinfo {
	switch {
	case commit.kind == "" || blob.kind == "":
		return Srcinfo{Err: buildbtw.NotFound("there is no .SRCINFO; make one with: makepkg --printsrcinfo > .SRCINFO")}
	case blob.kind != "blob":
		return Srcinfo{Err: buildbtw.Invalid(".SRCINFO is a %s, not a file", blob.kind)}
	case blob.size > MaxSrcinfo:
		return Srcinfo{Err: tooLarge(blob.size)}
	case commit.size > MaxSrcinfo:
		return Srcinfo{Err: buildbtw.TooLarge("the commit's message has %d bytes; at most %d are read", commit.size, MaxSrcinfo)}
	case root.size > MaxSrcinfo:
		return Srcinfo{Err: buildbtw.TooLarge("the list of its files has %d bytes; at most %d are read", root.size, MaxSrcinfo)}
	case commit.id != id || !bytes.HasPrefix(commit.text, []byte("tree "+root.id+"\n")) || entryOf(entries(root), srcinfoName).id != blob.id:
		return Srcinfo{Err: buildbtw.Unavailable("its repository is damaged; run there: git fsck")}
	}
	at, err := committerTime(commit.text)
	return Srcinfo{Text: blob.text, Time: at, Err: err}
}

// keyFiles returns the names of the files in keys/pgp.
func keyFiles(root []entry, keys, pgp object) []string {
	names := []string{}
	if entryOf(root, keysDir).id != keys.id || entryOf(entries(keys), pgpDir).id != pgp.id {
		return names
	}
	for _, e := range entries(pgp) {
		names = append(names, e.name)
	}
	return names
}

// entry is a file or directory of a tree object.
type entry struct{ mode, name, id string }

// entries parses a tree object: for each entry "MODE NAME", a zero byte and the id. It
// returns none when the object is no tree.
func entries(tree object) (list []entry) {
	if tree.kind != "tree" {
		return nil
	}
	for rest := tree.text; ; {
		head, after, found := bytes.Cut(rest, []byte{0})
		mode, name, _ := bytes.Cut(head, []byte(" "))
		if !found || len(after) < sha1.Size {
			return list
		}
		list = append(list, entry{mode: string(mode), name: string(name), id: hex.EncodeToString(after[:sha1.Size])})
		rest = after[sha1.Size:]
	}
}

// entryOf returns the entry of that name, or an empty one.
func entryOf(list []entry, name string) entry {
	i := slices.IndexFunc(list, func(e entry) bool { return e.name == name })
	if i < 0 {
		return entry{}
	}
	return list[i]
}

func tooLarge(size int64) error {
	return buildbtw.TooLarge("the .SRCINFO has %d bytes; at most %d are read", size, MaxSrcinfo)
}

// object is an object of a repository. The kind is empty when it is not there, and
// the text when it has more than MaxSrcinfo bytes.
type object struct {
	id   string // by which it was found; the text's digest, unless the object is damaged
	kind string // blob, tree, commit or tag; "damaged" when the text is another's
	size int64  // in bytes
	text []byte
}

const damagedKind = "damaged"

// readObjects reads objects by their names, in two processes: one returns their
// sizes, so that not even git loads objects that are too large.
func (g git) readObjects(ctx context.Context, names []string) ([]object, error) {
	return g.readUpTo(ctx, names, MaxSrcinfo, MaxSrcinfo)
}

// readUpTo is readObjects for trees of at most so many bytes, and others of at most
// as many as the first limit says; neither is more than MaxSrcinfo.
func (g git) readUpTo(ctx context.Context, names []string, limit, trees int64) ([]object, error) {
	if len(names) == 0 {
		return nil, nil
	}
	objects := make([]object, len(names))
	var small []int
	var ask strings.Builder
	err := g.catFile(ctx, "--batch-check", strings.Join(names, "\n")+"\n", func(r *bufio.Reader) error {
		for i := range objects {
			o, err := readHead(r)
			if err != nil {
				return err
			}
			objects[i] = o
			if (o.kind == "commit" || o.kind == "blob" || o.kind == "tag") && o.size <= limit || o.kind == "tree" && o.size <= trees {
				small = append(small, i)
				ask.WriteString(names[i] + "\n")
			}
		}
		return nil
	})
	if err != nil || len(small) == 0 {
		return objects, err
	}
	return objects, g.catFile(ctx, "--batch", ask.String(), func(r *bufio.Reader) error {
		for _, i := range small {
			o, err := readObject(r)
			if err != nil {
				return err
			}
			objects[i] = o
		}
		return nil
	})
}

// catFile runs git cat-file on a list of names, one a line, and reads its answers
// while it prints them.
func (g git) catFile(ctx context.Context, mode, names string, read func(*bufio.Reader) error) error {
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := read(bufio.NewReaderSize(r, 64<<10))
		r.CloseWithError(err)
		done <- err
	}()
	err := g.run(ctx, call{args: []string{"cat-file", mode, "--buffer"}, stdin: strings.NewReader(names), stdout: w})
	w.CloseWithError(err)
	return errors.Join(err, <-done)
}

// readHead reads the line with which an answer begins (git-cat-file(1), "BATCH
// OUTPUT"): "OBJECT TYPE SIZE", or "NAME missing".
func readHead(r *bufio.Reader) (object, error) {
	head, err := r.ReadString('\n')
	if err != nil {
		return object{}, fmt.Errorf("answer of git cat-file: %w", err)
	}
	field := strings.Fields(head)
	if len(field) < 3 || strings.HasSuffix(head, " missing\n") {
		return object{}, nil
	}
	size, err := strconv.ParseUint(field[2], 10, 62)
	if err != nil {
		return object{}, fmt.Errorf("answer of git cat-file: %w", err)
	}
	return object{id: field[0], kind: field[1], size: int64(size)}, nil
}

// readObject reads a whole answer: after the head the content and a newline.
func readObject(r *bufio.Reader) (object, error) {
	o, err := readHead(r)
	if err != nil || o.kind == "" {
		return o, err
	}
	rest := o.size + 1
	if o.size <= MaxSrcinfo {
		o.text = make([]byte, o.size)
		if _, err := io.ReadFull(r, o.text); err != nil {
			return object{}, fmt.Errorf("answer of git cat-file: %w", err)
		}
		if objectID(o.kind, o.text) != o.id { // git does not compare them for a loose object
			o.kind, o.text = damagedKind, nil
		}
		rest = 1
	}
	if _, err = io.CopyN(io.Discard, r, rest); err != nil {
		err = fmt.Errorf("answer of git cat-file: %w", err)
	}
	return o, err
}

// objectID returns the id of an object (gitformat-pack(5)).
func objectID(kind string, text []byte) string {
	h := sha1.New() //nolint:gosec // git's ids
	fmt.Fprintf(h, "%s %d\x00", kind, len(text))
	h.Write(text)
	return hex.EncodeToString(h.Sum(nil))
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
	full, err := m.peel(ctx, commit)
	if err == nil && full == "" && m.mirrorCommit(ctx, commit) {
		full, err = m.peel(ctx, commit)
	}
	if err != nil || full == "" {
		return errors.Join(err, buildbtw.NotFound("commit %s is not in the mirror", commit))
	}
	err = m.git.run(ctx, call{args: []string{"archive", "--format=tar", commit}, stdout: w})
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
