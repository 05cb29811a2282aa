package handlers

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/catalog"
	"buildbtw/handlers/transfer"
	"buildbtw/handover"
	"buildbtw/release"
	"buildbtw/store"
	"buildbtw/views"
)

// releasePage shows the packages of an iteration that could be released to a target; with
// ?names=, one of the page's lists as plain text.
func (a *App) releasePage(c *fiber.Ctx) error { return a.showRelease(c, c.Query("target"), nil) }

// showRelease is releasePage after a form was refused, too; then it says why.
func (a *App) showRelease(c *fiber.Ctx, target string, refused error) error {
	name, number, err := iterationOf(c)
	if err != nil {
		return err
	}
	r, err := a.Catalog.Release(c.UserContext(), name, number, target)
	if err != nil {
		return err
	}
	return a.sendReleasePage(c, r, refused)
}

// sendReleasePage answers with what could go.
func (a *App) sendReleasePage(c *fiber.Ctx, r catalog.Release, refused error) error {
	if list := c.Query("names"); list != "" {
		return sendNames(c, r, list)
	}
	v, err := a.releaseView(c, r)
	if err != nil {
		return err
	}
	if refused != nil {
		v.Refused = buildbtw.MessageOf(refused)
		c.Status(buildbtw.KindOf(refused).HTTPStatus())
	}
	s := a.shell(c, views.NavBuildspaces, v.Title())
	s.Crumbs = views.IterationCrumbs(v.Buildspace, v.Number, views.Crumb{Label: "Release"})
	if v.From != "" {
		s = a.shell(c, views.NavTargets, v.Title())
		s.Crumbs = views.TargetCrumbs(v.From, views.Crumb{Label: "Release"})
	}
	return a.render(c, s, views.ReleaseContent(v))
}

func (a *App) releaseView(c *fiber.Ctx, r catalog.Release) (views.ReleasePage, error) {
	v := views.ReleasePage{
		Buildspace: r.Iteration.Buildspace, Number: r.Iteration.Number, Architectures: r.Architectures, Result: r.Result, IDs: r.IDs,
		RefusedBases: a.refusedBases(), From: r.From.Name, Target: r.Target.Name, Digest: r.Digest, Present: len(r.Present), NoBase: r.NoBase,
	}
	for _, pkgbase := range slices.Sorted(maps.Keys(r.Checks)) {
		v.Checks = append(v.Checks, views.ReleaseCheck{Pkgbase: pkgbase, Words: catalog.CheckWords(r.Checks[pkgbase])})
	}
	for _, w := range r.Waivers {
		v.Waivers = append(v.Waivers, views.WaiverLine{ID: w.ID, By: w.By, Words: w.String(), Reason: w.Reason, At: a.moment(w.At)})
	}
	for _, pkgbase := range r.Goes {
		v.Goes = append(v.Goes, views.ReleaseUnit{Pkgbase: pkgbase, Version: r.Versions[pkgbase], Pkgnames: r.Pkgnames[pkgbase]})
	}
	for _, h := range r.Held {
		if h.Kind == release.NotBuilt && r.Iteration.State == buildbtw.IterationReady {
			v.Building++
		}
	}
	may, filter := user(c).MayMove, store.ReleaseFilter{Target: r.From.ID, Limit: shownReleases}
	if v.From == "" {
		v.CanChange = a.Auth.MayChangeBuildspace(c.UserContext(), user(c), v.Buildspace) == nil
		space, err := a.Store.Buildspace(c.UserContext(), v.Buildspace)
		if err != nil {
			return v, err
		}
		may, filter = func() error { return user(c).MayRelease(space.CreatedBy) }, store.ReleaseFilter{Iteration: r.Iteration.ID, Limit: shownReleases}
	}
	if err := may(); err != nil {
		v.WhyNot = buildbtw.MessageOf(err)
	} else {
		v.CanRelease = true
	}
	targets, err := a.Store.Targets(c.UserContext())
	if err != nil {
		return v, err
	}
	for _, t := range targets {
		if t.Name != v.From {
			v.Targets = append(v.Targets, t.Name)
		}
	}
	v.Releases, err = a.releaseLines(c.UserContext(), filter)
	return v, err
}

// createRelease releases what the page showed. When something else can go by now, the page
// says how that differs.
func (a *App) createRelease(c *fiber.Ctx) error {
	if err := transfer.ReadBody(c, maxShown); err != nil {
		return err
	}
	number, err := iterationNumber(c)
	if err != nil {
		return err
	}
	name, err := param(c, "name")
	if err != nil {
		return err
	}
	return a.create(c, handover.Wish{Buildspace: name, Iteration: number}, a.showRelease)
}

// create releases what a page showed. When something else can go by now, again shows the page
// with the difference.
func (a *App) create(c *fiber.Ctx, w handover.Wish, again func(c *fiber.Ctx, target string, refused error) error) error {
	w.Target, w.Digest = c.FormValue("target"), c.FormValue("digest")
	if w.Digest == "" {
		return buildbtw.Invalid("the form does not say which packages it showed; load the page again")
	}
	for line := range strings.Lines(c.FormValue("shown")) {
		w.Shown = append(w.Shown, strings.TrimSpace(line))
	}
	r, err := a.Handover.Create(c.UserContext(), user(c).Name, w)
	if buildbtw.KindOf(err) == buildbtw.KindConflict {
		return again(c, w.Target, err)
	}
	if err != nil {
		return err
	}
	return seeOther(c, views.ReleaseURL(r.ID, ""))
}

// movePage shows what of one target could go to another one; with ?names=, one of the page's
// lists as plain text.
func (a *App) movePage(c *fiber.Ctx) error { return a.showMove(c, c.Query("target"), nil) }

func (a *App) showMove(c *fiber.Ctx, target string, refused error) error {
	name, err := param(c, "name")
	if err != nil {
		return err
	}
	r, err := a.Catalog.ReleaseFrom(c.UserContext(), name, target)
	if err != nil {
		return err
	}
	return a.sendReleasePage(c, r, refused)
}

// createMove releases what the page of a target showed to another one.
func (a *App) createMove(c *fiber.Ctx) error {
	if err := transfer.ReadBody(c, maxShown); err != nil {
		return err
	}
	if err := user(c).MayMove(); err != nil {
		return err
	}
	name, err := param(c, "name")
	if err != nil {
		return err
	}
	return a.create(c, handover.Wish{From: name}, a.showMove)
}

// maxShown bounds the form in bytes: pkgbases and versions of a whole distribution.
const maxShown = 1 << 20

// storedRelease returns the release that the path names, and its id.
func (a *App) storedRelease(c *fiber.Ctx) (store.ReleaseRow, error) {
	id, err := strconv.ParseInt(c.Params("id"), 10, 64)
	if err != nil || id <= 0 {
		return store.ReleaseRow{}, buildbtw.NotFound("there is no release %.40q", c.Params("id"))
	}
	return a.Store.Release(c.UserContext(), id)
}

// storedReleasePage shows a release, and how far it has come.
func (a *App) storedReleasePage(c *fiber.Ctx) error {
	r, err := a.storedRelease(c)
	if err != nil {
		return err
	}
	w := watched{topics: []string{topicBuildspace(r.Buildspace), topicAll}, seconds: 3}
	return a.renderLive(c, w, func() (*livePage, error) {
		s, content, err := a.storedReleaseView(c, "")
		if err != nil {
			return nil, err
		}
		return onePart(s, content), nil
	})
}

// storedReleaseView reads a release; asks is what is to be confirmed before it is withdrawn.
func (a *App) storedReleaseView(c *fiber.Ctx, asks string) (s views.Shell, content templ.Component, err error) {
	r, err := a.storedRelease(c)
	if err != nil {
		return s, nil, err
	}
	v := views.StoredRelease{
		ReleaseLine: a.releaseLine(r), Message: r.Message, ConfirmedBy: r.ConfirmedBy, Digest: r.Digest,
		CanRelease: r.MayChange(user(c)) == nil, Asks: asks, Finished: a.momentOf(r.FinishedAt),
	}
	if v.Units, err = a.Store.ReleaseUnits(c.UserContext(), r.ID); err != nil {
		return s, nil, err
	}
	if r.State == buildbtw.ReleaseSigning {
		p, err := a.Handover.Waiting(c.UserContext(), r)
		if err != nil {
			return s, nil, err
		}
		v.Files, v.Signed = p.Files, p.Signed
	}
	if v.Host = a.Handover.Host(r.Target); r.State == buildbtw.ReleaseWaiting {
		if err := a.fillStaged(c.UserContext(), &v); err != nil {
			return s, nil, err
		}
	}
	if t, err := a.Store.Target(c.UserContext(), r.Target); err == nil { // it may be none of today's
		if g, err := a.Store.Generation(c.UserContext(), t.ID, t.Generation); err == nil && g.ReleaseID == r.ID {
			v.Generation = g.Number
		}
	}
	last := views.Crumb{Label: strconv.FormatInt(r.ID, 10)}
	if r.FromTarget != "" {
		s = a.shell(c, views.NavTargets, v.Title())
		s.Crumbs = views.TargetCrumbs(r.FromTarget, views.Crumb{Label: "Release", URL: views.MoveURL(r.FromTarget, r.Target)}, last)
	} else {
		s = a.shell(c, views.NavBuildspaces, v.Title())
		s.Crumbs = views.IterationCrumbs(r.Buildspace, r.Iteration, views.Crumb{Label: "Release", URL: views.IterationURL(r.Buildspace, r.Iteration, "release")}, last)
	}
	s.Mood = views.ReleaseMood(r.State)
	return s, views.StoredReleaseContent(v), nil
}

// fillStaged adds what a packager is to hand over, and how much of it the repositories have.
func (a *App) fillStaged(ctx context.Context, v *views.StoredRelease) error {
	p, err := a.Handover.InRepositories(ctx, v.ID)
	if err != nil {
		return err
	}
	v.Files, v.InRepos = p.Files, p.There
	v.Staged, err = a.Store.ReleaseFiles(ctx, v.ID)
	return err
}

// lookForRelease reads the repositories again in which a release may be by now.
func (a *App) lookForRelease(c *fiber.Ctx) error {
	return a.changeRelease(c, func(r store.ReleaseRow) error {
		_, err := a.Handover.Look(c.UserContext(), r.ID)
		return err
	})
}

// confirmRelease hands a release over whose set the reader has seen.
func (a *App) confirmRelease(c *fiber.Ctx) error {
	return a.changeRelease(c, func(r store.ReleaseRow) error {
		_, err := a.Handover.Confirm(c.UserContext(), user(c).Name, r.ID, c.FormValue("digest"))
		return err
	})
}

// withdrawRelease makes the target show what it showed before. What would break by that is
// asked first.
func (a *App) withdrawRelease(c *fiber.Ctx) error {
	return a.changeRelease(c, func(r store.ReleaseRow) error {
		_, err := a.Handover.Withdraw(c.UserContext(), user(c).Name, r.ID, c.FormValue("confirmed") == "yes")
		return err
	})
}

func (a *App) changeRelease(c *fiber.Ctx, change func(store.ReleaseRow) error) error {
	if err := transfer.ReadBody(c, maxForm); err != nil {
		return err
	}
	r, err := a.storedRelease(c)
	if err != nil {
		return err
	}
	if err := r.MayChange(user(c)); err != nil {
		return err
	}
	err = change(r)
	if buildbtw.KindOf(err) == buildbtw.KindUnconfirmed {
		s, content, viewErr := a.storedReleaseView(c, buildbtw.MessageOf(err))
		if viewErr != nil {
			return viewErr
		}
		c.Status(buildbtw.KindUnconfirmed.HTTPStatus())
		return a.render(c, s, content)
	}
	if err != nil {
		return err
	}
	return seeOther(c, views.ReleaseURL(r.ID, ""))
}

// sendNames answers with a list of names, one per line, for scripts and todo lists.
func sendNames(c *fiber.Ctx, r catalog.Release, list string) error {
	var names []string
	switch list {
	case "goes":
		names = r.Goes
	case "held":
		for _, h := range r.Held {
			names = append(names, h.Pkgbase)
		}
	case "leaves":
		for _, l := range r.Leaves {
			names = append(names, l.Pkgname)
		}
		slices.Sort(names)
		names = slices.Compact(names)
	default:
		return buildbtw.Invalid("there is no list %.40q; choose goes, held or leaves", list)
	}
	c.Type("txt", "utf-8")
	text := strings.Join(names, "\n")
	if text != "" {
		text += "\n"
	}
	return c.SendString(text)
}
