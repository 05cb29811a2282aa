package main

import (
	"context"
	"fmt"
	"html"
	"io"

	"github.com/a-h/templ"

	"buildbtw"
	"buildbtw/views"
)

// story is one page in one state.
type story struct {
	Path string
	View templ.Component
}

// shell is what stands around every story.
func shell(assets views.Assets) views.Shell {
	return views.Shell{Title: "Story", User: buildbtw.Local(), SingleUser: true, Assets: assets}
}

// stories lists every page in every state that looks different.
func stories(s views.Shell) []story {
	reader := s
	reader.User = buildbtw.User{Name: "reader", Role: buildbtw.RoleReader}
	reader.SingleUser = false
	noticed := s
	noticed.Notice = "37 failed builds are pending again."
	var all []story
	for _, group := range [][]story{
		homeStories(s, reader), formStories(s), iterationStories(s, reader, noticed),
		graphStories(s), buildStories(s), listStories(s),
	} {
		all = append(all, group...)
	}
	return all
}

func homeStories(s, reader views.Shell) []story {
	s.Nav, reader.Nav = views.NavHome, views.NavHome
	list := s
	list.Nav = views.NavBuildspaces
	return []story{
		{"/home/busy", views.HomePage(s, home())},
		{"/home/empty", views.HomePage(s, views.Home{CanChange: true})},
		{"/home/reader", views.HomePage(reader, views.Home{Workers: 2})},
		{"/buildspaces/list", views.BuildspacesPage(list, views.Buildspaces{Cards: cards(), Next: "/buildspaces?cursor=x", CanChange: true})},
		{"/buildspaces/none", views.BuildspacesPage(list, views.Buildspaces{CanChange: true})},
		{"/buildspaces/nothing-found", views.BuildspacesPage(list, views.Buildspaces{Filter: views.BuildspacesFilter{Query: "zzz", Status: "stopped"}})},
	}
}

func formStories(s views.Shell) []story {
	s.Nav = views.NavBuildspaces
	return []story{
		{"/new/empty", views.PlanFormPage(s, form(nil))},
		{"/new/plan", views.PlanFormPage(s, form(smallPlan()))},
		{"/new/plan-large", views.PlanFormPage(s, confirmForm())},
		{"/new/wrong-changeset", views.PlanFormPage(s, wrongForm("changesets", `source "libalhpa" does not exist; is it "libalpha"?`))},
		{"/new/name-taken", views.PlanFormPage(s, wrongForm("name", `a buildspace "libalpha" exists already; choose another name`))},
		{"/new/unavailable", views.PlanFormPage(s, wrongForm("", "the sources have not been read yet; try again in a few seconds"))},
		{"/edit/plan", views.PlanFormPage(s, editForm())},
	}
}

func iterationStories(s, reader, noticed views.Shell) []story {
	return []story{
		{"/iteration/building", views.IterationPage(s, iteration())},
		{"/iteration/failed", views.IterationPage(noticed, failedIteration())},
		{"/iteration/built", views.IterationPage(s, builtIteration())},
		{"/iteration/calculating", views.IterationPage(s, calculatingIteration())},
		{"/iteration/invalid", views.IterationPage(s, invalidIteration())},
		{"/iteration/stopped", views.IterationPage(s, stoppedIteration())},
		{"/iteration/superseded", views.IterationPage(reader, supersededIteration())},
		{"/iteration/nothing-found", views.IterationPage(s, filteredIteration())},
	}
}

func graphStories(s views.Shell) []story {
	return []story{
		{"/graph/small", views.GraphPage(s, graph(14))},
		{"/graph/300", views.GraphPage(s, graph(300))},
		{"/graph/table", views.GraphPage(s, graph(900))},
		{"/graph/empty", views.GraphPage(s, graph(0))},
	}
}

func buildStories(s views.Shell) []story {
	all := []story{{"/build/hostile", views.BuildPage(s, hostileBuild())}}
	for _, status := range buildbtw.Statuses() {
		all = append(all, story{"/build/" + string(status), views.BuildPage(s, build(status))})
	}
	return all
}

func listStories(s views.Shell) []story {
	sources, workers := s, s
	sources.Nav, workers.Nav = views.NavSources, views.NavWorkers
	return []story{
		{"/sources/some-broken", views.SourcesPage(sources, sourceList())},
		{"/sources/none", views.SourcesPage(sources, views.Sources{})},
		{"/workers/some", views.WorkersPage(workers, workerList())},
		{"/workers/none", views.WorkersPage(workers, views.Workers{})},
		{"/package/known", views.PackagePage(s, packageDetail())},
		{"/package/unknown", views.PackagePage(s, views.PackageDetail{Name: "glibc"})},
		{"/error/404", views.ErrorPage(s, errorDetail(404, "Not found", `there is no buildspace "opnessl"`))},
		{"/error/500", views.ErrorPage(s, errorDetail(500, "Server error", "The server failed to answer. The cause is in its log."))},
	}
}

func errorDetail(status int, title, detail string) views.ErrorDetail {
	return views.ErrorDetail{Status: status, Title: title, Detail: detail, Next: []views.ErrorLink{
		{URL: "/", Label: "What runs now"}, {URL: "/buildspaces", Label: "All buildspaces"},
	}}
}

// index lists the stories.
func index(all []story) story {
	return story{"/", templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		if _, err := io.WriteString(w, "<!DOCTYPE html><html lang=en><title>Stories</title><h1>Stories</h1><ul>"); err != nil {
			return err
		}
		for _, s := range all {
			path := html.EscapeString(s.Path)
			if _, err := fmt.Fprintf(w, `<li><a href="%s">%s</a></li>`, path, path); err != nil {
				return err
			}
		}
		_, err := io.WriteString(w, "</ul></html>")
		return err
	})}
}
