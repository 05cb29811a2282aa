package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"buildbtw"
	"buildbtw/cmd/internal/cli"
	"buildbtw/cmd/internal/planview"
)

// settingsFlags are a buildspace's settings as far as a plan depends on them.
type settingsFlags struct {
	scope        buildbtw.Scope
	cycles       buildbtw.Cycles
	makedepends  bool
	exclude, add []string
}

func (f *settingsFlags) register(flags *pflag.FlagSet) {
	cli.Word(flags, &f.scope, "scope", buildbtw.ScopeAuto, "how far to rebuild: none, direct, all or auto", buildbtw.Scopes()...)
	cli.Word(flags, &f.cycles, "cycles", buildbtw.CyclesOnce, "build packages of a cut cycle once or twice", buildbtw.CyclesOnce, buildbtw.CyclesTwice)
	flags.BoolVar(&f.makedepends, "makedepends", false, "makedepends bring dependents into the set too")
	flags.StringSliceVar(&f.exclude, "exclude", nil, "pkgbases to leave out")
	flags.StringSliceVar(&f.add, "add", nil, "more pkgbases to build")
}

func (f *settingsFlags) settings() buildbtw.Settings {
	s := buildbtw.DefaultSettings()
	s.Scope, s.Cycles, s.Makedepends = f.scope, f.cycles, f.makedepends
	s.Exclude, s.Add = f.exclude, f.add
	return s
}

// planFlags are the flags of "buildbtw plan".
type planFlags struct {
	offline   offlineFlags
	settings  settingsFlags
	view      planview.Options
	durations string
	json      bool
}

func planCommand() *cobra.Command {
	var f planFlags
	cmd := &cobra.Command{
		Use:   "plan CHANGESET...",
		Short: "Show what would be rebuilt, in which order, and why, without a server",
		Long: `Shows what a change would rebuild, reading the sources itself: no server is
needed and nothing is stored. Beside what the server takes, --sources may name a
directory of files SOURCE.SRCINFO or REPOSITORY/SOURCE.SRCINFO, without git.
What only the files of packages tell, such as python's modules that do not depend on
python, is in the plans of a server with --base-repo: 'bbtw plan'.`,
		Example: `  buildbtw plan --sources dir:./packages curl
  buildbtw plan --sources dir:./packages curl/my-branch --scope direct
  buildbtw plan --sources dir:./srcinfos --scope all --workers 16 openssl
  buildbtw plan --sources dir:./packages --dot libcalc | dot -Tsvg > plan.svg`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args) },
	}
	f.offline.register(cmd.Flags())
	f.settings.register(cmd.Flags())
	f.view.Register(cmd.Flags())
	cmd.Flags().StringVar(&f.durations, "durations", "", `how long builds take: a file of lines "PKGBASE SECONDS"`)
	cmd.Flags().BoolVar(&f.json, "json", false, "print the plan as JSON")
	return cmd
}

func (f *planFlags) run(cmd *cobra.Command, args []string) (err error) {
	changesets, err := buildbtw.ParseChangesets(args)
	if err != nil {
		return err
	}
	durations, err := readDurations(f.durations)
	if err != nil {
		return err
	}
	p, done, err := f.offline.open(cmd.Context(), durations)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	plan, err := p.Plan(cmd.Context(), changesets, f.settings.settings())
	if err != nil {
		return err
	}
	if f.settings.scope != buildbtw.ScopeNone { // on standard error: the plan is the server's, but for what it knows from a base
		fmt.Fprintln(cmd.ErrOrStderr(), "buildbtw plan: warning: which files packages have is not known here, so those with modules that no dependency joins to their interpreter, "+
			"as in /usr/lib/python3.13, may be missing; a server that has base repositories (buildbtw serve --base-repo core=URL) knows them: bbtw plan "+strings.Join(args, " "))
	}
	if !f.json {
		return planview.Print(cmd.OutOrStdout(), plan, f.view)
	}
	e := json.NewEncoder(cmd.OutOrStdout())
	e.SetIndent("", "  ")
	if err := e.Encode(plan); err != nil {
		return fmt.Errorf("print the plan: %w", err)
	}
	return nil
}
