package handlers_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"buildbtw"
	"buildbtw/store/storetest"
	"buildbtw/views"
)

// A buildspace goes on until nothing is left that could be built, and then says what
// stopped it. The button that asks for a notification is there only while it goes on.
func TestABuildspaceSaysWhatStoppedIt(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	halt := func(name string) (h views.Halt) {
		t.Helper()
		must(t, json.Unmarshal([]byte(s.get(t, "/buildspaces/"+name+"/halt").body), &h))
		return h
	}
	want := func(name string, want views.Halt) {
		t.Helper()
		if got := halt(name); got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
	going := views.Halt{Going: true}

	s.db.Iterate(t, s.db.NewBuildspace(t, "red"), storetest.Plan("lib", "app: lib", "far: app"))
	want("red", going)
	s.get(t, "/buildspaces/red").wants(t, "[data-notify=red]", "Notify me when it stops")
	s.db.End(t, s.db.Claim(t, "w"), buildbtw.OutcomeFailed)
	want("red", views.Halt{Words: "lib failed. 2 builds wait."})

	s.db.Iterate(t, s.db.NewBuildspace(t, "alone"), storetest.Plan("lib", "tool"))
	s.db.End(t, s.db.Claim(t, "w"), buildbtw.OutcomeFailed)
	want("alone", going)
	s.db.Finish(t, s.db.Claim(t, "w"))
	want("alone", views.Halt{Words: "1 build failed, 1 built."})

	s.db.Iterate(t, s.db.NewBuildspace(t, "green"), storetest.Plan("lib"))
	s.db.Finish(t, s.db.Claim(t, "w"))
	want("green", views.Halt{Words: "All is done: 1 build built."})
	s.get(t, "/buildspaces/green").wantsNone(t, "[data-notify]")

	s.db.Iterate(t, s.db.NewBuildspace(t, "held"), storetest.Plan("lib"))
	_, err := s.db.StopBuildspace(t.Context(), "alice", "held")
	must(t, err)
	want("held", views.Halt{Words: "Somebody stopped it."})
	s.get(t, "/buildspaces/none/halt").wantsStatus(t, http.StatusNotFound)
}
