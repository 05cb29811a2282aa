package handlers

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/buildgraph"
	"buildbtw/catalog"
	"buildbtw/handlers/transfer"
	"buildbtw/views"
)

// maxForm bounds the body of a form: some thousand names.
const maxForm = 128 << 10

// planInput is what a packager filled in, who is to see it again when it is wrong.
type planInput struct {
	editing    string // the buildspace that is edited; empty for a new one
	name       string
	changesets []string
	settings   buildbtw.Settings
	confirm    bool
	planned    string // digest of the plan that was shown with the form; empty before
	changed    bool   // another plan was shown
}

// maxRebuild bounds the sources that a form is filled with.
const maxRebuild = 500

// newBuildspace shows the empty form; the query may fill in changesets: by name, or all
// that link with a library.
func (a *App) newBuildspace(c *fiber.Ctx) error {
	in := planInput{changesets: fields(c.Query("changesets")), settings: buildbtw.DefaultSettings()}
	if library := c.Query("links"); library != "" {
		users, err := a.Catalog.Users(c.UserContext(), library, c.Query("arch"))
		if err != nil {
			return err
		}
		sources, _ := users.Sources(c.Query("unknown") != "")
		in.changesets, in.settings.Scope = sources[:min(len(sources), maxRebuild)], buildbtw.ScopeNone
	}
	return a.renderForm(c, a.planForm(in))
}

// editForm shows the buildspace's changesets and settings as they are.
func (a *App) editForm(c *fiber.Ctx) error {
	name, err := param(c, "name")
	if err != nil {
		return err
	}
	row, err := a.Store.Buildspace(c.UserContext(), name)
	if err != nil {
		return err
	}
	in := planInput{editing: name, settings: row.Settings}
	for _, changeset := range row.Changesets {
		in.changesets = append(in.changesets, changeset.String())
	}
	return a.renderForm(c, a.planForm(in))
}

// previewPlan shows what would be built, before anything is created or saved.
func (a *App) previewPlan(c *fiber.Ctx) error {
	in, err := a.readForm(c)
	if err != nil {
		return err
	}
	f := a.planForm(in)
	if err := a.Catalog.NameTaken(c.UserContext(), in.name); err != nil {
		return a.refuseForm(c, f, err, in)
	}
	if err := a.addPlan(c.UserContext(), &f, user(c), in); err != nil {
		return a.refuseForm(c, f, err, in)
	}
	return a.renderForm(c, f)
}

// nameTold says, while somebody types, why a new buildspace cannot have a name.
func (a *App) nameTold(c *fiber.Ctx) error {
	err := a.Catalog.NameTaken(c.UserContext(), strings.TrimSpace(c.Query("name")))
	if err != nil && buildbtw.KindOf(err) == buildbtw.KindInternal {
		return err
	}
	message := ""
	if err != nil {
		message = buildbtw.MessageOf(err)
	}
	c.Set(fiber.HeaderCacheControl, "no-cache")
	return sendView(c.UserContext(), c, views.NameTold(message))
}

// notShown returns a Conflict unless a plan of just these inputs was shown with the form:
// the buttons below a plan do what it says, and nothing else.
func (in *planInput) notShown(digest string) error {
	if in.planned == digest {
		return nil
	}
	in.changed = true
	if in.planned == "" {
		return buildbtw.Conflict("look at the plan first; the button below it makes what it shows")
	}
	return buildbtw.Conflict("the form or the sources changed since the plan was made; this is the plan now")
}

// createBuildspace makes what the plan showed. Refused, the form comes back as
// it was sent, with the plan if it is the number of builds that must be
// confirmed.
func (a *App) createBuildspace(c *fiber.Ctx) error {
	if err := a.Fit(); err != nil {
		return err
	}
	in, err := a.readForm(c)
	if err != nil {
		return err
	}
	f := a.planForm(in)
	if err := a.Catalog.NameTaken(c.UserContext(), in.name); err != nil {
		return a.refuseForm(c, f, err, in)
	}
	if err := a.addPlan(c.UserContext(), &f, user(c), in); err != nil {
		return a.refuseForm(c, f, err, in)
	}
	if err := in.notShown(f.Planned); err != nil {
		return a.refuseForm(c, f, err, in)
	}
	changesets, err := buildbtw.ParseChangesets(in.changesets)
	if err == nil {
		n := buildbtw.NewBuildspace{Name: in.name, Changesets: changesets, Settings: in.settings, Confirm: in.confirm}
		row, createErr := a.Catalog.Create(c.UserContext(), user(c), n)
		if createErr == nil {
			a.Wake()
			return a.seeOtherWith(c, views.BuildspaceURL(row.Name), views.Word{Text: row.Name + " is created. " + calculating})
		}
		err = createErr
	}
	return a.refuseForm(c, f, err, in)
}

// editBuildspace saves changesets and settings; a new iteration follows.
func (a *App) editBuildspace(c *fiber.Ctx) error {
	in, err := a.readForm(c)
	if err != nil {
		return err
	}
	f := a.planForm(in)
	if err := a.addPlan(c.UserContext(), &f, user(c), in); err != nil {
		return a.refuseForm(c, f, err, in)
	}
	if err := in.notShown(f.Planned); err != nil {
		return a.refuseForm(c, f, err, in)
	}
	changesets, err := buildbtw.ParseChangesets(in.changesets)
	if err == nil {
		edit := buildbtw.EditBuildspace{Changesets: &changesets, Settings: func(s *buildbtw.Settings) { *s = in.settings }}
		_, err = a.Catalog.Edit(c.UserContext(), user(c), in.editing, edit)
	}
	if err != nil {
		return a.refuseForm(c, f, err, in)
	}
	a.Wake()
	return a.seeOtherWith(c, views.BuildspaceURL(in.editing), views.Word{Text: "Saved. " + calculating})
}

// readForm reads what a packager filled in; the path names the buildspace that is
// edited. A form always says everything, so every setting is present.
func (a *App) readForm(c *fiber.Ctx) (planInput, error) {
	editing, err := param(c, "name")
	if err != nil {
		return planInput{}, err
	}
	if err := transfer.ReadBody(c, maxForm); err != nil {
		return planInput{}, err
	}
	s := buildbtw.DefaultSettings()
	choose(&s.Scope, c.FormValue("scope"))
	choose(&s.Cycles, c.FormValue("cycles"))
	choose(&s.Priority, c.FormValue("priority"))
	s.Makedepends, s.FollowAll = c.FormValue("makedepends") != "", c.FormValue("follow_all") != ""
	s.FollowFixes = c.FormValue("follow_fixes") != ""
	s.Reuse, s.CutOff, s.Bump = c.FormValue("reuse") != "", c.FormValue("cut_off") != "", c.FormValue("bump") != ""
	s.Baseline = c.FormValue("baseline") != ""
	s.Exclude, s.Add = fields(c.FormValue("exclude")), fields(c.FormValue("add"))
	if clicked := c.FormValue("exclude_also"); clicked != "" && !slices.Contains(s.Exclude, clicked) {
		s.Exclude = append(s.Exclude, clicked)
	}
	for _, arch := range c.Request().PostArgs().PeekMulti("architectures") {
		s.Architectures = append(s.Architectures, string(arch))
	}
	if len(s.Architectures) == len(a.Catalog.Architectures) {
		s.Architectures = nil // all of them, which is the default
	}
	changesets := fields(c.FormValue("changesets"))
	if clicked := c.FormValue("changeset_also"); clicked != "" { // in the place of another ref of its source
		source := sourceOf(clicked)
		changesets = append(slices.DeleteFunc(changesets, func(s string) bool { return sourceOf(s) == source }), clicked)
	}
	return planInput{
		editing: editing, name: strings.TrimSpace(c.FormValue("name")), changesets: changesets,
		settings: s, confirm: c.FormValue("confirm") != "", planned: c.FormValue("planned"),
	}, nil
}

// sourceOf is the source that a changeset names as people write it.
func sourceOf(changeset string) string {
	source, _, _ := strings.Cut(changeset, "/")
	return source
}

// choose takes a choice that was made; an absent one leaves the default.
func choose[T ~string](setting *T, value string) {
	if value != "" {
		*setting = T(value)
	}
}

// fields splits what people separate by spaces, lines or commas.
func fields(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\r' || r == '\t' })
}

// planForm is the form filled in.
func (a *App) planForm(in planInput) views.PlanForm {
	s := in.settings
	return views.PlanForm{
		Editing: in.editing, Name: in.name, Changesets: strings.Join(in.changesets, "\n"), Settings: s,
		Exclude: strings.Join(s.Exclude, " "), Add: strings.Join(s.Add, " "),
		Architectures: a.Catalog.Architectures, ConfirmAbove: a.Catalog.ConfirmAbove,
	}
}

// addPlan adds the plan and, for a buildspace that has an iteration, which builds
// it has more or fewer.
func (a *App) addPlan(ctx context.Context, f *views.PlanForm, u buildbtw.User, in planInput) error {
	changesets, err := buildbtw.ParseChangesets(in.changesets)
	if err != nil {
		return err
	}
	plan, err := a.Catalog.Preview(ctx, changesets, in.settings)
	if err != nil {
		return err
	}
	if err := a.Catalog.WarnOverlaps(ctx, plan, in.editing); err != nil {
		return err
	}
	summary := views.Summarize(plan)
	f.Plan, f.Planned = &summary, catalog.PlanDigest(changesets, in.settings, plan)
	time, err := a.Catalog.PlanTime(ctx, plan, a.Now())
	if err != nil {
		return err
	}
	f.Work, f.Chain, f.Slots, f.Unknown = about(time.Seconds), about(time.Chain), time.Slots, summary.Builds()-time.Known
	if least := time.Least(); least > 0 {
		f.Least = about(least)
	}
	if err := a.addPlanSize(ctx, f, u, plan); err != nil {
		return err
	}
	f.NeedsConfirm = f.Editing == "" && summary.Builds() > f.ConfirmAbove
	if f.Editing == "" {
		return nil
	}
	latest, err := a.Store.Iteration(ctx, f.Editing, 0)
	if buildbtw.KindOf(err) == buildbtw.KindNotFound {
		return nil // there is none yet
	}
	if err != nil {
		return err
	}
	work, err := a.Store.Work(ctx, latest.ID)
	if err != nil {
		return err
	}
	before := map[string]map[string]bool{} // by architecture
	for _, b := range work.Builds {
		if before[b.Architecture] == nil {
			before[b.Architecture] = map[string]bool{}
		}
		before[b.Architecture][buildLink(b.BuildRef).Name()] = true
	}
	diff := comparePlan(before, plan)
	diff.From = latest.Number
	f.Compared = &diff
	return nil
}

// addPlanSize adds how much space the packages take, and which builds are the user's own.
func (a *App) addPlanSize(ctx context.Context, f *views.PlanForm, u buildbtw.User, plan *buildgraph.Plan) error {
	size, err := a.Catalog.PlanSize(ctx, plan)
	if err != nil {
		return err
	}
	if size.Known > 0 {
		f.Disk, f.DiskUnknown = views.Bytes(size.Bytes), f.Plan.Builds()-size.Known
	}
	f.Own, err = a.Catalog.OwnBuilds(ctx, u, plan)
	return err
}

// suggestedPushes is how many branches the form suggests.
const suggestedPushes = 8

// addSuggested adds the branches with the newest commits that are no changesets yet. The
// form works without them: what keeps them from being found is logged.
func (a *App) addSuggested(c *fiber.Ctx, f *views.PlanForm) {
	pushed, err := a.Catalog.PushedBranches(c.UserContext(), a.Now(), 2*suggestedPushes)
	if err != nil && buildbtw.KindOf(err) != buildbtw.KindUnavailable && c.UserContext().Err() == nil {
		a.Log.Warn("find the newest commits of sources", slog.Any("error", err))
	}
	chosen := fields(f.Changesets)
	for _, p := range pushed {
		if slices.Contains(chosen, p.Changeset.String()) || len(f.Suggested) == suggestedPushes {
			continue
		}
		f.Suggested = append(f.Suggested, views.SuggestedChangeset{
			Changeset: p.Changeset.String(), Subject: p.Commit.Subject, Author: p.Commit.Author, At: a.moment(p.Commit.Time),
		})
	}
}

// comparePlan tells, by architecture, the names of builds that a plan has and an
// iteration had not, and the other way round.
func comparePlan(before map[string]map[string]bool, plan *buildgraph.Plan) views.Diff {
	archs := maps.Clone(before)
	added := map[string][]string{}
	for arch, p := range plan.Architectures {
		archs[arch] = maps.Clone(before[arch])
		for _, b := range p.Builds {
			name := views.BuildLink{Pkgbase: b.Pkgbase, Stage: b.Stage}.Name()
			if !before[arch][name] {
				added[arch] = append(added[arch], name)
			}
			delete(archs[arch], name)
		}
		slices.Sort(added[arch])
	}
	var diff views.Diff
	for _, arch := range slices.Sorted(maps.Keys(archs)) {
		diff.Architectures = append(diff.Architectures, views.DiffArch{
			Architecture: arch, Added: added[arch], Removed: slices.Sorted(maps.Keys(archs[arch])),
		})
	}
	return diff
}

func (a *App) renderForm(c *fiber.Ctx, f views.PlanForm) error {
	a.addSuggested(c, &f)
	s := a.shell(c, views.NavBuildspaces, f.Title())
	s.Crumbs = []views.Crumb{{Label: "Buildspaces", URL: "/buildspaces"}, {Label: "New"}}
	if f.Editing != "" {
		s.Crumbs = views.BuildspaceCrumbs(f.Editing, views.Crumb{Label: "Edit"})
	}
	return a.render(c, s, views.PlanFormContent(f))
}

// refuseForm shows the form again with what was wrong beside its field. Faults
// of the server are not the form's.
func (a *App) refuseForm(c *fiber.Ctx, f views.PlanForm, err error, in planInput) error {
	kind := buildbtw.KindOf(err)
	if kind == buildbtw.KindInternal || kind == buildbtw.KindForbidden {
		return err
	}
	f.Error = views.FormError{Field: wrongField(kind, in), Message: buildbtw.MessageOf(err)}
	f.Changed = in.changed && in.planned != ""
	c.Status(kind.HTTPStatus())
	return a.renderForm(c, f)
}

// wrongField finds the field that an error is about, by asking the same rules.
func wrongField(kind buildbtw.Kind, in planInput) string {
	switch kind {
	case buildbtw.KindConflict:
		if in.changed {
			return ""
		}
		return "name"
	case buildbtw.KindUnconfirmed:
		return "confirm"
	case buildbtw.KindNotFound:
		return "changesets"
	case buildbtw.KindInvalid:
	default:
		return ""
	}
	if _, err := buildbtw.ParseChangesets(in.changesets); err != nil {
		return "changesets"
	}
	if in.name != "" && buildbtw.CheckBuildspaceName(in.name) != nil {
		return "name"
	}
	bad := func(name string) bool { return buildbtw.CheckPkgname(name) != nil }
	switch {
	case slices.ContainsFunc(in.settings.Exclude, bad):
		return "exclude"
	case slices.ContainsFunc(in.settings.Add, bad):
		return "add"
	}
	return ""
}
