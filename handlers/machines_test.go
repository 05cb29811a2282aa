package handlers_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/store/storetest"
)

func TestMachinesOverTime(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.get(t, "/workers/time").wants(t, ".empty", "No worker was there in this time")
	s.db.Iterate(t, s.db.NewBuildspace(t, "lib"), storetest.Plan("a", "b", "c"))
	began := s.db.Clock.Now()
	c := s.db.Claim(t, "w1")
	s.db.Clock.Advance(36 * time.Minute)
	s.db.End(t, c, buildbtw.OutcomeFailed)
	s.db.Finish(t, s.db.Claim(t, "w1"))
	s.db.Claim(t, "w1")
	s.db.Clock.Advance(time.Minute)

	for _, path := range []string{"/workers/time?hours=6", "/buildspaces/lib/time?hours=6"} {
		page := s.get(t, path)
		page.wantsStatus(t, http.StatusOK)
		page.wants(t, "title", "3 builds in 6 hours")
		page.wants(t, ".lanes tbody tr", "w1 1", "started 1 min ago", "3", "1", "10 %")
		page.wants(t, "nav a[aria-current]", "6 hours")
	}
	s.get(t, "/workers/time?hours=5").wants(t, "nav a[aria-current]", "24 hours") // what is not offered
	s.get(t, "/buildspaces/other/time").wantsStatus(t, http.StatusNotFound)

	// The picture's bars are those of the table; what is asked for again is what is new.
	bars := func(from time.Time) (wire struct {
		Lanes, Names, Outcomes []string
		Bars                   []int64
	},
	) {
		q := url.Values{"from": {strconv.FormatInt(from.UnixMilli(), 10)}, "until": {strconv.FormatInt(s.db.Clock.Now().Add(time.Hour).UnixMilli(), 10)}}
		a := s.get(t, "/workers/time/bars?"+q.Encode())
		a.wantsStatus(t, http.StatusOK)
		must(t, json.Unmarshal([]byte(a.body), &wire))
		return wire
	}
	if w := bars(began); len(w.Bars) != 3*8 || strings.Join(w.Lanes, " ") != "w1" || strings.Join(w.Outcomes, " ") != "failed built " {
		t.Errorf("%+v", w)
	}
	if w := bars(s.db.Clock.Now()); len(w.Bars) != 8 || w.Bars[7] != -1 {
		t.Errorf("what is new: %+v", w)
	}
	s.get(t, "/workers/time/bars?from=x&until=1").wantsStatus(t, http.StatusUnprocessableEntity)

	// An earlier span has no forecast, and leads back.
	until := url.QueryEscape(began.Add(10 * time.Minute).Format(time.RFC3339))
	page := s.get(t, "/workers/time?hours=6&until="+until)
	page.wants(t, "title", "1 build in 6 hours")
	page.wants(t, "main", "Later", "Now")
	page.wantsNone(t, "#picture[data-live]")
	s.get(t, "/workers/time?until=yesterday").wantsStatus(t, http.StatusUnprocessableEntity)
}

// A build that ends changes the part from which the picture learns that it is old.
func TestThePageOfMachinesIsLive(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.db.Iterate(t, s.db.NewBuildspace(t, "lib"), storetest.Plan("a", "b"))
	c := s.db.Claim(t, "w1")
	page := s.get(t, "/workers/time")
	tag, _ := page.Find("#live").Attr("data-tag")
	s.poll(t, "/workers/time", tag).wantsStatus(t, http.StatusNotModified)
	s.db.Finish(t, c)
	poll := s.poll(t, "/workers/time", tag)
	poll.wants(t, ".lanes", "waiting for work", "b") // which comes next
	if got := strings.Join(partsOf(poll), " "); got != "#mood time" {
		t.Errorf("parts: %s", got)
	}
}

func TestPackagesByIteration(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	space := s.db.NewBuildspace(t, "lib")
	s.get(t, "/buildspaces/lib/packages").wants(t, ".empty", "There are no builds yet")
	for _, fails := range []string{"", "b"} {
		s.db.Iterate(t, space, storetest.Plan("a", "b", "c"))
		for range 3 {
			c := s.db.Claim(t, "w")
			s.db.Clock.Advance(30 * time.Second)
			if c.Build.Pkgbase == fails {
				s.db.End(t, c, buildbtw.OutcomeFailed)
			} else {
				s.db.Finish(t, c)
			}
		}
	}
	page := s.get(t, "/buildspaces/lib/packages")
	page.wants(t, "title", "1 newly failing")
	page.wants(t, ".grid-table thead", "#1", "#2")
	page.wants(t, ".grid-table tbody tr:first-child", "b", "built in 30 s", "failed in 30 s, first failure")
	if n := page.Find(".grid-table .broke").Length(); n != 1 {
		t.Errorf("%d squares broke", n)
	}
	s.get(t, "/buildspaces/lib/packages?q=c").wants(t, ".filter", "1 of 3 packages")
	if s.get(t, "/buildspaces").Find(`main a[href="/grid"]`).Length() != 1 {
		t.Error("nothing leads from the list of buildspaces to the packages of all")
	}
	s.get(t, "/grid").wants(t, ".grid-table thead", "lib #2")
	s.get(t, "/buildspaces/other/packages").wantsStatus(t, http.StatusNotFound)

	var wire struct {
		Columns, Rows, Codes []string
		Broke                []int
		IDs                  [][]int64
		Seconds              [][]int
	}
	cells, _ := page.Find("#picture").Attr("data-cells")
	must(t, json.Unmarshal([]byte(s.get(t, cells).body), &wire))
	if strings.Join(wire.Rows, " ") != "b a c" || strings.Join(wire.Codes, " ") != "ddd fdd" || wire.Broke[0] != 1 || wire.Broke[1] != -1 {
		t.Errorf("%+v", wire)
	}
	if b := s.build(t, "b"); wire.IDs[1][0] != b.ID || wire.Seconds[1][0] != 30 {
		t.Errorf("b of #2 is build %d of %d s, want %d", wire.IDs[1][0], wire.Seconds[1][0], b.ID)
	}
	// A retry shows at once: the grid is not kept longer than it is true.
	_, err := s.db.RetryBuild(t.Context(), "alice", s.build(t, "b").ID)
	must(t, err)
	must(t, json.Unmarshal([]byte(s.get(t, cells).body), &wire))
	if strings.Join(wire.Codes, " ") == "ddd fdd" {
		t.Errorf("after a retry: %v", wire.Codes)
	}
}
