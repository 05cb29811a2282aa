package cmdtest

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"buildbtw/cmd/internal/cli"
)

var update = flag.Bool("update", false, "write the pages of docs/reference anew") //nolint:gochecknoglobals // a flag of tests

// Reference compares the page of docs/reference that lists the commands and settings of a
// program with what the program has, and with -update writes it.
func Reference(t testing.TB, root *cobra.Command) {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\nMade by `make generate` from the program; not to be edited. Every flag can be given in the environment instead, and\n"+
		"`BUILDBTW_…_FILE` names a file with its value. After a signal the exit code is 128 and its number; else 0 is done, 1 failed, 2 wrong use.\n", root.Name())
	writeCommand(&b, root)
	comparePage(t, root.Name()+".md", b.String())
}

// comparePage compares a page of docs/reference with what it should be.
func comparePage(t testing.TB, name, want string) {
	t.Helper()
	dir, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "docs", "reference", name)
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != want {
		t.Errorf("docs/reference/%s is not what the program has (%v); run: make generate", name, err)
	}
}

// writeCommand writes a command and those below it.
func writeCommand(b *strings.Builder, cmd *cobra.Command) {
	if cmd.Hidden || cmd.Name() == "help" || cmd.Name() == "completion" {
		return
	}
	fmt.Fprintf(b, "\n## %s\n\n%s\n", cmd.CommandPath(), strings.TrimSpace(strings.ReplaceAll(cmp.Or(cmd.Long, cmd.Short), "<", "&lt;")))
	if cmd.Runnable() {
		fmt.Fprintf(b, "\n```\n%s\n```\n", cmd.UseLine())
	}
	if cmd.Example != "" {
		fmt.Fprintf(b, "\n```sh\n%s\n```\n", outdent(cmd.Example))
	}
	writeFlags(b, cmd.LocalFlags())
	for _, sub := range cmd.Commands() {
		writeCommand(b, sub)
	}
}

func writeFlags(b *strings.Builder, flags *pflag.FlagSet) {
	head := "\n| flag | environment | default | |\n|---|---|---|---|\n"
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" || f.Name == "version" {
			return
		}
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		if kind := f.Value.Type(); kind != "bool" {
			name += " " + kind
		}
		value := ""
		if f.DefValue != "" && f.DefValue != "[]" && f.DefValue != "false" {
			value = "`" + strings.Trim(f.DefValue, "[]") + "`"
		}
		fmt.Fprintf(b, "%s| `%s` | `%s` | %s | %s |\n", head, name, cli.EnvName(f.Name), value, strings.NewReplacer("|", `\|`, "<", "&lt;").Replace(f.Usage))
		head = ""
	})
}

// outdent removes two spaces before each line, as cobra's help has them.
func outdent(text string) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimPrefix(line, "  ")
	}
	return strings.Join(lines, "\n")
}
