// Package cli is what all programs of buildbtw have in common on the command
// line: environment variables beside flags, exit codes, logging, signals.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
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

	// After a signal, as shells have it: 128 and the number of the signal.
	exitInterrupted = 128 + int(syscall.SIGINT)
	exitTerminated  = 128 + int(syscall.SIGTERM)
)

// Run executes the command and returns the exit code. SIGINT and SIGTERM end
// the command's context; a second one ends the program at once. A command that fails
// because of the signal says nothing: whoever pressed Ctrl-C knows.
func Run(root *cobra.Command) int {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		s := <-signals
		signal.Stop(signals) // the next one has its usual effect
		cancel(interrupted{s})
	}()
	prepare(root)
	cmd, err := root.ExecuteContextC(ctx)
	var own codeError
	if err != nil && ctx.Err() != nil && errors.Is(err, context.Canceled) && !errors.As(err, &own) {
		if errors.Is(context.Cause(ctx), interrupted{syscall.SIGTERM}) {
			return exitTerminated
		}
		return exitInterrupted
	}
	return report(os.Stderr, cmd, err)
}

// interrupted is why a command's context ended: a signal came.
type interrupted struct{ os.Signal }

func (s interrupted) Error() string { return s.String() + " signal received" }

func (interrupted) Is(target error) bool { return target == context.Canceled }

// prepare adds the common behaviour to every command of the tree.
func prepare(root *cobra.Command) {
	root.SilenceErrors, root.SilenceUsage = true, true
	root.Version = version
	root.SetVersionTemplate("{{.Name}} {{.Version}}\n")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return Usage(err) })
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error { return ReadEnvironment(cmd) }
	root.InitDefaultCompletionCmd()
	root.InitDefaultHelpCmd()
	root.DisableAutoGenTag = true
	root.AddCommand(manCommand(root))
	checkHelp(root)
	wrapArgs(root)
}

// checkHelp makes help for what is no command wrong use: cobra calls it a success.
func checkHelp(root *cobra.Command) {
	for _, cmd := range root.Commands() {
		if cmd.Name() == "help" {
			cmd.Args = func(_ *cobra.Command, args []string) error {
				if found, rest, err := root.Find(args); err != nil || found == nil || len(rest) > 0 {
					return fmt.Errorf("there is no command %q", strings.Join(args, " "))
				}
				return nil
			}
		}
	}
}

// wrapArgs makes a wrong number of arguments a usage error, and so a word that is no
// command of a group: cobra would print the help and call it a success.
func wrapArgs(cmd *cobra.Command) {
	if cmd.HasParent() && cmd.HasSubCommands() && !cmd.Runnable() {
		cmd.Args = cobra.NoArgs
		cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	}
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			err := check(cmd, args)
			if err != nil && strings.Contains(err.Error(), "arg(s)") { // cobra's words say not which
				err = fmt.Errorf("it takes other arguments: %s", cmd.UseLine())
			}
			return Usage(err)
		}
	}
	completeWords(cmd)
	for _, sub := range cmd.Commands() {
		wrapArgs(sub)
	}
}

// ReadEnvironment sets the flags that were not given from the environment, and those that
// are not there either from the file of --config. Run does so for every command that has no
// PersistentPreRunE of its own.
func ReadEnvironment(cmd *cobra.Command) error {
	if err := fromEnvironment(cmd.Flags(), os.LookupEnv, os.ReadFile); err != nil {
		return err
	}
	return fromConfig(cmd.Flags())
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

// Failure is how a command that was asked for JSON tells, on standard error, why it
// failed.
type Failure struct {
	Error    string        `json:"error"`
	Kind     buildbtw.Kind `json:"kind"`
	ExitCode int           `json:"exit_code"`
}

// report prints the error, for people or as JSON, and returns the exit code.
func report(w io.Writer, cmd *cobra.Command, err error) int {
	if err == nil {
		return ExitDone
	}
	var usage usageError
	var own codeError
	f := Failure{Error: message(err), Kind: buildbtw.KindOf(err), ExitCode: ExitFailed}
	hint := ""
	switch {
	case errors.As(err, &own):
		f.Error, f.ExitCode = message(own.error), own.code
	case errors.As(err, &usage), strings.HasPrefix(err.Error(), "unknown command"):
		f.Error, f.Kind, f.ExitCode = err.Error(), buildbtw.KindInvalid, ExitUsage
		hint = fmt.Sprintf("See '%s --help'.\n", cmd.CommandPath())
	}
	switch {
	case errors.Is(err, ErrSilent):
	case wantsJSON(cmd):
		text, _ := json.Marshal(f) // strings and a number are always JSON
		fmt.Fprintf(w, "%s\n", text)
	default:
		fmt.Fprintf(w, "%s: %s\n%s", cmd.Root().Name(), f.Error, hint)
	}
	return f.ExitCode
}

// wantsJSON reports whether a command was asked for JSON, also when the rest of its
// command line could not be read.
func wantsJSON(cmd *cobra.Command) bool {
	f := cmd.Flag("json")
	if f == nil {
		return false
	}
	o := cmd.Flag("output")
	return f.Value.String() == "true" || o != nil && o.Value.String() == "json" || slices.Contains(os.Args[1:], "--json")
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
			if value, ok = strings.TrimRight(string(text), "\r\n"), true; value == "" && file != os.DevNull { // not as if nothing had been given: with another's rights
				failure = Usage(fmt.Errorf("the file %s, which %s%s names, is empty", file, name, fileSuffix))
				return
			}
		}
		if !ok {
			return
		}
		if err := flags.Set(f.Name, value); err != nil {
			failure = Usage(fmt.Errorf("environment variable %s: %w", name, err))
			return
		}
		annotate(f, environment, name)
	})
	return failure
}

// environment marks flags that were set from it.
const environment = "environment"

// FromEnvironment reports whether a flag was set from the environment, and not on the
// command line, which counts more.
func FromEnvironment(f *pflag.Flag) bool { return len(f.Annotations[environment]) > 0 }

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
			if wantsJSON(cmd) {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(map[string]string{"version": version})
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), version)
			return err
		},
	}
}
