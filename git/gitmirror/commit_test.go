package gitmirror

import (
	"strings"
	"testing"
	"time"
)

// TestACommitIsReadAsPeopleKnowIt, also when somebody wrote it to be misread.
func TestACommitIsReadAsPeopleKnowIt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		want Commit
	}{
		{
			"tree a\nparent b\nauthor Anna Ä <anna@localhost> 1700000000 +0100\ncommitter Bo <b@localhost> 1800000000 +0000\n\nFix build\n\nauthor x <y> 1 +0\n",
			Commit{Subject: "Fix build", Author: "Anna Ä", Time: time.Unix(1700000000, 0).UTC(), Committed: time.Unix(1800000000, 0).UTC()},
		},
		{"tree a\nauthor A <a> 1 +0000\ngpgsig x\n y\n\n\n\nlate\n", Commit{Subject: "late", Author: "A", Time: time.Unix(1, 0).UTC()}},
		{"author A <a> never\n\n\x1b[31mred\x07", Commit{Subject: "[31mred", Author: "A"}},
		{"author A <a> 1 +0\n\n" + strings.Repeat("é", 200), Commit{Subject: strings.Repeat("é", 100) + "…", Author: "A", Time: time.Unix(1, 0).UTC()}},
		{"author A\u202e <a> 1 +0\n\n<script>\u2066x\u200b", Commit{Subject: "<script>x", Author: "A", Time: time.Unix(1, 0).UTC()}},
		{"", Commit{}},
		{"\xff\xfe", Commit{}},
	} {
		if got := parseCommit("", []byte(c.text)); got != c.want {
			t.Errorf("%q is %+v, want %+v", c.text, got, c.want)
		}
	}
}
