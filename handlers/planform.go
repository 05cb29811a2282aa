package handlers

import (
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/handlers/transfer"
	"buildbtw/views"
)

// maxForm bounds the body of a form: some thousand names.
const maxForm = 128 << 10

// newBuildspace shows the empty form; the query may fill in changesets.
func (a *App) newBuildspace(c *fiber.Ctx) error {
	f := a.planForm("", api.NewBuildspace{Changesets: fields(c.Query("changesets"))})
	return a.renderForm(c, f)
}

// previewPlan shows what would be built, before anything is.
func (a *App) previewPlan(c *fiber.Ctx) error {
	r, err := readForm(c)
	if err != nil {
		return err
	}
	f := a.planForm("", r)
	if r.Name != "" {
		if err := buildbtw.CheckBuildspaceName(r.Name); err != nil {
			return a.refuseForm(c, f, err, r)
		}
	}
	if err := a.addPlan(c, &f, r); err != nil {
		return a.refuseForm(c, f, err, r)
	}
	return a.renderForm(c, f)
}

// createBuildspace makes what the plan showed. Refused, the form comes back as
// it was sent, with the plan if it is the number of builds that must be
// confirmed.
func (a *App) createBuildspace(c *fiber.Ctx) error {
	r, err := readForm(c)
	if err != nil {
		return err
	}
	row, err := a.api.Create(c.UserContext(), user(c), r)
	if err == nil {
		return seeOther(c, views.BuildspaceURL(row.Name))
	}
	f := a.planForm("", r)
	if kind := buildbtw.KindOf(err); kind == buildbtw.KindUnconfirmed || kind == buildbtw.KindConflict {
		if planErr := a.addPlan(c, &f, r); planErr != nil {
			err = planErr
		}
	}
	return a.refuseForm(c, f, err, r)
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
	r := api.NewBuildspace{Settings: wireSettings(row.Settings)}
	for _, changeset := range row.Changesets {
		r.Changesets = append(r.Changesets, changeset.String())
	}
	return a.renderForm(c, a.planForm(name, r))
}

// previewEdit shows the plan of the edited buildspace before it is saved.
func (a *App) previewEdit(c *fiber.Ctx) error {
	name, r, err := readEdit(c)
	if err != nil {
		return err
	}
	f := a.planForm(name, r)
	if err := a.addPlan(c, &f, r); err != nil {
		return a.refuseForm(c, f, err, r)
	}
	return a.renderForm(c, f)
}

// editBuildspace saves changesets and settings; a new iteration follows.
func (a *App) editBuildspace(c *fiber.Ctx) error {
	name, r, err := readEdit(c)
	if err != nil {
		return err
	}
	edit := api.EditBuildspace{Changesets: &r.Changesets, Settings: r.Settings}
	if _, err := a.api.Edit(c.UserContext(), user(c), name, edit); err != nil {
		return a.refuseForm(c, a.planForm(name, r), err, r)
	}
	return seeOther(c, views.BuildspaceURL(name))
}

func readEdit(c *fiber.Ctx) (name string, r api.NewBuildspace, err error) {
	if name, err = param(c, "name"); err != nil {
		return "", r, err
	}
	r, err = readForm(c)
	return name, r, err
}

// readForm reads what a packager filled in. A form always says everything, so
// every setting is present.
func readForm(c *fiber.Ctx) (api.NewBuildspace, error) {
	if err := transfer.ReadBody(c, maxForm); err != nil {
		return api.NewBuildspace{}, err
	}
	s := buildbtw.DefaultSettings()
	choose(&s.Scope, c.FormValue("scope"))
	choose(&s.Cycles, c.FormValue("cycles"))
	choose(&s.Priority, c.FormValue("priority"))
	s.Makedepends, s.FollowAll = c.FormValue("makedepends") != "", c.FormValue("follow_all") != ""
	s.Reuse, s.CutOff = c.FormValue("reuse") != "", c.FormValue("cut_off") != ""
	s.Exclude, s.Add = fields(c.FormValue("exclude")), fields(c.FormValue("add"))
	for _, arch := range c.Request().PostArgs().PeekMulti("architectures") {
		s.Architectures = append(s.Architectures, string(arch))
	}
	return api.NewBuildspace{
		Name: strings.TrimSpace(c.FormValue("name")), Changesets: fields(c.FormValue("changesets")),
		Settings: wireSettings(s), Confirm: c.FormValue("confirm") != "",
	}, nil
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

// wireSettings says every setting.
func wireSettings(s buildbtw.Settings) api.Settings {
	return api.Settings{
		Scope: &s.Scope, Cycles: &s.Cycles, Priority: &s.Priority, FollowAll: &s.FollowAll, Makedepends: &s.Makedepends,
		Reuse: &s.Reuse, CutOff: &s.CutOff,
		Architectures: (*[]string)(&s.Architectures), Exclude: (*[]string)(&s.Exclude), Add: (*[]string)(&s.Add),
	}
}

// planForm is the form filled in with a request.
func (a *App) planForm(editing string, r api.NewBuildspace) views.PlanForm {
	s := buildbtw.DefaultSettings()
	r.Apply(&s)
	if len(s.Architectures) == len(a.Settings.Architectures) {
		s.Architectures = nil // all of them, which is the default
	}
	return views.PlanForm{
		Editing: editing, Name: r.Name, Changesets: strings.Join(r.Changesets, "\n"), Settings: s,
		Exclude: strings.Join(s.Exclude, " "), Add: strings.Join(s.Add, " "),
		Architectures: a.Settings.Architectures, ConfirmAbove: a.Settings.ConfirmAbove,
	}
}

func (a *App) addPlan(c *fiber.Ctx, f *views.PlanForm, r api.NewBuildspace) error {
	plan, err := a.api.Preview(c.UserContext(), api.PlanRequest{Changesets: r.Changesets, Settings: r.Settings})
	if err != nil {
		return err
	}
	summary := views.Summarize(plan)
	f.Plan = &summary
	f.NeedsConfirm = f.Editing == "" && summary.Builds() > a.Settings.ConfirmAbove
	if f.Editing == "" {
		return nil
	}
	return a.comparePlan(c.UserContext(), f, plan)
}

func (a *App) renderForm(c *fiber.Ctx, f views.PlanForm) error {
	s := a.shell(c, views.NavBuildspaces, f.Title())
	s.Crumbs = []views.Crumb{{Label: "Buildspaces", URL: "/buildspaces"}, {Label: "New"}}
	if f.Editing != "" {
		s.Crumbs = views.BuildspaceCrumbs(f.Editing, views.Crumb{Label: "Edit"})
	}
	return a.render(c, s, views.PlanFormContent(f))
}

// refuseForm shows the form again with what was wrong beside its field. Faults
// of the server are not the form's.
func (a *App) refuseForm(c *fiber.Ctx, f views.PlanForm, err error, r api.NewBuildspace) error {
	kind := buildbtw.KindOf(err)
	if kind == buildbtw.KindInternal || kind == buildbtw.KindForbidden {
		return err
	}
	f.Error = views.FormError{Field: wrongField(kind, r), Message: buildbtw.MessageOf(err)}
	c.Status(api.StatusOf(kind))
	return a.renderForm(c, f)
}

// wrongField finds the field that an error is about, by asking the same rules.
func wrongField(kind buildbtw.Kind, r api.NewBuildspace) string {
	switch kind {
	case buildbtw.KindUnconfirmed:
		return "confirm"
	case buildbtw.KindConflict:
		return "name"
	case buildbtw.KindNotFound:
		return "changesets"
	case buildbtw.KindInvalid:
	default:
		return ""
	}
	if _, err := buildbtw.ParseChangesets(r.Changesets); err != nil {
		return "changesets"
	}
	if r.Name != "" && buildbtw.CheckBuildspaceName(r.Name) != nil {
		return "name"
	}
	bad := func(name string) bool { return buildbtw.CheckPkgname(name) != nil }
	if slices.ContainsFunc(*r.Exclude, bad) {
		return "exclude"
	}
	if slices.ContainsFunc(*r.Add, bad) {
		return "add"
	}
	return ""
}
