package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// knownLicence is a licence with a sentence that is only in its text.
type knownLicence struct{ id, sentence string }

// knownLicences returns those that allow what GPL-3.0-or-later asks for. One that is
// not here has to be read first.
func knownLicences() []knownLicence {
	return []knownLicence{
		{"Apache-2.0", `Apache License Version 2\.0`},
		{"MIT", `Permission is hereby granted, free of charge, to any person obtaining a copy`},
		{"ISC", `Permission to use, copy, modify, and(/or)? distribute this software for any purpose with or without fee is hereby granted, provided`},
		{"BSD-3-Clause", `Redistribution and use in source and binary forms.*(Neither the name|may not be used to endorse)`},
		{"BSD-2-Clause", `Redistribution and use in source and binary forms`},
		{"MPL-2.0", `Mozilla Public License,? [Vv]ersion 2\.0`},
		{"blessing", `All of the code and documentation in SQLite has been dedicated to the public domain`},
	}
}

var licenceFile = regexp.MustCompile(`(?i)^(licen[sc]e|copying|unlicense)(-[a-z0-9_-]+)?(\.(txt|md))?$`)

// licencesOf returns the SPDX identifiers of the licences in a directory.
func licencesOf(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, e := range entries {
		if !licenceFile.MatchString(e.Name()) || strings.HasSuffix(e.Name(), "-LOGO") /* of a picture */ {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		found := identify(string(text))
		if len(found) == 0 {
			return nil, fmt.Errorf("%s is a licence that is not known yet; read it, and add it to cmd/internal/inventory/licence.go", e.Name())
		}
		ids = append(ids, found...)
	}
	if len(ids) == 0 {
		return nil, errors.New("it has no licence, so it must not be used")
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// identify returns the licences whose sentences are in a text.
func identify(text string) (ids []string) {
	text = strings.Join(strings.Fields(text), " ")
	for _, k := range knownLicences() {
		if k.id == "BSD-2-Clause" && slices.Contains(ids, "BSD-3-Clause") {
			continue // the longer one has all of its words
		}
		if regexp.MustCompile(k.sentence).MatchString(text) {
			ids = append(ids, k.id)
		}
	}
	return ids
}

var jsImport = regexp.MustCompile(`(?m)^\s*import\s*(?:[^"';]*\sfrom\s*)?["']([^"']+)["']`)

// browserParts returns the packages of npm that the scripts of a directory import.
func browserParts(dir, lockFile string) ([]part, error) {
	text, err := os.ReadFile(lockFile)
	if err != nil {
		return nil, err
	}
	var lock struct {
		Packages map[string]struct{ Version, License, Integrity string }
	}
	if err := json.Unmarshal(text, &lock); err != nil {
		return nil, fmt.Errorf("read %s: %w", lockFile, err)
	}
	scripts, err := filepath.Glob(filepath.Join(dir, "*.js"))
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	var parts []part
	for _, script := range scripts {
		code, err := os.ReadFile(script)
		if err != nil {
			return nil, err
		}
		for _, match := range jsImport.FindAllStringSubmatch(string(code), -1) {
			name := match[1]
			if seen[name] || strings.HasPrefix(name, ".") { // of our own
				continue
			}
			seen[name] = true
			p, found := lock.Packages["node_modules/"+name]
			if !found || p.License == "" {
				return nil, fmt.Errorf("%s imports %s, of which %s has no licence", script, name, lockFile)
			}
			sum, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(p.Integrity, "sha512-"))
			if err != nil || len(sum) != 64 {
				return nil, fmt.Errorf("%s has no SHA-512 of %s", lockFile, name)
			}
			id := p.License
			if id == "BSD-0-Clause" {
				id = "0BSD" // as SPDX calls it
			}
			parts = append(parts, part{Name: name, Version: p.Version, Licences: []string{id}, Browser: true, SHA512: sum})
		}
	}
	return parts, nil
}
