package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"buildbtw/cmd/internal/cli"
	"buildbtw/git/gitlab"
	"buildbtw/git/gitmirror"
	"buildbtw/internal/flock"
	"buildbtw/pacman/baserepo"
)

func doctorCommand() *cobra.Command {
	var f serveFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say whether a server can run here, a line per check",
		Long: `doctor takes the same settings as serve, and says what to do where something is
wrong. Run it as the server's user, before the server is started or beside it; it
changes nothing. It ends with 1 when the server would not work.`,
		Example: `  buildbtw doctor --sources dir:./packages
  sudo -u buildbtw buildbtw doctor --config /etc/buildbtw/server.toml --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d := doctor{f: f, list: cli.Checklist{Out: cmd.OutOrStdout(), JSON: asJSON}, now: time.Now}
			d.config, _ = cmd.Flags().GetString("config")
			return d.run(cmd.Context())
		},
	}
	f.register(cmd.Flags())
	completeFlags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// doctor looks at what a server with these settings needs.
type doctor struct {
	f       serveFlags
	config  string // path of the file of settings; empty: none
	list    cli.Checklist
	now     func() time.Time
	running bool // a server uses the data directory
}

// healthPath is what a server answers as long as it runs.
const healthPath = "/api/v1/health"

// Bounds of the checks.
const (
	askTime     = 10 * time.Second // for one answer of another machine
	baseTime    = 3 * time.Minute  // for the databases of all base repositories
	roomForOne  = 2 << 30          // free space below which a rebuild of some size fills the disk
	clockOff    = 2 * time.Minute  // by which clocks may differ: leases and sign-ins count in minutes
	expiresSoon = 14 * 24 * time.Hour
)

func (d *doctor) run(ctx context.Context) error {
	d.list.Report("settings"+in(d.config), d.f.validate())
	d.dataDir()
	d.programs(ctx)
	d.files()
	d.address(ctx)
	d.tls()
	d.clock(ctx)
	d.bases(ctx)
	d.gitlab(ctx)
	d.objects(ctx)
	return d.list.End()
}

// in names the file of settings.
func in(config string) string {
	if config == "" {
		return ""
	}
	return " of " + config
}

// dataDir looks whether a server can keep what it has to: owner, mode, room, and what its
// file system can do.
func (d *doctor) dataDir() {
	what := "data directory " + d.f.dataDir
	info, err := os.Stat(d.f.dataDir)
	if errors.Is(err, fs.ErrNotExist) {
		parent := filepath.Dir(filepath.Clean(d.f.dataDir))
		if err := unix.Access(parent, unix.W_OK); err != nil {
			d.list.Report(what, fmt.Errorf("it is not there, and this user cannot make it in %s (%w); make it for the server's user, or choose another one with --data-dir", parent, err))
			return
		}
		d.list.Note(what, "it is not there yet; serve makes it")
		return
	}
	if err == nil && !info.IsDir() {
		err = errors.New("it is no directory; choose another one with --data-dir")
	}
	if err != nil {
		d.list.Report(what, err)
		return
	}
	d.running = inUse(databasePath(d.f.dataDir) + ".lock")
	d.list.Report(what, errors.Join(d.owner(info), tryFiles(d.f.dataDir)))
	if d.running {
		d.list.Note(what, "a server uses it now")
	}
	if info.Mode().Perm()&0o007 != 0 {
		d.list.Warn(what, "everybody on this machine can look into it: chmod o= "+d.f.dataDir)
	}
	if n, ok := free(d.f.dataDir); ok && n < roomForOne {
		d.list.Warn(what, humanize.IBytes(n)+" are free; packages and logs of a rebuild need some GiB: make room, or choose a larger disk")
	}
	var system unix.Statfs_t
	if unix.Statfs(d.f.dataDir, &system) == nil && isNetwork(system.Type) {
		d.list.Report(what, errors.New("it is on a network file system, on which the database can be damaged; choose a local disk with --data-dir"))
	}
}

// owner returns an error when another user than this one has the data.
func (d *doctor) owner(dir fs.FileInfo) error {
	for path, info := range map[string]fs.FileInfo{d.f.dataDir: dir, databasePath(d.f.dataDir): nil} {
		if info == nil {
			var err error
			if info, err = os.Stat(path); err != nil {
				continue // a new directory has no database
			}
		}
		if s, ok := info.Sys().(*syscall.Stat_t); ok && int(s.Uid) != os.Geteuid() {
			return fmt.Errorf("%s belongs to user %d, and this is user %d; run doctor as the server's user, or give it to that: chown -R", path, s.Uid, os.Geteuid())
		}
	}
	return nil
}

// inUse reports whether another process holds a lock.
func inUse(path string) bool {
	if _, err := os.Stat(path); err != nil {
		return false
	}
	lock, err := flock.Take(path)
	if err != nil {
		return errors.Is(err, flock.ErrLocked)
	}
	_ = lock.Release() // nothing was done under it
	return false
}

// tryFiles returns an error for a directory whose file system cannot write, sync or link.
func tryFiles(dir string) error {
	probe, err := os.CreateTemp(dir, ".doctor-*")
	if err != nil {
		return fmt.Errorf("it cannot be written: %w; look at its owner, its mode and whether the disk is read-only", err)
	}
	name := probe.Name()
	defer os.Remove(name)
	_, err = probe.WriteString("ok")
	err = errors.Join(err, probe.Sync(), probe.Close())
	if err != nil {
		return fmt.Errorf("a file in it cannot be written to the disk: %w; look at the disk and its room", err)
	}
	if err := os.Link(name, name+"-link"); err != nil {
		return fmt.Errorf("its file system has no hard links, by which packages are published: %w; choose a directory on ext4, xfs or btrfs", err)
	}
	return os.Remove(name + "-link")
}

// isNetwork reports whether a file system, by its magic number (statfs(2)), lies on another
// machine.
func isNetwork(magic int64) bool {
	switch magic {
	case unix.NFS_SUPER_MAGIC, unix.SMB_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC, unix.V9FS_MAGIC, unix.AFS_SUPER_MAGIC, unix.CEPH_SUPER_MAGIC:
		return true
	}
	return false
}

// programs looks for those that the server runs.
func (d *doctor) programs(ctx context.Context) {
	dir, err := os.MkdirTemp("", "buildbtw-doctor-*")
	if err != nil {
		d.list.Report("temporary directory", err)
		return
	}
	defer os.RemoveAll(dir)
	mirror, err := gitmirror.Open(ctx, filepath.Join(dir, "sources.git"))
	if err != nil {
		err = fmt.Errorf("%w; install git", err)
	}
	d.list.Report("git", err)
	if err == nil {
		if mirror.Confined(ctx) {
			d.list.Report("bubblewrap and user namespaces", nil)
		} else {
			d.list.Warn("bubblewrap and user namespaces", "they cannot be used, so plain directories of sources need a .SRCINFO; install bubblewrap, and allow user namespaces: sysctl kernel.unprivileged_userns_clone=1 or kernel.apparmor_restrict_unprivileged_userns=0")
		}
	}
	if d.f.repoTool == "repo-add" {
		_, err := exec.LookPath("repo-add")
		if err != nil {
			err = errors.New("it is not installed; install pacman, or leave out --repo-tool")
		}
		d.list.Report("repo-add", err)
	}
	if d.f.workers > 0 {
		_, err := exec.LookPath("makepkg")
		if err != nil {
			d.list.Warn("makepkg", "it is not installed, and workers of this machine build with it: install pacman; 'buildbtw-worker doctor' tells more")
		} else {
			d.list.Report("makepkg", nil)
		}
	}
}

// files looks at the limit of open files.
func (d *doctor) files() {
	var limit syscall.Rlimit
	err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit)
	if err == nil && limit.Max <= fewDescriptors {
		d.list.Warn("open files", fmt.Sprintf("the limit is %d, so that few browsers and workers can connect; raise it: LimitNOFILE=65536 in the unit, or ulimit -n", limit.Max))
		return
	}
	d.list.Report("open files", err)
}

// address looks whether the server can listen, and whether the URL that it says fits.
func (d *doctor) address(ctx context.Context) {
	for _, door := range [][2]string{{"--listen", d.f.listen}, {"--listen-workers", d.f.listenWorkers}, {"--debug-listen", d.f.debugListen}} {
		if door[1] != "" {
			d.free(ctx, door[0], door[1])
		}
	}
	if d.f.publicURL == "" {
		if d.f.peopleSignIn() {
			d.list.Warn("--public-url", "it is not set, so links, sign-in and pacman.conf name the address of --listen; set it to what people and workers call")
		}
		return
	}
	u, err := url.Parse(d.f.publicURL)
	if err != nil {
		return // the settings said so
	}
	host, _, _ := net.SplitHostPort(d.f.listen)
	if isLoopback(u.Hostname()) && host != "" && !isLoopback(host) {
		d.list.Warn("--public-url "+d.f.publicURL, "the server listens to other machines, but tells them an address of their own; name the host that they call")
	}
	if !d.running {
		return
	}
	answer, err := d.ask(ctx, strings.TrimRight(d.f.publicURL, "/")+healthPath)
	switch {
	case err != nil:
		d.list.Warn("--public-url "+d.f.publicURL, fmt.Sprintf("the running server is not reached there (%v); look at the proxy, the firewall and the name", err))
	case answer.code != http.StatusOK:
		d.list.Warn("--public-url "+d.f.publicURL, "there answers something else: "+answer.status+"; look whether the proxy passes requests on to "+d.f.listen)
	default:
		d.list.Report("--public-url "+d.f.publicURL, nil)
	}
}

// free looks whether an address can be listened on.
func (d *doctor) free(ctx context.Context, flag, address string) {
	what := flag + " " + address
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		err := unix.Access(filepath.Dir(path), unix.W_OK)
		if err != nil {
			err = fmt.Errorf("no socket can be made there: %w", err)
		}
		d.list.Report(what, err)
		return
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	switch {
	case err == nil:
		d.list.Report(what, ln.Close())
	case errors.Is(err, syscall.EADDRINUSE) && d.running:
		d.list.Note(what, "in use, as the running server would have it")
	case errors.Is(err, syscall.EADDRINUSE):
		d.list.Report(what, errors.New("another program listens there; stop it, or choose another address"))
	default:
		d.list.Report(what, err)
	}
}

// tls looks at the certificate, and at who says from where requests come.
func (d *doctor) tls() {
	secure := strings.HasPrefix(d.f.publicURL, "https://")
	if d.f.tlsCert == "" && d.f.tlsKey == "" {
		if secure && len(d.f.trustedProxies) == 0 {
			d.list.Warn("proxy", "https:// is spoken by a proxy, which --trusted-proxies does not name: all requests seem to come from it, and share its limits; name its address, or unix for its socket")
		}
		return
	}
	config, err := tlsConfig(d.f.tlsCert, d.f.tlsKey, slog.New(slog.DiscardHandler))
	what := "certificate " + d.f.tlsCert
	if err != nil {
		d.list.Report(what, err)
		return
	}
	pair, err := config.GetCertificate(nil)
	if err != nil || pair.Leaf == nil {
		d.list.Report(what, cmp.Or(err, errors.New("it cannot be read")))
		return
	}
	u, err := url.Parse(d.f.publicURL)
	if err == nil && secure {
		err = pair.Leaf.VerifyHostname(u.Hostname())
	}
	switch left := pair.Leaf.NotAfter.Sub(d.now()); {
	case left < 0:
		err = fmt.Errorf("it ended on %s; renew it", pair.Leaf.NotAfter.Format(time.DateOnly))
	case left < expiresSoon:
		d.list.Warn(what, "it ends on "+pair.Leaf.NotAfter.Format(time.DateOnly)+"; renew it")
	}
	d.list.Report(what, err)
}

// clock compares it with those of the servers that are asked anyway.
func (d *doctor) clock(ctx context.Context) {
	asked := d.f.gitlab.url
	if repos, err := d.f.bases(); err == nil && len(repos) > 0 && asked == "" {
		if u, err := url.Parse(repos[0].URL); err == nil && u.Host != "" {
			asked = u.Scheme + "://" + u.Host + "/"
		}
	}
	var state unix.Timex
	if status, err := unix.Adjtimex(&state); err == nil && status == unix.TIME_ERROR {
		d.list.Warn("clock", "nothing sets it by other clocks; start a time service, such as systemd-timesyncd")
	}
	if asked == "" {
		return
	}
	answer, err := d.ask(ctx, asked)
	if err != nil {
		return // that the server does not answer is said elsewhere
	}
	there, err := http.ParseTime(answer.date)
	if err != nil {
		return
	}
	if off := d.now().Sub(there).Abs(); off > clockOff {
		d.list.Report("clock", fmt.Errorf("it differs by %s from that of %s; set it", off.Round(time.Second), asked))
		return
	}
	d.list.Report("clock", nil)
}

// bases looks whether the databases of the base repositories can be read.
func (d *doctor) bases(ctx context.Context) {
	repos, err := d.f.bases()
	if err != nil || len(repos) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, baseTime)
	defer cancel()
	for _, arch := range d.f.architectures {
		dir, err := os.MkdirTemp("", "buildbtw-doctor-*")
		if err != nil {
			d.list.Report("temporary directory", err)
			return
		}
		base, err := baserepo.Open(dir, repos, baserepo.Options{Architecture: arch, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			d.list.Report("base repositories for "+arch, err)
		} else {
			for _, r := range base.Refresh(ctx) {
				d.base(r, arch)
			}
		}
		_ = os.RemoveAll(dir) // the system does so with temporary files, too
	}
}

func (d *doctor) base(r baserepo.Result, arch string) {
	what := fmt.Sprintf("base repository %s for %s", r.Repo, arch)
	switch {
	case r.Packages == 0 && r.Warning != "":
		d.list.Report(what, fmt.Errorf("%s. Look at its URL in --base-repo", r.Warning))
	case r.Warning != "":
		d.list.Warn(what, r.Warning)
	default:
		d.list.Report(what, nil)
	}
}

// gitlab looks whether GitLab answers, and what the token may do.
func (d *doctor) gitlab(ctx context.Context) {
	_, groups, err := splitSources(d.f.sources)
	if err != nil || len(groups) == 0 || d.f.gitlab.url == "" {
		return
	}
	what := "GitLab " + d.f.gitlab.url
	client, err := gitlab.New(gitlab.Config{URL: d.f.gitlab.url, Token: d.f.gitlab.token, Retries: -1, RequestTime: askTime})
	if err != nil {
		d.list.Report(what, err)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, baseTime)
	defer cancel()
	if d.f.gitlab.token == "" {
		d.list.Note(what, "without a token only public projects are seen")
	} else {
		d.token(ctx, client)
	}
	for _, path := range groups {
		_, err := client.Group(path).Active(ctx, d.now().Add(time.Hour)) // one request: nothing is as new
		d.list.Report("group "+path, err)
	}
}

func (d *doctor) token(ctx context.Context, client *gitlab.Client) {
	const what = "GitLab token"
	rights, err := client.TokenRights(ctx)
	writes := d.f.gitlab.dispatch == "gitlab" || d.f.gitlab.ciConfig != ""
	switch {
	case err != nil:
	case writes && !rights.Allows("api"):
		err = fmt.Errorf("it has %s; --dispatch gitlab and --gitlab-ci-config need the scope api: make another one", strings.Join(rights.Scopes, ", "))
	case !rights.Allows("api", "read_api"):
		err = fmt.Errorf("it has %s; the scopes read_api and read_repository are needed: make another one", strings.Join(rights.Scopes, ", "))
	case d.f.gitlab.clone == "https" && !rights.Allows("read_repository", "write_repository", "api"):
		err = fmt.Errorf("it has %s; private projects need the scope read_repository, too: make another one, or use --gitlab-clone ssh", strings.Join(rights.Scopes, ", "))
	case !rights.Expires.IsZero() && rights.Expires.Sub(d.now()) < expiresSoon:
		d.list.Warn(what, "it ends on "+rights.Expires.Format(time.DateOnly)+"; make another one")
	}
	d.list.Report(what, err)
}

// answered is the beginning of an answer.
type answered struct {
	code   int
	status string // "404 Not Found"
	date   string // of the header; empty when there is none
}

// ask requests a page, whose body nobody reads.
func (d *doctor) ask(ctx context.Context, address string) (answered, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return answered{}, err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return answered{}, err
	}
	defer answer.Body.Close()
	return answered{answer.StatusCode, answer.Status, answer.Header.Get("Date")}, nil
}
