package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"buildbtw"
	"buildbtw/api"
)

func (a *app) fixCommand() *cobra.Command {
	var arch, ref string
	cmd := &cobra.Command{
		Use:   "fix BUILD... [REF]",
		Short: "Build failed builds with your fix: their sources become changesets",
		Long: `Makes the sources of failed builds changesets of their buildspace, at REF or else at
the branch where they are read, and starts one new iteration that builds them from
what was pushed. The last argument is a REF unless it names a build; --ref takes any.`,
		Example: `  bbtw fix 1234
  bbtw fix curl-openssl-4/mpv
  bbtw fix curl-openssl-4/mpv my-branch
  bbtw fix 1234 1240 1251              # several at once, in one iteration`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			ids, last, err := buildsAndRef(cmd.Context(), c, args, arch)
			if err != nil {
				return err
			}
			if ref == "" {
				ref = last
			} else if last != "" {
				return buildbtw.NotFound("%s names no build", last)
			}
			return a.fix(cmd.Context(), c, ids, ref)
		},
	}
	cmd.Flags().StringVar(&ref, "ref", "", "branch, tag or commit with the fix")
	cmd.Flags().StringVar(&arch, "arch", "", "architecture, if there are several")
	a.completeFlag(cmd, "arch", architectureNames)
	cmd.ValidArgsFunction = a.completeAll(buildNames)
	return cmd
}

// buildsAndRef returns the ids of the builds that are named, and the last argument when it names
// none.
func buildsAndRef(ctx context.Context, c *api.Client, args []string, arch string) (ids []string, ref string, err error) {
	for i, name := range args {
		last := i > 0 && i == len(args)-1
		if last && !isNumber(name) && !strings.Contains(name, "/") {
			return ids, name, nil
		}
		id, err := findBuild(ctx, c, name, arch)
		if last && buildbtw.KindOf(err) == buildbtw.KindNotFound {
			return ids, name, nil // a branch such as anna/fix
		}
		if err != nil {
			return nil, "", err
		}
		ids = append(ids, id)
	}
	return ids, "", nil
}

// fix asks for one new iteration in each buildspace of the builds.
func (a *app) fix(ctx context.Context, c *api.Client, ids []string, ref string) error {
	var spaces []string
	of := map[string][]string{}
	for _, id := range ids {
		b, err := c.Build(ctx, id)
		if err != nil {
			return err
		}
		if of[b.Buildspace] == nil {
			spaces = append(spaces, b.Buildspace)
		}
		of[b.Buildspace] = append(of[b.Buildspace], id)
	}
	all := make([]api.Fixed, 0, len(spaces))
	for _, space := range spaces {
		done, err := c.Fix(ctx, space, api.Fix{Builds: of[space], Ref: ref})
		if err != nil {
			return err
		}
		all = append(all, done)
	}
	if a.json {
		return a.printJSON(all)
	}
	for _, done := range all {
		for _, s := range done.Sources {
			fmt.Fprintln(a.out, plain(s.Words))
		}
		if done.Already {
			fmt.Fprintf(a.out, "%s builds that already: %s\n", done.Buildspace, done.URL)
		} else {
			fmt.Fprintf(a.out, "A new iteration of %s is being made: %s\n", done.Buildspace, done.URL)
		}
	}
	return nil
}

// causeLines returns why builds failed, by their logs: a line for each cause, the one of most
// builds first.
func causeLines(builds []api.Build) []string {
	var causes []string
	by := map[string][]string{}
	for _, b := range builds {
		if b.Status != buildbtw.StatusFailed || b.Error == nil {
			continue
		}
		if by[b.Error.Cause] == nil {
			causes = append(causes, b.Error.Cause)
		}
		by[b.Error.Cause] = append(by[b.Error.Cause], b.Pkgbase)
	}
	var lines []string
	for _, cause := range causes {
		if names := by[cause]; len(names) > 1 {
			lines = append(lines, fmt.Sprintf("%s: %s (%s)", plural(len(names), "build"), cause, strings.Join(names, ", ")))
		}
	}
	return lines
}
