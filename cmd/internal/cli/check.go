package cli

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// outside returns values that lie outside the bounds.
func (b *bounded[T]) outside() []string {
	return []string{b.write(b.least - 1), b.write(b.most + 1)}
}

func (w *word[T]) outside() []string { return []string{"no-such-word", "-1"} }

func (w *words) outside() []string { return []string{"no-such-word", "-1"} }

func (n *numbers) outside() []string { return []string{"x=-1", "x=1.5", "=1", "x"} }

// CheckFlags returns an error for every flag of a tree of commands that takes numbers,
// durations or words without bounds, or takes what lies outside of them. Each program
// has a test that calls it.
func CheckFlags(root *cobra.Command) []error {
	var failures []error
	check := func(cmd *cobra.Command, f *pflag.Flag) {
		switch f.Value.Type() {
		case "bool", "string", "stringSlice", "stringArray", "stringToString":
			return
		case "uint64", "size": // they have bounds by themselves
			if f.Value.Set("-1") == nil {
				failures = append(failures, fmt.Errorf("%s --%s takes -1", cmd.CommandPath(), f.Name))
			}
			return
		}
		limits, ok := f.Value.(interface{ outside() []string })
		if !ok {
			failures = append(failures, fmt.Errorf("%s --%s (%s) has no bounds; use cli.Number, Time, Share, Word or Words", cmd.CommandPath(), f.Name, f.Value.Type()))
			return
		}
		for _, value := range append(limits.outside(), "", "nonsense") {
			if f.Value.Set(value) == nil {
				failures = append(failures, fmt.Errorf("%s --%s takes %q", cmd.CommandPath(), f.Name, value))
			}
		}
	}
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) { check(cmd, f) })
		for _, sub := range cmd.Commands() {
			walk(sub)
		}
	}
	walk(root)
	return failures
}
