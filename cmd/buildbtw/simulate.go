package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"buildbtw"
	"buildbtw/buildgraph"
	"buildbtw/catalog"
	"buildbtw/cmd/internal/cli"
	"buildbtw/internal/simulation"
)

// simulateFlags are the flags of "buildbtw simulate".
type simulateFlags struct {
	offline   offlineFlags
	settings  settingsFlags
	durations string
	every     bool
	json      bool
	options   simulation.Options
}

func simulateCommand() *cobra.Command {
	var f simulateFlags
	cmd := &cobra.Command{
		Use:   "simulate [CHANGESET...]",
		Short: "Run a rebuild in virtual time: how long on so many workers, whatever fails",
		Long: `Runs a rebuild in virtual time: the real database, transitions and loops, with
virtual workers that take as long for a build as --durations says, fail and die.
It prints the time that all takes, the least time that any order would take
(the longest chain, or all work shared out evenly), how long workers had nothing
to do, and every invariant that was broken; the exit code is 1 when one was.

Nothing is built. Reuse and the cut-off by interfaces are off.`,
		Example: `  buildbtw simulate --sources dir:./srcinfos --all-packages --workers 16
  buildbtw simulate --sources dir:./packages --workers 4 --scope all curl --failures 0.12 --kills 0.05
  buildbtw simulate --sources dir:./packages --workers 4 --durations seconds.txt curl`,
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args) },
	}
	f.offline.register(cmd.Flags())
	f.settings.register(cmd.Flags())
	flags := cmd.Flags()
	cli.Number(flags, &f.options.Workers, "workers", 8, 1, cli.Many, "number of virtual workers")
	flags.StringVar(&f.durations, "durations", "lognormal", `how long builds take: a file of lines "PKGBASE SECONDS", or lognormal: a median of 75 s and σ = 1.3, by pkgbase and seed`)
	cli.Share(flags, &f.options.Failures, "failures", 0, "share of the builds that fail once and are retried at once")
	cli.Share(flags, &f.options.Kills, "kills", 0, "share of the attempts in which the machine dies")
	flags.Uint64Var(&f.options.Seed, "seed", 1, "for the durations, failures and deaths")
	flags.BoolVar(&f.options.Learn, "learn", false, "durations are unknown at first and learned while building")
	cli.Time(flags, &f.options.Lease, "lease", time.Minute, time.Millisecond, cli.Long, "how long after its last heartbeat an attempt is given up as lost")
	cli.Number(flags, &f.options.Check, "check", 0, 0, cli.Many, "check all invariants after so many events (default: 1 up to 300 builds, else 2000); they are always checked at the end")
	flags.BoolVar(&f.every, "all-packages", false, "build every package that there is, instead of changesets")
	flags.BoolVar(&f.json, "json", false, "print the result as JSON")
	return cmd
}

func (f *simulateFlags) validate(args []string) error {
	share := func(p float64) bool { return p >= 0 && p < 1 }
	switch {
	case f.every == (len(args) > 0):
		return cli.Usage(errors.New("name changesets or give --all-packages"))
	case f.options.Workers < 1:
		return cli.Usage(errors.New("--workers must be at least 1"))
	case !share(f.options.Failures) || !share(f.options.Kills):
		return cli.Usage(errors.New("--failures and --kills are shares from 0 to below 1"))
	case f.options.Lease < time.Second:
		return cli.Usage(errors.New("--lease must be at least one second"))
	}
	return nil
}

func (f *simulateFlags) run(cmd *cobra.Command, args []string) error {
	if err := f.validate(args); err != nil {
		return err
	}
	plan, err := f.plan(cmd.Context(), args)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(fastDir(), "buildbtw-simulate-")
	if err != nil {
		return fmt.Errorf("make a directory for the simulation: %w", err)
	}
	f.options.Plan, f.options.Dir = plan, dir
	if f.options.Check == 0 {
		f.options.Check = checkPeriod(plan)
	}
	result, err := simulation.Run(cmd.Context(), f.options)
	if err = errors.Join(err, os.RemoveAll(dir)); err != nil {
		return err
	}
	if err := f.print(cmd.OutOrStdout(), result); err != nil {
		return err
	}
	if len(result.Violations) > 0 {
		return fmt.Errorf("%d invariants were broken", len(result.Violations))
	}
	return nil
}

// fastDir is where files lie in memory, if there is such a place.
func fastDir() string {
	const memory = "/dev/shm"
	if info, err := os.Stat(memory); err == nil && info.IsDir() {
		return memory
	}
	return ""
}

// checkPeriod makes the checks of a large graph few: each reads everything.
func checkPeriod(p *buildgraph.Plan) int {
	builds := 0
	for _, a := range p.Architectures {
		builds += len(a.Builds)
	}
	if builds <= 300 {
		return 1
	}
	return 2000
}

// plan returns the plan to simulate. Known durations decide on cuts and order,
// as the learned ones of a server do.
func (f *simulateFlags) plan(ctx context.Context, args []string) (plan *buildgraph.Plan, err error) {
	f.options.Seconds = simulation.LogNormal(f.options.Seed)
	if f.durations != "lognormal" {
		if f.options.Seconds, err = secondsFrom(f.durations); err != nil {
			return nil, err
		}
	}
	known := map[string]float64{}
	p, done, err := f.offline.open(ctx, known)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, done()) }()
	sources, err := p.Sources(ctx)
	if err != nil {
		return nil, err
	}
	if !f.options.Learn {
		for _, source := range sources {
			known[source.Pkgbase] = f.options.Seconds(source.Pkgbase)
		}
	}
	settings := f.settings.settings()
	if f.every {
		args = everything(sources, &settings)
	}
	changesets, err := buildbtw.ParseChangesets(args)
	if err != nil {
		return nil, err
	}
	return p.Plan(ctx, changesets, settings)
}

// everything asks for every package that can be planned: one as the changeset,
// the others as put in by hand.
func everything(sources []catalog.Source, settings *buildbtw.Settings) []string {
	var args []string
	for _, source := range sources {
		switch {
		case source.Pkgbase == "":
		case args == nil:
			args, settings.Scope = []string{source.Slug}, buildbtw.ScopeNone
		default:
			settings.Add = append(settings.Add, source.Pkgbase)
		}
	}
	return args
}

// secondsFrom reads durations from a file; packages that are not in it take a
// minute.
func secondsFrom(name string) (func(pkgbase string) float64, error) {
	known, err := readDurations(name)
	if err != nil {
		return nil, err
	}
	return func(pkgbase string) float64 {
		if s, ok := known[pkgbase]; ok {
			return s
		}
		return time.Minute.Seconds()
	}, nil
}

func (f *simulateFlags) print(w io.Writer, r simulation.Result) error {
	if f.json {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	virtual := func(seconds float64) time.Duration {
		return time.Duration(seconds * float64(time.Second)).Round(time.Second)
	}
	lines := []string{
		fmt.Sprintf("%d builds on %d workers, seed %d: %d built", r.Builds, f.options.Workers, f.options.Seed, r.Counts[buildbtw.StatusBuilt]),
		fmt.Sprintf("makespan      %s", virtual(r.Makespan)),
		fmt.Sprintf("lower bound   %s (longest chain %s, work %s)", virtual(r.Bound), virtual(r.Chain), virtual(r.Work)),
		fmt.Sprintf("ratio         %.4f", r.Ratio),
		fmt.Sprintf("idle          %s, %.1f %% of all workers' time", virtual(r.Idle), 100*r.Idle/max(r.Idle+r.Work, 1)),
		fmt.Sprintf("attempts      %d: %d failed and were retried, %d lost with their machine, workers quarantined %d times", r.Attempts, r.Failures, r.Kills, r.Aside),
		fmt.Sprintf("invariants    %d broken in %d checks", len(r.Violations), r.Checks),
	}
	lines = append(lines, r.Violations...)
	lines = append(lines, fmt.Sprintf("%d events simulated in %s", r.Events, r.Took.Round(time.Millisecond)))
	for _, line := range lines {
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}
