package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/cmd/internal/cli"
)

// releaseFlags are what 'bbtw release' was told.
type releaseFlags struct {
	dryRun, names, yes bool
	to, from           string
	iteration          int
}

func (a *app) releaseCommand() *cobra.Command {
	f := releaseFlags{iteration: api.Latest}
	cmd := &cobra.Command{
		Use:   "release NAME | release --from TARGET | release why NAME/PKGBASE | release waive NAME … | release fetch ID DIR | release withdraw ID",
		Short: "Release what can go to a target, and say why the rest cannot",
		Long: `Computes which packages of a buildspace can go to a target together, so that no
dependency there is left unmet and everything that can be installed now still can.
It is the largest such set. Of the others it prints the reason, and what would let
them go. Then it asks, hands the packages over, and waits until the target shows
them: all of them at once, or none.

With --from it does so for all that one target has and another has not, whatever
buildspaces it came from: from testing to stable. What goes leaves the first one.

docs/release.md explains the rules.`,
		Example: `  bbtw release curl-openssl-4 --dry-run            # only show what could go
  bbtw release curl-openssl-4 --dry-run --names    # what can go, for a script
  bbtw release curl-openssl-4 --to testing --yes
  bbtw release --from testing --to stable          # all that is safe
  bbtw release why curl-openssl-4/mpv              # why does mpv stay?
  bbtw release withdraw 12                         # show again what was before it`,
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case f.from == "":
				return cobra.ExactArgs(1)(cmd, args)
			case len(args) > 0:
				return fmt.Errorf("--from takes what %s has, whatever buildspaces it came from; leave %s out", f.from, args[0])
			case cmd.Flags().Changed("iteration"):
				return errors.New("--iteration is one of a buildspace, and --from takes what a target has; give one of them")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			return a.release(cmd.Context(), c, strings.Join(args, ""), f)
		},
		ValidArgsFunction: a.complete(buildspaceNames),
	}
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "only compute what could go")
	cmd.Flags().BoolVar(&f.names, "names", false, "print the pkgbases that can go, one per line, and nothing else")
	cmd.Flags().BoolVarP(&f.yes, "yes", "y", false, "do not ask")
	cmd.PersistentFlags().StringVar(&f.to, "to", "", "the target (default: the server's first)")
	a.completeFlag(cmd, "to", targetNames)
	cmd.Flags().StringVar(&f.from, "from", "", "release what this target has, in place of what a buildspace built")
	a.completeFlag(cmd, "from", targetNames)
	cli.Number(cmd.PersistentFlags(), &f.iteration, "iteration", api.Latest, 0, cli.Many, "number of the iteration (default: the latest)")
	cmd.AddCommand(a.releaseWhyCommand(&f), a.waiveCommand(), a.releaseSignCommand(), a.releaseFetchCommand(), a.pushCommand(&f.iteration), a.withdrawCommand())
	return cmd
}

func (a *app) releaseWhyCommand(f *releaseFlags) *cobra.Command {
	return &cobra.Command{
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
			r, err := c.Release(cmd.Context(), name, f.iteration, f.to)
			if err != nil {
				return err
			}
			return a.releaseWhy(r, pkgbase)
		},
		ValidArgsFunction: a.complete(buildNames),
	}
}

func (a *app) withdrawCommand() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "withdraw ID",
		Short: "Make a target show again what it showed before a release",
		Long: `Makes a target show again what it showed before a release, or gives a release up
that waits for confirmation. It says what would break by that, and then asks.
pacman does not downgrade who has upgraded meanwhile: for them release the older
commits with a higher pkgrel.`,
		Example: `  bbtw release withdraw 12
  bbtw release withdraw 12 --yes    # whatever breaks by it`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			r, err := c.WithdrawRelease(cmd.Context(), args[0], yes)
			if buildbtw.KindOf(err) == buildbtw.KindUnconfirmed {
				ok, askErr := a.confirm(buildbtw.MessageOf(err) + " Withdraw it?")
				if askErr != nil || !ok {
					return buildbtw.Unconfirmed("%w. --yes confirms it", err)
				}
				r, err = c.WithdrawRelease(cmd.Context(), args[0], true)
			}
			if err != nil {
				return err
			}
			return a.printStoredRelease(r)
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask, whatever breaks by it")
	return cmd
}

func (a *app) checkCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check TARGET",
		Short: "What is broken in a target today?",
		Long: `Lists the packages that the users of a target cannot install as it is: a
dependency that nothing meets, or packages that conflict. The exit code is 1 when
there are any. Pairs of packages that cannot be installed beside each other, one
of them the target's own, are named, too; these are often meant.`,
		Example: `  bbtw check stable
  bbtw check stable --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			t, err := c.CheckTarget(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(t)
			}
			for _, b := range t.Broken {
				fmt.Fprintln(a.out, plain(b.View+": "+b.Package+" "+b.Reason))
			}
			for _, p := range t.Conflicts {
				fmt.Fprintln(a.out, plain("cannot be installed together: "+p.Words()))
			}
			if n := t.AllConflicts - len(t.Conflicts); n > 0 {
				fmt.Fprintf(a.out, "and %d more pairs\n", n)
			}
			if len(t.Broken) > 0 {
				return fmt.Errorf("%d packages of %s are broken", len(t.Broken), t.Target)
			}
			fmt.Fprintln(a.out, "nothing is broken in "+plain(t.Target))
			if t.NoBase {
				fmt.Fprintln(a.out, noBaseWords)
			}
			return nil
		},
		ValidArgsFunction: a.complete(targetNames),
	}
}

// noBaseWords say what is not known without base repositories.
const noBaseWords = "not checked: dependencies on what was not built here, because the server has no --base-repo"

// release shows what can go, and hands it over when that is wanted.
func (a *app) release(ctx context.Context, c *api.Client, name string, f releaseFlags) error {
	var r api.Release
	var err error
	if f.from != "" {
		r, err = c.ReleaseFrom(ctx, f.from, f.to)
	} else {
		r, err = c.Release(ctx, name, f.iteration, f.to)
	}
	if err != nil {
		return err
	}
	switch {
	case f.dryRun && a.json:
		return a.printJSON(r)
	case f.names:
		for _, u := range r.Goes {
			fmt.Fprintln(a.out, u.Pkgbase)
		}
	case !a.json:
		a.printRelease(r)
	}
	if f.dryRun {
		return nil
	}
	if len(r.Goes) == 0 {
		return buildbtw.Conflict("nothing of %s can go to %s now", sourceOf(r), r.Target)
	}
	if !f.yes {
		ok, err := a.confirm(fmt.Sprintf("Release %d pkgbases to %s?", len(r.Goes), r.Target))
		if err != nil || !ok {
			return cmp.Or(err, buildbtw.Unconfirmed("nothing was released; --yes confirms it, and --dry-run only shows what could go"))
		}
	}
	shown := make([]string, len(r.Goes))
	for i, u := range r.Goes {
		shown[i] = u.Pkgbase + " " + u.Version
	}
	n := api.NewRelease{Target: r.Target, Digest: r.Digest, Shown: shown}
	var stored api.StoredRelease
	if f.from != "" {
		stored, err = c.CreateReleaseFrom(ctx, f.from, n)
	} else {
		stored, err = c.CreateRelease(ctx, name, r.Iteration, n)
	}
	if err != nil {
		return err
	}
	if stored, err = awaitRelease(ctx, c, stored); err != nil {
		return err
	}
	if err := a.printStoredRelease(stored); err != nil {
		return err
	}
	if stored.State != "released" && stored.State != "signing" && stored.State != "waiting" {
		return fmt.Errorf("release %s is %s: %s", stored.ID, stored.State, plain(stored.Message))
	}
	return nil
}

// sourceOf names what gives the packages of a release: "space #3", or a target.
func sourceOf(r api.Release) string {
	if r.From != "" {
		return r.From
	}
	return fmt.Sprintf("%s #%d", r.Buildspace, r.Iteration)
}

// awaitRelease waits until a release changes only when somebody asks for it.
func awaitRelease(ctx context.Context, c *api.Client, r api.StoredRelease) (api.StoredRelease, error) {
	ticker := time.NewTicker(pollPause)
	defer ticker.Stop()
	for !r.Over() {
		select {
		case <-ctx.Done():
			return r, ctx.Err()
		case <-ticker.C:
		}
		var err error
		if r, err = c.StoredRelease(ctx, r.ID); err != nil {
			return r, err
		}
	}
	return r, nil
}

func (a *app) printStoredRelease(r api.StoredRelease) error {
	if a.json {
		return a.printJSON(r)
	}
	switch r.State {
	case "released":
		fmt.Fprintln(a.out, plain("release "+r.ID+": "+buildbtw.ReleasedWords(r.Packages, r.Target)))
	case "signing":
		fmt.Fprintln(a.out, plain("release "+r.ID+" to "+r.Target+" waits for signatures: bbtw release sign "+r.ID))
	case "waiting":
		words := "waits for the repository: bbtw release fetch " + r.ID + " DIR"
		if p := r.InRepository; p != nil && p.There > 0 {
			words = fmt.Sprintf("waits for the repository, which has %d of %d packages", p.There, p.Files)
		}
		fmt.Fprintln(a.out, plain("release "+r.ID+" to "+r.Target+" "+words))
	default:
		fmt.Fprintln(a.out, plain("release "+r.ID+" to "+r.Target+" is "+r.State))
	}
	return nil
}

func (a *app) printRelease(r api.Release) {
	fmt.Fprintf(a.out, "%d of %d pkgbases of %s can go to %s", len(r.Goes), len(r.Goes)+len(r.Held), plain(sourceOf(r)), plain(r.Target))
	if !r.Proven {
		fmt.Fprintf(a.out, " (at most %d: the choices were too many to try all)", r.AtMost)
	}
	fmt.Fprintln(a.out)
	for _, u := range r.Goes {
		fmt.Fprintln(a.out, "  "+plain(u.Pkgbase+" "+u.Version+checkWords(u.Checks)))
	}
	if len(r.Held) > 0 {
		fmt.Fprintln(a.out, "held:")
	}
	for _, h := range r.Held {
		fmt.Fprintln(a.out, "  "+plain(h.Pkgbase+": "+h.Reason+checkWords(h.Checks)))
	}
	for _, c := range r.Changesets {
		fmt.Fprintln(a.out, plain(needs(c)))
	}
	if len(r.WaysOut) > 0 {
		fmt.Fprintln(a.out, "ways out:")
	}
	for _, w := range r.WaysOut {
		fmt.Fprintln(a.out, "  "+plain(fmt.Sprintf("%s %s: up to %d more can go", w.Do, buildbtw.Names(w.Names).Summary(), w.Frees)))
	}
	for _, w := range r.Waivers {
		fmt.Fprintln(a.out, plain("waiver "+w.ID+": "+w.By+" "+w.Words+": "+w.Reason))
	}
	for _, l := range r.Leaves {
		line := "leaves the repositories: " + l.Pkgname + " (" + l.View + ")"
		if l.ReplacedBy != "" {
			line += ", replaced by " + l.ReplacedBy
		}
		fmt.Fprintln(a.out, plain(line))
	}
	for _, p := range r.Apart {
		fmt.Fprintln(a.out, plain("cannot be installed together any more: "+p.Words()))
	}
	if n := r.AllApart - len(r.Apart); n > 0 {
		fmt.Fprintf(a.out, "and %d more pairs\n", n)
	}
	if len(r.Present) > 0 {
		fmt.Fprintf(a.out, "%d are there already\n", len(r.Present))
	}
	if r.NoBase {
		fmt.Fprintln(a.out, noBaseWords)
	}
	if r.LinksUnknown > 0 {
		fmt.Fprintf(a.out, "not known of %d packages of the base: which libraries their programs link with\n", r.LinksUnknown)
	}
}

// checkWords returns which checks found something: " [files, size]".
func checkWords(checks []api.Check) string {
	var kinds []string
	for _, c := range checks {
		if !slices.Contains(kinds, c.Kind) {
			kinds = append(kinds, c.Kind)
		}
	}
	if len(kinds) == 0 {
		return ""
	}
	return " [" + strings.Join(kinds, ", ") + "]"
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
