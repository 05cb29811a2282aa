package apiv1_test

import (
	"strings"
	"testing"

	"buildbtw/api"
)

func TestSearchFindsPackagesBuildspacesAndBuilds(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.space("work", "libalpha")
	var found api.Found
	s.call("GET", "/search?q=alph", nil, 200, &found)
	if len(found.Names) != 1 || found.Names[0].Name != "libalpha" || found.Names[0].Kind != "package" || found.Names[0].Version != "1.0-1" ||
		!strings.HasSuffix(found.Names[0].URL, "/packages/libalpha") || found.Exact != "" {
		t.Errorf("%+v", found)
	}
	s.call("GET", "/search?q=work", nil, 200, &found)
	if len(found.Buildspaces) != 1 || found.Exact != s.url+"/buildspaces/work" {
		t.Errorf("%+v", found)
	}
	s.call("GET", "/search?q=1", nil, 200, &found)
	if len(found.Builds) != 1 || found.Builds[0].Pkgbase != "libalpha" {
		t.Errorf("%+v", found)
	}
	commit := found.Builds[0].Commit
	s.call("GET", "/search?q="+commit[:8], nil, 200, &found)
	if len(found.Commits) != 2 || found.Commits[0].Buildspace != "work" || found.Commits[1].Source != "libalpha" || found.Commits[1].Buildspace != "" {
		t.Errorf("%+v", found.Commits)
	}
	s.call("GET", "/search?q=broken", nil, 200, &found)
	if len(found.Names) != 1 || found.Names[0].Kind != "source" || found.Exact != s.url+"/sources/broken" {
		t.Errorf("%+v", found)
	}
	s.wantProblem(s.call("GET", "/search?q="+strings.Repeat("x", 201), nil, 422, nil), 422, "too long")
}
