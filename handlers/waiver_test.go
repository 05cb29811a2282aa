package handlers_test

import (
	"net/http"
	"net/url"
	"testing"

	"buildbtw/store/storetest"
)

func TestDecisionsAboutAReleaseAreForms(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.db.Iterate(t, s.db.NewBuildspace(t, "lib"), storetest.Plan("lib", "app: lib"))
	const page = "/buildspaces/lib/1/release"
	form := url.Values{"kind": {"hold"}, "names": {" app  lib "}, "reason": {"not yet"}}
	answer := s.post(t, page+"/waivers", form)
	if answer.status != http.StatusSeeOther || answer.header.Get("Location") != page {
		t.Fatalf("recorded: %d to %s", answer.status, answer.header.Get("Location"))
	}
	list, err := s.db.Waivers(t.Context(), "lib")
	if err != nil || len(list) != 2 || list[0].Name != "app" || list[1].Name != "lib" || list[1].Reason != "not yet" {
		t.Fatalf("recorded: %+v, %v", list, err)
	}
	s.get(t, "/buildspaces/lib/activity").wants(t, "main", "holds lib: not yet", "holds app: not yet")
	for path, want := range map[string]int{
		"/buildspaces/lib/0/release/waivers/1/remove": http.StatusNotFound, page + "/waivers/x/remove": http.StatusUnprocessableEntity,
		page + "/waivers/9/remove": http.StatusNotFound, page + "/waivers/1/remove": http.StatusSeeOther,
	} {
		if answer := s.post(t, path, url.Values{}); answer.status != want {
			t.Errorf("%s: %d; want %d", path, answer.status, want)
		}
	}
	if answer := s.post(t, page+"/waivers", url.Values{"kind": {"hold"}, "names": {"app"}}); answer.status != http.StatusUnprocessableEntity {
		t.Errorf("without a reason: %d", answer.status)
	}
	if list, err := s.db.Waivers(t.Context(), "lib"); err != nil || len(list) != 1 {
		t.Errorf("left: %+v, %v", list, err)
	}
}
