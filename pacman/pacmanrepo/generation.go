package pacmanrepo

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"buildbtw"
)

// Generations is a directory of repositories that change as a whole, for all
// architectures at once: targets of releases. A target has numbered generations,
// complete directories that are never changed once they are written, and one pointer to
// that which is shown. Files are hard links, so a generation takes little more than its
// databases.
//
//	{target}/{number}/os/{architecture}/   as a repository of Repos
//	{target}/current -> {number}
//
// Writers of one target must wait for each other.
type Generations struct {
	dir   string
	repos *Repos // from which packages come
	disk  disk
}

// Generations opens a directory of generations, and makes it when it is missing. A test may
// set before, to fail between any two changes of the disk as a crash would.
func (r *Repos) Generations(dir string, before func(op, path string) error) (*Generations, error) {
	dir, err := filepath.Abs(dir)
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err != nil {
		return nil, fmt.Errorf("open the repositories of targets: %w", err)
	}
	return &Generations{dir: dir, repos: r, disk: disk{dirs: [2]string{dir, r.dir}, before: before}}, nil
}

// NextGeneration says how a generation differs from an earlier one.
type NextGeneration struct {
	Target        string
	Number        int
	From          int // number of the one whose packages it has, too; 0: it begins empty
	Shown         int // number of the one that is shown now, after whose time its own comes; 0: none
	Architectures []string
	Add           []Adopted // take the place of all packages of the same pkgbases and pkgnames
	Drop          []string  // pkgnames that leave, unless they are among Add

	// Signatures are detached OpenPGP signatures by the SHA-256 of their files. With any,
	// each file of Add needs one. Those of databases are among them.
	Signatures map[string][]byte

	// SignedDatabases refuses databases without a signature: one of Signatures, or for a
	// database that is copied that of the one before.
	SignedDatabases bool
}

// GenerationSummary describes what is in a generation.
type GenerationSummary struct {
	Digest   string // of its files, by architecture
	Packages int    // files, of all architectures
}

const pointer = "current"

func (g *Generations) targetDir(target string) string { return filepath.Join(g.dir, target) }

func (g *Generations) generationDir(target string, number int) string {
	return filepath.Join(g.dir, target, strconv.Itoa(number))
}

func archDirOf(generation, architecture string) string {
	return filepath.Join(generation, "os", architecture)
}

// Write writes a generation that nobody sees yet; Show makes it visible. What an earlier call
// left of the same number is replaced. The error is a Conflict when a package that is to be
// added is not in its repository any more.
func (g *Generations) Write(ctx context.Context, n NextGeneration) (GenerationSummary, error) {
	var s GenerationSummary
	if err := n.check(); err != nil {
		return s, err
	}
	items, missing, err := g.adoptedItems(ctx, n.Add)
	if err != nil {
		return s, err
	}
	if len(missing) > 0 {
		a := n.Add[missing[0]]
		return s, buildbtw.Conflict("%s is not in repository %s any more", a.Files[0].Filename, a.From.Repository)
	}
	if shown, err := g.Shown(n.Target); err != nil || shown == n.Number {
		return s, cmp.Or(err, fmt.Errorf("write generation %d of target %s: it is shown", n.Number, n.Target))
	}
	hidden := filepath.Join(g.targetDir(n.Target), ".writing")
	for _, dir := range []string{hidden, g.generationDir(n.Target, n.Number)} {
		if err := g.disk.removeAll(dir); err != nil {
			return s, err
		}
	}
	modified, err := g.nextTime(n)
	if err != nil {
		return s, err
	}
	var lines []string
	for _, arch := range n.Architectures {
		d, err := g.writeArchitecture(ctx, n, hidden, arch, n.of(arch, items), modified)
		if err != nil {
			return s, fmt.Errorf("write generation %d of target %s for %s: %w", n.Number, n.Target, arch, err)
		}
		lines = append(lines, d.lines()...)
	}
	// A package that was built again under its old name meanwhile is another file.
	if _, missing, err := g.adoptedItems(ctx, n.Add); err != nil || len(missing) > 0 {
		return s, cmp.Or(err, buildbtw.Conflict("packages were built again while they were released; try again"))
	}
	s = summarize(lines)
	for _, dir := range []string{filepath.Join(hidden, "os"), hidden} {
		if err := g.disk.syncDir(dir); err != nil {
			return s, err
		}
	}
	if err := g.disk.rename(hidden, g.generationDir(n.Target, n.Number)); err != nil {
		return s, err
	}
	return s, g.disk.syncDir(g.targetDir(n.Target))
}

// of returns those of the items of Add that go to an architecture.
func (n NextGeneration) of(architecture string, items [][]item) (added []item) {
	for i, a := range n.Add {
		if slices.Contains(a.Architectures, architecture) {
			added = append(added, items[i]...)
		}
	}
	return added
}

// adoptedItems finds the packages of each build, in repositories or in generations of
// targets. Those that are not there are missing.
func (g *Generations) adoptedItems(ctx context.Context, add []Adopted) (items [][]item, missing []int, err error) {
	var built []Adopted
	var at []int // of built, in add
	items = make([][]item, len(add))
	read := map[string]*database{}
	for i, a := range add {
		if a.Generation == 0 {
			built, at = append(built, a), append(at, i)
			continue
		}
		dir := archDirOf(g.generationDir(a.From.DB, a.Generation), a.From.Architecture)
		if _, known := read[dir]; !known {
			if read[dir], err = g.read(a.From, a.Generation); err != nil {
				return nil, nil, err
			}
		}
		if d := read[dir]; d != nil {
			if items[i], err = g.disk.listed(d, dir, a.Files); err != nil {
				return nil, nil, err
			}
		}
		if items[i] == nil {
			missing = append(missing, i)
		}
	}
	found, lost, err := g.repos.adoptedItems(ctx, built)
	if err != nil {
		return nil, nil, err
	}
	for i, list := range found {
		items[at[i]] = list
	}
	for _, i := range lost {
		missing = append(missing, at[i])
	}
	return items, missing, nil
}

// lines describes the files of a generation's database.
func (d *database) lines() []string {
	lines := make([]string, 0, len(d.entries))
	for _, e := range d.entries {
		lines = append(lines, d.id.Architecture+" "+e.filename+" "+e.sha256)
	}
	return lines
}

func summarize(lines []string) GenerationSummary {
	slices.Sort(lines)
	sum := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	return GenerationSummary{Digest: hex.EncodeToString(sum[:]), Packages: len(lines)}
}

// Summary reads what is in a generation.
func (g *Generations) Summary(target string, number int) (GenerationSummary, error) {
	architectures, err := g.Architectures(target, number)
	if err != nil {
		return GenerationSummary{}, err
	}
	var lines []string
	for _, arch := range architectures {
		d, err := g.read(ID{target, target, arch}, number)
		if err != nil {
			return GenerationSummary{}, err
		}
		lines = append(lines, d.lines()...)
	}
	return summarize(lines), nil
}

func (n NextGeneration) check() error {
	if n.Number <= 0 {
		return fmt.Errorf("generation %d of target %s", n.Number, n.Target)
	}
	for _, arch := range n.Architectures {
		if err := (ID{n.Target, n.Target, arch}).check(); err != nil {
			return err
		}
	}
	for _, a := range n.Add {
		if err := a.From.check(); err != nil {
			return err
		}
		for _, f := range a.Files {
			if err := checkFile(f); err != nil {
				return err
			}
		}
	}
	return nil
}

// nextTime returns the time of a new generation's databases: at least a whole second after
// those of the one that is shown, as Repos.stamp has it.
func (g *Generations) nextTime(n NextGeneration) (time.Time, error) {
	modified := g.repos.opts.Now().Truncate(time.Second)
	if n.Shown == 0 {
		return modified, nil
	}
	paths, err := g.disk.glob(g.generationDir(n.Target, n.Shown), "os/*/*.tar.zst")
	for _, path := range paths {
		info, statErr := g.disk.stat(path)
		if statErr != nil {
			return modified, statErr
		}
		if earliest := info.ModTime().Truncate(time.Second).Add(time.Second); modified.Before(earliest) {
			modified = earliest
		}
	}
	return modified, err
}

// writeArchitecture writes one architecture of a generation: files first, databases last.
// Databases that stay the same are copied, so that a generation that goes back has the bytes
// of before.
func (g *Generations) writeArchitecture(ctx context.Context, n NextGeneration, into, arch string, added []item, modified time.Time) (*database, error) {
	id := ID{n.Target, n.Target, arch}
	dir := archDirOf(into, arch)
	if err := g.disk.mkdirAll(dir); err != nil {
		return nil, err
	}
	c, err := g.changed(n, id, added)
	if err != nil {
		return nil, err
	}
	next := c.next
	paths := map[string]string{}
	for _, i := range added {
		paths[i.entry.name] = i.path
	}
	for _, e := range next.sorted() {
		from := cmp.Or(paths[e.name], filepath.Join(c.beforeDir, e.filename))
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		info, err := g.disk.stat(from)
		if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() != e.size {
			return nil, buildbtw.Conflict("%s of generation %d is lost or was cut on the server's disk; put it back from a backup, or build it again and release it", e.filename, n.From)
		}
		if err != nil {
			return nil, err
		}
		if err := g.disk.link(from, filepath.Join(dir, e.filename)); err != nil {
			return nil, err
		}
		if err := g.putSignature(n, e, paths[e.name] != "", from, dir); err != nil {
			return nil, err
		}
	}
	if err := g.disk.syncDir(dir); err != nil {
		return nil, err
	}
	if err := next.pack(ctx, g.repos.packer, nil); err != nil {
		return nil, err
	}
	for which, kind := range kinds() {
		path, digest := filepath.Join(dir, archiveName(id.DB, kind)), sha256.New()
		write := g.archive(c, which)
		if err := writeDatabase(g.disk, path, func(w io.Writer) error { return write(io.MultiWriter(w, digest)) }, modified); err != nil {
			return nil, err
		}
		if err := g.signDatabase(n, c, path, hex.EncodeToString(digest.Sum(nil)), modified); err != nil {
			return nil, err
		}
		for _, suffix := range []string{"", signatureSuffix} {
			if _, err := g.disk.stat(path + suffix); errors.Is(err, fs.ErrNotExist) {
				continue // nobody signed it
			}
			if err := g.disk.symlink(archiveName(id.DB, kind)+suffix, filepath.Join(dir, id.DB+"."+kind+suffix)); err != nil {
				return nil, err
			}
		}
	}
	return next, g.disk.syncDir(dir)
}

// changedArchitecture is the databases of one architecture before and after a generation.
type changedArchitecture struct {
	before    *database // nil: there is none
	next      *database
	beforeDir string
	copied    bool // before and next list the same
}

// changed returns how a generation changes the databases of an architecture.
func (g *Generations) changed(n NextGeneration, id ID, added []item) (c changedArchitecture, err error) {
	c.beforeDir = archDirOf(g.generationDir(n.Target, n.From), id.Architecture)
	if c.before, err = g.read(id, n.From); err != nil {
		return c, err
	}
	signed, err := n.sign(added)
	if err != nil {
		return c, err
	}
	c.next = c.before.replaced(id, signed)
	for _, name := range n.Drop {
		if e := c.next.entries[name]; e != nil && c.before != nil && c.before.entries[name] == e {
			delete(c.next.entries, name)
		}
	}
	c.copied = c.before != nil && len(added) == 0 && len(c.next.entries) == len(c.before.entries)
	return c, nil
}

// archive returns a function that writes one of the two databases, which are packed. What
// stays the same is copied.
func (g *Generations) archive(c changedArchitecture, which int) func(io.Writer) error {
	if c.copied {
		return g.copyOf(filepath.Join(c.beforeDir, archiveName(c.next.id.DB, kinds()[which])))
	}
	return c.next.archive(g.repos.packer, which)
}

func writeDatabase(d disk, path string, write func(io.Writer) error, modified time.Time) error {
	if err := d.step("database", path); err != nil {
		return err
	}
	if err := d.writeFile(path, write); err != nil {
		return err
	}
	return d.chtimes(path, modified)
}

func (g *Generations) copyOf(path string) func(io.Writer) error {
	return func(w io.Writer) error {
		f, err := g.disk.open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = io.Copy(w, f)
		return err
	}
}

// replaced returns a database in which the items have taken the place of all entries of the
// same pkgbases and pkgnames. A database that is nil has none.
func (d *database) replaced(id ID, items []item) *database {
	next := &database{id: id, entries: map[string]*entry{}}
	bases := map[string]bool{}
	for _, i := range items {
		if i.pkg.Architecture == archAny || i.pkg.Architecture == id.Architecture {
			next.entries[i.entry.name] = i.entry
			bases[i.entry.base] = true
		}
	}
	if d == nil {
		return next
	}
	for name, e := range d.entries {
		if next.entries[name] == nil && (e.base == "" || !bases[e.base]) {
			next.entries[name] = e
		}
	}
	return next
}

// read returns the database of a generation, or nil when it has none for the architecture.
// Both of its files are whole and list the same, or it is an error: nothing ever changes them.
func (g *Generations) read(id ID, number int) (*database, error) {
	if number == 0 {
		return nil, nil
	}
	dir := archDirOf(g.generationDir(id.DB, number), id.Architecture)
	if _, err := g.disk.stat(dir); errors.Is(err, fs.ErrNotExist) {
		if _, err := g.disk.stat(filepath.Dir(filepath.Dir(dir))); err != nil {
			return nil, fmt.Errorf("read generation %d: %w", number, err)
		}
		return nil, nil
	}
	entries, err := g.disk.readArchive(filepath.Join(dir, archiveName(id.DB, "files")))
	if err != nil {
		return nil, err
	}
	main, err := g.disk.readArchive(filepath.Join(dir, archiveName(id.DB, "db")))
	if err != nil {
		return nil, err
	}
	if entries == nil || main == nil || !sameDescs(entries, main) {
		return nil, fmt.Errorf("generation %d of target %s for %s: its databases are damaged", number, id.DB, id.Architecture)
	}
	return &database{id: id, entries: entries}, nil
}

// Show makes a generation the one that is seen, for all architectures at once.
func (g *Generations) Show(target string, number int) error {
	if _, err := g.disk.stat(g.generationDir(target, number)); err != nil {
		return fmt.Errorf("show generation %d of target %s: %w", number, target, err)
	}
	if err := g.disk.symlink(strconv.Itoa(number), filepath.Join(g.targetDir(target), pointer)); err != nil {
		return fmt.Errorf("show generation %d of target %s: %w", number, target, err)
	}
	return g.disk.syncDir(g.targetDir(target))
}

// Shown returns the number of the generation that is seen; 0 when there is none.
func (g *Generations) Shown(target string) (number int, err error) {
	if err := checkName("target", target); err != nil {
		return 0, err
	}
	err = g.disk.within(filepath.Join(g.targetDir(target), pointer), func(root *os.Root, name string) error {
		to, err := root.Readlink(name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil {
			number, err = strconv.Atoi(to)
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("look which generation of target %s is shown: %w", target, err)
	}
	return number, nil
}

// Packages returns what a generation has for an architecture, by name.
func (g *Generations) Packages(target string, number int, architecture string) ([]Stored, error) {
	id := ID{target, target, architecture}
	if err := id.check(); err != nil {
		return nil, err
	}
	if number == 0 {
		return nil, nil
	}
	entries, err := g.disk.readArchive(filepath.Join(archDirOf(g.generationDir(target, number), architecture), archiveName(target, "db")))
	if err != nil {
		return nil, fmt.Errorf("list the packages of target %s: %w", target, err)
	}
	return (&database{id: id, entries: entries}).stored(), nil
}

// FileLists returns the lists of files of all packages that a generation has for an
// architecture.
func (g *Generations) FileLists(target string, number int, architecture string) ([]FileList, error) {
	d, err := g.read(ID{target, target, architecture}, number)
	if err != nil || d == nil {
		return nil, err
	}
	list := make([]FileList, 0, len(d.entries))
	for _, e := range d.entries {
		list = append(list, FileList{e.name, e.sha256, e.files})
	}
	return list, nil
}

// Architectures returns those that a generation has, sorted.
func (g *Generations) Architectures(target string, number int) ([]string, error) {
	entries, err := g.disk.readDir(filepath.Join(g.generationDir(target, number), "os"))
	if err != nil {
		return nil, fmt.Errorf("list the architectures of target %s: %w", target, err)
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}

// OpenFile opens a file that a URL names: of the generation that is shown, or else a package
// of the newest one before it that is kept, since a client may hold an older database. The
// error is NotFound when there is no such file, and Invalid when the names could lead anywhere
// else.
func (g *Generations) OpenFile(target, architecture, file string) (*os.File, error) {
	for _, n := range []struct{ what, name string }{{"target", target}, {"architecture", architecture}, {"file", file}} {
		if err := checkName(n.what, n.name); err != nil {
			return nil, err
		}
	}
	shown, err := g.Shown(target)
	if err != nil {
		return nil, err
	}
	numbers := []int{shown}
	if !IsDatabase(target, strings.TrimSuffix(file, signatureSuffix)) {
		kept, err := g.Kept(target)
		if err != nil {
			return nil, err
		}
		slices.Reverse(kept)
		numbers = append(numbers, slices.DeleteFunc(kept, func(n int) bool { return n >= shown })...)
	}
	for _, number := range numbers {
		path := filepath.Join(archDirOf(g.generationDir(target, number), architecture), file)
		if info, err := g.disk.stat(path); err != nil || !info.Mode().IsRegular() {
			continue
		}
		f, err := g.disk.open(path)
		if errors.Is(err, fs.ErrNotExist) { // it was removed just now
			continue
		}
		return f, err
	}
	return nil, buildbtw.NotFound("target %s has no file %s for %s", target, file, architecture)
}

// Kept returns the numbers of the generations whose files are there, ascending.
func (g *Generations) Kept(target string) ([]int, error) {
	entries, err := g.disk.readDir(g.targetDir(target))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the generations of target %s: %w", target, err)
	}
	var numbers []int
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name()); err == nil && e.IsDir() {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// Remove deletes the files of a generation that is not shown.
func (g *Generations) Remove(target string, number int) error {
	shown, err := g.Shown(target)
	if err != nil {
		return err
	}
	if shown == number {
		return fmt.Errorf("remove generation %d of target %s: it is shown", number, target)
	}
	if err := g.disk.removeAll(g.generationDir(target, number)); err != nil {
		return fmt.Errorf("remove generation %d of target %s: %w", number, target, err)
	}
	return nil
}
