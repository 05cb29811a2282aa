package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/cmd/internal/cli"
)

func (a *app) watchCommand() *cobra.Command {
	var f followed
	cmd := &cobra.Command{
		Use:   "watch NAME",
		Short: "Follow a buildspace until nothing moves any more; exit code 1 when a build failed",
		Long: `Follows the latest iteration, and the next one if it is superseded: a progress
bar and every change of a build's status, until nothing moves any more. The exit code is
1 unless everything was built, as that of wait.`,
		Example: "  bbtw watch curl-openssl-4",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			f.name = args[0]
			return a.follow(cmd.Context(), c, f)
		},
	}
	f.register(cmd)
	cmd.ValidArgsFunction = a.complete(buildspaceNames)
	return cmd
}

func (a *app) waitCommand() *cobra.Command {
	f := followed{quiet: true}
	cmd := &cobra.Command{
		Use:   "wait NAME",
		Short: "Wait until nothing moves any more; exit code 1 when a build failed",
		Example: `  bbtw wait curl-openssl-4 && bbtw download curl-openssl-4
  bbtw wait curl-openssl-4 --iteration 2   # also waits for iteration 2 to be made`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			f.name = args[0]
			return a.follow(cmd.Context(), c, f)
		},
	}
	f.register(cmd)
	cmd.ValidArgsFunction = a.complete(buildspaceNames)
	return cmd
}

// followed selects the buildspace to follow and its options.
type followed struct {
	name      string
	iteration int           // wait for at least this one; 0: the latest
	timeout   time.Duration // 0: none
	quiet     bool          // show only the end
}

func (f *followed) register(cmd *cobra.Command) {
	cli.Number(cmd.Flags(), &f.iteration, "iteration", 0, 0, cli.Many, "wait for this iteration or a later one (default: the latest)")
	cli.Time(cmd.Flags(), &f.timeout, "timeout", 0, 0, cli.Long, "give up after this time, with exit code 1; 0 for never")
}

// pollPause is the time between two looks at the server.
const pollPause = 700 * time.Millisecond

// follow prints the events of a buildspace until its latest iteration has
// ended.
func (a *app) follow(ctx context.Context, c *api.Client, f followed) error {
	if f.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, f.timeout, fmt.Errorf("%s has not come to rest within %s", f.name, f.timeout))
		defer cancel()
	}
	show := a.newFollower(c, f)
	ticker := time.NewTicker(pollPause)
	defer ticker.Stop()
	for {
		done, err := show.look(ctx)
		if err != nil {
			return err
		}
		if done != nil {
			show.end()
			return a.rest(ctx, c, *done, f)
		}
		select {
		case <-ctx.Done():
			show.end()
			return context.Cause(ctx)
		case <-ticker.C:
		}
	}
}

// rest returns how it ended.
func (a *app) rest(ctx context.Context, c *api.Client, it api.Iteration, f followed) error {
	if a.json {
		if err := a.printJSON(it); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(a.out, "iteration %d of %s: %s (%s)\n", it.Number, f.name, a.painted(string(it.Status)), countsLine(it))
		if it.Error != "" {
			fmt.Fprintln(a.out, plain(it.Error))
		}
		if err := a.printFailures(ctx, c, it, f.name); err != nil {
			return err
		}
	}
	if it.Status != buildbtw.IterationStatusBuilt {
		return cli.ErrSilent
	}
	return nil
}

// printFailures prints what holds an iteration up: every build that failed, those first
// that block others, and what was cancelled and is waited for.
func (a *app) printFailures(ctx context.Context, c *api.Client, it api.Iteration, name string) error {
	blocks := map[string]bool{}
	for _, b := range it.Blockers {
		blocks[b.Build.ID] = true
		fmt.Fprintf(a.out, "  %s %s: %s; see 'bbtw log %s'\n", b.Build.Pkgbase, a.painted(string(b.Build.Status)), blocksWords(b)+errorWords(b.Build.Error), b.Build.ID)
	}
	if it.Counts[buildbtw.StatusFailed] == 0 {
		return nil
	}
	failed, err := c.Builds(ctx, api.BuildFilter{Buildspace: name, Iteration: it.Number, Status: string(buildbtw.StatusFailed)})
	if err != nil {
		return err
	}
	for _, b := range failed {
		if !blocks[b.ID] {
			fmt.Fprintf(a.out, "  %s %s: blocks nothing%s; see 'bbtw log %s'\n", b.Pkgbase, a.painted("failed"), errorWords(b.Error), b.ID)
		}
	}
	return nil
}

// follower prints the events of an iteration, each once.
type follower struct {
	client *api.Client
	f      followed
	out    io.Writer
	bar    *progressbar.ProgressBar // nil in a pipe
	room   int                      // characters for words beside the bar; 0: any number
	colour bool

	errors io.Writer // for what is no result; nil with --json
	idle   int       // looks in a row in which builds could run and none did
	told   bool      // that no worker is there

	reached bool   // the server has answered
	since   string // the last event shown
	number  int    // of the iteration being shown
}

func (a *app) newFollower(c *api.Client, f followed) *follower {
	w := &follower{client: c, f: f, out: a.out, colour: a.colours()}
	if !a.json {
		w.errors = a.errors
	}
	if a.json || f.quiet {
		w.out = nil
	} else if isLively(a.out) {
		const most, beside = 30, 20 // columns of the bar, and of the numbers at its ends
		bar := most
		if columns := width(a.out); columns > 0 { // a line that is broken cannot be cleared
			bar = min(most, columns/4)
			w.room = max(1, columns-bar-beside)
		}
		w.bar = progressbar.NewOptions(1,
			progressbar.OptionSetWriter(a.out), progressbar.OptionSetWidth(bar),
			progressbar.OptionClearOnFinish(), progressbar.OptionSetPredictTime(false),
			progressbar.OptionThrottle(100*time.Millisecond))
	}
	return w
}

// look prints new events, and returns the iteration when it has ended. A server
// that cannot be reached any more is asked again: it may be restarting. One that was
// never reached is an error: its address may be wrong.
func (w *follower) look(ctx context.Context) (*api.Iteration, error) {
	it, err := w.client.Iteration(ctx, w.f.name, api.Latest)
	var network *api.NetworkError
	if errors.As(err, &network) && !w.reached {
		return nil, err
	}
	w.reached = true
	switch {
	case buildbtw.KindOf(err) == buildbtw.KindUnavailable, buildbtw.KindOf(err) == buildbtw.KindTooMany:
		return nil, nil
	case buildbtw.KindOf(err) == buildbtw.KindNotFound:
		_, err := w.client.Buildspace(ctx, w.f.name) // it may have no iteration yet
		return nil, err
	case err != nil:
		return nil, err
	}
	if it.Number < w.f.iteration {
		return nil, nil
	}
	if err := w.showNew(ctx, it); err != nil {
		return nil, err
	}
	if it.Status.Final() && it.Status != buildbtw.IterationStatusSuperseded {
		return &it, nil
	}
	w.noteIdle(ctx, it)
	return nil, nil
}

// Looks without anything running until the forecast is asked, and between two askings.
const (
	idleLooks      = 4
	idleLooksAgain = 20
)

// noteIdle says, once for each time that it begins, that no worker is there to go on.
// It is asked for only when builds wait and none runs. What cannot be asked now can be at the next
// look.
func (w *follower) noteIdle(ctx context.Context, it api.Iteration) {
	running := it.Counts[buildbtw.StatusBuilding] + it.Counts[buildbtw.StatusScheduled]
	if w.errors == nil || running > 0 || it.Counts[buildbtw.StatusPending] == 0 {
		w.idle, w.told = 0, false
		return
	}
	w.idle++
	if w.told || w.idle%idleLooksAgain != idleLooks {
		return
	}
	if f, err := w.client.Forecast(ctx, w.f.name, it.Number); err == nil && f.Seconds == nil && f.Remaining > 0 {
		w.told = true
		w.end()
		fmt.Fprintln(w.errors, noWorker)
	}
}

// showNew prints the changes of statuses since the last look.
func (w *follower) showNew(ctx context.Context, it api.Iteration) error {
	if w.out == nil {
		return nil
	}
	events, err := w.client.Events(ctx, api.EventFilter{Buildspace: w.f.name, Since: w.since})
	if err != nil {
		return err
	}
	if it.Number != w.number {
		w.number = it.Number
		w.line(plain(fmt.Sprintf("iteration %d: %s", it.Number, strings.TrimSuffix(fmt.Sprintf("%s: %s", it.Reason, it.ReasonText), ": "))))
	}
	for _, e := range events {
		w.since = e.ID
		if e.Kind == buildbtw.EventBuild && e.Iteration == it.Number && e.From != buildbtw.StatusNew && e.To != buildbtw.StatusPending {
			w.line(strings.TrimRight(w.painted(e.To)+" "+plain(e.Pkgbase+" "+e.Message), " "))
		}
	}
	if w.bar == nil {
		return nil
	}
	w.bar.ChangeMax(max(it.Total, 1))
	words := countsLine(it)
	if w.room > 0 {
		words = shortened(words, w.room)
	}
	w.bar.Describe(words)
	return w.bar.Set(min(it.Counts.Settled(), max(it.Total, 1)-1))
}

// end takes the bar away: what follows begins on a line of its own.
func (w *follower) end() {
	if w.bar != nil {
		_ = w.bar.Clear() // only looks suffer
	}
}

// painted returns a status with its colour, as wide as the others.
func (w *follower) painted(s buildbtw.Status) string {
	return painted(fmt.Sprintf("%-9s", s), colourOf(string(s)), w.colour)
}

// line prints a line above the bar.
func (w *follower) line(s string) {
	if w.bar != nil {
		_ = w.bar.Clear() // only looks suffer
	}
	fmt.Fprintln(w.out, s)
}
