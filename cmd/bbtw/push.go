package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/cmd/internal/cli"
	"buildbtw/cmd/internal/local"
	"buildbtw/internal/atomicfile"
)

// pushUnit is a pkgbase that is to be pushed.
type pushUnit struct {
	Pkgbase string `json:"pkgbase"`
	Version string `json:"version"`
	Build   string `json:"build"`
}

// pushState is what "bbtw release push" keeps between two runs. What can go changes
// once it is in the repositories; what is to be pushed does not.
type pushState struct {
	Server     string     `json:"server"`
	Buildspace string     `json:"buildspace"`
	Iteration  int        `json:"iteration"`
	Begun      time.Time  `json:"begun"`
	Units      []pushUnit `json:"units"`
	Done       []string   `json:"done"` // pkgbases that were pushed; each is asked for again
}

// pushFlags are the flags of "bbtw release push".
type pushFlags struct {
	pusher
	noSign, noRequest, again bool
	only                     []string
	pause                    time.Duration
}

func (a *app) pushCommand(iteration *int) *cobra.Command {
	var f pushFlags
	cmd := &cobra.Command{
		Use:   "push NAME|RELEASE-ID --remote TEMPLATE",
		Short: "Push the commits that were built to their projects, with signed tags",
		Long: `For each pkgbase that was released, or by the name of a buildspace for each that can
go from its newest iteration, it fast-forwards the main branch of its project to the
commit that was built, and pushes a tag of the version that you sign. It is done on this
machine with your git, keys and agents, one project after the other. Where the pkgrel
was raised, the commit comes from the server, and is looked at: it may change the pkgrel
and nothing else.

Run it again after it was interrupted or something failed: the list stays the same, and
each remote is asked what it has already. Where main has moved meanwhile nothing is
pushed: that pkgbase needs a new iteration. Where main is protected, a merge request is
asked for. A remote that is asked too often is left alone for a while, ten times --pause
first. Exit code 1 when something was left.`,
		Example: `  bbtw release push curl-openssl-4 --remote 'git@gitlab.example.org:packages/{project}.git' --dry-run
  bbtw release push curl-openssl-4 --remote 'ssh://git@git.example.org/{source}' --pause 2s
  bbtw release push 12 --remote 'git@gitlab.example.org:packages/{project}.git'      # release 12
  bbtw release push curl-openssl-4 --only curl,git --no-sign      # with BUILDBTW_REMOTE`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !namesProject(f.remote) {
				return cli.Usage(errors.New("--remote needs {pkgbase}, {project} or {source} where the name of each project stands, as in git@gitlab.example.org:packages/{project}.git"))
			}
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			f.client, f.sign, f.request = c, !f.noSign, !f.noRequest
			f.firstWait, f.tell = max(10*f.pause, minWait), func(words string) { fmt.Fprintln(a.errors, plain(words)) }
			return a.pushAll(cmd.Context(), f, args[0], *iteration)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.remote, "remote", "", "where git finds a project, with {pkgbase} or {source} for its name, or {project}: the pkgbase as GitLab writes it")
	flags.StringVar(&f.main, "main", "main", "the branch to fast-forward")
	flags.BoolVar(&f.dryRun, "dry-run", false, "ask the remotes and print what would be pushed")
	flags.BoolVar(&f.noSign, "no-sign", false, "do not sign the tags")
	flags.StringVar(&f.key, "key", "", "sign with this key (default: the one that git is set up for)")
	flags.BoolVar(&f.noRequest, "no-merge-request", false, "where main is protected, push no branch for a merge request")
	flags.StringSliceVar(&f.only, "only", nil, "only these pkgbases")
	flags.BoolVar(&f.again, "again", false, "begin anew with what can go now, instead of going on with the list of the first time")
	cli.Time(flags, &f.pause, "pause", time.Second, 0, time.Hour, "wait so long after each push")
	cmd.ValidArgsFunction = a.complete(buildspaceNames)
	return cmd
}

// pushAll pushes all that is left of a list, one after the other.
func (a *app) pushAll(ctx context.Context, f pushFlags, name string, iteration int) error {
	list, err := a.openPushList(ctx, f, name, iteration)
	if err != nil {
		return err
	}
	defer func() { _ = list.Close() }() // what matters was synced
	f.branch = "buildbtw/" + list.state.Buildspace
	units := list.chosen(f.only)
	if len(units) == 0 {
		return buildbtw.NotFound("nothing of %s #%d can go now; of what was released give the release's id", list.state.Buildspace, list.state.Iteration)
	}
	all := []pushed{}
	left := 0
	var stop *stopError
	for i, unit := range units {
		done, err := f.push(ctx, unit)
		if err != nil && !errors.As(err, &stop) {
			return err
		}
		all = append(all, done)
		if done.Outcome.left() {
			left++
		}
		if !a.json {
			a.printPushed(done)
		}
		if stop != nil {
			left += len(units) - i - 1
			break
		}
		if f.dryRun || done.Outcome.left() {
			continue
		}
		if err := list.note(done.Pkgbase); err != nil {
			return err
		}
		if done.Outcome == pushDone && i < len(units)-1 {
			if err := pauseFor(ctx, f.pause); err != nil {
				return err
			}
		}
	}
	if a.json {
		if err := a.printJSON(all); err != nil {
			return err
		}
	}
	switch {
	case stop != nil:
		return fmt.Errorf("%d of %s were left, since the others would fail alike; run it again when that is mended", left, plural(len(units), "pkgbase"))
	case left > 0:
		return fmt.Errorf("%d of %s were left; run it again when that is mended", left, plural(len(units), "pkgbase"))
	}
	return nil
}

func pauseFor(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

func (a *app) printPushed(done pushed) {
	line := fmt.Sprintf("%s %s: %s", done.Pkgbase, done.Version, done.Outcome)
	switch {
	case done.Words != "":
		line += ": " + done.Words
	case done.Outcome == pushDone:
		line += fmt.Sprintf(" (%.12s, tag %s)", done.Commit, done.Tag)
	}
	fmt.Fprintln(a.out, plain(line))
}

// pushList is the list of an iteration in a file, which no other run has meanwhile.
type pushList struct {
	lock  *os.File
	path  string
	state pushState
	dry   bool // nothing is written
}

// openPushList opens the list of a release or an iteration, and makes it from what was
// released, or from what can go, if there is none.
func (a *app) openPushList(ctx context.Context, f pushFlags, name string, iteration int) (*pushList, error) {
	fresh, file, err := f.find(ctx, name, iteration)
	if err != nil {
		return nil, err
	}
	state, err := local.Dir()
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256([]byte(fresh.Server)) // lists of two servers are two
	dir := filepath.Join(state, "push", hex.EncodeToString(digest[:6]))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	l := &pushList{path: filepath.Join(dir, file+".json"), dry: f.dryRun, state: fresh}
	if l.lock, err = os.OpenFile(l.path+".lock", os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(l.lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(buildbtw.Conflict("another bbtw pushes %s", name), l.lock.Close())
	}
	if err := l.load(ctx, f); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// find returns what is to be pushed, without units where these are what can go now, and the
// name of its file.
func (f *pushFlags) find(ctx context.Context, name string, iteration int) (s pushState, file string, err error) {
	s = pushState{Begun: time.Now().UTC(), Units: []pushUnit{}, Done: []string{}}
	if isNumber(name) {
		r, err := f.client.StoredRelease(ctx, name)
		switch {
		case err != nil:
			return s, "", err
		case r.State != "released" && r.State != "waiting":
			return s, "", buildbtw.Conflict("release %s is %s; what was released, or waits for its repository, is pushed", name, r.State)
		case r.From != "":
			return s, "", buildbtw.Conflict("release %s took what %s had; push the releases of the buildspaces that it came from", name, r.From)
		}
		s.Buildspace, s.Iteration = r.Buildspace, r.Iteration
		s.add(r.Goes)
		file = "release-" + name + "-"
		name, iteration = r.Buildspace, r.Iteration
	}
	space, err := f.client.Buildspace(ctx, name)
	if err != nil {
		return s, "", err
	}
	if iteration == api.Latest {
		if space.Latest == nil {
			return s, "", buildbtw.NotFound("%s has no iteration yet", name)
		}
		iteration = space.Latest.Number
	}
	s.Server, s.Buildspace, s.Iteration = space.URL, name, iteration
	return s, file + name + "-" + strconv.Itoa(iteration), nil
}

func (s *pushState) add(goes []api.ReleaseUnit) {
	for _, u := range goes {
		s.Units = append(s.Units, pushUnit{Pkgbase: u.Pkgbase, Version: u.Version, Build: u.Build})
	}
}

// load reads the list of an earlier run, or makes it.
func (l *pushList) load(ctx context.Context, f pushFlags) error {
	text, err := os.ReadFile(l.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err == nil && !f.again {
		if err := json.Unmarshal(text, &l.state); err != nil {
			return fmt.Errorf("%s is damaged; --again makes it anew: %w", l.path, err)
		}
		return nil
	}
	if len(l.state.Units) == 0 {
		r, err := f.client.Release(ctx, l.state.Buildspace, l.state.Iteration, "")
		if err != nil {
			return err
		}
		l.state.add(r.Goes)
	}
	return l.save()
}

func (l *pushList) save() error {
	if l.dry || len(l.state.Units) == 0 {
		return nil
	}
	return atomicfile.Write(l.path, 0o600, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(l.state)
	})
}

// note writes down that a pkgbase was pushed.
func (l *pushList) note(pkgbase string) error {
	for _, known := range l.state.Done {
		if known == pkgbase {
			return nil
		}
	}
	l.state.Done = append(l.state.Done, pkgbase)
	return l.save()
}

// chosen returns the units to be pushed: those that were not yet come first.
func (l *pushList) chosen(only []string) []pushUnit {
	wanted, before := map[string]bool{}, map[string]bool{}
	for _, name := range only {
		wanted[name] = true
	}
	for _, name := range l.state.Done {
		before[name] = true
	}
	var first, again []pushUnit
	for _, u := range l.state.Units {
		switch {
		case len(only) > 0 && !wanted[u.Pkgbase]:
		case before[u.Pkgbase]:
			again = append(again, u)
		default:
			first = append(first, u)
		}
	}
	return append(first, again...)
}

// Close lets others have the list.
func (l *pushList) Close() error { return l.lock.Close() }
