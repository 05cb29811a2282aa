package buildbtw_test

import (
	"strings"
	"testing"

	"buildbtw"
)

func TestNewWaivers(t *testing.T) {
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
		{"hold", nil, "x", "name 1 to 200"},
		{"hold", []string{"a", "b"}, "x", "holds a, holds b"},
		{"hold", []string{"a", "a"}, "x", "twice"},
		{"together", []string{"a"}, "x", "takes two names"},
		{"together", []string{"a", "a"}, "x", "twice"},
		{"hold", []string{"../a"}, "x", "no package name"},
		{"hold", []string{"-a"}, "x", "no package name"},
		{"hold", []string{"a"}, " \t", "needs a reason"},
		{"hold", []string{"a"}, "one\ntwo", "one line"},
		{"hold", []string{"a"}, strings.Repeat("x", buildbtw.MaxWaiverReason+1), "at most 500"},
	} {
		list, err := buildbtw.NewWaivers(c.kind, c.names, c.reason)
		var words []string
		for _, w := range list {
			words = append(words, w.String())
			if w.Reason != strings.TrimSpace(c.reason) {
				t.Errorf("%s %v: the reason is %q", c.kind, c.names, w.Reason)
			}
		}
		got := strings.Join(words, ", ")
		if err != nil {
			got = err.Error()
			if buildbtw.KindOf(err) != buildbtw.KindInvalid {
				t.Errorf("%s %v: %v is no fault of the caller", c.kind, c.names, err)
			}
		}
		if !strings.Contains(got, c.want) {
			t.Errorf("%s %v, %q: %s; want %s", c.kind, c.names, c.reason, got, c.want)
		}
	}
}
