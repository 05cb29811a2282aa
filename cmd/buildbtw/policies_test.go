package main

import (
	"testing"

	"buildbtw/release/check"
)

func TestATargetHasModesOfItsOwn(t *testing.T) {
	t.Parallel()
	f := serveFlags{checks: []string{"size=off"}, targets: []string{"stable,check=files:blocking,check=empty:shown", "testing,after=stable"}}
	all, own, err := f.policies()
	if err != nil || all[check.Size] != check.Off || all[check.Files] == check.Blocking || len(own) != 1 {
		t.Fatal(all, own, err)
	}
	if p := own["stable"]; p[check.Files] != check.Blocking || p[check.Empty] != check.Shown || p[check.Size] != check.Off {
		t.Errorf("stable: %v", p)
	}
	for _, bad := range []string{"stable,check=files", "stable,check=none:off", "stable,check=files:never"} {
		f.targets = []string{bad}
		if _, _, err := f.policies(); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
}
