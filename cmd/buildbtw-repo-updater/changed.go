package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"buildbtw/cmd/internal/cli"
)

func printChangedCommand() *cobra.Command {
	var since string
	cmd := &cobra.Command{
		Use:   "print-changed --since TIME [DIR]",
		Short: "Print the clones that update has changed since a time",
		Long: `print-changed prints the directories of the clones that a run of update has
brought something to since TIME, one per line, in order of their names. TIME is a
date, a time as in 2026-11-25T14:00:00Z, or how long ago, as in 90m or 24h. DIR
can be left out when there is one directory only.`,
		Example: `  buildbtw-repo-updater print-changed --since 24h
  buildbtw-repo-updater print-changed --since 2026-11-25 ~/packages | xargs -n1 namcap`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			from, err := parseTime(since, time.Now())
			if err != nil {
				return cli.Usage(err)
			}
			s, err := findState(args)
			if err != nil {
				return err
			}
			return s.printChanged(cmd.OutOrStdout(), from)
		},
	}
	cmd.Flags().StringVar(&since, "since", "", "from when on (required)")
	return cmd
}

// parseTime reads a time, a date, or how long ago.
func parseTime(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, errors.New("--since is needed: a time, a date, or how long ago")
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateTime, time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time; write 2026-11-25, 2026-11-25T14:00:00Z or 24h", text)
}

// findState returns the state of the directory that is named, or of the only one
// there is.
func findState(args []string) (*state, error) {
	home, err := stateHome(os.Getenv)
	if err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(home, "*.json"))
	if err != nil {
		return nil, err
	}
	var known []string
	var found *state
	for _, file := range files {
		s, err := readState(file)
		if err != nil {
			return nil, err
		}
		known = append(known, s.Directory)
		if len(args) == 0 {
			found = s
		} else if dir, err := filepath.Abs(args[0]); err == nil && dir == s.Directory {
			return s, nil
		}
	}
	switch {
	case len(known) == 0 || len(args) > 0:
		return nil, cli.Usage(errors.New("there are no clones yet, or not in that directory; run update first"))
	case len(known) > 1:
		return nil, cli.Usage(fmt.Errorf("which directory? There are %s", strings.Join(known, ", ")))
	}
	return found, nil
}

func (s *state) printChanged(out io.Writer, since time.Time) error {
	where := settings{group: s.Group}
	var list []string
	for _, c := range s.Projects {
		if dir, ok := where.place(s.Directory, c.Project); ok && !c.ChangedAt.IsZero() && !c.ChangedAt.Before(since) {
			list = append(list, dir)
		}
	}
	slices.Sort(list)
	for _, dir := range list {
		if _, err := fmt.Fprintln(out, dir); err != nil {
			return err
		}
	}
	return nil
}
