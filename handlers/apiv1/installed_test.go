package apiv1_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"buildbtw"
	"buildbtw/api"
)

// What was installed is checked before anything is done with a report: half a list would
// tell of changes that never were.
func TestWhatWasInstalledIsChecked(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.space("work", "libalpha")
	job := s.claim()
	many, long := make([]string, api.MaxInstalled+1), make([]string, api.MaxInstalled)
	for i := range many {
		many[i] = fmt.Sprintf("p%d 1-1", i)
	}
	for i := range long {
		long[i] = fmt.Sprintf("p%d%s 1-1", i, strings.Repeat("x", 100))
	}
	for _, bad := range [][]string{many, long, {"gcc"}, {"gcc 1-1", "gcc 2-1"}, {"../gcc 1-1"}, {"gcc 1-1\nx 1-1"}, {""}} {
		s.call("POST", lease(job, "finish"), api.FinishRequest{Outcome: buildbtw.OutcomeFailed, Reason: "no", Installed: bad}, http.StatusUnprocessableEntity, nil)
	}
	var answer api.FinishAnswer
	s.call("POST", lease(job, "finish"), api.FinishRequest{Outcome: buildbtw.OutcomeFailed, Reason: "no", Installed: many[1:]}, http.StatusOK, &answer)
	if answer.Status != buildbtw.StatusFailed {
		t.Errorf("%+v", answer)
	}
}
