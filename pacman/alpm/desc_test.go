package alpm_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"buildbtw/pacman/alpm"
)

func TestOnlyALineAfterAnEmptyOneIsAHeader(t *testing.T) {
	t.Parallel()
	text := "%NAME%\nfoo\n\n%DESC%\nchecks %SHA256SUM%\n%VERSION%\n2\n\n\n%DEPENDS%\na\n%NAME%\n\nstray\n%ARCH%\nany\n\n" +
		"%lower%\nx\n\n%%\nx\n\n%URL%\n\n%ARCH%\nx86_64"
	var got [][2]string
	for field, value := range alpm.DescValues([]byte(text)) {
		got = append(got, [2]string{field, string(value)})
	}
	want := [][2]string{
		{"NAME", "foo"},
		{"DESC", "checks %SHA256SUM%"},
		{"DESC", "%VERSION%"},
		{"DESC", "2"},
		{"DEPENDS", "a"},
		{"DEPENDS", "%NAME%"},
		{"ARCH", "x86_64"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
