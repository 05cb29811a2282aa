// Command inventory lists what the programs are made of besides our own code:
// licences as a table for people, or all of it as a CycloneDX bill of materials.
//
// The modules come on standard input, a line each: path, version and the
// directory that has its text (infrastructure/inventory.sh).
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
)

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "inventory:", err)
		os.Exit(1)
	}
}

func run(args []string, in io.Reader, out io.Writer) error {
	if len(args) == 0 || args[0] != "licences" && args[0] != "sbom" {
		return fmt.Errorf("usage: inventory licences, or inventory sbom VERSION PROGRAM")
	}
	parts, err := readParts(in)
	if err != nil {
		return err
	}
	if args[0] == "licences" {
		return writeLicences(out, parts)
	}
	if len(args) < 3 {
		return fmt.Errorf("sbom needs a version and the programs")
	}
	return writeSBOM(out, args[1], args[2:], parts)
}

// part is a piece of others' work that is in the programs.
type part struct {
	Name, Version string
	Licences      []string // SPDX identifiers, sorted
	Browser       bool     // from npm, in static/dist; otherwise a Go module
	SHA512        []byte   // of a package of npm
}

// readParts returns the modules of standard input and the packages of npm that
// static/src imports.
func readParts(in io.Reader) ([]part, error) {
	var parts []part
	for lines := bufio.NewScanner(in); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) != 3 {
			return nil, fmt.Errorf("%q is not a module, its version and its directory", lines.Text())
		}
		licences, err := licencesOf(fields[2])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", fields[0], err)
		}
		parts = append(parts, part{Name: fields[0], Version: fields[1], Licences: licences})
	}
	if len(parts) == 0 {
		return nil, fmt.Errorf("there are no modules on standard input; call infrastructure/inventory.sh")
	}
	browser, err := browserParts("static/src", "package-lock.json")
	return append(parts, browser...), err
}

func writeLicences(out io.Writer, parts []part) error {
	var b strings.Builder
	b.WriteString(`# Licences

buildbtw is under GPL-3.0-or-later ([LICENSE](../LICENSE)). Its programs contain these works of others, each under
a licence that allows this. Made by ` + "`make licences`" + ` of the texts in the modules, which may also name what they use
in their tests only; ` + "`make check`" + ` compares.

| work | version | licence (SPDX) |
|---|---|---|
`)
	for _, p := range parts {
		name := p.Name
		if p.Browser {
			name += " (npm, in the pages)"
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", name, p.Version, strings.Join(p.Licences, " AND "))
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func writeJSON(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
