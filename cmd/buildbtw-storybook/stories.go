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
	View templ.Component // nil for stories with routes of their own
}

// page puts a shell around contents.
func page(s views.Shell, content templ.Component) templ.Component {
	return templ.ComponentFunc(func(ctx context.Context, w io.Writer) error {
		return views.Page(s).Render(templ.WithChildren(ctx, content), w)
	})
}

// shell is the frame of every story.
func shell(assets views.Assets) views.Shell {
	return views.Shell{Title: "Story", User: buildbtw.User{Kind: buildbtw.KindPerson, Name: "anna", Role: buildbtw.RoleAdmin}, SingleUser: true, Version: "0.9.0", Assets: assets}
}

// stories lists every page in every state that looks different.
func stories(s views.Shell) []story {
	reader := s
	reader.User = buildbtw.User{Name: "reader", Role: buildbtw.RoleReader}
	reader.SingleUser = false
	var all []story
	for _, group := range [][]story{
		homeStories(s, reader), formStories(s), iterationStories(s, reader),
		graphStories(), pictureStories(s), buildStories(s), logStories(s), listStories(s), searchStories(s), notificationStories(s),
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
		{"/home/busy", page(s, views.HomeContent(home()))},
		{"/home/empty", page(s, views.HomeContent(views.Home{CanChange: true}))},
		{"/home/no-machine", page(s, views.HomeContent(noMachine()))},
		{"/home/reader", page(reader, views.HomeContent(views.Home{Workers: 2}))},
		{"/buildspaces/list", page(list, views.BuildspacesContent(views.Buildspaces{Cards: cards(), Next: "/buildspaces?cursor=x", CanChange: true}))},
		{"/buildspaces/none", page(list, views.BuildspacesContent(views.Buildspaces{CanChange: true}))},
		{"/buildspaces/nothing-found", page(list, views.BuildspacesContent(views.Buildspaces{Filter: views.BuildspacesFilter{Query: "zzz", Status: "stopped"}}))},
	}
}

func formStories(s views.Shell) []story {
	s.Nav, s.Crumbs = views.NavBuildspaces, []views.Crumb{{Label: "Buildspaces", URL: "/buildspaces"}, {Label: "New"}}
	return []story{
		{"/new/empty", page(s, views.PlanFormContent(form(nil)))},
		{"/new/plan", page(s, views.PlanFormContent(form(smallPlan())))},
		{"/new/plan-large", page(s, views.PlanFormContent(confirmForm()))},
		{"/new/bumps", page(s, views.PlanFormContent(bumpForm()))},
		{"/new/changed", page(s, views.PlanFormContent(changedForm()))},
		{"/new/wrong-changeset", page(s, views.PlanFormContent(wrongForm("changesets", `source "opnessl" does not exist; is it "openssl"?`)))},
		{"/new/name-taken", page(s, views.PlanFormContent(wrongForm("name", `a buildspace "x264" exists already; choose another name`)))},
		{"/new/unavailable", page(s, views.PlanFormContent(wrongForm("", "the sources have not been read yet; try again in a few seconds")))},
		{"/edit/plan", page(s, views.PlanFormContent(editForm()))},
	}
}

func iterationStories(s, reader views.Shell) []story {
	s.Nav, s.Crumbs, s.Mood = views.NavBuildspaces, views.BuildspaceCrumbs("openssl-3.6"), views.MoodFailed
	reader.Nav, reader.Crumbs = s.Nav, views.IterationCrumbs("openssl-3.6", 3)
	about := s
	about.Nav, about.Crumbs, about.Mood = views.NavNone, nil, views.MoodNone
	targets := about
	targets.Nav, targets.Crumbs = views.NavTargets, views.TargetCrumbs("stable")
	told := s
	told.Word = views.Word{
		Text: "openssl-3.6 is stopped: nothing of it is built, and pushes start no new iteration.",
		Undo: views.BuildAction{Label: "Take it back", URL: "/buildspaces/openssl-3.6/start", Class: "button small"},
	}
	return []story{
		{"/iteration/building", page(s, views.IterationContent(iteration()))},
		{"/iteration/failed", page(s, views.IterationContent(failedIteration()))},
		{"/iteration/built", page(s, views.IterationContent(builtIteration()))},
		{"/iteration/calculating", page(s, views.IterationContent(calculatingIteration()))},
		{"/iteration/invalid", page(s, views.IterationContent(invalidIteration()))},
		{"/iteration/stopped", page(s, views.IterationContent(stoppedIteration()))},
		{"/iteration/superseded", page(reader, views.IterationContent(supersededIteration()))},
		{"/iteration/kept", page(s, views.IterationContent(keptIteration()))},
		{"/iteration/archived", page(reader, views.IterationContent(archivedIteration()))},
		{"/disk/some", page(about, views.DiskContent(disk()))},
		{"/disk/moved", page(about, views.DiskContent(diskMoved()))},
		{"/disk/moved-away", page(about, views.DiskContent(diskAway()))},
		{"/disk/none", page(about, views.DiskContent(views.Disk{Policy: disk().Policy}))},
		{"/iteration/activity", page(s, views.ActivityContent(activity()))},
		{"/activity/all", page(s, views.ActivityContent(activityOfAll()))},
		{"/activity/none", page(s, views.ActivityContent(views.Activity{Base: "/activity/none", Feed: "/feed.atom", Filter: views.ActivityFilter{Kind: "workers"}}))},
		{"/iteration/stopped-now", page(told, views.IterationContent(stoppedIteration()))},
		{"/iteration/release", page(s, views.ReleaseContent(releasePage()))},
		{"/iteration/release-all", page(s, views.ReleaseContent(releaseOfAll()))},
		{"/overlaps", page(s, views.OverlapsContent(views.OverlapsPage{Spaces: []views.Overlaps{overlaps(), movedOnly()}}))},
		{"/overlaps/none", page(s, views.OverlapsContent(views.OverlapsPage{}))},
		{"/overlaps/buildspace", page(s, views.BuildspaceOverlapsContent(overlaps()))},
		{"/overlaps/moved", page(s, views.BuildspaceOverlapsContent(movedOnly()))},
		{"/iteration/release-nothing", page(s, views.ReleaseContent(releaseOfNothing()))},
		{"/release/released", page(s, views.StoredReleaseContent(storedRelease(buildbtw.ReleaseReleased)))},
		{"/release/checked", page(s, views.StoredReleaseContent(storedRelease(buildbtw.ReleaseChecked)))},
		{"/release/signing", page(s, views.StoredReleaseContent(storedRelease(buildbtw.ReleaseSigning)))},
		{"/release/handing-over", page(s, views.StoredReleaseContent(storedRelease(buildbtw.ReleaseHandingOver)))},
		{"/release/waiting", page(s, views.StoredReleaseContent(waitingRelease()))},
		{"/release/failed", page(s, views.StoredReleaseContent(storedRelease(buildbtw.ReleaseFailed)))},
		{"/release/asks", page(s, views.StoredReleaseContent(releaseThatAsks()))},
		{"/targets", page(targets, views.TargetsContent(targetLines(), refusedBases(), true))},
		{"/targets/testing/release", page(targets, views.ReleaseContent(movePage()))},
		{"/targets/extra-testing", page(targets, views.TargetContent(distributionTarget()))},
		{"/targets/stable/check", page(targets, views.TargetCheckContent(targetCheck()))},
		{"/targets/testing/check", page(targets, views.TargetCheckContent(views.TargetCheck{Target: "testing"}))},
		{"/targets/stable", page(targets, views.TargetContent(target()))},
		{"/compare/all", page(s, views.CompareContent(comparePage()))},
		{"/compare/list", page(s, views.CompareContent(compareListPage()))},
		{"/compare/same", page(s, views.CompareContent(views.Compare{A: "openssl-3.6#3", B: "openssl-3.6#4", Asked: true, Buildspace: "openssl-3.6", Number: 4, Same: 6885}))},
		{"/compare/form", page(s, views.CompareContent(views.Compare{}))},
		{"/compare/wrong", page(s, views.CompareContent(views.Compare{A: "openssl-3.6#99", B: "base", Asked: true, Error: "buildspace openssl-3.6 has no iteration 99"}))},
		{"/compare/files", page(s, views.CompareFilesContent(compareFilesPage()))},
		{"/iteration/nothing-found", page(s, views.IterationContent(filteredIteration()))},
	}
}

// graphStories are answered by graphRoutes, together with the requests of their
// script.
func graphStories() []story {
	var all []story
	for _, path := range []string{
		"/graph/failure", "/graph/failure?focus=mlt&view=near", "/graph/failure?collapse=1", "/graph/every-status", "/graph/all-built",
		"/graph/all-built?view=failed", "/graph/one", "/graph/empty", "/graph/300", "/graph/3000", "/graph/3000?view=failed",
		"/graph/3000?view=all", "/graph/3000?view=near&collapse=1", "/graph/3000?focus=image",
	} {
		all = append(all, story{Path: path})
	}
	return all
}

// index lists the stories.
func index(all []story) story {
	return story{"/{$}", templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
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
