package apiv1_test

import (
	"testing"

	"buildbtw/api"
)

func TestAPackageIsDescribedWithItsDependents(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.space("work", "libalpha")
	var p api.PackageInfo
	s.call("GET", "/packages/libalpha", nil, 200, &p)
	if p.Name != "libalpha" || p.Source != "libalpha" || p.Version != "1.0-1" || p.Architecture != "x86_64" || p.Base != nil ||
		p.Dependents.Total != 1 || p.Dependents.Counts["depends"] != 1 || p.Dependents.First[0].Pkgbase != "beta" ||
		len(p.Spaces) != 1 || p.Spaces[0].Buildspace != "work" || p.Spaces[0].Builds[0].Pkgbase != "libalpha" ||
		p.URL != s.url+"/packages/libalpha" || p.Feed != s.url+"/packages/libalpha/feed.atom" {
		t.Errorf("%+v", p)
	}
	s.call("GET", "/packages/beta", nil, 200, &p)
	if len(p.Needs) != 1 || p.Needs[0].Dependency != "libalpha" || p.Needs[0].By[0] != "libalpha" {
		t.Errorf("beta needs %+v", p.Needs)
	}
	var users api.Page[api.PackageUser]
	s.call("GET", "/packages/libalpha/dependents?kind=depends", nil, 200, &users)
	if len(users.Items) != 1 || users.Items[0].Dependencies[0] != "libalpha" {
		t.Errorf("dependents %+v", users)
	}
	s.wantProblem(s.call("GET", "/packages/libalpha/dependents?kind=x", nil, 422, nil), 422, "kind")
	s.wantProblem(s.call("GET", "/packages/nothing", nil, 404, nil), 404, "nothing")
}

func TestTheMirrorSaysHowItStands(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	var m api.Mirror
	s.call("GET", "/mirror", nil, 200, &m)
	if m.Sources != 4 || m.Broken != 1 || m.Roots == nil {
		t.Errorf("%+v", m)
	}
}
