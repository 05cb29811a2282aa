package handover_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/catalog"
	"buildbtw/handover"
	"buildbtw/pacman/baserepo"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/publish"
	"buildbtw/runners"
	"buildbtw/runners/fake"
	"buildbtw/scheduler/schedulertest"
	"buildbtw/signing"
	"buildbtw/store"
)

// fixture is a server with a base repository and targets, whose builds the tests execute.
type fixture struct {
	*schedulertest.Server
	*handover.Handover
	t    *testing.T
	dir  string
	step func(op, path string) error // called before each change of the targets' disk

	targets []buildbtw.Target

	signer signing.Signer // of the next restart
}

// newFixture has a base with lib and app 0.9-1, which needs it, and sources of both.
func newFixture(t *testing.T, more ...string) *fixture {
	t.Helper()
	f := &fixture{Server: schedulertest.New(t), t: t, dir: t.TempDir()}
	f.writeBase(append([]string{"NAME lib VERSION 0.9-1", "NAME app VERSION 0.9-1 DEPENDS lib"}, more...)...)
	f.restart()
	f.Push(t, "lib", schedulertest.Srcinfo("lib", "1"))
	f.Push(t, "app", schedulertest.Srcinfo("app", "1", "lib"))
	f.SpaceWith(t, "work", func(s *buildbtw.Settings) { s.Scope = buildbtw.ScopeAll }, "lib")
	f.Settle(t)
	f.work()
	return f
}

// restart puts a new Handover over the same data, as after a crash.
func (f *fixture) restart(targets ...buildbtw.Target) {
	f.t.Helper()
	base, err := baserepo.Open(filepath.Join(f.dir, "copies"), []baserepo.Repo{{Name: "core", URL: "file://" + filepath.Join(f.dir, "base")}}, baserepo.Options{})
	f.must(err)
	for _, r := range base.Refresh(f.t.Context()) {
		if r.Warning != "" {
			f.t.Fatal(r.Warning)
		}
	}
	generations, err := f.Repos.Generations(filepath.Join(f.dir, "targets"), func(op, path string) error {
		if f.step == nil {
			return nil
		}
		return f.step(op, path)
	})
	f.must(err)
	bases, archs := baserepo.Bases{"x86_64": base}, []string{"x86_64"}
	if targets == nil {
		targets = []buildbtw.Target{{Name: "stable", Kind: buildbtw.TargetServed}}
	}
	f.targets = targets
	f.Handover, err = handover.New(f.t.Context(), handover.Config{
		Store: f.DB.Store, Generations: generations, Bases: bases, Architectures: archs, Targets: targets, Signer: f.signer, Log: slog.New(slog.DiscardHandler), Now: f.DB.Clock.Now,
		Catalog: catalog.New(catalog.Config{
			Mirror: f.Mirror, Store: f.DB.Store, Repos: f.Repos, Bases: bases, Generations: generations, Targets: targets, BaseRef: "main", Architectures: archs,
		}),
	})
	f.must(err)
}

func (f *fixture) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// writeBase writes the base repository's database: each package is the fields of its desc.
func (f *fixture) writeBase(packages ...string) {
	f.t.Helper()
	var archive bytes.Buffer
	z := gzip.NewWriter(&archive)
	w := tar.NewWriter(z)
	for _, p := range packages {
		words := strings.Fields(p)
		var desc strings.Builder
		for i := 0; i < len(words); i += 2 {
			fmt.Fprintf(&desc, "%%%s%%\n%s\n\n", words[i], words[i+1])
		}
		fmt.Fprintf(&desc, "%%ARCH%%\nx86_64\n\n%%FILENAME%%\n%s-%s-x86_64.pkg.tar.zst\n\n", words[1], words[3])
		f.must(w.WriteHeader(&tar.Header{Name: words[1] + "-" + words[3] + "/desc", Mode: 0o644, Size: int64(desc.Len())}))
		_, err := io.WriteString(w, desc.String())
		f.must(err)
	}
	f.must(w.Close())
	f.must(z.Close())
	f.must(os.MkdirAll(filepath.Join(f.dir, "base"), 0o755))
	// Another size than before: what is fetched by file:// is compared by its time and size.
	f.must(os.WriteFile(filepath.Join(f.dir, "base", "core.db"), archive.Bytes(), 0o644))
}

// work executes all builds there are.
func (f *fixture) work() {
	f.t.Helper()
	for {
		f.Pass(f.t, "reuse")
		c := f.DB.Claim(f.t, "worker")
		if c == nil {
			return
		}
		f.build(c)
	}
}

func (f *fixture) build(c *store.Claimed) {
	f.t.Helper()
	srcinfos, err := f.Mirror.ReadSrcinfos(f.t.Context(), []string{c.Build.Commit})
	f.must(err)
	job := runners.Job{
		Job: api.Job{
			Pkgbase: c.Build.Pkgbase, Pkgnames: c.Build.Pkgnames, Version: c.Build.Version, Architecture: c.Build.Architecture,
			Srcinfo: string(srcinfos[c.Build.Commit].Text), SourceDate: 1_700_000_000,
		},
		Tree: f.tree(c.Build.Commit), Output: f.t.TempDir(), Work: f.t.TempDir(),
	}
	if r := (fake.Runner{}).Build(f.t.Context(), job, io.Discard); r.Outcome != buildbtw.OutcomeBuilt {
		f.t.Fatalf("the fake runner: %+v", r)
	}
	report := publish.Report{Outcome: buildbtw.OutcomeBuilt}
	files, err := os.ReadDir(job.Output)
	f.must(err)
	for _, file := range files {
		data, err := os.ReadFile(filepath.Join(job.Output, file.Name()))
		f.must(err)
		sum := sha256.Sum256(data)
		p, err := f.Repos.Stage(f.t.Context(), pacmanrepo.Upload{
			Attempt: c.Attempt.Name(), Filename: file.Name(), SHA256: hex.EncodeToString(sum[:]), Size: int64(len(data)),
			Pkgbase: c.Build.Pkgbase, Pkgnames: c.Build.Pkgnames, Version: c.Build.Version, Architecture: c.Build.Architecture,
		}, bytes.NewReader(data))
		f.must(err)
		f.must(f.Store.AddPackage(f.t.Context(), c.Attempt.Lease, p))
		report.Files = append(report.Files, store.PackageFile{Filename: p.Filename, SHA256: p.SHA256})
	}
	if status, err := f.Publisher.Finish(f.t.Context(), c.Attempt.Lease, report); err != nil || status != buildbtw.StatusBuilt {
		f.t.Fatalf("finish %s: %s, %v", c.Build.Pkgbase, status, err)
	}
}

// tree returns a directory with the files of a commit.
func (f *fixture) tree(commit string) string {
	f.t.Helper()
	dir := f.t.TempDir()
	var archive bytes.Buffer
	f.must(f.Mirror.Archive(f.t.Context(), commit, &archive))
	r := tar.NewReader(&archive)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return dir
		}
		f.must(err)
		if h.Typeflag != tar.TypeReg {
			continue
		}
		text, err := io.ReadAll(r)
		f.must(err)
		f.must(os.WriteFile(filepath.Join(dir, filepath.Base(h.Name)), text, 0o600))
	}
}

// iterate makes another iteration with a new version of a source, and builds it.
func (f *fixture) iterate(name, version string, depends ...string) {
	f.t.Helper()
	f.Push(f.t, name, schedulertest.Srcinfo(name, version, depends...))
	f.Settle(f.t)
	f.work()
}

// begin creates a release of all that can go, confirmed.
func (f *fixture) begin() store.ReleaseRow {
	f.t.Helper()
	set, err := f.Catalog.Release(f.t.Context(), "work", 0, "")
	f.must(err)
	row, err := f.Create(f.t.Context(), "alice", handover.Wish{Buildspace: "work", Digest: set.Digest, Shown: handover.Lines(set)})
	f.must(err)
	return row
}

// release releases all that can go, and checks the target with the second program.
func (f *fixture) release() store.ReleaseRow {
	f.t.Helper()
	row := f.begin()
	before := f.state()
	f.must(f.Advance(f.t.Context()))
	row = f.row(row.ID)
	if row.State != buildbtw.ReleaseReleased {
		f.t.Fatalf("release %d is %s: %s", row.ID, row.State, row.Message)
	}
	f.checkAfter(row, before)
	return row
}

func (f *fixture) row(id int64) store.ReleaseRow {
	f.t.Helper()
	row, err := f.Store.Release(f.t.Context(), id)
	f.must(err)
	return row
}
