package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"buildbtw/cmd/internal/cli"
	"buildbtw/pacman/baserepo"
)

// serveFlags are the server's settings as they were given.
type serveFlags struct {
	listen          string
	serverURL       string
	dataDir         string
	sources         []string
	baseRef         string
	architectures   []string
	prefer          []string
	baseRepos       []string
	repoTool        string
	workers         int
	workerTokenFile string
	lease           time.Duration
	buildTimeout    time.Duration
	stallTimeout    time.Duration
	confirmAbove    int
	syncPeriod      time.Duration
	debounce        time.Duration
	maxRunning      int
	caps            map[string]int
	logFormat       string
	gitlab          gitlabFlags
}

func serveCommand() *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Long: `Runs the server until it is told to stop (SIGTERM or SIGINT).

Without sign-in configured the server is in single-user mode: everybody who can
reach it may do everything, so it listens on loopback addresses and Unix sockets
only.`,
		Example: `  buildbtw serve --sources dir:./packages --workers 2
  buildbtw serve --sources dir:/srv/packages --data-dir /var/lib/buildbtw --listen 127.0.0.1:9000
  buildbtw serve --sources dir:/srv/packages --worker-token-file /etc/buildbtw/worker-token
  BUILDBTW_GITLAB_TOKEN_FILE=/etc/buildbtw/gitlab-token \
    buildbtw serve --sources gitlab:archlinux/packaging/packages --gitlab-url https://gitlab.archlinux.org`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return serve(cmd.Context(), f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.listen, "listen", "127.0.0.1:8080", "address to listen on: HOST:PORT or unix:PATH; a socket passed by systemd wins")
	flags.StringVar(&f.serverURL, "server-url", "", "URL under which people and workers reach the server (default: http:// and the address)")
	flags.StringVar(&f.dataDir, "data-dir", "./data", "directory for everything the server keeps")
	flags.StringArrayVar(&f.sources, "sources", nil, "where the packages' sources are: dir:PATH, a directory with one git repository or PKGBUILD directory per source, or gitlab:GROUP, a group of projects with its subgroups (repeatable)")
	flags.StringVar(&f.baseRef, "base-ref", "main", "branch at which sources are read")
	flags.StringSliceVar(&f.architectures, "architectures", []string{"x86_64"}, "architectures to build for")
	flags.StringArrayVar(&f.baseRepos, "base-repo", nil, "a base repository as NAME=URL, in the order of pacman.conf; $repo and $arch are replaced (repeatable)")
	flags.StringSliceVar(&f.prefer, "prefer", nil, "sources that win where two define the same package, best first")
	flags.StringVar(&f.repoTool, "repo-tool", "native", "what writes the pacman repositories: native, or repo-add for pacman's own program")
	flags.IntVar(&f.workers, "workers", 0, "number of workers to start on this machine")
	flags.StringVar(&f.workerTokenFile, "worker-token-file", "", "file with the token that build machines present; without it only this machine's own workers may claim")
	flags.DurationVar(&f.lease, "lease", time.Minute, "how long after its last heartbeat an attempt is given up as lost")
	flags.DurationVar(&f.buildTimeout, "build-timeout", 12*time.Hour, "wall clock limit of one attempt; 0 for none")
	flags.DurationVar(&f.stallTimeout, "stall-timeout", 30*time.Minute, "an attempt without output and CPU use for this long is ended; 0 for never")
	flags.IntVar(&f.confirmAbove, "confirm-above", 500, "ask for confirmation before creating more builds than this")
	flags.DurationVar(&f.syncPeriod, "sync-period", 3*time.Second, "time between looks at the sources")
	flags.DurationVar(&f.debounce, "debounce", 2*time.Second, "how long a pushed changeset must rest before it makes a new iteration")
	flags.IntVar(&f.maxRunning, "max-running-per-buildspace", 0, "builds of one buildspace that run at the same time; 0 for any number")
	flags.StringToIntVar(&f.caps, "cap", nil, "LABEL=N: builds that run at the same time on all workers with a label (repeatable)")
	flags.StringVar(&f.logFormat, "log-format", "text", "text or json")
	f.gitlab.register(flags)
	return cmd
}

// validate returns the first error in the flags, before anything is opened.
func (f serveFlags) validate() error {
	switch {
	case len(f.sources) == 0:
		return cli.Usage(errors.New("no sources given; name a directory of packages with --sources dir:PATH"))
	case len(f.architectures) == 0:
		return cli.Usage(errors.New("no architecture given; use for example --architectures x86_64"))
	case f.workers < 0:
		return cli.Usage(errors.New("--workers cannot be negative"))
	case f.maxRunning < 0:
		return cli.Usage(errors.New("--max-running-per-buildspace cannot be negative"))
	case f.lease < time.Second:
		return cli.Usage(errors.New("--lease must be at least one second"))
	case f.repoTool != "native" && f.repoTool != "repo-add":
		return cli.Usage(fmt.Errorf("unknown --repo-tool %q; choose native or repo-add", f.repoTool))
	}
	if _, err := f.bases(); err != nil {
		return err
	}
	dirs, groups, err := splitSources(f.sources)
	if err != nil {
		return err
	}
	return errors.Join(checkDirs(dirs), f.gitlab.validate(groups))
}

// bases returns the base repositories of --base-repo.
func (f serveFlags) bases() ([]baserepo.Repo, error) {
	repos := make([]baserepo.Repo, 0, len(f.baseRepos))
	for _, s := range f.baseRepos {
		name, url, ok := strings.Cut(s, "=")
		if !ok || name == "" || url == "" {
			return nil, cli.Usage(fmt.Errorf("cannot read --base-repo %q; write NAME=URL", s))
		}
		repos = append(repos, baserepo.Repo{Name: name, URL: url})
	}
	return repos, nil
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

// serve runs everything and stops it in order: first its own workers, which hand
// their builds back, then the listener, so that nobody gets half an answer, then
// the store.
func serve(ctx context.Context, f serveFlags) error {
	if err := f.validate(); err != nil {
		return err
	}
	log, err := cli.NewLogger(os.Stderr, f.logFormat)
	if err != nil {
		return err
	}
	ln, err := listen(ctx, f.listen)
	if err != nil {
		return err
	}
	defer func() { _ = ln.Close() }() // a second close after Shutdown is harmless
	if f.serverURL == "" {
		f.serverURL = defaultURL(ln.Addr())
	}
	srv, err := newServer(ctx, f, log)
	if err != nil {
		return err
	}
	defer srv.close()
	return srv.run(ctx, ln)
}

// run serves until ctx ends or a part fails.
func (s *server) run(ctx context.Context, ln netListener) error {
	if err := s.scheduler.Prepare(ctx); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.scheduler.Run(ctx) })
	group.Go(func() error { return s.app.Serve(ln, nil) })
	workersEnded := make(chan struct{})
	group.Go(func() error {
		defer close(workersEnded)
		return s.workers.run(ctx)
	})
	group.Go(func() error {
		<-ctx.Done()
		s.app.EndStreams()
		<-workersEnded
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
		defer cancel()
		return s.app.Shutdown(stop)
	})
	s.log.Info("serving", "url", s.flags.serverURL, "data", s.flags.dataDir, "mode", "single-user: everybody on this machine may do everything")
	err := group.Wait()
	s.log.Info("stopped")
	return err
}

// shutdownTime bounds the wait for requests that are being answered.
const shutdownTime = 10 * time.Second

// logger is the logger of the server's parts.
type logger = *slog.Logger
