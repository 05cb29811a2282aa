package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"buildbtw/api"
	"buildbtw/cmd/internal/cli"
	"buildbtw/internal/ansi"
)

func (a *app) logCommand() *cobra.Command {
	var r api.LogRequest
	var arch string
	var tail int
	var find finds
	var raw bool
	cmd := &cobra.Command{
		Use:   "log BUILD",
		Short: "Print the log of a build",
		Long: `Prints the log of a build. What a build prints is not trusted: of its escape
sequences only colours reach a terminal, and none a pipe; characters that nobody sees
are written as <U+202E>. --raw prints all of it.

The log of a build that was reused is that of the build whose packages it has. With
--grep the exit code is 1 when nothing is found. With --json each line is a document,
{"text": …}; the lines of --errors and --grep are one list.`,
		Example: `  bbtw log curl-openssl-4/mpv
  bbtw log -f 1234
  bbtw log --attempt 1 --tail 50 1234
  bbtw log --errors curl-openssl-4/mpv
  bbtw log --grep 'undefined reference' curl-openssl-4/mpv`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			if r.Build, err = findBuild(cmd.Context(), c, args[0], arch); err != nil {
				return err
			}
			if r.Build, err = a.whereLogIs(cmd.Context(), c, r); err != nil {
				return err
			}
			switch {
			case find.errors:
				return a.logErrors(cmd.Context(), c, r)
			case find.expression != "":
				return a.logGrep(cmd.Context(), c, r, find)
			}
			if raw {
				return a.log(cmd.Context(), c, r, tail)
			}
			if a.json {
				return a.logJSON(cmd.Context(), c, r, tail)
			}
			clean := *a
			terminal := ansi.NewTerminal(a.out, a.colours())
			clean.out = terminal
			return errors.Join(clean.log(cmd.Context(), c, r, tail), terminal.Close())
		},
	}
	cmd.Flags().BoolVar(&raw, "raw", false, "print every byte as the build printed it; escape sequences can do anything to a terminal")
	cmd.Flags().BoolVarP(&r.Follow, "follow", "f", false, "wait for more until the attempt has ended")
	cli.Number(cmd.Flags(), &r.Attempt, "attempt", 0, 0, cli.Many, "number of the attempt (default: the latest)")
	cli.Number(cmd.Flags(), &tail, "tail", 0, 0, maxTail, "begin with this many lines from the end")
	cmd.Flags().StringVar(&arch, "arch", "", "architecture, if there are several")
	find.flags(cmd)
	cmd.ValidArgsFunction = a.complete(buildNames)
	a.completeFlag(cmd, "arch", architectureNames)
	cmd.MarkFlagsMutuallyExclusive("errors", "grep", "follow")
	cmd.MarkFlagsMutuallyExclusive("errors", "grep", "tail")
	return cmd
}

// maxTail bounds --tail.
const maxTail = 1_000_000

// whereLogIs returns the build that has the log: of one that was reused, the build
// whose packages it has, which is said.
func (a *app) whereLogIs(ctx context.Context, c *api.Client, r api.LogRequest) (string, error) {
	b, err := c.Build(ctx, r.Build)
	if err != nil || b.LogOf == "" || r.Attempt > 0 {
		return r.Build, err
	}
	from, err := c.Build(ctx, b.LogOf)
	if err != nil {
		return "", err
	}
	if !a.json {
		fmt.Fprintf(a.errors, "bbtw: %s was not built again: it has the packages of build %s (%s #%d), and this is its log\n", b.Pkgbase, from.ID, from.Buildspace, from.Iteration)
	}
	return from.ID, nil
}

// logLine is a line of a log as JSON.
type logLine struct {
	Line int64  `json:"line,omitempty"`
	Kind string `json:"kind,omitempty"` // who says that it is an error
	Text string `json:"text"`
}

// logJSON prints each line of a log as a JSON document.
func (a *app) logJSON(ctx context.Context, c *api.Client, r api.LogRequest, tail int) error {
	reader, writer := io.Pipe()
	lines := *a
	lines.out = writer
	go func() { writer.CloseWithError(lines.log(ctx, c, r, tail)) }()
	defer reader.CloseWithError(io.ErrClosedPipe)
	text := bufio.NewReader(reader)
	out := json.NewEncoder(a.out)
	for {
		line, err := text.ReadBytes('\n')
		if len(line) > 0 {
			if err := out.Encode(logLine{Text: string(ansi.Plain(bytes.TrimRight(line, "\r\n")))}); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// printLines prints lines of a log with their numbers.
func (a *app) printLines(list []logLine) error {
	for _, l := range list {
		if _, err := fmt.Fprintf(a.out, "%d:%s\n", l.Line, ansi.Visible([]byte(l.Text))); err != nil {
			return err
		}
	}
	return nil
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
	list := make([]logLine, len(state.Errors))
	for i, m := range state.Errors {
		list[i] = logLine{m.Line, m.Kind, m.Text}
	}
	if a.json {
		return a.printJSON(list)
	}
	if err := a.printLines(list); err != nil {
		return err
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
	all, hits := []logLine{}, 0
	for s.From != 0 {
		found, err := c.SearchLog(ctx, s)
		if err != nil {
			return err
		}
		list := make([]logLine, len(found.Hits))
		for i, h := range found.Hits {
			list[i] = logLine{Line: h.Line, Text: h.Text}
		}
		hits += len(list)
		if a.json {
			all = append(all, list...)
		} else if err := a.printLines(list); err != nil {
			return err
		}
		s.From = found.Next
	}
	if a.json {
		if err := a.printJSON(all); err != nil {
			return err
		}
	}
	if hits == 0 {
		return cli.ErrSilent // as grep ends
	}
	return nil
}

// copyTail copies the last lines of r.
func copyTail(w io.Writer, r io.Reader, lines int) error {
	var ring [][]byte
	oldest := 0 // of a full ring
	reader := bufio.NewReader(r)
	for {
		line, err := reader.ReadBytes('\n')
		switch {
		case len(line) == 0:
		case len(ring) < lines:
			ring = append(ring, line)
		default:
			ring[oldest] = line
			oldest = (oldest + 1) % lines
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	for _, part := range [][][]byte{ring[oldest:], ring[:oldest]} {
		for _, line := range part {
			if _, err := w.Write(line); err != nil {
				return err
			}
		}
	}
	return nil
}
