package buildlog

import (
	"strings"
	"testing"
)

// TestLinesOfOneCauseHaveOneSummary holds pairs of lines, as real tools write them in two
// packages, to one summary.
func TestLinesOfOneCauseHaveOneSummary(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ one, other, want string }{
		{
			"/build/abacus/src/abacus-1.0/abacus.c:12:10: fatal error: calc.h: No such file or directory",
			"../tally/src/main.cpp:7:10: fatal error: calc.h: No such file or directory",
			"calc.h: No such file or directory",
		},
		{
			"/usr/bin/ld: /tmp/ccA1b2C3.o: in function `main': abacus.c:(.text+0x12): undefined reference to `calc_add'",
			"/usr/bin/ld: /tmp/ccZ9y8X7.o: in function `run': tally.c:(.text.startup+0x3ff): undefined reference to `calc_add'",
			"undefined reference to 'calc_add'",
		},
		{"/usr/bin/ld: cannot find -lcalc: No such file or directory", "ld.bfd: cannot find -lcalc: No such file or directory", "cannot find -lcalc: No such file or directory"},
		{"error[E0433]: failed to resolve: use of undeclared crate `calc`", "error[E0433]: failed to resolve: use of undeclared crate `calc`", "failed to resolve: use of undeclared crate 'calc'"},
		{"CMake Error at CMakeLists.txt:12 (find_package):", "CMake Error at src/CMakeLists.txt:340 (find_package):", "CMake Error at CMakeLists.txt (find_package):"},
		{"configure: error: libcalc 2 is needed", "configure: error: libcalc 2 is needed", "libcalc 2 is needed"},
		{"/build/a/PKGBUILD: line 12: calc-gen: command not found", "/startdir/PKGBUILD: line 7: calc-gen: command not found", "calc-gen: command not found"},
		{"make[2]: *** [Makefile:123: calc.o] Error 1", "make[1]: *** [../Makefile:9: calc.o] Error 1", "make: [Makefile: calc.o] Error 1"},
		{"src/main.rs(12,4): error: no calc", "lib/x.rs(1,1): error: no calc", "no calc"},
		{"free(): invalid pointer 0x55d0c0ffee00", "free(): invalid pointer 0x7f0000000010", "free(): invalid pointer …"},
		{"thread 'main' panicked at src/main.rs:10:5:", "thread 'main' panicked at src/main.rs:99:1:", "thread 'main' panicked at main.rs:"},
		{"==> ERROR: A failure occurred in build().", "    ==> ERROR: A failure occurred in build().", "A failure occurred in build()."},
	} {
		if a, b := Summary(c.one), Summary(c.other); a != c.want || b != c.want {
			t.Errorf("%q\n and %q\n  are %q\n  and %q\n want %q", c.one, c.other, a, b, c.want)
		}
	}
}

// TestOtherCausesHaveOtherSummaries: what a reader would mend in another way stays apart.
func TestOtherCausesHaveOtherSummaries(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, line := range []string{
		"a.c:1:1: fatal error: calc.h: No such file or directory",
		"a.c:1:1: fatal error: math.h: No such file or directory",
		"a.c:1:1: error: 'calc_add' undeclared (first use in this function)",
		"a.c:1:1: error: too few arguments to function 'calc_add'; expected 2, have 1",
		"a.c:1:1: error: too few arguments to function 'calc_add'; expected 3, have 1",
		"undefined reference to `calc_add@LIBCALC_1'",
		"undefined reference to `calc_add@LIBCALC_2'",
		"ModuleNotFoundError: No module named 'calc'",
		"FAILED tests/test_calc.py::test_add - AssertionError",
		"FAILED tests/test_calc.py::test_sub - AssertionError",
		"12/40 calc:add FAIL 0.01s",
		":", "", "   ", "error: ", "/", strings.Repeat("é", 200),
	} {
		s := Summary(line)
		if other, twice := seen[s]; twice && strings.TrimSpace(s) != "" {
			t.Errorf("%q and %q are both %q", line, other, s)
		}
		seen[s] = line
		if len(s) > 170 {
			t.Errorf("the summary has %d bytes", len(s))
		}
	}
}

// TestTheCauseIsInThePartThatFailed: what earlier parts print is not why a later one failed.
func TestTheCauseIsInThePartThatFailed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ log, want string }{
		{"==> Starting build()...\nx.c:1:1: error: one\nx.c:2:1: error: two\n==> ERROR: A failure occurred in build().\n", "x.c:1:1: error: one"},
		{"==> Starting build()...\nnote: error: tried and not needed\n==> Starting check()...\nFAIL: test_add\n==> ERROR: A failure occurred in check().\n", "FAIL: test_add"},
		{"==> Starting build()...\nx.c:1:1: error: of before\n==> Starting check()...\n==> ERROR: A failure occurred in check().\n", "x.c:1:1: error: of before"},
		{"==> ERROR: Could not resolve all dependencies.\n", "==> ERROR: Could not resolve all dependencies."},
		{"==> Starting build()...\n==> ERROR: A failure occurred in build().\n", ""},
		{"==> Starting build()...\nall is well\n", ""},
	} {
		logs := openLogs(t)
		mustAppend(t, logs, 1, 0, c.log)
		v := open(t, logs, 1)
		m, ok := v.Cause()
		if m.Text != c.want || ok != (c.want != "") {
			t.Errorf("the cause in\n%s is %q, want %q", c.log, m.Text, c.want)
		}
	}
}
