package buildbtw_test

import (
	"strings"
	"testing"

	"buildbtw"
)

func TestNewWaiver(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind   buildbtw.WaiverKind
		names  []string
		reason string
		want   string // the waiver in words, or a part of the error
	}{
		{"hold", []string{"libfoo"}, " upstream asked ", "holds libfoo"},
		{"break", []string{"gtk+"}, "dead", "lets the dependencies of gtk+ break"},
		{"drop", []string{"old"}, "dead", "drops old"},
		{"together", []string{"qt6-base", "kde"}, "tested so", "releases kde and qt6-base only together"},
		{"keep", []string{"a"}, "x", "choose break, drop, hold or together"},
		{"hold", nil, "x", "takes 1 name"},
		{"hold", []string{"a", "b"}, "x", "takes 1 name"},
		{"together", []string{"a"}, "x", "takes 2 name"},
		{"together", []string{"a", "a"}, "x", "with itself"},
		{"hold", []string{"../a"}, "x", "no package name"},
		{"hold", []string{"-a"}, "x", "no package name"},
		{"hold", []string{"a"}, " \t", "needs a reason"},
		{"hold", []string{"a"}, "one\ntwo", "one line"},
		{"hold", []string{"a"}, strings.Repeat("x", buildbtw.MaxWaiverReason+1), "at most 500"},
	} {
		w, err := buildbtw.NewWaiver(c.kind, c.names, c.reason)
		got := w.String()
		if err != nil {
			got = err.Error()
			if buildbtw.KindOf(err) != buildbtw.KindInvalid {
				t.Errorf("%s %v: %v is no fault of the caller", c.kind, c.names, err)
			}
		}
		if !strings.Contains(got, c.want) || err == nil && w.Reason != strings.TrimSpace(c.reason) {
			t.Errorf("%s %v, %q: %s; want %s", c.kind, c.names, c.reason, got, c.want)
		}
	}
}
