// Package cli is what all programs of buildbtw have in common on the command
// line: environment variables beside flags, exit codes, logging, signals.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"buildbtw"
)

// Version of the programs; the build sets it from git.
var version = "development" // set by the linker

// Version returns the version that the programs were built as.
func Version() string { return version }

// Exit codes of all programs (docs: interfaces).
const (
	ExitDone   = 0
	ExitFailed = 1
	ExitUsage  = 2
)

// Run executes the command and returns the exit code. SIGINT and SIGTERM end
// the command's context; a second one ends the program at once.
func Run(root *cobra.Command) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // the next signal has its usual effect
	prepare(root)
	cmd, err := root.ExecuteContextC(ctx)
	return report(os.Stderr, cmd, err)
}

// prepare adds the common behaviour to every command of the tree.
func prepare(root *cobra.Command) {
	root.SilenceErrors, root.SilenceUsage = true, true
	root.Version = version
	root.SetVersionTemplate("{{.Name}} {{.Version}}\n")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return Usage(err) })
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error { return ReadEnvironment(cmd) }
	wrapArgs(root)
}

// wrapArgs makes a wrong number of arguments a usage error.
func wrapArgs(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error { return Usage(check(cmd, args)) }
	}
	for _, sub := range cmd.Commands() {
		wrapArgs(sub)
	}
}

// ReadEnvironment sets the flags that were not given from the environment. Run
// does so for every command that has no PersistentPreRunE of its own.
func ReadEnvironment(cmd *cobra.Command) error {
	return fromEnvironment(cmd.Flags(), os.LookupEnv, os.ReadFile)
}

type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// Usage marks an error as wrong use of the command line: exit code 2 and a
// pointer to --help.
func Usage(err error) error {
	if err == nil {
		return nil
	}
	return usageError{err}
}

// codeError is a failure with an exit code of its own.
type codeError struct {
	error
	code int
}

func (e codeError) Unwrap() error { return e.error }

// WithCode sets the exit code of a failure, for whoever started the program,
// unless it has one.
func WithCode(err error, code int) error {
	var own codeError
	if err == nil || errors.As(err, &own) {
		return err
	}
	return codeError{err, code}
}

// ErrSilent ends a program with exit code 1 when all has been said already.
var ErrSilent = errors.New("failed")

// report prints the error for people and returns the exit code.
func report(w io.Writer, cmd *cobra.Command, err error) int {
	var usage usageError
	var own codeError
	switch {
	case err == nil:
		return ExitDone
	case errors.As(err, &own):
		if !errors.Is(err, ErrSilent) {
			fmt.Fprintf(w, "%s: %s\n", cmd.Root().Name(), message(own.error))
		}
		return own.code
	case errors.Is(err, ErrSilent):
		return ExitFailed
	case errors.As(err, &usage), strings.HasPrefix(err.Error(), "unknown command"):
		fmt.Fprintf(w, "%s: %v\nSee '%s --help'.\n", cmd.Root().Name(), err, cmd.CommandPath())
		return ExitUsage
	default:
		fmt.Fprintf(w, "%s: %s\n", cmd.Root().Name(), message(err))
		return ExitFailed
	}
}

// message prefers the words written for people, and else shows everything: on
// the command line the reader is the operator.
func message(err error) string {
	if buildbtw.KindOf(err) == buildbtw.KindInternal {
		return err.Error()
	}
	return buildbtw.MessageOf(err)
}

// fileSuffix marks variables that name a file with the value, so that a secret
// stands in no process list and no environment.
const fileSuffix = "_FILE"

// fromEnvironment sets every flag that was not given from BUILDBTW_<FLAG>, or
// from the file that BUILDBTW_<FLAG>_FILE names.
func fromEnvironment(flags *pflag.FlagSet, lookup func(string) (string, bool), read func(string) ([]byte, error)) error {
	var failure error
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Changed || failure != nil || f.Name == "help" || f.Name == "version" {
			return
		}
		name := EnvName(f.Name)
		value, ok := lookup(name)
		if file, isFile := lookup(name + fileSuffix); !ok && isFile && !strings.HasSuffix(f.Name, "-file") {
			text, err := read(file)
			if err != nil {
				failure = fmt.Errorf("read %s%s: %w", name, fileSuffix, err)
				return
			}
			value, ok = strings.TrimRight(string(text), "\r\n"), true
		}
		if !ok {
			return
		}
		if err := flags.Set(f.Name, value); err != nil {
			failure = Usage(fmt.Errorf("environment variable %s: %w", name, err))
		}
	})
	return failure
}

// EnvName returns the environment variable of a flag.
func EnvName(flag string) string {
	return "BUILDBTW_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// VersionCommand prints the version.
func VersionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), version)
			return err
		},
	}
}
