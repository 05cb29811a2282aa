package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"buildbtw"
	"buildbtw/buildlog"
	"buildbtw/catalog"
	"buildbtw/cmd/internal/cli"
	"buildbtw/forge"
	"buildbtw/git/gitmirror"
	"buildbtw/handlers"
	"buildbtw/pacman/baserepo"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/progress"
	"buildbtw/publish"
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
	workers   *children
}

// newServer opens the data directory and joins the parts. It starts nothing.
func newServer(ctx context.Context, f serveFlags, log logger) (*server, error) {
	if err := checkDataDir(f.dataDir); err != nil {
		return nil, err
	}
	db, err := store.Open(ctx, databasePath(f.dataDir), store.Options{Log: log, MaxRunning: f.maxRunning, LabelCaps: f.caps})
	if err != nil {
		return nil, err
	}
	s := &server{flags: f, log: log, store: db}
	if err := s.join(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
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
	mirror, err := gitmirror.Open(ctx, filepath.Join(f.dataDir, "sources.git"))
	if err != nil {
		return err
	}
	if _, err := mirror.RetainDirs(ctx, dirs, namesOf(gitlab)...); err != nil {
		return err
	}
	if !mirror.Confined(ctx) {
		s.log.Warn("bubblewrap cannot be used: PKGBUILDs of plain directories without a .SRCINFO are evaluated without a sandbox; install bubblewrap and allow user namespaces")
	}
	repos, err := pacmanrepo.Open(filepath.Join(f.dataDir, "repos"), pacmanrepo.Options{Tool: pacmanrepo.Tool(f.repoTool), Log: s.log})
	if err != nil {
		return err
	}
	logs, err := buildlog.Open(filepath.Join(f.dataDir, "logs"))
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
	sources := catalog.New(catalog.Config{
		Mirror: mirror, Store: s.store, Repos: repos, Bases: bases, BaseRef: f.baseRef, Architectures: f.architectures, Prefer: f.prefer,
		ConfirmAbove: f.confirmAbove,
	})
	publisher := publish.New(publish.Config{Store: s.store, Repos: repos, Mirror: mirror, Log: s.log, Baseline: bases.Interfaces})
	gitlab.Store, gitlab.Mirror, gitlab.Catalog, gitlab.Log, gitlab.Now = s.store, mirror, sources, s.log, time.Now
	gitlab.Architectures = f.architectures
	gitlabForge := forge.New(gitlab)
	s.scheduler = scheduler.New(scheduler.Config{
		Store: s.store, Mirror: mirror, Repos: repos, Bases: bases, Catalog: sources, Publisher: publisher, Forge: gitlabForge,
		Log: s.log, Now: time.Now, SourceDirs: dirs,
		Lease: f.lease, SyncPeriod: f.syncPeriod, GroupPeriod: f.gitlab.period, Debounce: f.debounce,
	})
	s.app, err = handlers.New(handlers.Deps{
		Store: s.store, Catalog: sources, Forecasts: &progress.Forecasts{}, Publisher: publisher, Forge: gitlabForge, Sources: mirror,
		Repos: repos, Logs: logs, Settings: f.settings(), Log: s.log, Wake: s.scheduler.Wake, Now: time.Now, Who: handlers.SingleUser(token),
	})
	s.workers = &children{count: f.workers, url: f.serverURL, tokenFile: f.workerTokenFile, dataDir: f.dataDir, log: s.log}
	return err
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
		ServerURL: strings.TrimRight(f.serverURL, "/"), Version: cli.Version(), SingleUser: true,
		Lease: f.lease, Timeout: f.buildTimeout, Stall: f.stallTimeout, WebhookSecret: f.gitlab.webhookSecret,
	}
}

// checkDataDir makes the data directory and tries to write in it, so that the
// reason is clear when that cannot be done.
func checkDataDir(dir string) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("make the data directory: %w; choose another one with --data-dir", err)
	}
	probe, err := os.CreateTemp(dir, ".probe-*")
	if err != nil {
		return fmt.Errorf("the data directory %s is not writable: %w; choose another one with --data-dir", dir, err)
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
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
