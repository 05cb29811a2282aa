package main

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// licenceTexts are the beginnings of what modules come with.
var licenceTexts = map[string]string{
	"MIT":          "MIT License\n\nCopyright (c) 2020 A\n\nPermission is hereby granted, free of charge, to any person obtaining a\ncopy of this software",
	"BSD-3-Clause": "Redistribution and use in source and binary forms, with or without\nmodification, …\n   * Neither the name of X nor the names of its contributors",
	"BSD-2-Clause": "Redistribution and use in source and binary forms, with or without\nmodification, are permitted",
	"Apache-2.0":   "                                 Apache License\n                           Version 2.0, January 2004",
	"MPL-2.0":      "Mozilla Public License, version 2.0\n\n1. Definitions",
}

func TestLicencesAreKnownByTheirText(t *testing.T) {
	t.Parallel()
	for id, text := range licenceTexts {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "LICENSE"), text)
		write(t, filepath.Join(dir, "license.go"), "package x")
		if got, err := licencesOf(dir); err != nil || !slices.Equal(got, []string{id}) {
			t.Errorf("%s: %v, %v", id, got, err)
		}
		write(t, filepath.Join(dir, "LICENSE-OTHER.md"), licenceTexts["MIT"]+licenceTexts["Apache-2.0"])
		if got, err := licencesOf(dir); err != nil || !slices.Contains(got, "MIT") || !slices.Contains(got, "Apache-2.0") || !slices.Contains(got, id) {
			t.Errorf("%s and others: %v, %v", id, got, err)
		}
	}
}

func TestWhatHasNoKnownLicenceIsRefused(t *testing.T) {
	t.Parallel()
	none, odd := t.TempDir(), t.TempDir()
	write(t, filepath.Join(odd, "COPYING"), "You may look, but not touch.")
	for dir, says := range map[string]string{none: "must not be used", odd: "COPYING is a licence that is not known"} {
		var out bytes.Buffer
		err := run([]string{"licences"}, strings.NewReader("example.org/x v1.0.0 "+dir+"\n"), &out)
		if err == nil || !strings.Contains(err.Error(), "example.org/x: ") || !strings.Contains(err.Error(), says) || out.Len() > 0 {
			t.Errorf("%v, %q", err, &out)
		}
	}
	if err := run([]string{"licences"}, strings.NewReader(""), &bytes.Buffer{}); err == nil {
		t.Error("an empty list of modules is accepted")
	}
}

func TestScriptsOfOthersAreFound(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "app.js"), "import \"./own.js\";\nimport htmx from \"htmx.org\";\nimport { a,\n  b } from '../b.js';\n")
	write(t, filepath.Join(dir, "more.js"), "import \"htmx.org\";\n")
	lock := filepath.Join(dir, "lock.json")
	sum := strings.Repeat("A", 86) + "=="
	write(t, lock, `{"packages": {"node_modules/htmx.org": {"version": "4.0.1", "license": "BSD-0-Clause", "integrity": "sha512-`+sum+`"}, "node_modules/esbuild": {}}}`)
	parts, err := browserParts(dir, lock)
	if err != nil || len(parts) != 1 || parts[0].Name != "htmx.org" || parts[0].Version != "4.0.1" || !slices.Equal(parts[0].Licences, []string{"0BSD"}) {
		t.Errorf("%+v, %v", parts, err)
	}
	write(t, lock, `{"packages": {}}`)
	if _, err := browserParts(dir, lock); err == nil || !strings.Contains(err.Error(), "htmx.org") {
		t.Errorf("without an entry: %v", err)
	}
}

// TestBillOfMaterials makes the bill of this test's own program, and holds it against
// what the schema of CycloneDX 1.6 asks for.
func TestBillOfMaterials(t *testing.T) {
	t.Parallel()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	parts := []part{{Name: "@scope/script", Version: "1.0.0", Licences: []string{"MIT"}, Browser: true, SHA512: make([]byte, 64)}}
	for _, m := range info.Deps {
		parts = append(parts, part{Name: m.Path, Version: m.Version, Licences: []string{"Apache-2.0", "MIT"}})
	}
	var first, second bytes.Buffer
	for _, out := range []*bytes.Buffer{&first, &second} {
		if err := writeSBOM(out, "v1", []string{program, program}, parts); err != nil {
			t.Fatal(err)
		}
	}
	if first.String() != second.String() {
		t.Error("the same programs give different bills")
	}
	var bill struct {
		BomFormat, SpecVersion, SerialNumber string
		Version                              int
		Metadata                             struct {
			Component map[string]any
		}
		Components []struct {
			Type, Name, Version, Purl string
			Ref                       string `json:"bom-ref"`
			Licenses                  []struct{ License struct{ ID string } }
		}
		Dependencies []struct {
			Ref       string
			DependsOn []string
		}
	}
	if err := json.Unmarshal(first.Bytes(), &bill); err != nil {
		t.Fatal(err)
	}
	serial := regexp.MustCompile(`^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	if bill.BomFormat != "CycloneDX" || bill.SpecVersion != "1.6" || bill.Version != 1 || !serial.MatchString(bill.SerialNumber) ||
		bill.Metadata.Component["type"] != "application" || bill.Metadata.Component["name"] != "buildbtw" || bill.Metadata.Component["version"] != "v1" {
		t.Errorf("head: %s", first.String()[:500])
	}
	refs := []string{"buildbtw"}
	for _, c := range bill.Components {
		if c.Type != "library" || c.Name == "" || c.Version == "" || c.Ref == "" || c.Ref != c.Purl || len(c.Licenses) == 0 || c.Licenses[0].License.ID == "" || slices.Contains(refs, c.Ref) {
			t.Errorf("component: %+v", c)
		}
		refs = append(refs, c.Ref)
	}
	if want := len(info.Deps) + 2; len(bill.Components) != want || !slices.Contains(refs, "pkg:npm/%40scope/script@1.0.0") {
		t.Errorf("%d components, want %d: %v", len(bill.Components), want, refs)
	}
	if len(bill.Dependencies) != len(refs) || len(bill.Dependencies[0].DependsOn) != len(bill.Components) {
		t.Errorf("dependencies: %+v", bill.Dependencies)
	}
	for _, d := range bill.Dependencies {
		if !slices.Contains(refs, d.Ref) {
			t.Errorf("a dependency of %s, which is no component", d.Ref)
		}
	}

	if len(info.Deps) > 0 {
		if err := writeSBOM(&first, "v1", []string{program}, nil); err == nil {
			t.Error("a module that is not in the list is left out without a word")
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
