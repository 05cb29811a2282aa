// Package baserepo downloads the databases of the base repositories: the
// distribution's own pacman repositories, against which packages are built. It
// finds packages in them, and the interfaces that dependents were last built
// against.
//
// Three files of each are copied: the database ({name}.db), and when the server
// has them the lists of files ({name}.files) and of the sonames that packages
// link with ({name}.links.tar.gz, which sogrep searches). A copy is replaced
// only by one that was read to its end and is plausible; after any other answer
// of the server it stays as it was.
package baserepo

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"buildbtw"
	"buildbtw/internal/atomicfile"
	"buildbtw/pacman/alpm"
)

// Repo is one base repository.
type Repo struct {
	Name string // as in pacman.conf: core, extra
	URL  string // http, https or file; $repo and $arch are replaced as in a mirror list

	// Volatile repositories (testing, staging) may become small or empty from
	// one day to the next. With others that is taken for a fault of the server.
	Volatile bool
}

// Options of Open. The zero value has sensible ones for x86_64.
type Options struct {
	Architecture string        // replaces $arch and determines the word size of usr/lib; x86_64
	MaxSize      int64         // bytes of one file as it is downloaded; 512 MB
	MaxUnpacked  int64         // bytes of one file unpacked; 4 GB
	MaxKept      int           // bytes of one file in memory; 256 MB
	Timeout      time.Duration // for one file, from the request to its last byte; 10 minutes
	Client       *http.Client
	Log          *slog.Logger
}

func (o Options) withDefaults() Options {
	if o.Architecture == "" {
		o.Architecture = "x86_64"
	}
	if o.MaxSize == 0 {
		o.MaxSize = 512 << 20
	}
	if o.MaxUnpacked == 0 {
		o.MaxUnpacked = 4 << 30
	}
	if o.MaxKept == 0 {
		o.MaxKept = 256 << 20
	}
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Minute
	}
	if o.Client == nil {
		o.Client = newClient()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// newClient returns a client that does not wait for servers that accept a
// connection and send nothing.
func newClient() *http.Client {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment}
	if t, ok := http.DefaultTransport.(*http.Transport); ok {
		transport = t.Clone()
	}
	transport.ResponseHeaderTimeout = 30 * time.Second
	return &http.Client{Transport: transport}
}

// Base is the base repositories of one architecture. All methods may be called
// at the same time.
type Base struct {
	dir      string
	options  Options
	limits   alpm.Limits
	repos    []*repository
	refresh  sync.Mutex // held while repos change
	snapshot atomic.Pointer[Snapshot]
	indexes  fileIndexes
}

// repository is one base repository with its copies.
type repository struct {
	Repo
	base  string // URL without variables and final slash
	parts []*part

	lost     atomic.Pointer[Lost] // what the version of the server lost, which was not taken for that; nil: nothing
	accepted map[string]bool      // names that may go, while somebody's word is carried out
}

// Open reads the copies that an earlier run left in dir and makes the directory
// if needed. The order of the repositories is that of pacman.conf: the first
// that has a name wins. Copies that cannot be read count as missing. Removing
// the files of a repository from the directory before Open makes the next
// Refresh accept any version that the server has.
func Open(dir string, repos []Repo, o Options) (*Base, error) {
	o = o.withDefaults()
	b := &Base{dir: dir, options: o, limits: alpm.DefaultLimits()}
	b.limits.Unpacked, b.limits.Names = o.MaxUnpacked, o.MaxKept
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("open base repositories: %w", err)
	}
	seen := map[string]bool{}
	for _, r := range repos {
		if seen[r.Name] {
			return nil, buildbtw.Invalid("base repository %s is given twice", r.Name)
		}
		seen[r.Name] = true
		one, err := b.newRepository(r)
		if err != nil {
			return nil, err
		}
		b.repos = append(b.repos, one)
	}
	if err := b.sweep(); err != nil {
		return nil, fmt.Errorf("open base repositories: %w", err)
	}
	b.load()
	b.publish()
	return b, nil
}

func (b *Base) newRepository(r Repo) (*repository, error) {
	if d, err := alpm.ParseDep(r.Name); err != nil || d.Name != r.Name || strings.Contains(r.Name, ":") {
		return nil, buildbtw.Invalid("base repository %q: a name has letters, digits and @ . _ + - only", r.Name)
	}
	replaced := strings.NewReplacer("$repo", r.Name, "$arch", b.options.Architecture).Replace(r.URL)
	u, err := url.Parse(strings.TrimRight(replaced, "/"))
	if err != nil {
		return nil, buildbtw.Invalid("base repository %s: its URL cannot be read", r.Name)
	}
	web := (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
	if !web && (u.Scheme != "file" || u.Host != "" || !filepath.IsAbs(u.Path)) {
		return nil, buildbtw.Invalid("base repository %s: its URL must begin with http://, https:// or file:///", r.Name)
	}
	one := &repository{Repo: r, base: u.String()}
	for _, k := range kinds() {
		one.parts = append(one.parts, &part{kind: k, file: r.Name + k.suffix})
	}
	return one, nil
}

// sweep removes files that a crash left unfinished.
func (b *Base) sweep() error {
	left, err := filepath.Glob(filepath.Join(b.dir, atomicfile.TempPrefix+"*"))
	if err != nil {
		return err
	}
	for _, name := range left {
		if err := os.Remove(name); err != nil {
			return err
		}
	}
	return nil
}

// load reads all copies on disk.
func (b *Base) load() {
	for _, r := range b.repos {
		for _, p := range r.parts {
			if err := p.load(b.dir, b.limits); err != nil {
				b.options.Log.Warn("a kept base repository cannot be read and will be downloaded again", "file", p.file, "err", err)
			}
		}
	}
}

// Snapshot returns the newest state. It never changes; ask again for a newer one.
func (b *Base) Snapshot() *Snapshot { return b.snapshot.Load() }

func (b *Base) publish() { b.snapshot.Store(newSnapshot(b.repos, b.options.Architecture)) }

// Result is the result of Refresh for one repository.
type Result struct {
	Repo     string
	Changed  bool   // something newer was taken
	Packages int    // that are known now
	Warning  string // why a file was left as it was, in words; empty when all is well
}

// Refresh downloads the files that are newer than the copies and publishes
// them. It returns one result for each repository, in their order; when ctx
// ends, the rest of them have that for a warning.
func (b *Base) Refresh(ctx context.Context) []Result {
	b.refresh.Lock()
	defer b.refresh.Unlock()
	var results []Result
	changed := false
	for _, r := range b.repos {
		result := b.refreshRepository(ctx, r)
		changed = changed || result.Changed
		results = append(results, result)
	}
	if changed {
		b.publish()
	}
	return results
}

func (b *Base) refreshRepository(ctx context.Context, r *repository) Result {
	result := Result{Repo: r.Name}
	var warnings []string
	for i, p := range r.parts {
		changed, err := b.refreshPart(ctx, r, p)
		result.Changed = result.Changed || changed
		if err == nil {
			continue
		}
		b.options.Log.Warn("a base repository was kept as it was", "file", p.file, "err", words(err))
		warnings = append(warnings, fmt.Sprintf("%s: %s; %s", p.file, words(err), p.kept()))
		if i == 0 {
			break // without the database the rest is worth no waiting
		}
	}
	result.Packages = r.parts[0].count()
	result.Warning = strings.Join(warnings, ". ")
	return result
}
