package alpm_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"buildbtw/pacman/alpm"
)

func TestVercmpOnKnownPairs(t *testing.T) {
	t.Parallel()
	// From `man vercmp`, pacman's own test/util/vercmptest.sh and toolchain.md.
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"1.5.0", "1.5.0", 0},
		{"1.5.1", "1.5.0", 1},
		{"1.5.1", "1.5", 1},
		{"1.5.0-1", "1.5.0-2", -1},
		{"1.5.0-1", "1.5.0", 0},
		{"1.5.0-1", "1.5", 1},
		{"1.5-1", "1.5.1-1", -1},
		{"1.0a", "1.0", -1},
		{"1.0.a", "1.0", 1},
		{"1.0rc1", "1.0", -1},
		{"1.5.b", "1.5", 1},
		{"1.5b", "1.5", -1},
		{"1.5b", "1.5.1", -1},
		{"2.0", "2_0", 0},
		{"2.0_a", "2_0.a", 0},
		{"2___a", "2_a", 1},
		{"2.0a", "2.0.a", -1},
		{"0:1.0", "1.0", 0},
		{"1:1.0", "2.0", 1},
		{"1:1.0", "0:1.0", 1},
		{"1.0-1.1", "1.0-1", 1},
		{"1.0-10", "1.0-9", 1},
		{"r10", "r9", 1},
		{"01", "1", 0},
		{"", "", 0},
		{"1", "", 1},
	} {
		if got := alpm.Vercmp(c.a, c.b); got != c.want {
			t.Errorf("Vercmp(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
		if got := alpm.Vercmp(c.b, c.a); got != -c.want {
			t.Errorf("Vercmp(%q, %q) = %d, want %d", c.b, c.a, got, -c.want)
		}
	}
}

// versionParts are put together at random to versions near each other.
var versionParts = []string{
	"0", "1", "2", "9", "10", "01", "007", "20260822", "123456789012345678901234567890",
	"a", "b", "rc", "beta", "alpha1", "r", "g1f", "git", "Z", ".", ".", ".", "_", "+", "~", "..", "._", "-", "-1", "-1.1", ":", "1:", "0:",
}

func randomVersion(r *rand.Rand) string {
	var b strings.Builder
	for range 1 + r.IntN(6) {
		b.WriteString(versionParts[r.IntN(len(versionParts))])
	}
	return b.String()
}

// sibling changes one part of a version, so that most of it is equal.
func sibling(r *rand.Rand, version string) string {
	i := r.IntN(len(version) + 1)
	return version[:i] + versionParts[r.IntN(len(versionParts))] + version[min(i+r.IntN(2), len(version)):]
}

func TestVercmpAgreesWithPacman(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("vercmp")
	if err != nil {
		t.Skip("skipped: vercmp is not installed")
	}
	pairs := 3000 // each is a process
	if testing.Short() {
		pairs = 300
	}
	r := rand.New(rand.NewPCG(1, 2))
	var input bytes.Buffer
	versions := make([][2]string, 0, pairs)
	for range pairs {
		a := randomVersion(r)
		b := sibling(r, a)
		if r.IntN(4) == 0 {
			b = randomVersion(r)
		}
		versions = append(versions, [2]string{a, b})
		fmt.Fprintf(&input, "%s\x00%s\x00", a, b)
	}
	cmd := exec.CommandContext(t.Context(), "xargs", "-0", "-n2", program)
	cmd.Stdin = &input
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	answers := strings.Fields(string(out))
	if len(answers) != pairs {
		t.Fatalf("%d answers to %d questions", len(answers), pairs)
	}
	for i, v := range versions {
		if got := strconv.Itoa(alpm.Vercmp(v[0], v[1])); got != answers[i] {
			t.Errorf("Vercmp(%q, %q) = %s, vercmp says %s", v[0], v[1], got, answers[i])
		}
	}
}

func FuzzVercmp(f *testing.F) {
	f.Add("1:1.0-1", "1.0")
	f.Add("1.0rc1", "1.0.")
	f.Fuzz(func(t *testing.T, a, b string) {
		if x, y := alpm.Vercmp(a, b), alpm.Vercmp(b, a); x != -y {
			t.Errorf("%q and %q: %d one way, %d the other", a, b, x, y)
		}
		if alpm.Vercmp(a, a) != 0 {
			t.Errorf("%q differs from itself", a)
		}
	})
}
