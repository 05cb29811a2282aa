package apiv1_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/store"
)

func TestBuildSaysWhyItWaitsAndForWhat(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.space("work", "libalpha")
	var page api.Page[api.Build]
	s.call("GET", "/builds?buildspace=work&pkgbase=beta", nil, 200, &page)
	if len(page.Items) != 1 {
		t.Fatalf("got %d builds", len(page.Items))
	}
	var beta api.BuildDetail
	s.call("GET", "/builds/"+page.Items[0].ID, nil, 200, &beta)
	if beta.Status != buildbtw.StatusBlocked || beta.Reason.Via != "libalpha" ||
		len(beta.WaitingFor) != 1 || beta.WaitingFor[0].Pkgbase != "libalpha" || len(beta.Chain) != 2 {
		t.Errorf("beta: %+v", beta)
	}
	s.call("POST", lease(s.claim(), "finish"), api.FinishRequest{Outcome: buildbtw.OutcomeFailed, Reason: "on purpose"}, 200, nil)
	s.call("GET", "/builds/"+page.Items[0].ID, nil, 200, &beta)
	if len(beta.RootCauses) != 1 || beta.RootCauses[0].Pkgbase != "libalpha" || beta.RootCauses[0].Status != buildbtw.StatusFailed {
		t.Errorf("root causes: %+v", beta.RootCauses)
	}
	var it api.Iteration
	s.call("GET", "/buildspaces/work/iterations/1", nil, 200, &it)
	if it.Status != buildbtw.IterationStatusFailed || it.Blocked != 1 || len(it.Blockers) != 1 || it.Blockers[0].Blocks != 1 || it.Blockers[0].Frees != 1 {
		t.Errorf("iteration: %+v", it)
	}
	if it.Freed != nil {
		t.Errorf("nobody asked what is freed: %d", *it.Freed)
	}
	s.call("GET", "/buildspaces/work/iterations/1?fix="+it.Blockers[0].Build.ID+","+beta.ID, nil, 200, &it)
	if it.Freed == nil || *it.Freed != 1 {
		t.Errorf("freed: %v", it.Freed)
	}
	s.wantProblem(s.call("GET", "/buildspaces/work/iterations/1?fix=lib", nil, 404, nil), 404, "no build")
}

func TestRetryAndCancelOneAndAll(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.space("work", "libalpha")
	job := s.claim()
	s.wantProblem(s.call("POST", "/builds/"+job.BuildID+"/retry", nil, 409, nil), 409, "building")
	s.call("POST", lease(job, "finish"), api.FinishRequest{Outcome: buildbtw.OutcomeFailed, Reason: "on purpose"}, 200, nil)
	var b api.Build
	s.call("POST", "/builds/"+job.BuildID+"/retry", nil, 200, &b)
	if b.Status != buildbtw.StatusPending {
		t.Errorf("retried: %+v", b)
	}
	s.call("POST", lease(s.claim(), "finish"), api.FinishRequest{Outcome: buildbtw.OutcomeFailed, Reason: "again"}, 200, nil)
	var n api.Count
	s.call("POST", "/buildspaces/work/retry", nil, 200, &n)
	if n.Builds != 1 {
		t.Errorf("retried %d builds, want 1", n.Builds)
	}
	s.call("POST", "/buildspaces/work/cancel", nil, 200, &n)
	if n.Builds != 2 {
		t.Errorf("cancelled %d builds, want 2", n.Builds)
	}
	s.wantProblem(s.call("POST", "/builds/"+job.BuildID+"/cancel", nil, 409, nil), 409)
	var attempts api.Page[api.Attempt]
	got := s.call("GET", "/builds/"+job.BuildID+"/attempts", nil, 200, &attempts)
	if len(attempts.Items) != 2 || attempts.Items[0].Message != "on purpose" || attempts.Items[0].Outcome != buildbtw.OutcomeFailed {
		t.Errorf("attempts: %s", got.body)
	}
	if bytes.Contains(got.body, []byte(job.Lease)) {
		t.Error("the attempts tell the lease")
	}
}

func TestPackagesAreDownloadedAsUploaded(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.space("work", "gamma")
	job := s.claim()
	s.finishBuilt(job)
	var b api.BuildDetail
	s.call("GET", "/builds/"+job.BuildID, nil, 200, &b)
	if len(b.Packages) != 1 {
		t.Fatalf("packages: %+v", b.Packages)
	}
	p := b.Packages[0]
	path := strings.TrimPrefix(p.URL, s.url+api.Prefix)
	got := s.call("GET", path, nil, 200, nil)
	if digest(got.body) != p.SHA256 || int64(len(got.body)) != p.Size {
		t.Errorf("got %d bytes with digest %s, want %+v", len(got.body), digest(got.body), p)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/repo/work_1/os/x86_64/"+p.Filename, nil)
	s.must(err)
	if served := s.do(r); !bytes.Equal(served.body, got.body) {
		t.Errorf("the pacman repository serves something else: %s", served.Status)
	}
	s.wantProblem(s.call("GET", "/builds/"+job.BuildID+"/packages/nosuch", nil, 404, nil), 404, "nosuch")
}

func TestTheSourceOfABuildIsTheTreeOfItsCommit(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.space("work", "libalpha")
	var builds api.Page[api.Build]
	s.call("GET", "/builds?pkgbase=libalpha", nil, 200, &builds)
	reply := s.call("GET", "/builds/"+builds.Items[0].ID+"/source", nil, 200, nil)
	files := map[string]string{}
	for r := tar.NewReader(bytes.NewReader(reply.body)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		s.must(err)
		text, err := io.ReadAll(r)
		s.must(err)
		files[h.Name] = string(text)
	}
	if !strings.Contains(files["PKGBUILD"], "libalpha") || !strings.Contains(files[".SRCINFO"], "pkgbase = libalpha") {
		t.Errorf("the tree: %v", files)
	}
	s.call("GET", "/builds/999/source", nil, 404, nil)
}

func TestGraphAndDiff(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.space("work", "libalpha")
	var g api.Graph
	s.call("GET", "/buildspaces/work/iterations/1/graph", nil, 200, &g)
	if len(g.Builds) != 2 || len(g.Edges) != 1 || g.Edges[0].From != g.Builds[0].ID || g.Edges[0].To != g.Builds[1].ID {
		t.Errorf("graph: %+v", g)
	}
	s.wantProblem(s.call("GET", "/buildspaces/work/iterations/1/graph?arch=riscv64", nil, 404, nil), 404, "riscv64")

	s.call("PATCH", "/buildspaces/work", api.EditBuildspace{Settings: api.Settings{Exclude: &[]string{"beta"}}}, 200, nil)
	s.iterate("work")
	var d api.Diff
	s.call("GET", "/buildspaces/work/iterations/1/diff", nil, 200, &d)
	want := []string{"beta"}
	if diff := cmp.Diff(want, d.Architectures["x86_64"].Removed); d.From != 1 || d.To != 2 || diff != "" {
		t.Errorf("diff: %+v\n%s", d, diff)
	}
	var list api.Page[api.Iteration]
	s.call("GET", "/buildspaces/work/iterations?limit=1", nil, 200, &list)
	if len(list.Items) != 1 || list.Items[0].Number != 2 || list.Cursor == "" {
		t.Errorf("iterations: %+v", list)
	}
	s.call("GET", "/buildspaces/work/iterations?limit=1&cursor="+list.Cursor, nil, 200, &list)
	if len(list.Items) != 1 || list.Items[0].Number != 1 || list.Items[0].Status != buildbtw.IterationStatusSuperseded {
		t.Errorf("second page: %+v", list)
	}
}

func TestUnchangedAnswersAreNotSentAgain(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.space("work", "libalpha")
	for _, path := range []string{"/buildspaces", "/buildspaces/work", "/builds?buildspace=work", "/sources", "/openapi.json", "/health"} {
		got := s.call("GET", path, nil, 200, nil)
		r := s.request("GET", path, nil)
		r.Header.Set("If-None-Match", got.Header.Get("ETag"))
		if again := s.do(r); again.StatusCode != http.StatusNotModified || len(again.body) != 0 {
			t.Errorf("%s: %s with %d bytes", path, again.Status, len(again.body))
		}
	}
	r := s.request("GET", "/buildspaces/work", nil)
	r.Header.Set("If-None-Match", s.call("GET", "/buildspaces/work", nil, 200, nil).Header.Get("ETag"))
	s.claim() // changes the counts
	if got := s.do(r); got.StatusCode != http.StatusOK {
		t.Errorf("after a change: %s", got.Status)
	}
}

func TestSourcesSayWhatIsBroken(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	var all, broken api.Page[api.Source]
	s.call("GET", "/sources", nil, 200, &all)
	s.call("GET", "/sources?broken=true", nil, 200, &broken)
	if len(all.Items) != 4 || len(broken.Items) != 1 || broken.Items[0].Slug != "broken" || !strings.Contains(broken.Items[0].Error, "line") {
		t.Errorf("all: %+v\nbroken: %+v", all.Items, broken.Items)
	}
	s.call("GET", "/sources?q=ALPHA", nil, 200, &all)
	if len(all.Items) != 1 || all.Items[0].Slug != "libalpha" || all.Items[0].Version != "1.0-1" {
		t.Errorf("found: %+v", all.Items)
	}
}

func TestWorkersShowWhatTheyDo(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.space("work", "libalpha")
	s.claim()
	var page api.Page[api.Worker]
	s.call("GET", "/workers", nil, 200, &page)
	if len(page.Items) != 1 || page.Items[0].Name != "w1" || len(page.Items[0].Running) != 1 || page.Items[0].Running[0].Pkgbase != "libalpha" {
		t.Errorf("workers: %+v", page.Items)
	}
}

func TestMetricsCountBuildsByStatus(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.space("work", "libalpha")
	s.claim()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/metrics", nil)
	s.must(err)
	got := s.do(r)
	for _, line := range []string{`buildbtw_builds{status="building"} 1`, `buildbtw_builds{status="blocked"} 1`, `buildbtw_builds{status="failed"} 0`} {
		if !bytes.Contains(got.body, []byte(line+"\n")) {
			t.Errorf("no line %s in\n%.3000s", line, got.body)
		}
	}
}

// TestAnAdministratorAbandonsAPublication has packages that are being published,
// and asks as a build machine, as an administrator, and once more.
func TestAnAdministratorAbandonsAPublication(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.space("work", "libalpha")
	job := s.claim()
	abandon := "/builds/" + job.BuildID + "/abandon"
	s.wantProblem(s.call("POST", abandon, nil, 409, nil), 409, "libalpha is building", "nothing to abandon")
	var files []store.PackageFile
	for name, content := range s.build(job) {
		sum := sha256.Sum256(content)
		digest := hex.EncodeToString(sum[:])
		r := s.request("PUT", lease(job, "packages/"+name), bytes.NewReader(content))
		r.Header.Set(api.HeaderSHA256, digest)
		if got := s.do(r); got.StatusCode != http.StatusCreated {
			t.Fatalf("upload: %d %s", got.StatusCode, got.body)
		}
		files = append(files, store.PackageFile{Filename: name, SHA256: digest})
	}
	if _, err := s.store.BeginPublish(t.Context(), job.Lease, files); err != nil {
		t.Fatal(err)
	}
	r := s.request("POST", abandon, nil)
	r.Header.Set("Authorization", "Bearer "+workerToken)
	if got := s.do(r); got.StatusCode != http.StatusForbidden {
		t.Errorf("a build machine: %d %s", got.StatusCode, got.body)
	}
	var build api.Build
	s.call("POST", abandon, nil, 200, &build)
	if build.Status != buildbtw.StatusPending {
		t.Errorf("the build is %s", build.Status)
	}
	s.call("POST", abandon, nil, 409, nil)
}
