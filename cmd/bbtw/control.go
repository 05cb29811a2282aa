package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"buildbtw"
	"buildbtw/api"
)

func (a *app) retryCommand() *cobra.Command {
	return a.buildsCommand(buildsCommand{
		use: "retry", past: "to be built again", none: "There is nothing to retry: no build of the latest iteration of %s has failed or was cancelled.\n",
		short: "Build again what failed: one build, or all failed ones of a buildspace",
		one:   (*api.Client).RetryBuild,
		all:   (*api.Client).RetryFailed,
	})
}

// rebuildCommand rebuilds single builds only: to rebuild everything, create a
// buildspace with --reuse=false.
func (a *app) rebuildCommand() *cobra.Command {
	return a.oneBuildCommand("rebuild", "Build again, with all dependents", (*api.Client).RebuildBuild)
}

func (a *app) baselineCommand() *cobra.Command {
	return a.oneBuildCommand("baseline", "Compare a failed build with the base: build it once more, then without the change", (*api.Client).CompareBuild)
}

func (a *app) abandonCommand() *cobra.Command {
	return a.oneBuildCommand("abandon", "Give up publishing the packages of a build, which is then built again (administrators)", (*api.Client).AbandonBuild)
}

// oneBuildCommand is a command that does something to a single build.
func (a *app) oneBuildCommand(use, short string, do func(*api.Client, context.Context, string) (api.Build, error)) *cobra.Command {
	var arch string
	cmd := &cobra.Command{
		Use:     use + " BUILD",
		Short:   short,
		Example: fmt.Sprintf("  bbtw %[1]s 1234\n  bbtw %[1]s curl-openssl-4/curl", use),
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			id, err := findBuild(cmd.Context(), c, args[0], arch)
			if err != nil {
				return err
			}
			build, err := do(c, cmd.Context(), id)
			if err != nil {
				return err
			}
			return a.showChanged(build)
		},
	}
	cmd.Flags().StringVar(&arch, "arch", "", "architecture, if there are several")
	a.completeFlag(cmd, "arch", architectureNames)
	cmd.ValidArgsFunction = a.complete(buildNames)
	return cmd
}

// showChanged prints the new status of a build.
func (a *app) showChanged(build api.Build) error {
	if a.json {
		return a.printJSON(build)
	}
	fmt.Fprintf(a.out, "%s is %s\n", build.Pkgbase, statusWords(build))
	return nil
}

func (a *app) cancelCommand() *cobra.Command {
	return a.buildsCommand(buildsCommand{
		use: "cancel", past: "cancelled", none: "There is nothing to cancel: no build of the latest iteration of %s waits or runs.\n",
		short: "Cancel one build, or all of a buildspace that are not done",
		one:   (*api.Client).CancelBuild,
		all:   (*api.Client).CancelBuilds,
	})
}

// buildsCommand is a command that does something to one build or to all of a
// buildspace.
type buildsCommand struct {
	use, short, past string
	none             string // said when there was nothing to do; with the buildspace's name
	one              func(*api.Client, context.Context, string) (api.Build, error)
	all              func(*api.Client, context.Context, string) (int, error)
}

func (a *app) buildsCommand(b buildsCommand) *cobra.Command {
	var arch string
	cmd := &cobra.Command{
		Use:   b.use + " BUILD | NAME",
		Short: b.short,
		Example: fmt.Sprintf(`  bbtw %[1]s 1234
  bbtw %[1]s curl-openssl-4/mpv
  bbtw %[1]s curl-openssl-4          # all of them`, b.use),
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			if _, _, isBuild := splitBuild(args[0]); !isBuild && !isNumber(args[0]) {
				return a.doAll(cmd.Context(), c, b, args[0])
			}
			id, err := findBuild(cmd.Context(), c, args[0], arch)
			if err != nil {
				return err
			}
			build, err := b.one(c, cmd.Context(), id)
			if err != nil {
				return err
			}
			return a.showChanged(build)
		},
	}
	cmd.Flags().StringVar(&arch, "arch", "", "architecture, if there are several")
	a.completeFlag(cmd, "arch", architectureNames)
	cmd.ValidArgsFunction = a.complete(buildspaceNames, buildNames)
	return cmd
}

func (a *app) doAll(ctx context.Context, c *api.Client, b buildsCommand, name string) error {
	n, err := b.all(c, ctx, name)
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(api.Count{Builds: n})
	}
	if n == 0 {
		fmt.Fprintf(a.out, b.none, name)
		return nil
	}
	fmt.Fprintf(a.out, "%s %s\n", plural(n, "build"), b.past)
	return nil
}

func (a *app) stopCommand() *cobra.Command {
	return a.statusCommand("stop", buildbtw.BuildspaceStopped,
		"Stop a buildspace: nothing more is started, and what runs is cancelled")
}

func (a *app) startCommand() *cobra.Command {
	return a.statusCommand("start", buildbtw.BuildspaceActive,
		"Start a stopped buildspace again: its builds go on where they stood")
}

func (a *app) statusCommand(use string, status buildbtw.BuildspaceStatus, short string) *cobra.Command {
	return &cobra.Command{
		Use:     use + " NAME",
		Short:   short,
		Example: "  bbtw " + use + " curl-openssl-4",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			space, err := c.EditBuildspace(cmd.Context(), args[0], api.EditBuildspace{Status: &status})
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(space)
			}
			fmt.Fprintf(a.out, "%s is %s\n", space.Name, a.painted(string(space.Status)))
			return nil
		},
		ValidArgsFunction: a.complete(buildspaceNames),
	}
}

func (a *app) iterateCommand() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "iterate NAME",
		Short: "Start a new iteration",
		Example: `  bbtw iterate curl-openssl-4
  bbtw iterate curl-openssl-4 --reason "the mirror was broken"`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			space, err := c.NewIteration(cmd.Context(), args[0], reason)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(space)
			}
			fmt.Fprintf(a.out, "A new iteration of %s is being made: %s\n", space.Name, space.URL)
			return nil
		},
	}
	cmd.ValidArgsFunction = a.complete(buildspaceNames)
	cmd.Flags().StringVar(&reason, "reason", "", "why, in words, shown beside the iteration")
	return cmd
}
