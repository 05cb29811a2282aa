package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"buildbtw/api"
)

// finds says which lines of a log are wanted instead of the log.
type finds struct {
	errors     bool
	expression string
	ignoreCase bool
}

func (f *finds) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.errors, "errors", false, "only the lines that tell of errors, with their numbers")
	cmd.Flags().StringVar(&f.expression, "grep", "", "only the lines that match this regular expression, with their numbers")
	cmd.Flags().BoolVarP(&f.ignoreCase, "ignore-case", "i", false, "with --grep: upper and lower case are the same")
}

// logErrors prints the lines that tell of errors.
func (a *app) logErrors(ctx context.Context, c *api.Client, r api.LogRequest) error {
	state, err := c.LogState(ctx, r.Build, r.Attempt)
	if err != nil {
		return err
	}
	for _, m := range state.Errors {
		fmt.Fprintf(a.out, "%d:%s\n", m.Line, m.Text)
	}
	if state.ErrorsFound > len(state.Errors) {
		fmt.Fprintf(a.errors, "%d lines tell of errors; these are the first and the last of them\n", state.ErrorsFound)
	}
	return nil
}

// logGrep prints the lines that match. The server searches a bounded time for
// each answer, so it is asked until it has come to the end.
func (a *app) logGrep(ctx context.Context, c *api.Client, r api.LogRequest, f finds) error {
	s := api.LogSearch{Build: r.Build, Attempt: r.Attempt, Text: f.expression, Regexp: true, MatchCase: !f.ignoreCase, From: 1}
	for s.From != 0 {
		found, err := c.SearchLog(ctx, s)
		if err != nil {
			return err
		}
		for _, h := range found.Hits {
			fmt.Fprintf(a.out, "%d:%s\n", h.Line, h.Text)
		}
		s.From = found.Next
	}
	return nil
}
