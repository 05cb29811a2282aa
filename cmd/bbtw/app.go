package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/cmd/internal/cli"
)

// app has the output and the flags that all commands share.
type app struct {
	out, errors io.Writer
	flags       *pflag.FlagSet // of all commands
	chosen      *server        // nil: not yet
	serverName  string
	serverURL   string
	token       string
	json        bool
}

// printJSON prints a value for programs.
func (a *app) printJSON(v any) error {
	e := json.NewEncoder(a.out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// tell prints a sentence for people, or the value that says the same as JSON.
func (a *app) tell(v any, format string, args ...any) error {
	if a.json {
		return a.printJSON(v)
	}
	_, err := fmt.Fprintf(a.out, format, args...)
	return err
}

// timeOf returns when something was; long ago when it never was.
func timeOf(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// isTerminal reports whether people look at w as it is written.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// confirm asks a question on the terminal; without one the answer is no.
func (a *app) confirm(question string) (bool, error) {
	if !isTerminal(a.out) || !term.IsTerminal(int(os.Stdin.Fd())) {
		return false, nil
	}
	fmt.Fprintf(a.out, "%s [y/N] ", question)
	line, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil && err != io.EOF {
		return false, err
	}
	answer := strings.ToLower(strings.TrimSpace(line))
	return answer == "y" || answer == "yes", nil
}

// splitBuild reads BUILDSPACE/PKGBASE; ok is false for anything without a slash.
func splitBuild(s string) (buildspace, pkgbase string, ok bool) {
	buildspace, pkgbase, ok = strings.Cut(s, "/")
	return buildspace, pkgbase, ok && buildspace != "" && pkgbase != ""
}

// findBuild returns the id of a build that people named by number or by
// BUILDSPACE/PKGBASE. With several architectures, arch chooses.
func findBuild(ctx context.Context, c *api.Client, name, arch string) (string, error) {
	buildspace, pkgbase, ok := splitBuild(name)
	if !ok {
		if strings.Contains(name, "/") || !isNumber(name) {
			return "", cli.Usage(fmt.Errorf("%q names no build; give its number, or BUILDSPACE/PKGBASE", name))
		}
		return name, nil
	}
	builds, err := c.Builds(ctx, api.BuildFilter{Buildspace: buildspace, Pkgbase: pkgbase, Architecture: arch})
	if err != nil {
		return "", err
	}
	switch {
	case len(builds) == 0:
		return "", buildbtw.NotFound("%s has no build of %s; 'bbtw show %s' lists them", buildspace, pkgbase, buildspace)
	case len(builds) > 1 && !samePkgbaseAndArch(builds):
		return "", cli.Usage(fmt.Errorf("%s is built for several architectures; choose one with --arch", name))
	}
	return builds[len(builds)-1].ID, nil // the last stage is the one that stays
}

func samePkgbaseAndArch(builds []api.Build) bool {
	for _, b := range builds {
		if b.Architecture != builds[0].Architecture {
			return false
		}
	}
	return true
}

func isNumber(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}
