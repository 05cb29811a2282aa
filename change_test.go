package buildbtw_test

import (
	"testing"

	"buildbtw"
)

func TestPackageChangesInWords(t *testing.T) {
	t.Parallel()
	calc := []buildbtw.SonameChange{{"libcalc.so", "1", "2"}}
	for want, c := range map[string]buildbtw.PackageChange{
		"libcalc 1.4.0-1 → 2.0.0-1 (soname libcalc.so 1 → 2, buildspace)":              {Name: "libcalc", From: "1.4.0-1", To: "2.0.0-1", FromBuildspace: true, ToBuildspace: true, Sonames: calc},
		"libcalc 1.4.0-1 → 2.0.0-1 (soname libcalc.so 1 → 2, buildspace, before base)": {Name: "libcalc", From: "1.4.0-1", To: "2.0.0-1", ToBuildspace: true, Sonames: calc},
		"meson 1.8-1 → 1.9-1 (base)":                   {Name: "meson", From: "1.8-1", To: "1.9-1"},
		"meson 1.9-1 added (base)":                     {Name: "meson", To: "1.9-1"},
		"tool 1-1 removed (buildspace)":                {Name: "tool", From: "1-1", FromBuildspace: true},
		"tool 1-1 rebuilt (buildspace)":                {Name: "tool", From: "1-1", To: "1-1", FromBuildspace: true, ToBuildspace: true},
		"tool 1-2 → 1-1 (base, before buildspace)":     {Name: "tool", From: "1-2", To: "1-1", FromBuildspace: true},
		"x 1-1 → 2-1 (soname libx.so 1 removed, base)": {Name: "x", From: "1-1", To: "2-1", Sonames: []buildbtw.SonameChange{{"libx.so", "1", ""}}},
	} {
		if got := c.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
