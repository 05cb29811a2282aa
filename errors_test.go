package buildbtw_test

import (
	"testing"

	"buildbtw"
)

func TestEveryKindHasAStatusAndBack(t *testing.T) {
	t.Parallel()
	for _, kind := range []buildbtw.Kind{
		buildbtw.KindInvalid, buildbtw.KindUnauthenticated, buildbtw.KindForbidden, buildbtw.KindNotFound, buildbtw.KindConflict,
		buildbtw.KindUnconfirmed, buildbtw.KindTooLarge, buildbtw.KindTooMany, buildbtw.KindTooSlow, buildbtw.KindUnavailable, buildbtw.KindInternal,
	} {
		if status := kind.HTTPStatus(); status < 400 || buildbtw.KindOfHTTPStatus(status) != kind {
			t.Errorf("%s: status %d, back %s", kind, status, buildbtw.KindOfHTTPStatus(status))
		}
	}
}
