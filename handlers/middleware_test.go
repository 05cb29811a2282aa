package handlers

import (
	"testing"

	"github.com/gofiber/fiber/v2"
)

// What machines and open pages repeat all the time is no line at INFO; what they are
// refused is.
func TestRoutineRequestsAreNotLogged(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		path    string
		status  int
		routine bool
	}{
		{"/", fiber.StatusOK, false},
		{"/", fiber.StatusNotModified, true},
		{"/hints", fiber.StatusOK, true},
		{"/hints", fiber.StatusForbidden, false},
		{"/api/v1/worker/claim", fiber.StatusNoContent, true},
		{"/api/v1/worker/claim", fiber.StatusOK, false},
		{"/api/v1/worker/leases/x/heartbeat", fiber.StatusOK, true},
		{"/api/v1/worker/leases/x/heartbeat", fiber.StatusConflict, false},
		{"/api/v1/worker/leases/x/log", fiber.StatusOK, true},
		{"/api/v1/worker/leases/x/finish", fiber.StatusOK, false},
		{"/builds/1/log", fiber.StatusOK, false},
	} {
		if got := isRoutine(test.path, test.status); got != test.routine {
			t.Errorf("%s with %d: routine %v", test.path, test.status, got)
		}
	}
}
