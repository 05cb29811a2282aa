package buildgraph_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"buildbtw/buildgraph"
	distributions "buildbtw/internal/distribution"
	"buildbtw/pacman/srcinfo"
)

// fixture is 360 real packages around the large cycle of the data set, without
// what no plan looks at (descriptions, checksums). See testdata/README.md.
func fixture(t testing.TB) []buildgraph.Source {
	t.Helper()
	text, err := os.ReadFile("testdata/artix-360.txt")
	if err != nil {
		t.Fatal(err)
	}
	var out []buildgraph.Source
	for _, part := range strings.Split(string(text), "-- ")[1:] {
		slug, body, _ := strings.Cut(part, " --\n")
		out = append(out, parsed(slug, []byte(body)))
	}
	return out
}

func parsed(slug string, text []byte) buildgraph.Source {
	info, err := srcinfo.Parse(text)
	return buildgraph.Source{Slug: slug, Ref: "main", Commit: "commit-" + slug, Info: info, Err: err}
}

// distribution is the whole data set; the test is skipped without it.
func distribution(t testing.TB) []buildgraph.Source {
	t.Helper()
	var out []buildgraph.Source
	for _, f := range distributions.Whole(t) {
		out = append(out, parsed(f.Source, f.Text))
	}
	return out
}

// needProgram skips a test whose program is not installed.
func needProgram(t testing.TB, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("needs %s: %v", name, err)
	}
}
