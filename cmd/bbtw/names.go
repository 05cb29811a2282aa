package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/cmd/internal/cli"
)

const (
	maxList     = 1 << 20 // bytes of a list of names
	maxListed   = 20_000  // names in a list
	maxListLine = 64 << 10
	listTime    = 30 * time.Second // for a list from a URL
	toldNames   = 20               // unknown names that are told one by one
)

// fromFlags are the flags for a list of names.
type fromFlags struct {
	from        string
	skipUnknown bool
}

func (f *fromFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.from, "from", "", "read names from a file, a URL or - (standard input): one per line, or a todo list as JSON")
	cmd.Flags().BoolVar(&f.skipUnknown, "skip-unknown", false, "with --from: leave out names that no source makes")
	_ = cmd.MarkFlagFilename("from") // it is there
}

// args wants changesets, or a list in their place.
func (f *fromFlags) args(cmd *cobra.Command, args []string) error {
	if f.from != "" {
		return nil
	}
	return cobra.MinimumNArgs(1)(cmd, args)
}

// applyList adds the list to what a plan is made of. Without changesets the sources of the
// list become changesets; else its pkgbases are built in addition. The list is the set:
// unless a scope was chosen, no dependents are added.
func (a *app) applyList(ctx context.Context, c *api.Client, f fromFlags, changesets []string, s *api.Settings) ([]string, error) {
	if f.from == "" {
		return changesets, nil
	}
	text, err := readList(ctx, f.from)
	if err != nil {
		return nil, err
	}
	listed, err := parseNames(text)
	if err != nil {
		return nil, buildbtw.Invalid("%s: %w", f.from, err)
	}
	resolved, err := a.resolveList(ctx, c, f, listed)
	if err != nil {
		return nil, err
	}
	if s.Scope == nil {
		none := buildbtw.ScopeNone
		s.Scope = &none
	}
	var pkgbases, sources []string
	for _, r := range resolved {
		if !slices.Contains(pkgbases, r.Pkgbase) {
			pkgbases = append(pkgbases, r.Pkgbase)
		}
		if !slices.Contains(sources, r.Source) {
			sources = append(sources, r.Source)
		}
	}
	if len(changesets) == 0 {
		return sources, nil
	}
	if s.Add != nil {
		pkgbases = append(slices.Clone(*s.Add), pkgbases...)
	}
	s.Add = &pkgbases
	return changesets, nil
}

// resolveList asks the server which sources make the names. What no source makes is an
// error that names it with its line, unless it is to be skipped.
func (a *app) resolveList(ctx context.Context, c *api.Client, f fromFlags, listed []listedName) ([]api.ResolvedName, error) {
	names := make([]string, len(listed))
	for i, l := range listed {
		names[i] = l.name
	}
	all, err := c.ResolveNames(ctx, names)
	if err != nil {
		return nil, err
	}
	var known []api.ResolvedName
	var unknown []string
	for i, r := range all {
		if r.Source != "" {
			known = append(known, r)
			continue
		}
		words := listed[i].place() + r.Name + ": no source makes it"
		switch {
		case r.InBase:
			words += "; only the base repositories have it"
		case len(r.Near) > 0:
			words += "; do you mean " + strings.Join(r.Near, ", ") + "?"
		}
		unknown = append(unknown, words)
	}
	told := unknown[:min(len(unknown), toldNames)]
	for _, words := range told {
		if !a.json {
			fmt.Fprintln(a.errors, plain(f.from+": "+words))
		}
	}
	switch {
	case len(unknown) > 0 && !f.skipUnknown:
		words := fmt.Sprintf("%d of the %s in %s are not known; mend the list, or leave them out with --skip-unknown", len(unknown), plural(len(all), "name"), f.from)
		if a.json {
			words += ": " + strings.Join(told, "; ")
		}
		return nil, buildbtw.NotFound("%s", words)
	case len(known) == 0:
		return nil, buildbtw.NotFound("no source makes any of the %s in %s", plural(len(all), "name"), f.from)
	}
	return known, nil
}

// readList reads a list from standard input, a URL or a file.
func readList(ctx context.Context, from string) ([]byte, error) {
	switch {
	case from == "-":
		return readBounded(os.Stdin)
	case strings.HasPrefix(from, "http://"), strings.HasPrefix(from, "https://"):
		ctx, cancel := context.WithTimeout(ctx, listTime)
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
		if err != nil {
			return nil, cli.Usage(err)
		}
		request.Header.Set("Accept", "application/json, text/plain")
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			return nil, fmt.Errorf("read the list: %w", err)
		}
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			return nil, fmt.Errorf("read the list: %s answers %s", from, answer.Status)
		}
		return readBounded(answer.Body)
	}
	file, err := os.Open(from)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return readBounded(file)
}

func readBounded(r io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxList+1))
	if err != nil {
		return nil, fmt.Errorf("read the list: %w", err)
	}
	if len(text) > maxList {
		return nil, buildbtw.TooLarge("the list is longer than %d MiB", maxList>>20)
	}
	return text, nil
}

// listedName is a name of a list, with the line where it first stands; 0 in JSON.
type listedName struct {
	name string
	line int
}

func (l listedName) place() string {
	if l.line == 0 {
		return ""
	}
	return fmt.Sprintf("line %d: ", l.line)
}

// parseNames reads the names of a list, each once, in its order: lines as people write
// them and as sogrep, arch-rebuild-order and pacman -Q print them, or JSON as archweb has
// todo lists.
func parseNames(text []byte) ([]listedName, error) {
	var names []listedName
	var err error
	trimmed := bytes.TrimSpace(text)
	if len(trimmed) > 0 && (trimmed[0] == '{' || trimmed[0] == '[') {
		names, err = parseTodo(trimmed)
	} else {
		names, err = parseLines(text)
	}
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	names = slices.DeleteFunc(names, func(l listedName) bool {
		double := seen[l.name]
		seen[l.name] = true
		return double
	})
	switch {
	case len(names) == 0:
		return nil, buildbtw.Invalid("the list has no names")
	case len(names) > maxListed:
		return nil, buildbtw.TooLarge("the list has %d names; at most %d are allowed", len(names), maxListed)
	}
	return names, nil
}

// parseLines reads lines of names. What follows a # is a comment; a name may have its
// repository before it; architectures and versions behind a name are left out.
func parseLines(text []byte) ([]listedName, error) {
	var names []listedName
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, maxListLine)
	for number := 1; lines.Scan(); number++ {
		line, _, _ := strings.Cut(lines.Text(), "#")
		for i, field := range strings.Fields(line) {
			if i > 0 && isColumn(field) {
				continue
			}
			name, err := listedPackage(field)
			if err != nil {
				return nil, buildbtw.Invalid("line %d: %w", number, err)
			}
			names = append(names, listedName{name, number})
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return nil, buildbtw.Invalid("a line is longer than %d KiB", maxListLine>>10)
	}
	return names, lines.Err()
}

// listedPackage returns the name in name, repository/name or name with a mark behind it.
func listedPackage(field string) (string, error) {
	name := strings.TrimRight(field, ",:;")
	if repository, after, ok := strings.Cut(name, "/"); ok {
		if err := buildbtw.CheckPkgname(repository); err != nil {
			return "", err
		}
		name = after
	}
	return name, buildbtw.CheckPkgname(name)
}

// isColumn reports whether a further field of a line is no name: an architecture, or a
// version with its pkgrel.
func isColumn(field string) bool {
	if slices.Contains([]string{"any", "x86_64", "x86_64_v3", "i686", "aarch64", "armv7h", "riscv64", "loong64", "->"}, field) {
		return true
	}
	_, rel, found := strings.Cut(field, "-")
	return found && field[0] >= '0' && field[0] <= '9' && strings.Trim(rel, "0123456789.") == ""
}

// parseTodo reads a todo list as archweb has it: an object with "packages", each with its
// pkgbase; or the array alone; or an array of names. What is complete is left out.
func parseTodo(text []byte) ([]listedName, error) {
	list := json.RawMessage(text)
	if text[0] == '{' {
		var todo struct {
			Packages json.RawMessage `json:"packages"`
		}
		if err := json.Unmarshal(text, &todo); err != nil {
			return nil, buildbtw.Invalid("not JSON: %w", err)
		}
		if list = todo.Packages; list == nil {
			return nil, buildbtw.Invalid("the JSON is no todo list: it has no \"packages\"")
		}
	}
	var items []json.RawMessage
	if err := json.Unmarshal(list, &items); err != nil {
		return nil, buildbtw.Invalid("the JSON is no list of packages: %w", err)
	}
	var names []listedName
	for i, item := range items {
		var p struct {
			Pkgbase string `json:"pkgbase"`
			Pkgname string `json:"pkgname"`
			Status  string `json:"status_str"`
		}
		if err := json.Unmarshal(item, &p.Pkgname); err != nil {
			if err := json.Unmarshal(item, &p); err != nil {
				return nil, buildbtw.Invalid("package %d of the list is neither a name nor an object: %w", i+1, err)
			}
		}
		if p.Status == "Complete" {
			continue
		}
		name := p.Pkgbase
		if name == "" {
			name = p.Pkgname
		}
		if err := buildbtw.CheckPkgname(name); err != nil {
			return nil, buildbtw.Invalid("package %d of the list: %w", i+1, err)
		}
		names = append(names, listedName{name: name})
	}
	return names, nil
}

// printNames prints each name once, one per line, as scripts and bbtw new --from read
// them; with --json as an array.
func printNames[T any](a *app, rows []T, name func(T) string) error {
	names := []string{}
	seen := map[string]bool{}
	for _, row := range rows {
		if n := name(row); !seen[n] {
			seen[n] = true
			names = append(names, n)
		}
	}
	if a.json {
		return a.printJSON(names)
	}
	for _, n := range names {
		if _, err := fmt.Fprintln(a.out, plain(n)); err != nil {
			return err
		}
	}
	return nil
}
