package check_test

import (
	"strings"
	"testing"

	"buildbtw/release/check"
)

func TestParsePolicy(t *testing.T) {
	t.Parallel()
	p, err := check.ParsePolicy([]string{"files=blocking", "empty=shown", "size=off"})
	if err != nil {
		t.Fatal(err)
	}
	found := []check.Finding{{Kind: check.Files, Outcome: check.Found}, {Kind: check.Empty, Outcome: check.Found}, {Kind: check.Size, Outcome: check.Found}}
	if !p.Blocks(found[0]) || p.Blocks(found[1]) || p.Blocks(found[2]) || p.Blocks(check.Finding{Kind: check.Files, Outcome: check.Unknown}) {
		t.Error("it blocks something else")
	}
	if shown := p.Shows(found); len(shown) != 2 || shown[1].Kind != check.Empty || len(found) != 3 {
		t.Errorf("shown: %+v", shown)
	}
	if d := check.DefaultPolicy(); !d.BlocksAny() || !d.Blocks(found[1]) || d.Blocks(found[0]) {
		t.Error("the default is another")
	}
	if p, err := check.ParsePolicy([]string{"empty=off"}); err != nil || p.BlocksAny() {
		t.Error("it blocks with nothing that blocks", err)
	}
	for setting, want := range map[string]string{"colour=off": "the checks are sonames, dep", "files": "files=blocking, files=shown", "files=on": "cannot read"} {
		if _, err := check.ParsePolicy([]string{setting}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", setting, err, want)
		}
	}
}
