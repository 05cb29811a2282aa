package main

import (
	"fmt"
	"net/http"
	"strings"

	"buildbtw"
	"buildbtw/views"
)

func searchStories(s views.Shell) []story {
	full := views.Search{
		Query: "libcurl.so=4-64", MoreNames: true,
		Library: &views.SearchLibrary{
			Soname: "libcurl.so=4-64", More: 312, MoreUnknown: 7, RebuildMost: 500,
			Providers: []views.SearchProvider{{Pkgname: "curl", Version: "8.17.0-2", URL: "/package/known", Words: "has /usr/lib/libcurl.so.4 in core"}},
			Users: []views.SearchUser{
				{Package: "git", Uses: "libcurl.so=4-64", Where: "in curl-openssl-4 #3", URL: "/package/known"},
				{Package: "mpv", Uses: "lib:libcurl.so.4", Where: "in extra", Places: 2, URL: "/package/known"},
			},
			Unknown: []views.SearchUser{{Package: "r-curl", Uses: "curl>=8", URL: "/package/known"}, {Package: "php", Uses: "curl", URL: "/package/known"}},
			Rebuild: 290, RebuildAll: 299, NoSource: 1, RebuildURL: "/buildspaces/new", RebuildAllURL: "/buildspaces/new",
		},
		Names: []views.SearchName{
			{
				Name: "curl", Kind: "package", Pkgname: "curl", Pkgbase: "curl", Version: "8.17.0-2", URL: "/package/known", Dependents: 1141,
				Also: []views.SearchName{{Name: "curl-docs", URL: "/package/known"}, {Name: "libcurl.so", URL: "/package/known"}}, Pkgnames: []string{"curl", "curl-docs"},
				Base:   "8.16.0-1 in core",
				Newest: &views.SearchBuild{Status: buildbtw.StatusFailed, Version: "8.17.0-2", Buildspace: "curl-openssl-4", Iteration: 3, URL: "/build/failed"},
			},
			{Name: "libcurl-gnutls", Kind: "package", Pkgname: "libcurl-gnutls", Pkgbase: "libcurl-gnutls", Version: "8.17.0-1", URL: "/package/known", Dependents: 1},
			{Name: strings.Repeat("a-very-long-name-", 8) + "curl", Kind: "source", URL: "/sources/one"},
			{Name: "glibc", Kind: "base", Version: "2.42-1", URL: "/package/unknown"},
		},
		Buildspaces: []views.SearchBuildspace{{Name: "curl-openssl-4", Status: buildbtw.IterationStatusFailed, URL: "/"}, {Name: "curl-new", URL: "/"}},
		Builds:      []views.SearchBuild{{ID: "77", Name: "curl", Status: buildbtw.StatusBuilt, Buildspace: "curl-openssl-4", Iteration: 3, URL: "/build/built"}},
		Commits: []views.SearchCommit{
			{Commit: strings.Repeat("7d", 20), Source: "curl", Buildspace: "curl-openssl-4", Iteration: 3, URL: "/"},
			{Commit: strings.Repeat("7d", 20), Source: "curl", URL: "/sources/one"},
		},
	}
	for i := range 20 {
		full.Names = append(full.Names, views.SearchName{Name: fmt.Sprintf("libcurl-%d", i), Kind: "provides", Pkgname: "curl", URL: "/package/known"})
	}
	s.Query = full.Query
	hostile := s
	hostile.Query = script
	return []story{
		{"/search/full", page(s, views.SearchContent(full))},
		{"/search/nothing", page(hostile, views.SearchContent(views.Search{Query: script}))},
		{"/search/help", page(s, views.SearchContent(views.Search{}))},
	}
}

// goRoute serves the options of the dialog that Ctrl+K opens.
func goRoute(mux *http.ServeMux) {
	mux.HandleFunc("GET /search/go", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query().Get("q")
		v := views.Search{Query: q, Actions: views.Actions(q, buildbtw.User{Name: "anna", Role: buildbtw.RoleAdmin})}
		if q != "" {
			v.Buildspaces = []views.SearchBuildspace{{Name: "openssl-3.6", URL: "/iteration/building"}}
			v.Names = []views.SearchName{{Name: "openssl", Kind: "pkgbase", Pkgbase: "openssl", URL: "/package/known"}}
		}
		_ = views.PaletteOptions(v).Render(r.Context(), w)
	})
}
