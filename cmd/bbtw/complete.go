package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"buildbtw/api"
	"buildbtw/cmd/internal/cli"
)

// completionTime bounds what a press of the Tab key waits for the server.
const completionTime = 3 * time.Second

// maxCompletions bounds what a shell is offered.
const maxCompletions = 2000

// A lister returns names that the typed beginning may be completed to, from the server.
type lister func(ctx context.Context, c *api.Client, typed string) ([]string, error)

// complete returns the completion of a command's first argument by names of these
// kinds. A server that does not answer in time leaves nothing to choose from.
func (a *app) complete(listers ...lister) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return a.names(cmd, typed, listers), cobra.ShellCompDirectiveNoFileComp
	}
}

// completeAll is complete for every argument.
func (a *app) completeAll(listers ...lister) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		names := slices.DeleteFunc(a.names(cmd, typed, listers), func(s string) bool { return slices.Contains(args, s) })
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeFlag completes the value of a flag, of a list its last part.
func (a *app) completeFlag(cmd *cobra.Command, flag string, listers ...lister) {
	_ = cmd.RegisterFlagCompletionFunc(flag, func(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		before := ""
		if i := strings.LastIndexByte(typed, ','); i >= 0 && cmd.Flag(flag).Value.Type() == "stringSlice" {
			before, typed = typed[:i+1], typed[i+1:]
		}
		names := a.names(cmd, typed, listers)
		for i := range names {
			names[i] = before + names[i]
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	})
}

// names asks the server. Shells show errors of completions to nobody, so there are
// none; with BASH_COMP_DEBUG_FILE cobra writes why nothing came.
func (a *app) names(cmd *cobra.Command, typed string, listers []lister) []string {
	if err := cli.ReadEnvironment(cmd); err != nil { // cobra runs no hooks for completions
		cobra.CompDebugln(err.Error(), false)
		return nil
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), completionTime)
	defer cancel()
	a.errors = discard{}
	c, err := a.client(ctx)
	if err != nil {
		cobra.CompDebugln(err.Error(), false)
		return nil
	}
	var all []string
	for _, list := range listers {
		names, err := list(ctx, c, typed)
		if err != nil {
			cobra.CompDebugln(err.Error(), false)
			continue
		}
		for _, name := range names {
			if strings.HasPrefix(name, typed) && len(all) < maxCompletions {
				all = append(all, plain(name))
			}
		}
	}
	return all
}

// discard is where errors go while a shell completes: they would stand in the middle of
// what is typed.
type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

func buildspaceNames(ctx context.Context, c *api.Client, _ string) ([]string, error) {
	list, err := c.Buildspaces(ctx, api.BuildspaceFilter{})
	return namesOf(list, func(s api.Buildspace) string { return s.Name }), err
}

// buildNames lists BUILDSPACE/, and behind the slash the buildspace's builds.
func buildNames(ctx context.Context, c *api.Client, typed string) ([]string, error) {
	space, _, behind := strings.Cut(typed, "/")
	if !behind {
		names, err := buildspaceNames(ctx, c, typed)
		for i := range names {
			names[i] += "/"
		}
		return names, err
	}
	list, err := c.Builds(ctx, api.BuildFilter{Buildspace: space})
	names := namesOf(list, buildName)
	slices.Sort(names)
	return slices.Compact(names), err
}

func sourceNames(ctx context.Context, c *api.Client, _ string) ([]string, error) {
	list, err := c.Sources(ctx)
	return namesOf(list, func(s api.Source) string { return s.Slug }), err
}

func pkgbaseNames(ctx context.Context, c *api.Client, _ string) ([]string, error) {
	list, err := c.Sources(ctx)
	return namesOf(list, func(s api.Source) string { return s.Pkgbase }), err
}

func targetNames(ctx context.Context, c *api.Client, _ string) ([]string, error) {
	list, err := c.Targets(ctx)
	return namesOf(list, func(t api.Target) string { return t.Name }), err
}

func channelNames(ctx context.Context, c *api.Client, _ string) ([]string, error) {
	list, err := c.Channels(ctx)
	return namesOf(list, func(n api.Channel) string { return n.ID }), err
}

// refusedNames lists the base repositories that lost so much that they are not believed.
func refusedNames(ctx context.Context, c *api.Client, _ string) ([]string, error) {
	list, err := c.RefusedBases(ctx)
	names := namesOf(list, func(r api.RefusedBase) string { return r.Name })
	slices.Sort(names)
	return slices.Compact(names), err
}

func workerNames(ctx context.Context, c *api.Client, _ string) ([]string, error) {
	list, err := c.Workers(ctx)
	return namesOf(list, func(w api.Worker) string { return w.Name }), err
}

// architectureNames lists what the workers build for.
func architectureNames(ctx context.Context, c *api.Client, _ string) ([]string, error) {
	list, err := c.Workers(ctx)
	var names []string
	for _, w := range list {
		names = append(names, w.Architectures...)
	}
	slices.Sort(names)
	return slices.Compact(names), err
}

func namesOf[T any](list []T, name func(T) string) []string {
	names := make([]string, 0, len(list))
	for _, x := range list {
		if n := name(x); n != "" {
			names = append(names, n)
		}
	}
	return names
}
