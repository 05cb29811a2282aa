package publish_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/klauspost/compress/zstd"

	"buildbtw"
	"buildbtw/buildgraph"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

// space2000 is a buildspace of made-up builds whose commits a test moves. A
// package's content follows from its build's input alone, as with a build that
// can be reproduced.
type space2000 struct {
	*fixture
	plan     *buildgraph.Plan
	executed int
}

const leafPushes = 30

func newSpace2000(t testing.TB, builds, edges int) *space2000 {
	f := newFixture(t)
	f.SpaceWith(t, "work", everything, "lib")
	s := &space2000{fixture: f, plan: storetest.Synthetic(builds, edges, 7)}
	for i := range s.builds() {
		s.builds()[i].Commit = fmt.Sprintf("%040x", i)
	}
	return s
}

func (s *space2000) builds() []buildgraph.Build { return s.plan.Architectures["x86_64"].Builds }

// leaves lists the builds that nothing waits for.
func (s *space2000) leaves() []int {
	below := map[string]bool{}
	for _, e := range s.plan.Architectures["x86_64"].Edges {
		below[e.From] = true
	}
	var list []int
	for i, b := range s.builds() {
		if !below[b.Pkgbase] {
			list = append(list, i)
		}
	}
	return list
}

// iterate stores the plan as the next iteration, as the scheduler does.
func (s *space2000) iterate(t testing.TB) {
	t.Helper()
	spaces, err := s.Store.ActiveBuildspaces(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rows, err := s.Publisher.CreateRepositories(t.Context(), spaces[0], s.plan, nil)
	if err != nil {
		t.Fatal(err)
	}
	next := store.NewIteration{BuildspaceID: spaces[0].ID, Revision: spaces[0].Revision, Reason: buildbtw.IterationPushed, Plan: s.plan, Rows: rows}
	if _, err := s.Store.CreateIteration(t.Context(), next); err != nil {
		t.Fatal(err)
	}
}

// execute builds whatever is handed out. The first thousands of packages go
// into the repository together: one after the other they would take a minute,
// and that is not what is tested.
func (s *space2000) execute(t testing.TB, repository string) {
	t.Helper()
	var files []buildbtw.Package
	var attempt buildbtw.AttemptName
	for {
		s.Pass(t, "reuse")
		c := s.DB.Claim(t, "worker")
		if c == nil {
			break
		}
		s.executed++
		if attempt.ID == 0 {
			attempt = c.Attempt.Name()
		}
		p := s.stage(t, attempt, c)
		files = append(files, p)
		s.complete(t, c, p)
	}
	if len(files) == 0 {
		return
	}
	err := s.Repos.Publish(t.Context(), pacmanrepo.Publication{
		Repository: repository, DB: "work", Architectures: []string{"x86_64"}, Attempt: attempt, Files: files,
	})
	if err != nil {
		t.Fatal(err)
	}
}

// complete goes a worker's way through the store.
func (s *space2000) complete(t testing.TB, c *store.Claimed, p buildbtw.Package) {
	t.Helper()
	if err := s.Store.AddPackage(t.Context(), c.Attempt.Lease, p); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Store.BeginPublish(t.Context(), c.Attempt.Lease, []store.PackageFile{{Filename: p.Filename, SHA256: p.SHA256}}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Store.CompletePublish(t.Context(), c.Attempt.ID); err != nil {
		t.Fatal(err)
	}
}

func (s *space2000) stage(t testing.TB, attempt buildbtw.AttemptName, c *store.Claimed) buildbtw.Package {
	t.Helper()
	body := tinyPackage(t, c.Build)
	sum := sha256.Sum256(body)
	name := c.Build.Pkgbase + "-1.0-1-x86_64.pkg.tar.zst"
	p, err := s.Repos.Stage(t.Context(), pacmanrepo.Upload{
		Attempt: attempt, Filename: name, SHA256: hex.EncodeToString(sum[:]), Size: int64(len(body)),
		Pkgbase: c.Build.Pkgbase, Pkgnames: c.Build.Pkgnames, Architecture: "x86_64", Version: "1.0-1",
	}, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// tinyPackage is a package with the build's input in it.
func tinyPackage(t testing.TB, b store.BuildRow) []byte {
	t.Helper()
	var out bytes.Buffer
	z, err := zstd.NewWriter(&out, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(64<<10))
	if err != nil {
		t.Fatal(err)
	}
	archive := tar.NewWriter(z)
	info := fmt.Sprintf("pkgname = %s\npkgbase = %s\npkgver = 1.0-1\npkgdesc = %s\nsize = 0\narch = x86_64\n", b.Pkgbase, b.Pkgbase, b.InputKey)
	if err := archive.WriteHeader(&tar.Header{Name: ".PKGINFO", Mode: 0o644, Size: int64(len(info))}); err != nil {
		t.Fatal(err)
	}
	if _, err := archive.Write([]byte(info)); err != nil {
		t.Fatal(err)
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestSuccessivePushesBuildOnlyWhatChanged pushes to thirty leaves, one after the
// other. The bar, for 2,000 builds, is 1.05 times the builds whose input really changed.
func TestSuccessivePushesBuildOnlyWhatChanged(t *testing.T) {
	t.Parallel()
	builds, edges := 200, 1200
	if os.Getenv("BUILDBTW_LARGE") != "" { // minutes on a slow disk
		builds, edges = 2000, 12000
	}
	s := newSpace2000(t, builds, edges)
	s.iterate(t)
	s.execute(t, "work_1")
	if s.executed != builds {
		t.Fatalf("%d builds were executed at first; want all %d", s.executed, builds)
	}
	s.executed = 0
	leaves, r := s.leaves(), rand.New(rand.NewPCG(1, 2))
	for push := range leafPushes {
		leaf := leaves[r.IntN(len(leaves))]
		s.builds()[leaf].Commit = fmt.Sprintf("%040x", 1_000_000+push)
		s.iterate(t)
		s.execute(t, "work_"+strconv.Itoa(push+2))
	}
	t.Logf("%d builds, %d leaves: %d pushes, %d builds executed", builds, len(leaves), leafPushes, s.executed)
	if float64(s.executed) > 1.05*leafPushes {
		t.Errorf("%d pushes to leaves executed %d builds", leafPushes, s.executed)
	}
	s.DB.Check(t)
	contents, err := s.Repos.Verify(t.Context(), "work_"+strconv.Itoa(leafPushes+1))
	if err != nil || len(contents[0].Listed) != builds {
		t.Errorf("the last repository lists %d packages (%v)", len(contents[0].Listed), err)
	}
}

// BenchmarkReusingIteration makes an iteration of the data set's size of which
// one leaf is new, with everything else linked into its repository.
func BenchmarkReusingIteration(b *testing.B) {
	if os.Getenv("BUILDBTW_LARGE") == "" {
		b.Skip("executes 7,885 builds first; set BUILDBTW_LARGE to run it")
	}
	s := newSpace2000(b, 7885, 68000)
	s.iterate(b)
	s.execute(b, "work_1")
	leaf, push := s.leaves()[0], 0
	for b.Loop() {
		push++
		s.builds()[leaf].Commit = fmt.Sprintf("%040x", 1_000_000+push)
		s.iterate(b)
		b.StopTimer()
		s.execute(b, "work_"+strconv.Itoa(push+1))
		b.StartTimer()
	}
}
