package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"buildbtw"
	"buildbtw/auth"
	"buildbtw/buildlog"
	"buildbtw/catalog"
	"buildbtw/cmd/internal/cli"
	"buildbtw/cmd/internal/local"
	"buildbtw/forge"
	"buildbtw/git/gitmirror"
	"buildbtw/handlers"
	"buildbtw/handover"
	"buildbtw/pacman/baserepo"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/progress"
	"buildbtw/publish"
	"buildbtw/retention"
	"buildbtw/scheduler"
	"buildbtw/store"
)

// server is all parts of the process, joined.
type server struct {
	flags     serveFlags
	log       logger
	store     *store.Store
	scheduler *scheduler.Scheduler
	app       *handlers.App
	auth      *auth.Auth
	own       local.Server // what the programs of this user find
	workers   *children
	metrics   *handlers.Metrics
	notify    *notifier
}

// newServer opens the data directory and joins the parts. It starts nothing. What
// the programs of this user find is left once the data directory is this server's:
// one that cannot start must not be where they go from then on.
func newServer(ctx context.Context, f serveFlags, addr net.Addr, log logger) (*server, error) {
	if err := checkDataDir(f.dataDir, log); err != nil {
		return nil, err
	}
	metrics := handlers.NewMetrics()
	db, err := store.Open(ctx, databasePath(f.dataDir), store.Options{
		Log: log, MaxRunning: f.maxRunning, LabelCaps: f.caps, CanCompare: f.gitlab.dispatch != "gitlab", Compare: f.baseline, Reproduce: f.reproduce,
		Observer: metrics,
	})
	if err != nil {
		return nil, err
	}
	own, err := publishLocally(addr, f.publicURL)
	if err != nil {
		log.Warn("bbtw and workers of this user do not find the server by themselves, and 'bbtw open' cannot sign in; let the server's user have a state directory: set XDG_STATE_HOME and start again", "error", err)
	}
	s := &server{flags: f, own: own, log: log, store: db, metrics: metrics}
	if err := s.join(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	for _, name := range s.workers.newcomers() {
		if err := db.FreeWorkerName(ctx, name); err != nil {
			log.Warn("a worker of this server may wait until the name of the one before is free", "worker", name, "error", err)
		}
	}
	return s, nil
}

func databasePath(dataDir string) string { return filepath.Join(dataDir, "buildbtw.sqlite") }

func (s *server) close() {
	if err := s.store.Close(); err != nil {
		s.log.Error("the database was not closed cleanly", "error", err)
	}
}

// join opens the mirror, repositories and logs, and makes the parts of the
// server.
func (s *server) join(ctx context.Context) error {
	f := s.flags
	dirs, groupNames, err := splitSources(f.sources)
	if err != nil {
		return err
	}
	gitlab, err := f.gitlab.connect(groupNames)
	if err != nil {
		return err
	}
	mirror, err := s.openMirror(ctx)
	if err != nil {
		return err
	}
	repos, err := pacmanrepo.Open(filepath.Join(f.dataDir, "repos"), pacmanrepo.Options{Tool: pacmanrepo.Tool(f.repoTool), Log: s.log})
	if err != nil {
		return err
	}
	logs, err := buildlog.Open(filepath.Join(f.dataDir, "logs"))
	if err != nil {
		return err
	}
	mover, err := s.openObjects(logs)
	if err != nil {
		return err
	}
	token, err := readToken(f.workerTokenFile)
	if err != nil {
		return err
	}
	bases, err := s.openBases()
	if err != nil {
		return err
	}
	sources, err := s.openCatalog(mirror, repos, bases)
	if err != nil {
		return err
	}
	publisher := publish.New(publish.Config{Store: s.store, Repos: repos, Mirror: mirror, Log: s.log, Baseline: bases.Interfaces})
	releases, err := s.openTargets(ctx, sources)
	if err != nil {
		return err
	}
	gitlab.Store, gitlab.Mirror, gitlab.Catalog, gitlab.Log, gitlab.Now = s.store, mirror, sources, s.log, time.Now
	gitlab.Architectures = f.architectures
	gitlabForge := forge.New(gitlab)
	s.auth = auth.New(auth.Config{
		Store: s.store, Now: time.Now, Log: s.log, Operator: operator(), OperatorToken: s.own.Token,
		WorkerTokens: []string{token, s.own.WorkerToken}, AnonymousRead: f.anonymousRead, OwnOnly: f.packagersChange == changeOwn,
		HeaderRole: buildbtw.Role(f.authHeaderRole), Admins: f.admins,
		OIDC: f.oidc.config(f.publicURL),
	})
	keeper := retention.New(retention.Config{
		Store: s.store, Repos: repos, Generations: sources.Generations, Logs: logs, Moved: mover, Policy: f.retention, Log: s.log, Now: time.Now,
	})
	notifier, err := s.openNotifier()
	if err != nil {
		return err
	}
	s.scheduler = scheduler.New(scheduler.Config{
		Store: s.store, Mirror: mirror, Repos: repos, Bases: bases, Catalog: sources, Publisher: publisher, Handover: releases, Retention: keeper, Objects: mover, Forge: gitlabForge, Auth: s.auth, Notifier: notifier,
		Log: s.log, Now: time.Now, SourceDirs: dirs,
		Lease: f.leaseTime(), SyncPeriod: f.syncPeriod, GroupPeriod: f.gitlab.period, BasePeriod: f.basePeriod, Debounce: f.debounce,
	})
	deps := handlers.Deps{
		Store: s.store, Catalog: sources, Forecasts: &progress.Forecasts{Pipelines: progress.Pipelines{Most: gitlab.MaxPipelines, Architectures: gitlab.Architectures}}, Publisher: publisher, Handover: releases, Retention: keeper, Objects: mover, Forge: gitlabForge, Sources: mirror,
		Repos: repos, Logs: logs, Settings: f.settings(), Log: s.log, Wake: s.scheduler.Wake, LookAt: s.scheduler.LookAt,
		Loops: s.scheduler.States, Disks: s.disks, Metrics: s.metrics, Fit: s.fit, Now: time.Now, Auth: s.auth, Notifier: notifier,
	}
	if deps.Proxies, err = handlers.ParseProxies(f.trustedProxies); err != nil {
		return cli.Usage(fmt.Errorf("--trusted-proxies: %w", err))
	}
	if deps.MaxConnections, err = connectionBound(s.log); err != nil {
		return err
	}
	s.app, err = handlers.New(deps)
	s.workers = &children{
		count: f.workers, url: cmp.Or(f.workersURL, f.publicURL), token: s.own.WorkerToken, tokenFile: s.own.WorkerTokenFile(),
		fetchAllow: f.fetchAllow, dataDir: f.dataDir, log: s.log,
	}
	return err
}

// openMirror opens the mirror of all sources.
func (s *server) openMirror(ctx context.Context) (*gitmirror.Mirror, error) {
	mirror, err := gitmirror.Open(ctx, filepath.Join(s.flags.dataDir, "sources.git"))
	if err != nil {
		return nil, err
	}
	mirror.SetLinks(s.flags.sourceLinks)
	if !mirror.Confined(ctx) {
		s.log.Warn("bubblewrap cannot be used: plain directories need a .SRCINFO, since no PKGBUILD is run without it; install bubblewrap and allow user namespaces")
	}
	return mirror, nil
}

// openCatalog puts together what plans and releases are computed with.
func (s *server) openCatalog(mirror *gitmirror.Mirror, repos *pacmanrepo.Repos, bases baserepo.Bases) (*catalog.Catalog, error) {
	f := s.flags
	checks, ofTargets, err := f.policies()
	if err != nil {
		return nil, err
	}
	generations, err := repos.Generations(filepath.Join(f.dataDir, "targets"), nil)
	if err != nil {
		return nil, err
	}
	targets, err := f.releaseTargets()
	if err != nil {
		return nil, err
	}
	return catalog.New(catalog.Config{
		Mirror: mirror, Store: s.store, Repos: repos, Bases: bases, Generations: generations, Targets: targets, BaseRef: f.baseRef, Architectures: f.architectures, Prefer: preferred(f.prefer), IgnoreArch: f.ignoreArch,
		ConfirmAbove: f.confirmAbove, Checks: checks, TargetChecks: ofTargets, CommitURL: buildbtw.CommitURL(f.commitURL), GitLabURL: f.gitlab.url,
	}), nil
}

// openTargets makes the targets of the settings those of the store.
func (s *server) openTargets(ctx context.Context, sources *catalog.Catalog) (*handover.Handover, error) {
	signer, err := s.flags.releaseSigner()
	if err != nil {
		return nil, err
	}
	return handover.New(ctx, handover.Config{
		Store: s.store, Catalog: sources, Generations: sources.Generations, Bases: sources.Bases, Architectures: s.flags.architectures,
		Targets: sources.Targets, Signer: signer, Log: s.log, Now: time.Now,
	})
}

// operator returns the name of the user who runs the server, as events show it.
func operator() string {
	if u, err := user.Current(); err == nil && buildbtw.UserName(u.Username) != "" {
		return buildbtw.UserName(u.Username)
	}
	return "uid-" + strconv.Itoa(os.Getuid())
}

// openBases opens the copies of the base repositories, for every architecture.
func (s *server) openBases() (baserepo.Bases, error) {
	repos, err := s.flags.bases()
	if err != nil || len(repos) == 0 {
		return nil, err
	}
	bases := baserepo.Bases{}
	for _, arch := range s.flags.architectures {
		dir := filepath.Join(s.flags.dataDir, "base", arch)
		bases[arch], err = baserepo.Open(dir, repos, baserepo.Options{Architecture: arch, Log: s.log})
		if err != nil {
			return nil, err
		}
	}
	return bases, nil
}

func (f serveFlags) settings() buildbtw.ServerSettings {
	return buildbtw.ServerSettings{
		ServerURL: strings.TrimRight(f.publicURL, "/"), WorkersURL: strings.TrimRight(f.workersURL, "/"), Version: cli.Version(), SingleUser: !f.peopleSignIn(), AuthHeader: f.authHeader, ClosedRepositories: !f.repoRead,
		Lease: f.leaseTime(), Timeout: f.buildTimeout, Stall: f.stallTimeout, WebhookSecret: f.gitlab.webhookSecret,
	}
}

// readToken reads the token of build machines; empty without a file.
func readToken(name string) (string, error) {
	if name == "" {
		return "", nil
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return "", fmt.Errorf("read the workers' token: %w", err)
	}
	token := strings.TrimSpace(string(text))
	if len(token) < minToken {
		return "", fmt.Errorf("the token in %s has %d characters; use at least %d, for example: openssl rand -hex 32", name, len(token), minToken)
	}
	return token, nil
}

// minToken is the least length of a token that cannot be guessed.
const minToken = 16
