package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"buildbtw"
	"buildbtw/cmd/internal/cli"
	"buildbtw/pacman/baserepo"
	"buildbtw/release/check"
	"buildbtw/signing"
	"buildbtw/signing/remote"
	"buildbtw/store"
)

// serveFlags are the server's settings as they were given.
type serveFlags struct {
	listen          string
	publicURL       string
	serverURL       string // what publicURL was called before
	dataDir         string
	sources         []string
	sourceLinks     []string
	baseRef         string
	commitURL       string
	architectures   []string
	prefer          []string
	ignoreArch      bool
	baseRepos       []string
	targets         []string
	checks          []string
	signer          string
	baseline        bool
	reproduce       bool
	repoTool        string
	workers         int
	workerTokenFile string
	fetchAllow      []string
	anonymousRead   bool
	authHeader      string
	authHeaderRole  string
	admins          []string
	repoRead        bool
	packagersChange string
	lease           time.Duration
	buildTimeout    time.Duration
	stallTimeout    time.Duration
	confirmAbove    int
	syncPeriod      time.Duration
	basePeriod      time.Duration
	debounce        time.Duration
	maxRunning      int
	caps            map[string]int
	log             cli.LogFlags
	debugListen     string
	listenWorkers   string
	workersURL      string
	tlsCert, tlsKey string
	trustedProxies  []string
	retention       store.RetentionPolicy
	gitlab          gitlabFlags
	oidc            oidcFlags
	notify          notifyFlags
	objects         objectFlags
}

// completeFlags makes shells complete values of the flags of register that no other rule
// completes.
func completeFlags(cmd *cobra.Command) {
	var kinds []string
	for _, kind := range check.Kinds() {
		for _, meaning := range []string{"blocking", "shown", "off"} {
			kinds = append(kinds, fmt.Sprintf("%s=%s", kind, meaning))
		}
	}
	lists := map[string][]string{"check": kinds, "sources": {"dir:", "gitlab:"}, "listen": {"127.0.0.1:8080", "unix:"}, "debug-listen": {"127.0.0.1:6060"}, "signer": {"unix:", "ssh:", "command:"}}
	for name, list := range lists {
		directive := cobra.ShellCompDirectiveNoFileComp
		if name != "check" {
			directive |= cobra.ShellCompDirectiveNoSpace
		}
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(list, directive)) // it fails for a flag that is not there: a test asks for each
	}
	_ = cmd.MarkFlagDirname("data-dir") // likewise
	_ = cmd.MarkFlagDirname("source-links")
	_ = cmd.MarkFlagFilename("config", "toml")
}

// register adds all flags but those that say what is to be done.
func (f *serveFlags) register(flags *pflag.FlagSet) {
	cli.ConfigFile(flags)
	flags.StringVar(&f.listen, "listen", "127.0.0.1:8080", "address to listen on: HOST:PORT or unix:PATH; a socket passed by systemd wins")
	flags.StringVar(&f.publicURL, "public-url", "", "URL under which people and workers reach the server (default: http:// and the address)")
	flags.StringVar(&f.serverURL, "server-url", "", "old name of --public-url")
	flags.Lookup("server-url").Hidden = true
	flags.StringVar(&f.dataDir, "data-dir", "./data", "directory for everything the server keeps")
	flags.StringArrayVar(&f.sources, "sources", nil, "where the packages' sources are: dir:PATH, a directory with one git repository or PKGBUILD directory per source, or gitlab:GROUP, a group of projects with its subgroups (repeatable)")
	flags.StringArrayVar(&f.sourceLinks, "source-links", nil, "directory in which links, worktrees and alternates of sources may end, besides the directory of sources that they are in (repeatable)")
	flags.StringVar(&f.baseRef, "base-ref", "main", "branch at which sources are read")
	flags.StringVar(&f.commitURL, "commit-url", "", "address at which commits are shown, such as https://git.example.org/{source}/commit/{commit} (default: GitLab's, for --sources gitlab:GROUP)")
	flags.StringSliceVar(&f.architectures, "architectures", []string{"x86_64"}, "architectures to build for")
	flags.StringArrayVar(&f.baseRepos, "base-repo", nil, "a base repository as NAME=URL, in the order of pacman.conf; $repo and $arch are replaced (repeatable)")
	f.registerRelease(flags)
	f.registerRetention(flags)
	cli.Time(flags, &f.basePeriod, "base-period", time.Hour, time.Second, 7*24*time.Hour, "time between looks at the base repositories")
	flags.BoolVar(&f.baseline, "baseline", true, "compare failed builds with the base by themselves, in idle slots and at most a tenth of the busy ones; a buildspace can have it switched off")
	flags.BoolVar(&f.reproduce, "reproduce", false, "build what was built a second time while workers are idle, on another worker if there is one, and compare the packages byte for byte; not with --dispatch gitlab")
	flags.StringSliceVar(&f.prefer, "prefer", nil, preferUsage)
	flags.BoolVar(&f.ignoreArch, "ignore-arch", false, ignoreArchUsage)
	cli.Word(flags, &f.repoTool, "repo-tool", "native", "what writes the pacman repositories: native, or repo-add for pacman's own program", "native", "repo-add")
	cli.Number(flags, &f.workers, "workers", 0, 0, maxWorkers, "number of workers to start on this machine")
	flags.StringSliceVar(&f.fetchAllow, "fetch-allow", nil, "of these workers: HOST:PORT of a mirror in your own network from which sources may be fetched (repeatable)")
	flags.StringVar(&f.workerTokenFile, "worker-token-file", "", "file with a token that build machines of any name present; better give each its own, with 'bbtw auth token create --worker NAME'")
	flags.StringVar(&f.authHeader, "auth-header", "", "header in which a reverse proxy of --trusted-proxies names whoever it has signed in, for example Remote-User")
	cli.Word(flags, &f.authHeaderRole, "auth-header-role", "packager", "role of whoever is named there: reader, packager or admin", "reader", "packager", "admin")
	flags.StringSliceVar(&f.admins, "admins", nil, "those of them who are administrators")
	flags.BoolVar(&f.anonymousRead, "anonymous-read", true, "whoever does not sign in may look at pages, lists and logs")
	flags.BoolVar(&f.repoRead, "repo-read", true, "whoever does not sign in may fetch from the pacman repositories; else pacman needs a token as password in its URL")
	cli.Word(flags, &f.packagersChange, "packagers-change", changeAll, "which buildspaces packagers may change: all, or own for those that they created", changeAll, changeOwn)
	cli.Time(flags, &f.lease, "lease", 0, 0, 24*time.Hour, "how long after its last heartbeat an attempt is given up as lost; 0 for 1m, or 5m with --dispatch gitlab")
	cli.Time(flags, &f.buildTimeout, "build-timeout", 12*time.Hour, 0, cli.Long, "wall clock limit of one attempt; 0 for none")
	cli.Time(flags, &f.stallTimeout, "stall-timeout", 30*time.Minute, 0, cli.Long, "an attempt without output and CPU use for this long is ended; 0 for never")
	cli.Number(flags, &f.confirmAbove, "confirm-above", 500, 0, cli.Many, "ask for confirmation before creating more builds than this")
	cli.Time(flags, &f.syncPeriod, "sync-period", 3*time.Second, time.Millisecond, 24*time.Hour, "time between looks at the sources")
	cli.Time(flags, &f.debounce, "debounce", 2*time.Second, 0, 24*time.Hour, "how long a pushed changeset must rest before it makes a new iteration")
	cli.Number(flags, &f.maxRunning, "max-running-per-buildspace", 0, 0, cli.Many, "builds of one buildspace that run at the same time; 0 for any number")
	cli.Numbers(flags, &f.caps, "cap", "LABEL=N: builds that run at the same time on all workers with a label (repeatable)")
	flags.StringVar(&f.listenWorkers, "listen-workers", "", "another address, HOST:PORT or unix:PATH, for build machines alone; they then may not use the one of --listen")
	flags.StringVar(&f.workersURL, "workers-url", "", "URL under which workers reach the address of --listen-workers (default: http:// and the address)")
	flags.StringVar(&f.tlsCert, "tls-cert", "", "file with the server's certificate and its chain (PEM); it speaks TLS then, and reads the file again when it changes")
	flags.StringVar(&f.tlsKey, "tls-key", "", "file with the key of --tls-cert (PEM)")
	flags.StringSliceVar(&f.trustedProxies, "trusted-proxies", nil, "addresses or networks of reverse proxies whose X-Forwarded-For or Forwarded is believed; unix for those that use the Unix socket")
	flags.StringVar(&f.debugListen, "debug-listen", "", "loopback address, such as 127.0.0.1:6060, for profiles of this process (/debug/pprof/; default: none)")
	f.log.Register(flags)
	f.gitlab.register(flags)
	f.oidc.register(flags)
	f.notify.register(flags)
	f.objects.register(flags)
	cli.Secret(flags, "gitlab-token", "gitlab-webhook-secret", "oidc-client-secret", "session-key", "smtp-password", "matrix-token", "object-storage-secret")
	cli.SecretPaths(flags, "notify")
}

// registerRelease adds the flags about what is released.
func (f *serveFlags) registerRelease(flags *pflag.FlagSet) {
	flags.StringArrayVar(&f.targets, "target", []string{buildbtw.DefaultTarget}, "where packages are released to, as NAME[=served|directory:PATH|pkgctl:HOST][,after=OTHER][,check=KIND:MODE][,sign=required,keys=FILE[,databases=signed]]; served under /repo/target/NAME; of pkgctl, for a distribution with dbscripts, also [,suffix=testing|staging][,new=REPOSITORY][,packagers=DOMAIN+…] (repeatable)")
	flags.StringArrayVar(&f.checks, "check", nil, "KIND=blocking, KIND=shown or KIND=off: what a finding about built packages means, where --target does not say it for its own; kinds are in docs/release.md (repeatable; default: empty=blocking, all others shown)")
	flags.StringVar(&f.signer, "signer", "", "who is asked to sign what targets with sign=required get: unix:SOCKET of buildbtw-signer, ssh:HOST, or command:PROGRAM (default: packagers do, with 'bbtw release sign')")
}

// registerRetention adds the flags about what is kept.
func (f *serveFlags) registerRetention(flags *pflag.FlagSet) {
	d := store.DefaultRetention()
	cli.Number(flags, &f.retention.Newest, "retention-newest", d.Newest, 1, cli.Many, "newest iterations of each buildspace of which nothing is removed")
	cli.Time(flags, &f.retention.Packages, "retention-packages", d.Packages, 0, cli.Long, "how long after an older iteration ended its packages and repositories are removed; 0 for never")
	cli.Time(flags, &f.retention.Logs, "retention-logs", d.Logs, 0, cli.Long, "the same of its logs")
	cli.Time(flags, &f.retention.History, "retention-history", d.History, 0, cli.Long, "the same of all that is known of it, and of events that are in no iteration")
	cli.Time(flags, &f.retention.Baselines, "retention-baselines", d.Baselines, 0, cli.Long, "how long after its end a build on the base alone is removed with which no failed build is compared; 0 for never")
	cli.Time(flags, &f.retention.Installed, "retention-installed", d.Installed, 0, cli.Long, "how long after a build it is known what was installed for it, when the packages of its iteration were removed; 0 for good")
	cli.Time(flags, &f.retention.Workers, "retention-workers", d.Workers, 0, cli.Long, "after how long a worker is forgotten that was not heard of; 0 for never")
}

// check says whether the settings can be used. It opens no address.
func (f serveFlags) check(out io.Writer) error {
	if err := f.validate(); err != nil {
		return err
	}
	if err := checkListen("--listen", f.listen, f.peopleSignIn()); err != nil {
		return err
	}
	if f.listenWorkers != "" {
		if err := checkListen("--listen-workers", f.listenWorkers, true); err != nil {
			return err
		}
	}
	if _, err := tlsConfig(f.tlsCert, f.tlsKey, slog.New(slog.DiscardHandler)); err != nil {
		return err
	}
	_, err := fmt.Fprintln(out, "The settings can be used.")
	return err
}

// configCommand prints what serve would use.
func configCommand() *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Print the settings that serve would use, and where each comes from",
		Long: `Prints the settings that 'buildbtw serve' would use with the same flags, environment
and file, as a file for --config. Secrets are masked.`,
		Example: `  buildbtw config --config /etc/buildbtw/server.toml
  buildbtw config --sources dir:./packages >server.toml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			text, err := cli.Settings(cmd.Flags())
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), text)
			return err
		},
	}
	f.register(cmd.Flags())
	completeFlags(cmd)
	return cmd
}

// maxWorkers is how many workers one machine may be asked to start.
const maxWorkers = 1024

// validate returns the first error in the flags, before anything is opened.
func (f serveFlags) validate() error {
	switch {
	case len(f.sources) == 0:
		return cli.Usage(errors.New("no sources given; name a directory of packages with --sources dir:PATH"))
	case f.lease != 0 && f.lease < time.Second:
		return cli.Usage(fmt.Errorf("--lease %s is too short to be kept; give at least 1s, or 0 for the usual one", f.lease))
	case len(f.architectures) == 0:
		return cli.Usage(errors.New("no architecture given; use for example --architectures x86_64"))
	case f.workersURL != "" && f.listenWorkers == "":
		return cli.Usage(errors.New("--workers-url is the address of --listen-workers; name that too"))
	case f.authHeader != "" && len(f.trustedProxies) == 0:
		return cli.Usage(errors.New("--auth-header is believed only when a proxy of --trusted-proxies sends it, and there is none: nobody could sign in; name the proxy's address"))
	case f.authHeader == "" && len(f.admins) > 0:
		return cli.Usage(errors.New("--admins are among those whom --auth-header names; give that too"))
	}
	if err := f.retention.Validate(); err != nil {
		return cli.Usage(err)
	}
	if err := f.checkURLs(); err != nil {
		return err
	}
	if err := checkDebug(f.debugListen); err != nil {
		return err
	}
	if _, err := f.bases(); err != nil {
		return err
	}
	if _, err := f.releaseTargets(); err != nil {
		return cli.Usage(err)
	}
	if _, _, err := f.policies(); err != nil {
		return cli.Usage(err)
	}
	if _, err := f.releaseSigner(); err != nil {
		return cli.Usage(fmt.Errorf("--signer: %w", err))
	}
	if err := f.checkCommitURL(); err != nil {
		return err
	}
	dirs, groups, err := splitSources(f.sources)
	if err != nil {
		return err
	}
	if _, err := f.notify.channels(f.publicURL); err != nil {
		return err
	}
	if err := f.objects.validate(); err != nil {
		return err
	}
	if f.reproduce && f.gitlab.dispatch == "gitlab" {
		return cli.Usage(errors.New("--reproduce does not go with --dispatch gitlab, where no worker is idle; leave one of them out"))
	}
	return errors.Join(checkDirs(dirs), f.gitlab.validate(groups), f.oidc.validate())
}

// Leases of --lease 0. Where GitLab builds, the way to a build machine is longer and a new
// attempt costs a pipeline.
const (
	workerLease = time.Minute
	gitlabLease = 5 * time.Minute
)

// leaseTime returns how long a lease lasts without a heartbeat.
func (f serveFlags) leaseTime() time.Duration {
	if f.gitlab.dispatch == "gitlab" {
		return cmp.Or(f.lease, gitlabLease)
	}
	return cmp.Or(f.lease, workerLease)
}

// checkURLs returns an error for an address under which the server cannot be reached. Pages,
// feeds and the API link to each other from the root of a host.
func (f serveFlags) checkURLs() error {
	for _, named := range [][2]string{{"--public-url", cmp.Or(f.publicURL, f.serverURL)}, {"--workers-url", f.workersURL}} {
		flag, text := named[0], named[1]
		if text == "" {
			continue
		}
		u, err := url.Parse(text)
		switch {
		case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
			return cli.Usage(fmt.Errorf("cannot read %s %q; write a URL such as https://buildbtw.example.org", flag, text))
		case strings.Trim(u.Path, "/") != "":
			return cli.Usage(fmt.Errorf("%s %s: the server does not work below a path; give it a host name of its own, such as %s://buildbtw.%s, and let the proxy pass all of that on", flag, text, u.Scheme, u.Host))
		}
	}
	return nil
}

// bases returns the base repositories of --base-repo.
func (f serveFlags) bases() ([]baserepo.Repo, error) {
	repos := make([]baserepo.Repo, 0, len(f.baseRepos))
	for _, s := range f.baseRepos {
		name, address, ok := strings.Cut(s, "=")
		if !ok || name == "" || address == "" {
			return nil, cli.Usage(fmt.Errorf("cannot read --base-repo %q; write NAME=URL", s))
		}
		repos = append(repos, baserepo.Repo{Name: name, URL: address, Volatile: buildbtw.Unstabler(name, "")})
	}
	return repos, nil
}

// releaseTargets returns the targets of --target.
func (f serveFlags) releaseTargets() ([]buildbtw.Target, error) {
	targets := make([]buildbtw.Target, 0, len(f.targets))
	for _, text := range f.targets {
		t, err := buildbtw.ParseTarget(text)
		if err != nil {
			return nil, err
		}
		for _, base := range f.baseRepos {
			if name, _, _ := strings.Cut(base, "="); name == t.Name && t.Kind != buildbtw.TargetPkgctl {
				return nil, buildbtw.Invalid("target %s has the name of a base repository; pacman knows one of them only", t.Name)
			}
		}
		targets = append(targets, t)
	}
	return targets, buildbtw.CheckTargets(targets)
}

// releaseSigner returns the signer of --signer, or nil.
func (f serveFlags) releaseSigner() (signing.Signer, error) {
	if f.signer == "" {
		return nil, nil
	}
	return remote.Parse(f.signer)
}

// checkCommitURL returns an error for an address that --commit-url may not be.
func (f serveFlags) checkCommitURL() error {
	if f.commitURL == "" {
		return nil
	}
	if _, err := buildbtw.ParseCommitURL(f.commitURL); err != nil {
		return cli.Usage(fmt.Errorf("--commit-url: %w", err))
	}
	return nil
}

// splitSources returns the directories and the groups of --sources.
func splitSources(sources []string) (dirs, groups []string, err error) {
	for _, s := range sources {
		kind, place, _ := strings.Cut(s, ":")
		switch {
		case kind == "dir" && place != "":
			dirs = append(dirs, place)
		case kind == "gitlab" && strings.Trim(place, "/") != "":
			groups = append(groups, strings.Trim(place, "/"))
		default:
			return nil, nil, cli.Usage(fmt.Errorf("cannot read --sources %q; write dir:PATH or gitlab:GROUP", s))
		}
	}
	return dirs, groups, nil
}

func checkDirs(dirs []string) error {
	for _, dir := range dirs {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			return fmt.Errorf("--sources dir:%s: there is no such directory", dir)
		}
	}
	return nil
}

// peopleSignIn reports whether others than the user who runs the server can sign in.
func (f serveFlags) peopleSignIn() bool { return f.authHeader != "" || f.oidc.issuer != "" }

// The choices of --packagers-change.
const (
	changeAll = "all"
	changeOwn = "own"
)

// policies returns what findings of checks mean, and for which targets that is another thing.
func (f *serveFlags) policies() (check.Policy, map[string]check.Policy, error) {
	all, err := check.ParsePolicy(f.checks)
	if err != nil {
		return nil, nil, fmt.Errorf("--check: %w", err)
	}
	targets, err := f.releaseTargets()
	if err != nil {
		return nil, nil, err
	}
	own := map[string]check.Policy{}
	for _, t := range targets {
		if len(t.Checks) == 0 {
			continue
		}
		if own[t.Name], err = all.With(t.Checks); err != nil {
			return nil, nil, fmt.Errorf("target %s: %w", t.Name, err)
		}
	}
	return all, own, nil
}
