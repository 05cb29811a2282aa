package handlers

import (
	"maps"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/catalog"
	"buildbtw/release"
	"buildbtw/views"
)

// releasePage shows the packages of an iteration that could be released; with ?names=, one
// of the page's lists as plain text.
func (a *App) releasePage(c *fiber.Ctx) error {
	name, number, err := iterationOf(c)
	if err != nil {
		return err
	}
	r, err := a.Catalog.Release(c.UserContext(), name, number)
	if err != nil {
		return err
	}
	if list := c.Query("names"); list != "" {
		return sendNames(c, r, list)
	}
	v := views.ReleasePage{Buildspace: name, Number: number, Architectures: r.Architectures, Result: r.Result, IDs: r.IDs}
	v.CanChange = a.Auth.MayChangeBuildspace(c.UserContext(), user(c), name) == nil
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
		if h.Kind == release.NotBuilt {
			v.Building++
		}
	}
	s := a.shell(c, views.NavBuildspaces, v.Title())
	s.Crumbs = views.IterationCrumbs(name, number, views.Crumb{Label: "Release"})
	return a.render(c, s, views.ReleaseContent(v))
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
