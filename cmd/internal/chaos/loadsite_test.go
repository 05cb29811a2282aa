package chaos

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/buildgraph"
	"buildbtw/cmd/internal/cmdtest"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/store"
)

// loadSite is a server with buildspaces that nobody had to plan: they are
// written into its database before it starts. All their builds are of one
// commit.
type loadSite struct {
	dir    string
	commit string
	server *cmdtest.Server
}

// filling is a buildspace of a loadSite.
type filling struct {
	name     string
	priority buildbtw.Priority
	plan     *buildgraph.Plan
}

func newLoadSite(b *testing.B, spaces ...filling) *loadSite {
	b.Helper()
	if testing.Short() {
		b.Skip("hundreds of workers against a real server; not with -short")
	}
	s := &loadSite{dir: b.TempDir()}
	var err error
	s.commit, err = writeRepository(filepath.Join(s.dir, "sources", "lib.git"), []gitFile{
		{".SRCINFO", "pkgbase = lib\n\tpkgver = 1.0\n\tpkgrel = 1\n\tarch = x86_64\n\npkgname = lib\n"}, {"PKGBUILD", "pkgname=lib\n"},
	})
	if err != nil {
		b.Fatal(err)
	}
	s.fill(b, spaces)
	s.server, err = cmdtest.StartServer(b.Context(), "", cmdtest.Spec{
		Args: []string{"--data-dir", filepath.Join(s.dir, "data"), "--sources", "dir:" + filepath.Join(s.dir, "sources")},
		Log:  filepath.Join(s.dir, "server.log"),
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(s.server.Kill)
	return s
}

// fill writes the buildspaces.
func (s *loadSite) fill(b *testing.B, spaces []filling) {
	b.Helper()
	if err := writeFiles(filepath.Join(s.dir, "data"), map[string]string{".keep": ""}); err != nil {
		b.Fatal(err)
	}
	db, err := store.Open(b.Context(), filepath.Join(s.dir, "data", "buildbtw.sqlite"), store.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	for _, f := range spaces {
		if err := s.fillOne(b.Context(), db, f); err != nil {
			b.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
}

func (s *loadSite) fillOne(ctx context.Context, db *store.Store, f filling) error {
	settings := buildbtw.DefaultSettings()
	settings.Reuse, settings.CutOff, settings.Priority = false, false, f.priority
	row, err := db.CreateBuildspace(ctx, "bench", buildbtw.Buildspace{Name: f.name, Settings: settings}, []buildbtw.Changeset{{Source: "lib"}})
	if err != nil {
		return err
	}
	f.plan.Changesets = []buildgraph.PlannedChangeset{{Source: "lib", Ref: "main", Commit: s.commit}}
	builds := f.plan.Architectures["x86_64"].Builds
	for i := range builds {
		builds[i].Commit = s.commit
	}
	it, err := db.CreateIteration(ctx, store.NewIteration{
		BuildspaceID: row.ID, Revision: row.Revision, Reason: buildbtw.IterationCreated, Plan: f.plan,
	})
	if err != nil {
		return err
	}
	repos, err := pacmanrepo.Open(filepath.Join(s.dir, "data", "repos"), pacmanrepo.Options{})
	if err != nil {
		return err
	}
	return repos.Create(ctx, pacmanrepo.ID{Repository: buildbtw.RepositoryName(f.name, it.Number), DB: f.name, Architecture: "x86_64"})
}

// processorTime is what the server and the programs that it ran have used so
// far (proc_pid_stat(5)). On a machine with other work it says more than the
// time that passed.
func (s *loadSite) processorTime(b *testing.B) time.Duration {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.server.PID()))
	if err != nil {
		b.Fatal(err)
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	ticks := 0
	for _, f := range fields[11:15] { // utime, stime, cutime, cstime
		n, err := strconv.Atoi(f)
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / 100 // USER_HZ
}

// newTransport keeps one connection for each of n workers, as n machines do.
func newTransport(b *testing.B, n int) *http.Transport {
	b.Helper()
	transport := &http.Transport{MaxIdleConns: 2 * n, MaxIdleConnsPerHost: 2 * n, IdleConnTimeout: time.Minute}
	b.Cleanup(transport.CloseIdleConnections)
	return transport
}

// newClient makes a client of a worker with a token of its own.
func (s *loadSite) newClient(b *testing.B, transport *http.Transport, worker string) *api.Client {
	b.Helper()
	options := api.Options{HTTP: &http.Client{Transport: transport}, Backoff: api.Backoff{Tries: 1}}
	admin, err := s.server.Client(options)
	if err != nil {
		b.Fatal(err)
	}
	token, err := admin.CreateToken(b.Context(), api.NewToken{Kind: buildbtw.KindWorker, Name: worker})
	if err != nil {
		b.Fatal(err)
	}
	client, err := api.New(s.server.URL, token.Secret, options)
	if err != nil {
		b.Fatal(err)
	}
	return client
}
