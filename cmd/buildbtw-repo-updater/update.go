package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"golang.org/x/term"

	"buildbtw"
	"buildbtw/cmd/internal/cli"
	"buildbtw/git/gitlab"
	"buildbtw/git/gitmirror"
)

func updateCommand() *cobra.Command {
	var s settings
	cmd := &cobra.Command{
		Use:   "update DIR",
		Short: "Clone what is new and fetch what has changed",
		Long: `update makes DIR hold a clone of every project of --group and brings those up to
date that GitLab shows as changed. A working tree follows its branch as long as
nobody has changed it; otherwise it stays, and the remote branches are fresh.
Projects that left the group are named; their clones stay.

It ends with 1 when a project could not be fetched; the others are fresh then,
and the next run tries it again.`,
		Example: `  buildbtw-repo-updater update ~/packages
  BUILDBTW_GITLAB_TOKEN_FILE=~/.token buildbtw-repo-updater update --ssh --jobs 16 /srv/packages`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := s.check(); err != nil {
				return err
			}
			return update(cmd.Context(), &s, args[0], cmd.OutOrStdout())
		},
	}
	s.flags(cmd.Flags())
	return cmd
}

func update(ctx context.Context, s *settings, dir string, out io.Writer) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	home, err := stateHome(os.Getenv)
	if err != nil {
		return err
	}
	client, err := gitlab.New(gitlab.Config{URL: s.url, Token: s.token})
	if err != nil {
		return cli.Usage(err)
	}
	st, release, err := openState(home, dir)
	if err != nil {
		return err
	}
	defer release()
	if st.Server != "" && (st.Server != client.URL() || st.Group != s.group) {
		return cli.Usage(fmt.Errorf("%s holds clones of %s at %s; choose another directory for %s", dir, st.Group, st.Server, s.group))
	}
	st.Server, st.Group = client.URL(), s.group
	clones, err := gitmirror.OpenClones(s.access())
	if err != nil {
		return err
	}
	defer clones.Close()
	u := &updater{settings: s, state: st, client: client, clones: clones, out: out, saved: time.Now()}
	return u.run(ctx)
}

// updater is one run of update.
type updater struct {
	*settings
	state  *state
	client *gitlab.Client
	clones *gitmirror.Clones
	out    io.Writer

	mu                                      sync.Mutex // guards the fields below, and state
	bar                                     *progressbar.ProgressBar
	saved                                   time.Time
	fetched, changed, kept, failures, older int
}

// run finds the active projects, fetches them, and only then moves the cursor.
func (u *updater) run(ctx context.Context) error {
	began := time.Now()
	until, err := u.look(ctx)
	if err != nil {
		return err
	}
	if err := u.state.save(); err != nil { // so that a first fill goes on where it was cut off
		return err
	}
	if err := u.fetch(ctx, u.due(time.Now())); err != nil {
		return errors.Join(err, u.state.save())
	}
	u.state.SeenUntil = until
	if err := u.state.save(); err != nil {
		return err
	}
	fmt.Fprintf(u.out, "%d projects: %d fetched, %d changed, %d with changes of yours left alone, %d failed; took %s\n",
		len(u.state.Projects)-u.older, u.fetched, u.changed, u.kept, u.failures, time.Since(began).Round(100*time.Millisecond))
	if u.failures > 0 {
		return cli.ErrSilent
	}
	return nil
}

// look asks GitLab for the projects with activity since the last run, or for
// all the first time and with --all. It marks projects as to be fetched, and
// returns the latest activity.
func (u *updater) look(ctx context.Context) (until time.Time, err error) {
	group := u.groupOf(u.client)
	until = u.state.SeenUntil
	whole := u.all || until.IsZero()
	var list []buildbtw.Project
	if whole {
		list, err = group.All(ctx)
	} else {
		list, err = group.Active(ctx, until.Add(-buildbtw.ActivityDelay))
	}
	if err != nil {
		return until, err
	}
	seen := map[int64]bool{}
	for _, p := range list {
		seen[p.ID] = true
		until = later(until, p.ActiveAt)
		u.note(p)
	}
	if whole {
		u.noteGone(ctx, group, func(c *clone) bool { return !seen[c.ID] && !c.Gone })
	}
	// What GitLab does not show as active may have given its name to what it does.
	names := map[string]int{}
	for _, c := range u.state.Projects {
		names[c.Path]++
	}
	u.noteGone(ctx, group, func(c *clone) bool { return names[c.Path] > 1 && !c.Gone })
	if err := u.state.save(); err != nil { // the new names, before the clones have them
		return until, err
	}
	u.settle()
	for _, c := range u.state.Projects {
		if c.Gone {
			u.older++
		}
	}
	return until, nil
}

// note updates the clone of a project as GitLab reports it.
func (u *updater) note(p buildbtw.Project) {
	c := u.state.Projects[p.ID]
	switch {
	case c == nil:
		u.state.Projects[p.ID] = &clone{Project: p}
		return
	case c.Path != p.Path:
		u.moveAside(c.Project, p)
		c.NextAt = time.Now()
	case u.all || p.ActiveAt.After(c.ActiveAt) || c.Gone:
		c.NextAt = time.Now()
	}
	c.Project, c.Gone = p, false
}

// aside is where the clone of a project lies while it is moved. No project's path ends so.
func (u *updater) aside(id int64) string {
	return filepath.Join(u.state.Directory, fmt.Sprintf("%d.moved.git", id))
}

// moveAside takes the clone of a project that was renamed out of the way: another one may
// have its name now. A run that was cut off has done so already.
func (u *updater) moveAside(from, to buildbtw.Project) {
	old, ok := u.place(u.state.Directory, from)
	if ok && !exists(u.aside(to.ID)) && os.Rename(old, u.aside(to.ID)) == nil {
		fmt.Fprintf(u.out, "%s is called %s now\n", from.Path, to.Path)
	}
}

// settle puts the clones that were moved aside, in this run or one that was cut off, where
// they belong.
func (u *updater) settle() {
	for id, c := range u.state.Projects {
		dir, ok := u.place(u.state.Directory, c.Project)
		if ok && exists(u.aside(id)) && !exists(dir) && os.MkdirAll(filepath.Dir(dir), 0o755) == nil {
			_ = os.Rename(u.aside(id), dir) // else fetching it says so
		}
	}
}

// holder returns why the directory of a project is not its own: what is there is another's.
// A project that is gone loses its name to the one that has it now.
func (u *updater) holder(c *clone, dir string) error {
	if !exists(dir) {
		for id, other := range u.state.Projects {
			if id != c.ID && other.Gone && other.Path == c.Path {
				delete(u.state.Projects, id)
			}
		}
		return nil
	}
	if aside := u.aside(c.ID); exists(aside) {
		return buildbtw.Conflict("%s is there already; move it away, and the clone in %s takes its place", dir, aside)
	}
	for id, other := range u.state.Projects {
		if id != c.ID && other.Path == c.Path {
			return buildbtw.Conflict("%s is the clone of another project, which was called so; move it away", dir)
		}
	}
	return nil
}

func exists(file string) bool {
	_, err := os.Lstat(file)
	return err == nil
}

// noteGone asks for single projects that a list of all lacks, as they may have slipped from
// one page to another, or whose name another one has.
func (u *updater) noteGone(ctx context.Context, group *gitlab.Group, which func(*clone) bool) {
	for _, c := range u.state.Projects {
		if !which(c) {
			continue
		}
		p, err := group.Project(ctx, c.ID)
		switch trouble := gitlab.TroubleOf(err); {
		case err == nil:
			u.note(p)
		case trouble == gitlab.NotFound, trouble == gitlab.Gone:
			c.Gone = true
			fmt.Fprintf(u.out, "%s was archived, deleted, or moved out of the group; its clone stays\n", c.Path)
		}
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// due returns the clones to be fetched.
func (u *updater) due(now time.Time) []*clone {
	var list []*clone
	for _, c := range u.state.Projects {
		if c.due(now) || c.Failures > 0 && !c.Gone { // a person who runs this again wants it tried
			list = append(list, c)
		}
	}
	return list
}

// fetch fetches many at once. One that fails does not stop the others; the
// error means that the run was interrupted or that the state cannot be saved.
func (u *updater) fetch(ctx context.Context, list []*clone) error {
	if f, ok := u.out.(*os.File); ok && term.IsTerminal(int(f.Fd())) && len(list) > 0 {
		u.bar = progressbar.NewOptions(len(list), progressbar.OptionSetWriter(f), progressbar.OptionShowCount(),
			progressbar.OptionSetDescription("fetching"), progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(100*time.Millisecond))
	}
	group, fetching := errgroup.WithContext(ctx)
	group.SetLimit(u.jobs)
	for _, c := range list {
		if fetching.Err() != nil {
			break
		}
		group.Go(func() error { return u.fetchOne(fetching, c) })
	}
	return errors.Join(group.Wait(), ctx.Err())
}

func (u *updater) fetchOne(ctx context.Context, c *clone) error {
	dir, ok := u.place(u.state.Directory, c.Project)
	if !ok {
		return u.done(c, time.Now(), gitmirror.Clone{}, buildbtw.Conflict("%s has no place below %s", c.Path, u.state.Directory))
	}
	began := time.Now()
	u.mu.Lock()
	err := u.holder(c, dir)
	u.mu.Unlock()
	if err != nil {
		return u.done(c, began, gitmirror.Clone{}, err)
	}
	address, err := u.groupOf(u.client).CloneURL(c.Project)
	if err != nil {
		return u.done(c, began, gitmirror.Clone{}, err)
	}
	what, err := u.clones.Update(ctx, dir, gitmirror.Remote{Slug: c.Slug(), URL: address})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return u.done(c, began, what, err)
}

// savePeriod is how much work an interruption may cost at most.
const savePeriod = 5 * time.Second

func (u *updater) done(c *clone, began time.Time, what gitmirror.Clone, err error) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.count(c, began, what, err)
	if u.bar != nil {
		_ = u.bar.Add(1) // only looks suffer
	}
	if time.Since(u.saved) < savePeriod {
		return nil
	}
	u.saved = time.Now()
	return u.state.save()
}

func (u *updater) count(c *clone, began time.Time, what gitmirror.Clone, err error) {
	if err != nil {
		u.failures++
		c.Failures++
		c.NextAt = buildbtw.RetryFetch(began, c.Failures)
		u.line("%s: %s", c.Path, buildbtw.MessageOf(err))
		return
	}
	u.fetched++
	c.Failures, c.FetchedAt, c.NextAt = 0, began, c.NextFetch(began)
	if what.Changed {
		u.changed++
		c.ChangedAt = time.Now()
	}
	if what.Kept {
		u.kept++
	}
}

// line prints a line above the bar.
func (u *updater) line(format string, args ...any) {
	if u.bar != nil {
		_ = u.bar.Clear()
	}
	fmt.Fprintf(u.out, format+"\n", args...)
}
