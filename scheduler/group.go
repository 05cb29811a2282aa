package scheduler

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"buildbtw"
	"buildbtw/git/gitmirror"
	"buildbtw/store"
)

// Group is a group of projects elsewhere, each of them a source. Errors are of
// the kinds that people may see.
type Group interface {
	// Name is the address of the group's page.
	Name() string

	// All lists every project. One may be missing in the answer though it is
	// there.
	All(ctx context.Context) ([]buildbtw.Project, error)

	// Active lists the projects with activity since a time. Activity may be noted
	// late: see buildbtw.ActivityDelay.
	Active(ctx context.Context, since time.Time) ([]buildbtw.Project, error)

	// Project gives one project. NotFound says that it cannot be seen, Conflict
	// that it is known to be no part of the group any more.
	Project(ctx context.Context, id int64) (buildbtw.Project, error)

	// Holds reports whether a project with that path would lie in the group.
	Holds(path string) bool

	// CloneURL gives the address at which git finds a project.
	CloneURL(p buildbtw.Project) (string, error)
}

// GroupConfig is how groups of projects become sources.
type GroupConfig struct {
	Groups      []Group          // none lies in another; may be empty: then the rest is not needed
	Access      gitmirror.Access // to the projects' repositories
	GroupPeriod time.Duration    // between looks at what was active in them

	CIConfig string   // where every project's pipelines are to be described; empty: left alone
	CI       CISetter // needed with CIConfig
}

// listEvery is how often all projects of a group are listed, to find those that
// vanished without a trace in the activity.
const listEvery = 6 * time.Hour

// groupsPass is the loop's pass: it brings the mirror up to date with every
// group. One that fails does not stop the others.
func (s *Scheduler) groupsPass(ctx context.Context) error {
	var failures []error
	for _, g := range s.Groups {
		if err := s.groupPass(ctx, g); err != nil {
			failures = append(failures, fmt.Errorf("mirror the projects of %s: %w", g.Name(), err))
		}
	}
	return errors.Join(append(failures, s.noteFilling(ctx))...)
}

// groupPass mirrors one group, and keeps why it could not.
func (s *Scheduler) groupPass(ctx context.Context, g Group) error {
	err := s.mirrorGroup(ctx, g)
	if err == nil || ctx.Err() != nil {
		return err
	}
	return errors.Join(err, s.Store.GroupAsked(ctx, g.Name(), buildbtw.MessageOf(err)))
}

// mirrorGroup asks what changed in a group, fetches it, and only then keeps how
// far it has come: a crash at any point costs asking again.
func (s *Scheduler) mirrorGroup(ctx context.Context, g Group) error {
	asked, err := s.askGroup(ctx, g)
	if err != nil {
		return err
	}
	if err := s.Store.GroupAsked(ctx, g.Name(), ""); err != nil {
		return err
	}
	if asked.changed {
		s.ci.Wake()
	}
	err = s.fetchDue(ctx, g)
	if asked.changed || !s.groups.isTidy(g.Name()) {
		err = errors.Join(err, s.dropStrangers(ctx, g))
	}
	if err != nil {
		return err
	}
	s.groups.tidied(g.Name(), true)
	return s.Store.GroupFetched(ctx, g.Name(), asked.until)
}

// groupNotes are what is remembered of groups between passes. It may be lost at
// any time.
type groupNotes struct {
	mu     sync.Mutex
	tidy   map[string]bool // nothing is in the mirror that does not belong there
	relist map[string]bool // all projects are to be listed
}

func (n *groupNotes) list(group string)              { n.set(&n.relist, group, true) }
func (n *groupNotes) takeList(group string) bool     { return n.set(&n.relist, group, false) }
func (n *groupNotes) tidied(group string, tidy bool) { n.set(&n.tidy, group, tidy) }

func (n *groupNotes) isTidy(group string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.tidy[group]
}

func (n *groupNotes) set(of *map[string]bool, group string, value bool) (before bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if *of == nil {
		*of = map[string]bool{}
	}
	before = (*of)[group]
	(*of)[group] = value
	return before
}

// asked is what asking about a group gave.
type asked struct {
	until   time.Time // activity that GitLab had noted by then is known
	changed bool      // projects are new, gone, or elsewhere
}

// askGroup takes notice of what was active in a group, or from time to time and
// at first of everything in it.
func (s *Scheduler) askGroup(ctx context.Context, g Group) (asked, error) {
	began := s.Now()
	state, err := s.Store.SourceGroup(ctx, g.Name())
	if err != nil {
		return asked{}, err
	}
	if s.groups.takeList(g.Name()) || listDue(state, s.Now()) {
		return s.listGroup(ctx, g)
	}
	active, err := g.Active(ctx, state.SeenUntil.Add(-buildbtw.ActivityDelay))
	if err != nil {
		return asked{}, err
	}
	changed, err := s.Store.NoteProjects(ctx, g.Name(), active)
	return asked{until: began, changed: changed > 0}, err
}

// listDue reports whether what is known of a group is too old, or cannot be: a
// clock was wrong when it was kept.
func listDue(g buildbtw.SourceGroup, now time.Time) bool {
	return g.SeenUntil == nil || g.ListedAt == nil || now.Sub(*g.ListedAt) >= listEvery ||
		g.ListedAt.After(now) || g.SeenUntil.After(now.Add(buildbtw.ActivityDelay))
}

// listGroup takes notice of every project, and of those that are missing.
func (s *Scheduler) listGroup(ctx context.Context, g Group) (asked, error) {
	began := s.Now()
	all, err := g.All(ctx)
	if err != nil {
		return asked{}, err
	}
	if _, err := s.Store.NoteProjects(ctx, g.Name(), all); err != nil {
		return asked{}, err
	}
	if err := s.noteMissing(ctx, g, all); err != nil {
		return asked{}, err
	}
	s.Log.InfoContext(ctx, "all projects of a group listed", "group", g.Name(), "projects", len(all))
	return asked{until: began, changed: true}, s.Store.GroupListed(ctx, g.Name())
}

// fewMissing is how many projects may vanish at once and be believed gone.
const fewMissing = 20

// noteMissing asks about each project that a listing lacks. When many cannot be
// seen any more it is likelier that the token may see less than before, and they
// are kept until the next listing says the same. Of so many only the first are asked
// about: thousands of requests would be over GitLab's limit, in every pass anew.
func (s *Scheduler) noteMissing(ctx context.Context, g Group, listed []buildbtw.Project) error {
	missing, err := s.Store.MissingProjects(ctx, g.Name(), listed)
	if err != nil {
		return err
	}
	few := max(fewMissing, len(listed)/10)
	var unseen []buildbtw.MirroredProject
	for i, p := range missing {
		if len(unseen) > few {
			unseen = append(unseen, missing[i:]...)
			break
		}
		switch err := s.askProject(ctx, g, p.ID); buildbtw.KindOf(err) {
		case buildbtw.KindConflict:
			if err := s.removeProject(ctx, p, err); err != nil {
				return err
			}
		case buildbtw.KindNotFound:
			unseen = append(unseen, p)
		default:
			if err != nil {
				return err
			}
		}
	}
	return s.noteUnseen(ctx, unseen, few)
}

func (s *Scheduler) noteUnseen(ctx context.Context, unseen []buildbtw.MirroredProject, few int) error {
	for _, p := range unseen {
		var err error
		if len(unseen) <= few || p.MissingAt != nil {
			err = s.removeProject(ctx, p, errUnseen)
		} else {
			err = s.Store.ProjectMissing(ctx, p.ID, fmt.Sprintf(
				"GitLab does not show it any more, nor %d others; if the token is right, they are removed when all projects are listed again", len(unseen)-1))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

var errUnseen = errors.New("GitLab does not show it any more")

// askProject takes notice of how a project is now. NotFound and Conflict say as
// Group.Project that it is none of the group's.
func (s *Scheduler) askProject(ctx context.Context, g Group, id int64) error {
	p, err := g.Project(ctx, id)
	if err != nil {
		return err
	}
	changed, err := s.Store.NoteProjects(ctx, g.Name(), []buildbtw.Project{p})
	if changed > 0 {
		s.groups.tidied(g.Name(), false)
	}
	return err
}

// removeProject forgets a project. The source goes with dropStrangers.
func (s *Scheduler) removeProject(ctx context.Context, p buildbtw.MirroredProject, why error) error {
	s.Log.InfoContext(ctx, "a project is no source any more", "project", p.Path, "why", why)
	s.groups.tidied(p.Group, false)
	return s.Store.RemoveProject(ctx, p.ID)
}

// dropStrangers removes from the mirror what came from the group and is no
// project of it any more: removed, renamed, or left by a crash.
func (s *Scheduler) dropStrangers(ctx context.Context, g Group) error {
	slugs, err := s.Store.ProjectSlugs(ctx, g.Name())
	if err != nil {
		return err
	}
	var strangers []string
	for _, slug := range s.Mirror.Remotes(g.Name()) {
		if !slugs[slug] {
			strangers = append(strangers, slug)
		}
	}
	if len(strangers) == 0 {
		return nil
	}
	if _, err := s.Mirror.RemoveRemotes(ctx, g.Name(), strangers); err != nil {
		return err
	}
	return s.showSources(ctx, g, strangers)
}

// noteFilling says whether, and how far, the first fetch of a group is under way:
// until it is over nothing can be planned.
func (s *Scheduler) noteFilling(ctx context.Context) error {
	if len(s.Groups) == 0 {
		return nil
	}
	rows, err := s.Store.SourceGroups(ctx)
	if err != nil {
		return err
	}
	for _, g := range rows {
		if g.FilledAt == nil {
			s.Catalog.SetFilling(fillingWords(g))
			return nil
		}
	}
	if !s.Catalog.SetFilling("") {
		return nil
	}
	err = s.Catalog.Refresh(ctx)
	s.Catalog.SetComplete()
	s.iterate.Wake()
	return err
}

func fillingWords(g store.GroupRow) string {
	switch {
	case g.Message != "":
		return g.Message
	case g.Projects == 0:
		return "GitLab is being asked for the projects of " + g.Name
	}
	return fmt.Sprintf("%d of %d projects of %s so far", g.Projects-g.Untried, g.Projects, g.Name)
}

// groupLoops makes the loops that mirror groups.
func (s *Scheduler) groupLoops() {
	period := s.GroupPeriod
	if period == 0 {
		period = time.Minute
	}
	s.group = loop(Loop{
		Name:        "groups",
		Description: "fetches the projects of GitLab groups in which something happened",
		Period:      period,
		Pass:        s.groupsPass,
	})
	for i := range s.push {
		s.push[i] = loop(Loop{
			Name:        fmt.Sprintf("push-%d", i+1),
			Description: "fetches at once what a webhook told of",
			Period:      time.Minute,
			Pass:        s.pushPass,
		})
	}
	s.ci = loop(Loop{
		Name:        "ci-config",
		Description: "sets where projects describe their pipelines, a few at a time",
		Period:      time.Minute,
		Pass:        s.ciPass,
	})
}

// prepareGroups recalls what is known of the groups, and forgets those that are
// none any more.
func (s *Scheduler) prepareGroups(ctx context.Context) error {
	names := make([]string, len(s.Groups))
	for i, g := range s.Groups {
		names[i] = g.Name()
	}
	if err := s.Store.RetainGroups(ctx, names); err != nil {
		return err
	}
	for _, g := range s.Groups {
		if _, err := s.loadBroken(ctx, g); err != nil {
			return err
		}
	}
	return s.noteFilling(ctx)
}
