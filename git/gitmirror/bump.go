package gitmirror

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"buildbtw"
	"buildbtw/internal/atomicfile"
	"buildbtw/internal/guard"
	"buildbtw/pacman/pkgrel"
	"buildbtw/pacman/srcinfo"
)

// Bump asks for a commit that differs from a source's by its pkgrel alone.
type Bump struct {
	Commit  string // of the source
	Version string // [epoch:]pkgver-pkgrel that the new commit has; its pkgver is the source's
	Made    string // the commit that was made of these two before; empty when none is known
}

// Bumped is the commit that was made for a Bump, or why there is none, in words that
// follow the name of the package.
type Bumped struct {
	Commit string
	Err    error
}

// BumpsOf names the bumps of one iteration.
type BumpsOf struct {
	Buildspace string
	Iteration  int
}

// bumpRoot is where the bumps of an iteration have one ref: a commit whose parents they
// are, so that they and the commits that they were made from stay as long as the ref.
const bumpRoot = "refs/buildbtw/"

// ref escapes the points of the buildspace's name: git allows them not everywhere.
func (o BumpsOf) ref() string {
	return bumpRoot + strings.ReplaceAll(o.Buildspace, ".", "%2E") + "/" + strconv.Itoa(o.Iteration)
}

func parseBumpRef(ref string) (o BumpsOf, ok bool) {
	name, number, ok := strings.Cut(strings.TrimPrefix(ref, bumpRoot), "/")
	o.Buildspace = strings.ReplaceAll(name, "%2E", ".")
	var err error
	o.Iteration, err = strconv.Atoi(number)
	return o, ok && err == nil && o.ref() == ref
}

// Recipe describes a commit's PKGBUILD, and how the pkgrel in it can be raised.
type Recipe struct {
	Fixed  error  // why the pkgrel cannot be raised, in words that follow the name of the package; nil when it can
	Pkgver bool   // it has a pkgver() function
	SHA256 string // of the PKGBUILD, in hexadecimal digits; empty when it cannot be read

	WeakSums bool // its sources have no checksums that pkgctl release takes
}

// maxRecipes bounds how many commits are known by their recipes: a distribution's,
// several times over.
const maxRecipes = 50_000

// Recipes returns, by commit, how its pkgrel can be raised.
func (m *Mirror) Recipes(ctx context.Context, commits []string) (map[string]Recipe, error) {
	all := make(map[string]Recipe, len(commits))
	var missing []string
	for _, c := range commits {
		if _, listed := all[c]; listed {
			continue
		}
		r, known := m.recipes.Get(c)
		all[c] = r
		if !known {
			missing = append(missing, c)
		}
	}
	read, err := m.readRecipes(ctx, missing)
	if err != nil {
		return nil, err
	}
	for c, r := range read {
		_, err := r.raise("1")
		known := Recipe{Fixed: err, Pkgver: pkgrel.HasPkgver(r.pkgbuild.text)}
		if r.pkgbuild.kind == "blob" {
			sum := sha256.Sum256(r.pkgbuild.text)
			known.SHA256 = hex.EncodeToString(sum[:])
		}
		if info, err := srcinfo.Parse(r.srcinfo.text); err == nil {
			known.WeakSums = info.WeakSums()
		}
		if r.pkgbuild.kind != "" && !buildbtw.MayPass(err) { // else it may come
			m.recipes.Put(c, known)
		}
		all[c] = known
	}
	return all, nil
}

// recipe has the parts of a commit that a bump of it is made from.
type recipe struct {
	commit, tree, pkgbuild, srcinfo object
}

func (m *Mirror) readRecipes(ctx context.Context, commits []string) (map[string]recipe, error) {
	for _, c := range commits {
		if err := checkCommit(c); err != nil {
			return nil, err
		}
	}
	all := make(map[string]recipe, len(commits))
	for again := range 2 {
		var names []string
		for _, c := range commits {
			names = append(names, c+"^{commit}", c+"^{tree}", c+":"+pkgbuild, c+":"+srcinfoName)
		}
		objects, err := m.git.readObjects(ctx, names)
		if err != nil {
			return nil, fmt.Errorf("read the PKGBUILDs of %d commits: %w", len(commits), err)
		}
		var missing []string
		for i, c := range commits {
			o := objects[4*i:]
			all[c] = recipe{commit: o[0], tree: o[1], pkgbuild: o[2], srcinfo: o[3]}
			if o[0].kind == "" && again == 0 && m.mirrorCommit(ctx, c) {
				missing = append(missing, c)
			}
		}
		if commits = missing; len(commits) == 0 {
			break
		}
	}
	return all, nil
}

// raise returns the texts with another pkgrel.
func (r recipe) raise(rel string) (pkgrel.Source, error) {
	root := entries(r.tree)
	switch {
	case r.commit.kind == "":
		return pkgrel.Source{}, buildbtw.NotFound("its commit is not in the mirror")
	case slices.ContainsFunc([]object{r.commit, r.tree, r.pkgbuild, r.srcinfo}, func(o object) bool { return o.kind == damagedKind }):
		return pkgrel.Source{}, buildbtw.Unavailable("its repository is damaged; run there: git fsck")
	case r.pkgbuild.kind != "blob" || plainMode(root, pkgbuild) == "" || len(r.pkgbuild.text) == 0:
		return pkgrel.Source{}, buildbtw.Invalid("its PKGBUILD is no file that can be read")
	case r.srcinfo.kind != "blob" || plainMode(root, srcinfoName) == "" || len(r.srcinfo.text) == 0:
		return pkgrel.Source{}, buildbtw.Invalid("its .SRCINFO is no file that can be read")
	}
	return pkgrel.Raise(r.pkgbuild.text, r.srcinfo.text, rel)
}

// plainMode returns the mode with which a file of a tree is written again: the oldest
// repositories have others of the same meaning. It is empty for directories and submodules.
func plainMode(root []entry, name string) string {
	mode, err := strconv.ParseUint(entryOf(root, name).mode, 8, 32)
	switch {
	case err != nil || mode&syscall.S_IFMT != syscall.S_IFREG:
		return ""
	case mode&0o100 != 0:
		return modeExec
	}
	return modeFile
}

// bumpDraft is a bump that fast-import is to make.
type bumpDraft struct {
	Bump
	recipe
	pkgbuild, srcinfo []byte
}

// Bump makes commits with another pkgrel, all in one run of fast-import, and keeps them
// for an iteration until RetainBumps lets them go. The same commit and version give the
// same commit again: author, date and message follow from them. The results are in the
// order of the list.
func (m *Mirror) Bump(ctx context.Context, of BumpsOf, list []Bump) ([]Bumped, error) {
	results := make([]Bumped, len(list))
	before := make([]string, len(list))
	for i, b := range list {
		before[i] = b.Made
	}
	present, err := m.Present(ctx, before)
	if err != nil {
		return nil, err
	}
	var commits []string
	for i, b := range list {
		if present[b.Made] {
			results[i].Commit = b.Made
		} else {
			commits = append(commits, b.Commit)
		}
	}
	recipes, err := m.readRecipes(ctx, commits)
	if err != nil {
		return nil, err
	}
	drafts := make([]bumpDraft, len(list))
	var remake errgroup.Group
	remake.SetLimit(parallelMakepkg)
	for i, b := range list {
		if results[i].Commit != "" {
			continue
		}
		d := &drafts[i]
		d.Bump, d.recipe = b, recipes[b.Commit]
		_, rel, _ := strings.Cut(b.Version, "-")
		s, err := d.raise(rel)
		if err != nil {
			results[i].Err = err
			continue
		}
		d.pkgbuild, d.srcinfo = s.PKGBUILD, s.Srcinfo
		if s.Repeated {
			remake.Go(func() error {
				err := guard.Run(func() (err error) {
					d.srcinfo, err = m.remakeSrcinfo(ctx, *d)
					return err
				})
				if err != nil && buildbtw.KindOf(err) == buildbtw.KindInternal { // no log has it
					err = &buildbtw.Error{Kind: buildbtw.KindInternal, Message: "its .SRCINFO cannot be made anew: " + err.Error(), Err: err}
				}
				results[i].Err = err
				return nil
			})
		}
	}
	_ = remake.Wait() // results have the errors
	if ctx.Err() != nil {
		return nil, fmt.Errorf("raise the pkgrel of %d commits: %w", len(list), context.Cause(ctx))
	}
	if err := m.importBumps(ctx, of, drafts, results); err != nil {
		return nil, fmt.Errorf("raise the pkgrel of %d commits: %w", len(list), err)
	}
	return results, nil
}

// parallelMakepkg is how many .SRCINFO are made at once.
const parallelMakepkg = 4

// Present returns those of the commits that the mirror has.
func (m *Mirror) Present(ctx context.Context, commits []string) (map[string]bool, error) {
	var ask []string
	for _, c := range commits {
		if checkCommit(c) == nil {
			ask = append(ask, c)
		}
	}
	there := make(map[string]bool, len(ask))
	if len(ask) == 0 {
		return there, nil
	}
	err := m.git.catFile(ctx, "--batch-check", strings.Join(ask, "\n")+"\n", func(r *bufio.Reader) error {
		for _, c := range ask {
			o, err := readHead(r)
			if err != nil {
				return err
			}
			if o.kind == "commit" {
				there[c] = true
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for %d commits: %w", len(ask), err)
	}
	return there, nil
}

// remakeSrcinfo makes the .SRCINFO of a bump from its PKGBUILD. It must have the version
// that was asked for, and the same sources as before: those named after the pkgrel are
// not there under another.
func (m *Mirror) remakeSrcinfo(ctx context.Context, d bumpDraft) ([]byte, error) {
	files, err := m.treeFiles(ctx, d.Bump.Commit)
	if err != nil {
		return nil, err
	}
	recipe := find(files, pkgbuild)
	if recipe == nil {
		return nil, buildbtw.Invalid("its PKGBUILD is no file that can be read")
	}
	recipe.data = d.pkgbuild
	text, err := m.printSrcinfo(ctx, files)
	if err != nil {
		return nil, err
	}
	before, err := srcinfo.Parse(d.recipe.srcinfo.text)
	if err != nil {
		return nil, err
	}
	after, err := srcinfo.Parse(text)
	switch {
	case err != nil:
		return nil, err
	case after.Pkgbase != before.Pkgbase || after.Version() != d.Version:
		return nil, buildbtw.Invalid("its PKGBUILD makes %s %s with that pkgrel", after.Pkgbase, after.Version())
	case fmt.Sprint(before.Base.Source) != fmt.Sprint(after.Base.Source):
		return nil, buildbtw.Invalid("its sources are named after the pkgrel")
	}
	return text, nil
}

// treeFiles reads the files of a commit.
func (m *Mirror) treeFiles(ctx context.Context, commit string) ([]file, error) {
	r, w := io.Pipe()
	defer func() { _ = r.Close() }()
	go func() { w.CloseWithError(guard.Run(func() error { return m.Archive(ctx, commit, w) })) }()
	var files []file
	left := int64(maxDirBytes)
	for archive := tar.NewReader(r); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		f := file{path: h.Name, mode: modeFile}
		switch {
		case h.Typeflag == tar.TypeSymlink:
			f.mode = modeLink
		case h.Typeflag != tar.TypeReg:
			continue
		case h.Mode&0o100 != 0:
			f.mode = modeExec
		}
		if left -= h.Size; left < 0 || len(files) >= maxDirFiles {
			return nil, buildbtw.TooLarge("it has more than %d MiB or %d files", maxDirBytes>>20, maxDirFiles)
		}
		if f.data, err = io.ReadAll(archive); err != nil {
			return nil, err
		}
		files = append(files, f)
	}
}

// importBumps writes the drafts without an error as commits, and one commit whose
// parents they are. The format is in git-fast-import(1).
func (m *Mirror) importBumps(ctx context.Context, of BumpsOf, drafts []bumpDraft, results []Bumped) error {
	scratch, err := os.MkdirTemp(m.git.dir, atomicfile.TempPrefix)
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	var in bytes.Buffer
	var parents []string
	for i, r := range results {
		switch {
		case r.Err != nil:
			continue
		case r.Commit != "":
			parents = append(parents, r.Commit)
			continue
		}
		if err := drafts[i].write(&in, of.ref(), i+1); err != nil {
			return err
		}
		parents = append(parents, ":"+strconv.Itoa(i+1))
	}
	if len(parents) == 0 {
		return nil
	}
	slices.Sort(parents)
	writeKeep(&in, of.ref(), slices.Compact(parents))
	in.WriteString("done\n")
	marks := filepath.Join(scratch, "marks")
	err = m.git.run(ctx, call{
		args:  []string{"fast-import", "--quiet", "--done", "--force", "--date-format=raw", "--export-marks=" + marks},
		stdin: &in,
	})
	if err != nil {
		return err
	}
	return readMarks(marks, results)
}

// write writes the commit for fast-import. It has the time of the source's commit, so
// that nothing of it depends on when it was made.
func (d bumpDraft) write(in *bytes.Buffer, ref string, mark int) error {
	at, err := committerTime(d.commit.text)
	if err != nil {
		return err
	}
	message := "Rebuild as " + d.Version + "\n\nThe pkgrel was raised by buildbtw.\n"
	fmt.Fprintf(in, "commit %s\nmark :%d\ncommitter buildbtw <buildbtw@localhost> %d +0000\ndata %d\n%s\nfrom %s\n",
		ref, mark, max(at.Unix(), 0), len(message), message, d.commit.id)
	list := entries(d.tree)
	for _, f := range []struct {
		name string
		text []byte
	}{{pkgbuild, d.pkgbuild}, {srcinfoName, d.srcinfo}} {
		fmt.Fprintf(in, "M %s inline %s\ndata %d\n", plainMode(list, f.name), f.name, len(f.text))
		in.Write(f.text)
		in.WriteByte('\n')
	}
	return nil
}

// writeKeep writes the commit that keeps the others.
func writeKeep(in *bytes.Buffer, ref string, parents []string) {
	fmt.Fprintf(in, "commit %s\ncommitter buildbtw <buildbtw@localhost> %d +0000\ndata 0\n", ref, time.Unix(0, 0).Unix())
	for i, p := range parents {
		word := "merge"
		if i == 0 {
			word = "from"
		}
		fmt.Fprintf(in, "%s %s\n", word, p)
	}
	in.WriteString("deleteall\n\n")
}

// readMarks reads the commits that fast-import made: a line ":MARK COMMIT" for each.
func readMarks(path string, results []Bumped) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		mark, commit, _ := strings.Cut(strings.TrimSpace(line), " ")
		i, err := strconv.Atoi(strings.TrimPrefix(mark, ":"))
		if err != nil || i < 1 || i > len(results) || checkCommit(commit) != nil {
			return fmt.Errorf("git fast-import answered %.80q", line)
		}
		results[i-1].Commit = commit
	}
	return nil
}

// RetainBumps lets go of the bumps of all other iterations, and returns those of the
// wanted ones that the mirror does not have: it was made anew since.
func (m *Mirror) RetainBumps(ctx context.Context, wanted []BumpsOf) (missing []BumpsOf, err error) {
	left := make(map[BumpsOf]bool, len(wanted))
	for _, o := range wanted {
		left[o] = true
	}
	out, err := m.git.output(ctx, "for-each-ref", "--format=%(refname)", bumpRoot)
	if err != nil {
		return nil, fmt.Errorf("read the refs of bumps: %w", err)
	}
	var commands strings.Builder
	for ref := range strings.FieldsSeq(out) {
		o, ok := parseBumpRef(ref)
		if !ok || !left[o] {
			commands.WriteString("delete " + ref + "\n")
		}
		delete(left, o)
	}
	if commands.Len() > 0 {
		if err := m.git.run(ctx, call{args: []string{"update-ref", "--stdin"}, stdin: strings.NewReader(commands.String())}); err != nil {
			return nil, fmt.Errorf("let go of bumps: %w", err)
		}
	}
	return slices.Collect(maps.Keys(left)), nil
}
