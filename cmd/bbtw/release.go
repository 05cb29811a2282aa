package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/cmd/internal/cli"
)

func (a *app) releaseCommand() *cobra.Command {
	var dryRun, names bool
	iteration := api.Latest
	cmd := &cobra.Command{
		Use:   "release NAME --dry-run | release why NAME/PKGBASE",
		Short: "Show what could go into the base repositories, and why the rest could not",
		Long: `Computes which packages of a buildspace can go into the base repositories
together, so that no dependency there is left unmet and everything that can be
installed now still can. It is the largest such set. Of the others it prints the
reason, and what would let them go.

buildbtw does not hand packages over yet, so --dry-run is needed. Nothing is changed.
docs/release.md explains the rules.`,
		Example: `  bbtw release curl-openssl-4 --dry-run
  bbtw release curl-openssl-4 --dry-run --names    # what can go, for a script
  bbtw release why curl-openssl-4/mpv              # why does mpv stay?`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !dryRun {
				return cli.Usage(errors.New("buildbtw does not hand packages over yet; add --dry-run to see what could go"))
			}
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			r, err := c.Release(cmd.Context(), args[0], iteration)
			if err != nil {
				return err
			}
			switch {
			case a.json:
				return a.printJSON(r)
			case names:
				for _, u := range r.Goes {
					fmt.Fprintln(a.out, u.Pkgbase)
				}
			default:
				a.printRelease(r)
			}
			return nil
		},
		ValidArgsFunction: a.complete(buildspaceNames),
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only compute what could go")
	cmd.Flags().BoolVar(&names, "names", false, "print the pkgbases that can go, one per line, and nothing else")
	cli.Number(cmd.PersistentFlags(), &iteration, "iteration", api.Latest, 0, cli.Many, "number of the iteration (default: the latest)")
	cmd.AddCommand(a.pushCommand(&iteration), &cobra.Command{
		Use:   "why NAME/PKGBASE",
		Short: "Why can the packages of a pkgbase not go, and where does the chain of reasons end?",
		Example: `  bbtw release why curl-openssl-4/mpv
  bbtw release why curl-openssl-4/mpv --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, pkgbase, ok := strings.Cut(args[0], "/")
			if !ok {
				return cli.Usage(fmt.Errorf("%q names no pkgbase; write NAME/PKGBASE", args[0]))
			}
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			r, err := c.Release(cmd.Context(), name, iteration)
			if err != nil {
				return err
			}
			return a.releaseWhy(r, pkgbase)
		},
		ValidArgsFunction: a.complete(buildNames),
	})
	return cmd
}

func (a *app) printRelease(r api.Release) {
	fmt.Fprintf(a.out, "%d of %d pkgbases of %s #%d can go", len(r.Goes), len(r.Goes)+len(r.Held), r.Buildspace, r.Iteration)
	if !r.Proven {
		fmt.Fprintf(a.out, " (at most %d: the choices were too many to try all)", r.AtMost)
	}
	fmt.Fprintln(a.out)
	for _, u := range r.Goes {
		fmt.Fprintln(a.out, plain("  "+u.Pkgbase+" "+u.Version))
	}
	if len(r.Held) > 0 {
		fmt.Fprintln(a.out, "held:")
	}
	for _, h := range r.Held {
		fmt.Fprintln(a.out, plain("  "+h.Pkgbase+": "+h.Reason))
	}
	for _, c := range r.Changesets {
		fmt.Fprintln(a.out, plain(needs(c)))
	}
	if len(r.WaysOut) > 0 {
		fmt.Fprintln(a.out, "ways out:")
	}
	for _, w := range r.WaysOut {
		fmt.Fprintln(a.out, plain(fmt.Sprintf("  %s %s: up to %d more can go", w.Do, buildbtw.Names(w.Names).Summary(), w.Frees)))
	}
	for _, l := range r.Leaves {
		line := "leaves the repositories: " + l.Pkgname + " (" + l.View + ")"
		if l.ReplacedBy != "" {
			line += ", replaced by " + l.ReplacedBy
		}
		fmt.Fprintln(a.out, plain(line))
	}
	if r.LinksUnknown > 0 {
		fmt.Fprintf(a.out, "not known of %d packages of the base: which libraries their programs link with\n", r.LinksUnknown)
	}
}

// needs returns a sentence with the number of pkgbases that must go together with a change,
// and those of them that cannot.
func needs(c api.ReleaseChange) string {
	words := fmt.Sprintf("%s needs %d pkgbases to go together", c.Pkgbase, c.Needs)
	if len(c.Missing) == 0 {
		return words
	}
	missing := make([]string, len(c.Missing))
	for i, m := range c.Missing {
		missing[i] = m.Pkgbase + " (" + cmp.Or(m.Kind, "not in the set") + ")"
	}
	return fmt.Sprintf("%s, %d missing: %s", words, len(missing), strings.Join(missing, ", "))
}

// releaseWhy prints the chain of reasons for which a pkgbase stays.
func (a *app) releaseWhy(r api.Release, pkgbase string) error {
	chain := []api.HeldUnit{}
	for next := pkgbase; next != ""; {
		i := slices.IndexFunc(r.Held, func(h api.HeldUnit) bool { return h.Pkgbase == next })
		if i < 0 {
			break
		}
		chain = append(chain, r.Held[i])
		next = ""
		if kind := r.Held[i].Kind; kind != "shares a name" {
			next = r.Held[i].Via
		}
	}
	goes := slices.ContainsFunc(r.Goes, func(u api.ReleaseUnit) bool { return u.Pkgbase == pkgbase })
	if len(chain) == 0 && !goes {
		return buildbtw.NotFound("%s #%d has no build of %.80q", r.Buildspace, r.Iteration, pkgbase)
	}
	if a.json {
		return a.printJSON(struct {
			Pkgbase string         `json:"pkgbase"`
			Goes    bool           `json:"goes"`
			Chain   []api.HeldUnit `json:"chain"` // the reason, and that of each pkgbase that holds the one before
		}{pkgbase, goes, chain})
	}
	if goes {
		fmt.Fprintln(a.out, plain(pkgbase+" can go"))
	}
	for _, h := range chain {
		fmt.Fprintln(a.out, plain(h.Pkgbase+" is held: "+h.Reason))
	}
	if len(chain) > 0 && chain[len(chain)-1].Root != chain[len(chain)-1].Pkgbase {
		last := chain[len(chain)-1]
		fmt.Fprintln(a.out, plain("root: "+last.Root+" ("+cmp.Or(last.RootKind, "not in the set")+")"))
	}
	return nil
}
