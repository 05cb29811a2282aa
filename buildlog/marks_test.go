package buildlog

import (
	"testing"
)

// What blames the machine is also marked in the log, whose page shows it.
func TestMachineFault(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"/usr/bin/ld: final link failed: No space left on device\n":           "the disk is full",
		"tar: write error: Disk quota exceeded\n":                             "the disk is full",
		"c++: fatal error: Killed signal terminated program cc1plus\n":        "a program was killed, probably for want of memory",
		"/usr/bin/makepkg: line 12:  4711 Killed                  ./build\n":  "a program was killed, probably for want of memory",
		"fork: Cannot allocate memory\n":                                      "out of memory or processes",
		"virtual memory exhausted: none left\n":                               "out of memory or processes",
		"fork: Resource temporarily unavailable\nmake: leaving\n":             "out of memory or processes",
		"curl: (6) Could not resolve host: example.org\n==> ERROR: Failure\n": "",
		"gpg: keyserver receive failed: No data\n":                            "",
		"cp: read error: Input/output error\n":                                "the disk has errors",
		"install: cannot create: Read-only file system\n":                     "the disk has errors",
		"curl: (22) The requested URL returned error: 404\n":                  "",
		"main.c:1:10: fatal error: foo.h: No such file or directory\n":        "",
		"java.lang.OutOfMemoryError: Java heap space, out of memory\n":        "",
	} {
		if got := MachineFault([]byte(text)); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
		if got := MachineFault([]byte(text), want); want != "" && got != "" {
			t.Errorf("%q: %q though %q is refuted", text, got, want)
		}
		if want != "" {
			wantMarked(t, text)
		}
	}
}

func wantMarked(t *testing.T, text string) {
	t.Helper()
	l := openLogs(t)
	mustAppend(t, l, 1, 0, text)
	v := open(t, l, 1)
	defer v.Close()
	if _, found := v.Errors(); found == 0 {
		t.Errorf("%q is not marked", text)
	}
}
