package alpm_test

import (
	"archive/tar"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"buildbtw/pacman/alpm"
)

// compiled compiles C to a library with the soname libx.so.1.
func compiled(t *testing.T, code string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip("skipped: gcc is not installed")
	}
	dir := t.TempDir()
	source, script, out := filepath.Join(dir, "x.c"), filepath.Join(dir, "x.map"), filepath.Join(dir, "out")
	for name, text := range map[string]string{source: code, script: "X_1 { global: one; }; X_2 { global: two; } X_1;\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	args = append(args, "-shared", "-nostdlib", "-fPIC", "-Wl,-soname,libx.so.1", "-Wl,--build-id=sha1", "-o", out, source)
	for i, arg := range args {
		args[i] = strings.ReplaceAll(arg, "MAP", script)
	}
	if text, err := exec.CommandContext(t.Context(), "gcc", args...).CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v\n%s", err, text)
	}
	body, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestExportsChangeWithWhatProgramsCanUse(t *testing.T) {
	t.Parallel()
	const code = "int one(void) { return 1; }\nint two(void) { return 2; }\nint table[4] = {1};\n"
	exports := func(code string, args ...string) string {
		t.Helper()
		i := readInterface(t, fooInfo, entry{name: "usr/lib/libx.so.1", body: compiled(t, code, args...)})
		return i.Exports["libx.so=1-64"]
	}
	before := exports(code)
	if before == "" {
		t.Fatal("it is not known what the library exports")
	}
	for name, same := range map[string]string{
		"another body":        exports(strings.Replace(code, "return 2", "return 3", 1)),
		"a static function":   exports(code + "static int three(void) { return 3; }\nint two(void);\nint (*use)(void) __attribute__((visibility(\"hidden\"))) = three;\n"),
		"optimised":           exports(code, "-O2", "-s"),
		"the old hash table":  exports(code, "-Wl,--hash-style=sysv"),
		"a new undefined one": exports(code + "extern int other(void);\nint (*use)(void) __attribute__((visibility(\"hidden\"))) = other;\n"),
	} {
		if same != before {
			t.Errorf("%s: %s; want %s", name, same, before)
		}
	}
	for name, other := range map[string]string{
		"one more":         exports(code + "int three(void) { return 3; }\n"),
		"one less":         exports("int one(void) { return 1; }\nint table[4] = {1};\n"),
		"data of its size": exports(strings.Replace(code, "[4]", "[5]", 1)),
		"with versions":    exports(code, "-Wl,--version-script=MAP"),
	} {
		if other == "" || other == before {
			t.Errorf("%s: %q; want another than %s", name, other, before)
		}
	}
}

func TestContentOfAPackage(t *testing.T) {
	t.Parallel()
	library := compiled(t, "int one(void) { return 1; }\n")
	i := readInterface(
		t, fooInfo, entry{name: ".INSTALL", body: "post_install() { true; }\n"}, entry{name: "usr/lib/libx.so.1", body: library},
		entry{name: "usr/bin/su", body: "#!/bin/sh\n", header: tar.Header{Mode: 0o4755}}, entry{name: "usr/bin/sg", body: "", header: tar.Header{Mode: 0o2755}},
		entry{name: "var/lib/mail/", header: tar.Header{Typeflag: tar.TypeDir, Mode: 0o2770}},
	)
	c := i.Content
	if c == nil || len(c.Install) != 64 || !slices.Equal(c.Privileged, []string{"usr/bin/sg 2755", "usr/bin/su 4755"}) {
		t.Fatalf("content: %+v", c)
	}
	if len(c.BuildIDs) != 1 || len(c.BuildIDs[0]) != 40+len(" usr/lib/libx.so.1") {
		t.Errorf("build ids: %q", c.BuildIDs)
	}
	if i := readInterface(t, fooInfo); i.Content == nil || i.Content.Install != "" || i.Exports != nil {
		t.Errorf("an empty package: %+v", i)
	}
	var old alpm.Interface
	if err := old.UnmarshalJSON([]byte(`{"format":2,"pkgname":"foo","version":"1-1","sonames":["libx.so=1-64"]}`)); err != nil || old.Content != nil || old.Exports != nil || old.Unknown != "" {
		t.Errorf("of before: %+v, %v", old, err)
	}
}
