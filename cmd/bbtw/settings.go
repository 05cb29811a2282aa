package main

import (
	"github.com/spf13/pflag"

	"buildbtw"
	"buildbtw/api"
)

// settingsFlags are the flags for a buildspace's settings; only those that were
// given are sent.
type settingsFlags struct {
	scope, cycles, priority     string
	exclude, add, architectures []string
	followAll, makedepends      bool
	reuse, cutOff               bool
}

func (s *settingsFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&s.scope, "scope", "auto", "how far to rebuild: none, direct, all or auto")
	flags.StringVar(&s.cycles, "cycles", "once", "build packages of a cut cycle once or twice")
	flags.StringVar(&s.priority, "priority", "normal", "low, normal, high or emergency")
	flags.StringSliceVar(&s.exclude, "exclude", nil, "pkgbases to leave out")
	flags.StringSliceVar(&s.architectures, "arch", nil, "architectures (default: all of the server)")
	flags.BoolVar(&s.makedepends, "makedepends", false, "makedepends bring dependents into the set too")
}

// registerReuse adds the flags for builds that run; a plan does not need them.
func (s *settingsFlags) registerReuse(flags *pflag.FlagSet) {
	flags.BoolVar(&s.reuse, "reuse", true, "reuse what was built before from the same input")
	flags.BoolVar(&s.cutOff, "cut-off", true, "with scope auto, skip dependents whose inputs did not change")
}

// settings returns the settings given on the command line.
func (s *settingsFlags) settings(flags *pflag.FlagSet) api.Settings {
	return api.Settings{
		Scope:         given(flags, "scope", buildbtw.Scope(s.scope)),
		Cycles:        given(flags, "cycles", buildbtw.Cycles(s.cycles)),
		Priority:      given(flags, "priority", buildbtw.Priority(s.priority)),
		FollowAll:     given(flags, "follow-all", s.followAll),
		Reuse:         given(flags, "reuse", s.reuse),
		CutOff:        given(flags, "cut-off", s.cutOff),
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
