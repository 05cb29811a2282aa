package main

import (
	"buildbtw"
	"buildbtw/views"
)

func buildStories(s views.Shell) []story {
	s.Nav, s.Crumbs = views.NavBuildspaces, views.IterationCrumbs("openssl-3.6", 4, views.Crumb{Label: "yarn"})
	base := s
	base.Crumbs = views.BuildCrumbs(views.BuildLink{OfBase: true}, "", 0, views.Crumb{Label: buildbtw.BaselineName("yarn")})
	all := []story{
		{"/build/hostile", page(s, views.BuildContent(hostileBuild()))},
		{"/build/crowded", page(s, views.BuildContent(crowdedBuild()))},
		{"/build/already-broken", page(s, views.BuildContent(comparedBuild()))},
		{"/build/not-compared", page(s, views.BuildContent(comparingBuild()))},
		{"/build/on-the-base", page(base, views.BuildContent(baseBuild()))},
		{"/build/no-machine", page(s, views.BuildContent(waitingBuild()))},
		{"/build/dependents", page(s, views.NeighbourContent(neighbourPage()))},
	}
	for _, status := range buildbtw.Statuses() {
		all = append(all, story{"/build/" + string(status), page(s, views.BuildContent(build(status)))})
	}
	return all
}
