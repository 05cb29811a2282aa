package main

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/cmd/internal/cli"
)

// settingsFlags are the flags for a buildspace's settings; only those that were
// given are sent.
type settingsFlags struct {
	scope                       buildbtw.Scope
	cycles                      buildbtw.Cycles
	priority                    buildbtw.Priority
	exclude, add, architectures []string
	followAll, followFixes      bool
	makedepends                 bool
	reuse, cutOff               bool
	noBump                      bool
	baseline                    bool
}

func (s *settingsFlags) register(flags *pflag.FlagSet) {
	cli.Word(flags, &s.scope, "scope", buildbtw.ScopeAuto, "how far to rebuild: none, direct, all or auto", buildbtw.Scopes()...)
	cli.Word(flags, &s.cycles, "cycles", buildbtw.CyclesOnce, "build packages of a cut cycle once or twice", buildbtw.CyclesOnce, buildbtw.CyclesTwice)
	cli.Word(flags, &s.priority, "priority", buildbtw.PriorityNormal, "low, normal, high or emergency", buildbtw.Priorities()...)
	flags.StringSliceVar(&s.exclude, "exclude", nil, "pkgbases to leave out")
	flags.StringSliceVar(&s.architectures, "arch", nil, "architectures (default: all of the server)")
	flags.BoolVar(&s.noBump, "no-bump", false, "leave the pkgrel of rebuilds as it is: pacman -Syu does not take them then")
	flags.BoolVar(&s.makedepends, "makedepends", false, "makedepends bring dependents into the set too")
}

// registerFollow adds the flags for what makes new iterations by itself.
func (s *settingsFlags) registerFollow(flags *pflag.FlagSet) {
	flags.BoolVar(&s.followAll, "follow-all", false, "a new iteration for any change of the graph, not only of the changesets")
	flags.BoolVar(&s.followFixes, "follow-fixes", false, "a push to the source of a failed build makes it a changeset")
}

// completeSettings makes shells complete the names in settings.
func (a *app) completeSettings(cmd *cobra.Command) {
	for _, flag := range []string{"exclude", "add"} {
		if cmd.Flags().Lookup(flag) != nil {
			a.completeFlag(cmd, flag, pkgbaseNames)
		}
	}
	a.completeFlag(cmd, "arch", architectureNames)
}

// registerReuse adds the flags for builds that run; a plan does not need them.
func (s *settingsFlags) registerReuse(flags *pflag.FlagSet) {
	flags.BoolVar(&s.reuse, "reuse", true, "reuse what was built before from the same input")
	flags.BoolVar(&s.cutOff, "cut-off", true, "with scope auto, skip dependents whose inputs did not change")
	flags.BoolVar(&s.baseline, "baseline", true, "compare failures with the base by themselves: built once more, then without the change")
}

// settings returns the settings given on the command line.
func (s *settingsFlags) settings(flags *pflag.FlagSet) api.Settings {
	return api.Settings{
		Scope:         given(flags, "scope", s.scope),
		Cycles:        given(flags, "cycles", s.cycles),
		Priority:      given(flags, "priority", s.priority),
		FollowAll:     given(flags, "follow-all", s.followAll),
		FollowFixes:   given(flags, "follow-fixes", s.followFixes),
		Reuse:         given(flags, "reuse", s.reuse),
		CutOff:        given(flags, "cut-off", s.cutOff),
		Bump:          given(flags, "no-bump", !s.noBump),
		Baseline:      given(flags, "baseline", s.baseline),
		Makedepends:   given(flags, "makedepends", s.makedepends),
		Architectures: given(flags, "arch", s.architectures),
		Exclude:       given(flags, "exclude", s.exclude),
		Add:           given(flags, "add", s.add),
	}
}

// given returns a pointer to the value if the flag was given, else nil.
func given[T any](flags *pflag.FlagSet, name string, value T) *T {
	if flags.Lookup(name) == nil || !flags.Changed(name) {
		return nil
	}
	return &value
}
