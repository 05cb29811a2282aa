package buildbtw_test

import (
	"strings"
	"testing"

	"buildbtw"
)

func TestWhoMayClaimAs(t *testing.T) {
	t.Parallel()
	shared := buildbtw.User{Name: "worker", Role: buildbtw.RoleWorker}
	bound := buildbtw.User{Name: "token of b1", Role: buildbtw.RoleWorker, Machine: &buildbtw.Machine{Worker: "b1"}}
	narrow := buildbtw.User{Name: "token of b1", Role: buildbtw.RoleWorker, Machine: &buildbtw.Machine{
		Worker: "b1", Architectures: buildbtw.Names{"x86_64", "aarch64"}, Labels: buildbtw.Names{"big"},
	}}
	x, big := []string{"x86_64"}, []string{"big"}
	for name, test := range map[string]struct {
		user                  buildbtw.User
		worker                string
		architectures, labels []string
		kind                  buildbtw.Kind // of the refusal; empty: it is allowed
		says                  string
	}{
		"nobody":                      {buildbtw.User{}, "b1", x, nil, buildbtw.KindUnauthenticated, "token"},
		"a reader":                    {buildbtw.User{Name: "rita", Role: buildbtw.RoleReader}, "b1", x, nil, buildbtw.KindForbidden, "only build machines"},
		"a packager with a machine":   {buildbtw.User{Name: "pam", Role: buildbtw.RolePackager, Machine: bound.Machine}, "b1", x, nil, buildbtw.KindForbidden, "only build machines"},
		"an administrator":            {buildbtw.User{Kind: buildbtw.KindPerson, Name: "anna", Role: buildbtw.RoleAdmin}, "b1", x, big, "", ""},
		"a shared token":              {shared, "b1", x, big, "", ""},
		"its own name":                {bound, "b1", []string{"riscv64"}, []string{"any"}, "", ""},
		"the name of another machine": {bound, "b2", x, nil, buildbtw.KindForbidden, "--name b1"},
		"no name":                     {bound, "", x, nil, buildbtw.KindForbidden, "b1"},
		"all that it is for":          {narrow, "b1", []string{"aarch64", "x86_64"}, big, "", ""},
		"less than it is for":         {narrow, "b1", x, nil, "", ""},
		"another architecture":        {narrow, "b1", []string{"x86_64", "riscv64"}, nil, buildbtw.KindForbidden, "architecture riscv64, only for x86_64, aarch64"},
		"another label":               {narrow, "b1", x, []string{"big", "fast"}, buildbtw.KindForbidden, "label fast, only for big"},
	} {
		err := test.user.MayClaimAs(test.worker, test.architectures, test.labels)
		if test.kind == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if buildbtw.KindOf(err) != test.kind || !strings.Contains(buildbtw.MessageOf(err), test.says) {
			t.Errorf("%s: %v, want %s that says %q", name, err, test.kind, test.says)
		}
	}
}
