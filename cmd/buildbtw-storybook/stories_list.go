package main

import "buildbtw/views"

func listStories(s views.Shell) []story {
	sources, workers := s, s
	sources.Nav, workers.Nav = views.NavSources, views.NavWorkers
	one := sources
	one.Crumbs = []views.Crumb{{Label: "Sources", URL: "/sources/some-broken"}, {Label: "openssl"}}
	pushed := sources
	pushed.Crumbs = []views.Crumb{{Label: "Pushes"}}
	one.Feed = "/packages/openssl/feed.atom"
	pack := one
	pack.Script = s.Assets.Pictures
	bare := views.PackageDetail{Name: "glibc", Pkgbase: "glibc", Architecture: "x86_64", BaseRepository: "core", BaseVersion: "2.42-1", FeedURL: "/f"}
	return []story{
		{"/sources/some-broken", page(sources, views.SourcesContent(sourceList()))},
		{"/sources/only-broken", page(sources, views.SourcesContent(brokenSources()))},
		{"/sources/none", page(sources, views.SourcesContent(views.Sources{}))},
		{"/sources/filling", page(sources, views.SourcesContent(fillingSources()))},
		{"/sources/nothing-found", page(sources, views.SourcesContent(views.Sources{Query: "zzz", Total: 7}))},
		{"/source/one", page(one, views.SourceContent(source()))},
		{"/source/broken", page(one, views.SourceContent(brokenSource()))},
		{"/source/commits", page(one, views.SourceCommitsContent(sourceCommits()))},
		{"/source/history", page(one, views.SourceCommitsContent(sourceHistory()))},
		{"/source/no-diff", page(one, views.SourceCommitsContent(noDiff()))},
		{"/pushes/some", page(pushed, views.PushesContent(pushes()))},
		{"/pushes/none", page(pushed, views.PushesContent(views.Pushes{}))},
		{"/workers/some", page(workers, views.WorkersContent(workerList()))},
		{"/worker/busy", page(workers, views.WorkerContent(views.WorkerPage{WorkerCard: workerList().Machines[0], CanManage: true}))},
		{"/worker/drained", page(workers, views.WorkerContent(views.WorkerPage{WorkerCard: workerList().Machines[2], CanManage: true}))},
		{"/workers/none", page(workers, views.WorkersContent(views.Workers{ServerURL: "https://buildbtw.example.org"}))},
		{"/package/known", page(pack, views.PackageContent(packageDetail()))},
		{"/package/unknown", page(one, views.PackageContent(bare))},
		{"/package/hostile", page(one, views.PackageContent(hostilePackage()))},
		{"/package/dependents", page(one, views.PackageUsersContent(packageUsers()))},
		{"/login/beside", page(s, views.LoginContent(loginBeside()))},
		{"/login/anywhere", page(s, views.LoginContent(loginAnywhere()))},
		{"/login/code", page(s, views.LoginCodeContent(views.LoginCode{}))},
		{"/login/wrong-code", page(s, views.LoginCodeContent(views.LoginCode{Error: "no login waits for this code; codes are good for ten minutes and once, so compare it, or run 'bbtw auth login' again"}))},
		{"/login/allowed", page(s, views.LoginAnsweredContent("bbtw@laptop", true))},
		{"/login/refused", page(s, views.LoginAnsweredContent("bbtw@laptop", false))},
		{"/error/404", page(s, views.ErrorContent(notFound()))},
		{"/error/403", page(s, views.ErrorContent(errorDetail(403, "Not allowed", "a reader may look at everything and change nothing")))},
		{"/error/409", page(s, views.ErrorContent(errorDetail(409, "Not possible any more", "yarn is built already")))},
		{"/error/422", page(s, views.ErrorContent(hostileError()))},
		{"/error/500", page(s, views.ErrorContent(serverError()))},
		{"/error/503", page(s, views.ErrorContent(errorDetail(503, "Unavailable, try again in a moment", "the sources are being read for the first time; try again in a moment")))},
	}
}
