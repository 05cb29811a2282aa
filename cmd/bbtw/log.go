package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"buildbtw/api"
)

func (a *app) logCommand() *cobra.Command {
	var r api.LogRequest
	var arch string
	var tail int
	var find finds
	cmd := &cobra.Command{
		Use:   "log BUILD",
		Short: "Print the log of a build",
		Example: `  bbtw log curl-openssl-4/mpv
  bbtw log -f 1234
  bbtw log --attempt 1 --tail 50 1234
  bbtw log --errors curl-openssl-4/mpv
  bbtw log --grep 'undefined reference' curl-openssl-4/mpv`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			if r.Build, err = findBuild(cmd.Context(), c, args[0], arch); err != nil {
				return err
			}
			switch {
			case find.errors:
				return a.logErrors(cmd.Context(), c, r)
			case find.expression != "":
				return a.logGrep(cmd.Context(), c, r, find)
			}
			return a.log(cmd.Context(), c, r, tail)
		},
	}
	cmd.Flags().BoolVarP(&r.Follow, "follow", "f", false, "wait for more until the attempt has ended")
	cmd.Flags().IntVar(&r.Attempt, "attempt", 0, "number of the attempt (default: the latest)")
	cmd.Flags().IntVar(&tail, "tail", 0, "begin with this many lines from the end")
	cmd.Flags().StringVar(&arch, "arch", "", "architecture, if there are several")
	find.flags(cmd)
	cmd.MarkFlagsMutuallyExclusive("errors", "grep", "follow")
	cmd.MarkFlagsMutuallyExclusive("errors", "grep", "tail")
	return cmd
}

// longLine is the assumed length of a line when the end of a log is fetched:
// usually too much is fetched, and the surplus is left out.
const longLine = 400

// log copies the log to the output.
func (a *app) log(ctx context.Context, c *api.Client, r api.LogRequest, tail int) error {
	if tail > 0 && r.Follow {
		return a.followTail(ctx, c, r, tail)
	}
	if tail > 0 {
		r.Offset = -int64(tail) * longLine
	}
	body, err := c.Log(ctx, r)
	if err != nil {
		return err
	}
	defer body.Close()
	if tail > 0 {
		return copyTail(a.out, body, tail)
	}
	_, err = io.Copy(a.out, body)
	return err
}

// followTail prints the last lines of the log, and then new ones as they come.
func (a *app) followTail(ctx context.Context, c *api.Client, r api.LogRequest, tail int) error {
	attempts, err := c.Attempts(ctx, r.Build)
	if err != nil {
		return err
	}
	for _, attempt := range attempts {
		if attempt.Number == r.Attempt || r.Attempt == 0 && attempt.Number == len(attempts) {
			r.Offset = attempt.LogSize
		}
	}
	now := r
	now.Follow, now.Offset = false, -int64(tail)*longLine
	if r.Offset > 0 {
		if err := a.log(ctx, c, now, tail); err != nil {
			return err
		}
	}
	return a.log(ctx, c, r, 0)
}

// finds are the flags for some lines of a log instead of all.
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

// copyTail copies the last lines of r.
func copyTail(w io.Writer, r io.Reader, lines int) error {
	ring := make([][]byte, 0, lines)
	reader := bufio.NewReader(r)
	for {
		line, err := reader.ReadBytes('\n')
		if len(line) > 0 {
			if len(ring) == lines {
				ring = append(ring[:0], ring[1:]...)
			}
			ring = append(ring, line)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	for _, line := range ring {
		if _, err := w.Write(line); err != nil {
			return err
		}
	}
	return nil
}
