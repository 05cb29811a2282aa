package directory_test

import (
	"slices"
	"strings"
	"testing"

	"buildbtw/internal/directory"
)

func TestSlipsOfThePenAreForgiven(t *testing.T) {
	t.Parallel()
	d := directory.New([]directory.Source{
		source(t, "openssl", "openssl"), source(t, "openssh", "openssh"), source(t, "git", "git"), source(t, "got", "got"), source(t, "x", "x"),
	})
	for name, want := range map[string][]string{
		"opnessl":                {"openssl", "openssh"},
		"OPENSSL":                {"openssl", "openssh"},
		"opensl":                 {"openssl", "openssh"},
		"gti":                    {"git"},
		"giit":                   {"git"},
		"gut":                    {"git", "got"},
		"nothing":                nil,
		"":                       {"x"},
		strings.Repeat("y", 500): nil,
	} {
		var got []string
		for _, e := range d.Near(name, 5) {
			got = append(got, e.Name)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
	if got := d.Near("opensss", 1); len(got) != 1 {
		t.Errorf("bounded: %v", got)
	}
}

func BenchmarkNear(b *testing.B) {
	d := large(b, 10_000)
	for b.Loop() {
		d.Near("pyhton-htpt77", 5)
	}
}
