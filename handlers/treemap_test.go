package handlers_test

import (
	"net/http"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/store/storetest"
)

// The treemap has a rectangle for each build, which leads to it, and a table of the same: what ended
// as long as it took, the others as long as they are thought to take.
func TestTheTreemapOfAnIteration(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.db.Iterate(t, s.db.NewBuildspace(t, "work"), storetest.Plan("lib", "app: lib", "tool"))
	c := s.db.Claim(t, "w")
	s.db.Clock.Advance(time.Hour)
	for ; c.Build.Pkgbase != "lib"; c = s.db.Claim(t, "w") {
		s.db.End(t, c, buildbtw.OutcomeFailed)
		s.db.Clock.Advance(time.Hour)
	}
	s.db.Finish(t, c)
	page := s.get(t, "/buildspaces/work/1/x86_64/treemap")
	page.wantsStatus(t, http.StatusOK)
	if n := page.Find(".treemap > svg > a").Length(); n != 3 {
		t.Errorf("%d rectangles", n)
	}
	page.wants(t, ".treemap .tile-built title", "lib, built, 1 h 0 min")
	page.wants(t, ".treemap .legend", "1 built")
	page.wants(t, "[aria-labelledby=h-times] tbody", "lib built 1 h 0 min", "app pending about 60 min")
	page.wants(t, ".tabs [aria-current]", "Build time")
	href, _ := page.Find(".treemap a.tile-built").Attr("href")
	s.get(t, href).wants(t, "h1", "lib")
	s.get(t, "/buildspaces/work/1/aarch64/treemap").wantsStatus(t, http.StatusNotFound)
	s.get(t, "/buildspaces/work/2/x86_64/treemap").wantsStatus(t, http.StatusNotFound)
}
