package handlers

import (
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/handlers/transfer"
	"buildbtw/retention"
	"buildbtw/store"
	"buildbtw/views"
)

// diskPages registers the page of what is kept on disk.
func (a *App) diskPages(r fiber.Router) {
	r.Get("/disk", allow(buildbtw.User.MayRead), a.diskPage)
	r.Post("/retention/remove-orphans", allow(buildbtw.User.MayAdminister), a.removeOrphans)
}

// pageDue bounds the iterations that the page lists.
const pageDue = 50

// diskPage shows what is kept by kind, and what goes next. Nothing is measured for it.
func (a *App) diskPage(c *fiber.Ctx) error {
	if a.Retention == nil {
		return buildbtw.Unavailable("this server removes nothing")
	}
	plan, err := a.Retention.DryRun(c.UserContext())
	if err != nil {
		return err
	}
	v := views.Disk{DueFrees: plan.Frees, CanManage: user(c).MayAdminister() == nil, Policy: policyLines(a.Retention.Policy)}
	v.DueShared = dueSharedWords(plan.Shared)
	v.DueMore = max(0, len(plan.Iterations)-pageDue)
	for _, d := range plan.Iterations[:len(plan.Iterations)-v.DueMore] {
		v.Due = append(v.Due, views.DueLine{Buildspace: d.Buildspace, Number: d.Number, What: removalWords(d.Remove), Packages: d.Packages, Bytes: d.Bytes, Ended: a.moment(d.Ended)})
	}
	if kept, ok := a.Retention.Kept(); ok {
		v.Measured, v.Iterations, v.Archived, v.Kinds = a.moment(kept.At), kept.Iterations, kept.Archived, diskKinds(kept)
		v.Orphans = views.DiskOrphans{Repositories: kept.Orphans.Repositories, Logs: len(kept.Orphans.Logs), Bytes: kept.Orphans.Frees}
	}
	if a.Objects != nil && a.Objects.Bucket != nil {
		o := a.Objects.State()
		v.Objects = &views.DiskObjects{Location: o.Location, Files: o.Files, Missing: o.Missing, Waiting: o.Waiting, Bytes: o.Bytes, Trouble: o.Trouble}
		if !o.At.IsZero() {
			v.Objects.At = a.moment(o.At)
		}
	}
	p := a.Retention.Progress()
	v.Pass = views.DiskPass{Doing: p.Doing, Repositories: p.Iterations, Logs: p.Logs, Bytes: p.Bytes}
	if !p.Since.IsZero() {
		v.Pass.Since = a.moment(p.Since)
	}
	return a.render(c, a.shell(c, views.NavNone, "Disk"), views.DiskContent(v))
}

func diskKinds(kept retention.Kept) []views.DiskKind {
	plain := ""
	if kept.PlainLogs > 0 {
		plain = views.Count(kept.PlainLogs) + " of " + views.Plural(kept.Logs, "log") + " not compressed"
	}
	return []views.DiskKind{
		{Label: "Repositories of iterations", Bytes: kept.Repositories.Bytes},
		{Label: "Targets", Note: "without files that iterations have, too", Bytes: kept.Targets.Frees},
		{Label: "Uploads that are not published yet", Bytes: kept.Uploads.Bytes},
		{Label: "Logs", Note: plain, Bytes: kept.LogBytes},
		{Label: "Database", Note: sharedWords(kept.Shared), Bytes: kept.Database},
	}
}

// sharedWords counts what many builds share; empty when there is nothing.
func sharedWords(s store.Shared) string {
	if s == (store.Shared{}) {
		return ""
	}
	return "with " + views.Plural(s.Baselines, "result") + " on the base alone, " + views.Plural(s.Sets, "list") + " of installed packages, interfaces of " + views.Plural(s.Interfaces, "package file")
}

// dueSharedWords says what goes next of what many builds share; empty for nothing.
func dueSharedWords(d store.DueShared) string {
	var list []string
	for _, one := range []struct {
		n    int
		what string
	}{{d.Baselines, "build on the base alone"}, {d.Installed, "record of what was installed"}, {d.Sets, "list of installed packages"}, {d.Interfaces, "interface of a package file"}} {
		if one.n > 0 {
			list = append(list, countedOf(one.n, one.what))
		}
	}
	return strings.Join(list, ", ")
}

// countedOf counts things whose first word has the plural.
func countedOf(n int, what string) string {
	noun, rest, _ := strings.Cut(what, " ")
	return views.Plural(n, noun) + " " + rest
}

func removalWords(what store.Removal) string {
	switch what {
	case store.RemovePackages:
		return "packages and repositories"
	case store.RemoveLogs:
		return "logs"
	}
	return "all that is known of it"
}

func policyLines(p store.RetentionPolicy) []views.PolicyLine {
	return []views.PolicyLine{
		{Label: "Newest", Value: views.Plural(p.Newest, "iteration") + " of each buildspace stay whole", Flag: "--retention-newest"},
		{Label: "Packages", Value: views.KeptFor(p.Packages), Flag: "--retention-packages"},
		{Label: "Logs", Value: views.KeptFor(p.Logs), Flag: "--retention-logs"},
		{Label: "History", Value: views.KeptFor(p.History), Flag: "--retention-history"},
		{Label: "Builds on the base alone", Value: views.KeptFor(p.Baselines), Flag: "--retention-baselines"},
		{Label: "What was installed", Value: views.KeptFor(p.Installed), Flag: "--retention-installed"},
		{Label: "Machines", Value: views.KeptFor(p.Workers), Flag: "--retention-workers"},
	}
}

// removeOrphans removes the files that nothing names, if they are as many as the page showed.
func (a *App) removeOrphans(c *fiber.Ctx) error {
	if err := transfer.ReadBody(c, maxForm); err != nil {
		return err
	}
	if a.Retention == nil {
		return buildbtw.Unavailable("this server removes nothing")
	}
	var numbers [2]int
	for i, field := range []string{"repositories", "logs"} {
		n, err := strconv.Atoi(c.FormValue(field))
		if err != nil || n < 0 {
			return buildbtw.Invalid("%s=%.20q is no number; send the form of the page /disk", field, c.FormValue(field))
		}
		numbers[i] = n
	}
	o, err := a.Retention.RemoveOrphans(c.UserContext(), numbers[0], numbers[1])
	if err != nil {
		return err
	}
	return a.seeOtherWith(c, "/disk", views.Word{Text: "Removed what nothing named: " + views.Bytes(o.Frees) + " were given back."})
}
