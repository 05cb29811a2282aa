// Package pacmanrepo keeps one pacman repository per iteration and architecture
// on disk, as repo-add would write it, and takes in the packages that go there.
//
// A package comes in two steps. Stage reads an upload into staging/{attempt},
// checks it, and leaves it there together with its database entry. Publish puts
// all staged packages of an attempt into the repository: files first, then one
// write of the database. Either step may be repeated after a crash at any point
// and ends with the same result.
//
// # The client's view
//
// X.db and X.files are symbolic links, made once, to X.db.tar.zst and
// X.files.tar.zst, and those are only ever replaced by rename: a reader gets the
// old database or the new one, never none and never half of one. A file that
// the database lists is complete before it is listed. Their modification times
// grow by at least a second at every write, because pacman asks with
// If-Modified-Since and HTTP dates have no fractions.
//
// A package of another version has another file name, and the file it replaces
// stays until Prune, because a client may hold the older database. A rebuild
// that keeps name and version but not the bytes cannot have both files: its
// older file is removed, the database switched and the new file put in its
// place, three steps without anything slow between them, so that the server
// never serves a file under a checksum that is not its own: for that moment
// it answers 404. A client that still holds the older database refuses the new
// file by its checksum and is well after its next `pacman -Sy`.
package pacmanrepo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"buildbtw"
	"buildbtw/internal/lru"
	"buildbtw/pacman/alpm"
)

// Tool writes the databases.
type Tool string

const (
	// ToolNative writes them in this process, in one step.
	ToolNative Tool = "native"
	// ToolRepoAdd runs the program repo-add of pacman on packages that were
	// checked before. It takes seconds when the repository is large.
	ToolRepoAdd Tool = "repo-add"
)

// Options are the settings of Open. The zero value is ready to use.
type Options struct {
	Tool       Tool             // empty: ToolNative
	Log        *slog.Logger     // nil: nothing is logged
	Staging    string           // directory of uploads; empty: "staging" beside the repositories
	MaxPackage int64            // largest upload in bytes; 0: 4 GiB
	CacheBytes int64            // memory for databases that are kept loaded; 0: 256 MiB
	Now        func() time.Time // nil: time.Now
}

// Repos is a directory of pacman repositories. It must be the only writer
// there; the data directory's lock sees to that. Its methods may be called
// concurrently; writers of one repository wait for each other.
type Repos struct {
	dir     string // {repository}/os/{architecture} below it
	opts    Options
	disk    disk
	locks   locks
	cache   *lru.Cache[ID, *database] // a database belongs to whoever holds its repository's lock
	reading chan struct{}             // has an element for each package that is being read
	packer  packer
	writeDB func(ctx context.Context, c change) (*database, error)
}

// readers is how many uploads are read at the same time. One whose names are as many
// and as long as they may be takes hundreds of megabytes of memory.
const readers = 8

// ID names one repository of one architecture. DB is the name that pacman knows
// it by: the section in pacman.conf and the stem of the database's file name.
type ID struct{ Repository, DB, Architecture string }

// Open makes the directories of repositories and uploads when they are missing.
func Open(dir string, o Options) (*Repos, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open pacman repositories: %w", err)
	}
	o.Tool = cmp.Or(o.Tool, ToolNative)
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	o.Staging, err = filepath.Abs(cmp.Or(o.Staging, filepath.Join(filepath.Dir(dir), "staging")))
	if err != nil {
		return nil, fmt.Errorf("open pacman repositories: %w", err)
	}
	o.MaxPackage = cmp.Or(o.MaxPackage, 4<<30)
	o.CacheBytes = cmp.Or(o.CacheBytes, 256<<20)
	if o.Now == nil {
		o.Now = time.Now
	}
	for _, d := range []string{dir, o.Staging} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, fmt.Errorf("open pacman repositories: %w", err)
		}
	}
	r := &Repos{dir: dir, opts: o, disk: disk{dirs: [2]string{dir, o.Staging}}, locks: locks{seed: maphash.MakeSeed()}, cache: lru.NewWeighted[ID](o.CacheBytes, (*database).size), reading: make(chan struct{}, readers)}
	for i := range r.locks.held {
		r.locks.held[i] = make(chan struct{}, 1)
	}
	if r.packer, err = newPacker(); err != nil {
		return nil, fmt.Errorf("open pacman repositories: %w", err)
	}
	switch o.Tool {
	case ToolNative:
		r.writeDB = r.writeNative
	case ToolRepoAdd:
		r.writeDB = r.runRepoAdd
	default:
		return nil, buildbtw.Invalid("unknown repository tool %q; choose %s or %s", o.Tool, ToolNative, ToolRepoAdd)
	}
	return r, nil
}

// Create makes an empty repository, so that the first `pacman -Sy` of an
// iteration works. A repository that exists keeps its packages.
func (r *Repos) Create(ctx context.Context, id ID) error {
	if err := id.check(); err != nil {
		return err
	}
	unlock, err := r.locks.lock(ctx, id.Repository)
	if err != nil {
		return fmt.Errorf("create repository %s: %w", id.Repository, err)
	}
	defer unlock()
	if err := r.create(ctx, id); err != nil {
		return fmt.Errorf("create repository %s for %s: %w", id.Repository, id.Architecture, err)
	}
	return nil
}

func (r *Repos) create(ctx context.Context, id ID) error {
	dir := r.archDir(id.Repository, id.Architecture)
	if err := r.disk.mkdirAll(dir); err != nil {
		return err
	}
	d, err := r.load(id)
	if err != nil {
		return err
	}
	if d.dirty {
		if err := r.write(ctx, change{dir: dir, now: d}); err != nil {
			return err
		}
	}
	for _, kind := range kinds() { // the names that pacman asks for
		if err := r.disk.symlink(archiveName(id.DB, kind), filepath.Join(dir, id.DB+"."+kind)); err != nil {
			return err
		}
	}
	return r.disk.syncDir(dir)
}

// Remove deletes a repository for every architecture. Removing one that does
// not exist is no error.
func (r *Repos) Remove(ctx context.Context, repository string) error {
	if err := checkName("repository", repository); err != nil {
		return err
	}
	unlock, err := r.locks.lock(ctx, repository)
	if err != nil {
		return fmt.Errorf("remove repository %s: %w", repository, err)
	}
	defer unlock()
	r.cache.DeleteFunc(func(id ID) bool { return id.Repository == repository })
	if err := r.disk.within(filepath.Join(r.dir, repository), (*os.Root).RemoveAll); err != nil {
		return fmt.Errorf("remove repository %s: %w", repository, err)
	}
	return r.disk.syncDir(r.dir)
}

// OpenFile opens the file of a repository that a URL names: a package, DB.db,
// DB.files, or an archive behind those. The error is NotFound when there is no
// such file, one that a symbolic link leads out of the repositories to included,
// and Invalid when the names could lead anywhere else.
func (r *Repos) OpenFile(repository, architecture, file string) (*os.File, error) {
	for _, n := range []struct{ what, name string }{{"repository", repository}, {"architecture", architecture}, {"file", file}} {
		if err := checkName(n.what, n.name); err != nil {
			return nil, err
		}
	}
	path := filepath.Join(r.archDir(repository, architecture), file)
	info, err := r.disk.stat(path)
	if err != nil {
		_, outside := os.Stat(path)
		if outside != nil && !errors.Is(outside, fs.ErrNotExist) {
			return nil, fmt.Errorf("look for %s in repository %s: %w", file, repository, err)
		}
	}
	if err != nil || !info.Mode().IsRegular() {
		return nil, buildbtw.NotFound("repository %s has no file %s for %s", repository, file, architecture)
	}
	f, err := r.disk.open(path)
	if errors.Is(err, fs.ErrNotExist) { // replaced just now
		return nil, buildbtw.NotFound("repository %s has no file %s for %s", repository, file, architecture)
	}
	if err != nil {
		return nil, fmt.Errorf("open %s of repository %s: %w", file, repository, err)
	}
	return f, nil
}

// PkgInfo reads the .PKGINFO of a package file in a repository. The error is
// NotFound when the file is not there (any more), and Invalid when it is damaged.
func (r *Repos) PkgInfo(repository, architecture, file string) (*alpm.PkgInfo, error) {
	f, err := r.OpenFile(repository, architecture, file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := alpm.ReadPkgInfo(f)
	if err != nil {
		return nil, buildbtw.Invalid("%s of repository %s cannot be read: %w", file, repository, err)
	}
	return info, nil
}

// Head reads the .PKGINFO and .BUILDINFO of a package file in a repository, with the errors
// of PkgInfo.
func (r *Repos) Head(repository, architecture, file string) (alpm.Head, error) {
	f, err := r.OpenFile(repository, architecture, file)
	if err != nil {
		return alpm.Head{}, err
	}
	defer f.Close()
	head, err := alpm.ReadHead(f)
	if err != nil {
		return head, buildbtw.Invalid("%s of repository %s cannot be read: %w", file, repository, err)
	}
	return head, nil
}

// Stored is a package as a repository's database describes it.
type Stored struct {
	alpm.PkgInfo // what it depends on, provides, conflicts with and replaces; name, pkgbase, version and architecture
	Filename     string
	SHA256       string
	FileSize     int64 // bytes
}

// Packages returns what the database of a repository has of its packages, by name. There
// are none when the repository does not exist.
func (r *Repos) Packages(ctx context.Context, id ID) ([]Stored, error) {
	if err := id.check(); err != nil {
		return nil, err
	}
	d, err := r.loadLocked(ctx, id)
	if err != nil || d == nil {
		return nil, err
	}
	return d.stored(), nil
}

func (d *database) stored() []Stored {
	list := make([]Stored, 0, len(d.entries))
	for _, e := range d.sorted() {
		p := Stored{Filename: e.filename, SHA256: e.sha256, FileSize: e.size}
		one := map[string]*string{"NAME": &p.Name, "BASE": &p.Base, "VERSION": &p.Version, "ARCH": &p.Arch}
		many := map[string]*[]string{"DEPENDS": &p.Depends, "PROVIDES": &p.Provides, "CONFLICTS": &p.Conflicts, "REPLACES": &p.Replaces}
		for field, value := range alpm.DescValues(e.desc) {
			if field == "ISIZE" {
				p.Size, _ = strconv.ParseInt(string(value), 10, 64) // 0: not known
			} else if into := one[field]; into != nil {
				*into = string(value)
			} else if into := many[field]; into != nil {
				*into = append(*into, string(value))
			}
		}
		list = append(list, p)
	}
	return list
}

// PacmanConf returns the section of pacman.conf for the repository that the
// server at serverURL serves.
//
// It must stand before [core]: pacman takes a package from the first repository
// that has its name, whatever the versions. The packages are not signed, so the
// section carries its own SigLevel; devtools' global default would refuse them,
// and with Never pacman does not ask for signatures that do not exist.
func PacmanConf(db, serverURL, repository string) string {
	return pacmanConf(db, serverURL, repository, "Never")
}

// SignedPacmanConf is PacmanConf for a target whose packages are signed, with databases its
// databases, too.
func SignedPacmanConf(db, serverURL, repository string, databases bool) string {
	if databases {
		return pacmanConf(db, serverURL, repository, "Required")
	}
	return pacmanConf(db, serverURL, repository, "Required DatabaseOptional")
}

func pacmanConf(db, serverURL, repository, level string) string {
	return fmt.Sprintf(`# Put this section before [core]: pacman takes the first repository that has a name.
[%s]
SigLevel = %s
Server = %s/repo/%s/os/$arch
`, db, level, strings.TrimRight(serverURL, "/"), repository)
}

// Latest is the name under which the repository of a buildspace's newest complete
// iteration is served, in the place of an iteration's own.
func Latest(buildspace string) string { return "latest/" + buildspace }

// OfTarget is the name under which a target's repository is served.
func OfTarget(name string) string { return "target/" + name }

// IsDatabase reports whether a file of a repository is one of its databases, under
// either name.
func IsDatabase(db, file string) bool {
	for _, kind := range kinds() {
		if file == db+"."+kind || file == archiveName(db, kind) {
			return true
		}
	}
	return false
}

// Upgrade returns how a machine installs a repository's packages: in words, and as a shell
// command. With bump rebuilds have higher versions than the packages that they replace.
// Without, they keep their version; pacman -Syu, which compares versions, does not install
// them and refuses packages that break their installed versions.
func Upgrade(db string, bump bool) (words, command string) {
	if bump {
		return "Rebuilt packages have a higher pkgrel than what they replace, so that pacman installs them as any other upgrade:", "sudo pacman -Syu"
	}
	words = "pacman -Syu does not take rebuilt packages that keep their version, and refuses the whole upgrade when a new library breaks them " +
		`("breaks dependency libfoo.so=1-64"). This buildspace does not raise the pkgrel of rebuilds: turn that on in its settings, or install all that you have ` +
		"of this repository by name, with a cache of its own because the older file of a rebuilt package has the same name:"
	return words, `sudo pacman -Sy && sudo pacman -S --cachedir /var/cache/pacman/` + db + `-$(date +%s) $(pacman -Slq ` + db + ` | grep -Fx "$(pacman -Qq)")`
}

// Modified returns the newest time of a repository's databases, over all
// architectures; zero when there is none.
func (r *Repos) Modified(repository string) (time.Time, error) {
	var newest time.Time
	if err := checkName("repository", repository); err != nil {
		return newest, err
	}
	var files []string
	for _, kind := range kinds() {
		found, err := r.disk.glob(filepath.Join(r.dir, repository, "os"), "*/*."+kind+".tar.zst")
		if err != nil {
			return newest, fmt.Errorf("look for the databases of repository %s: %w", repository, err)
		}
		files = append(files, found...)
	}
	for _, file := range files {
		info, err := r.disk.stat(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return newest, fmt.Errorf("look at the databases of repository %s: %w", repository, err)
		}
		if info.ModTime().After(newest) {
			newest = info.ModTime()
		}
	}
	return newest, nil
}

// maxName leaves room within the 255 bytes of a file name for the prefixes and
// suffixes that the writer adds.
const maxName = 230

// checkName refuses names that could leave their directory, be hidden, be an
// option to a program, or break a line of pacman.conf or of a database.
func checkName(what, name string) error {
	unsafe := func(c rune) bool { // allowed are the letters of pkgnames and versions, and the epoch's colon
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		return !letter && !strings.ContainsRune("@._+-:~^", c)
	}
	switch {
	case name == "":
		return buildbtw.Invalid("the %s name is missing", what)
	case len(name) > maxName:
		return buildbtw.Invalid("the %s name %.40q… has %d characters; at most %d are allowed", what, name, len(name), maxName)
	case name[0] == '.' || name[0] == '-' || strings.ContainsFunc(name, unsafe):
		return buildbtw.Invalid("%q is no %s name; use letters, digits and @ . _ + - : ~, and begin with none of . and -", name, what)
	}
	return nil
}

func (id ID) check() error {
	if err := checkName("repository", id.Repository); err != nil {
		return err
	}
	if err := checkName("architecture", id.Architecture); err != nil {
		return err
	}
	// pacman.conf(5): [options] holds settings, and libalpm calls the installed
	// packages "local".
	if id.DB == "local" || id.DB == "options" {
		return buildbtw.Invalid("pacman keeps the name %q for itself; choose another name", id.DB)
	}
	return checkName("database", id.DB)
}

// kinds returns the suffixes of a repository's two databases: the one that pacman
// installs from, and the same with the lists of files for `pacman -F`.
func kinds() [2]string { return [2]string{mainDB: "db", filesDB: "files"} }

// Indexes into kinds.
const (
	mainDB = iota
	filesDB
)

// archiveName returns the name of the file behind DB.db or DB.files, as repo-add
// has it.
func archiveName(db, kind string) string { return db + "." + kind + ".tar.zst" }

func (r *Repos) archDir(repository, architecture string) string {
	return filepath.Join(r.dir, repository, "os", architecture)
}

func (r *Repos) attemptDir(attempt buildbtw.AttemptName) string {
	return filepath.Join(r.opts.Staging, attempt.String())
}

// locks makes writers of one repository wait for each other. There is a fixed
// number of them, so now and then two repositories share one.
type locks struct {
	seed maphash.Seed
	held [64]chan struct{} // a token inside means locked
}

// lock waits until nobody writes to the repository, or until ctx is done.
func (l *locks) lock(ctx context.Context, repository string) (unlock func(), err error) {
	held := l.held[maphash.String(l.seed, repository)%uint64(len(l.held))]
	select {
	case held <- struct{}{}:
		return func() { <-held }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
