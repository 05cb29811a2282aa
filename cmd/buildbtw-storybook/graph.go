package main

import (
	"bytes"
	"encoding/json"
	"log"
	"net/http"

	"buildbtw"
	"buildbtw/internal/graphlayout"
	"buildbtw/internal/graphview"
	"buildbtw/views"
)

// graphs lists the graphs of the stories by path.
func graphs() map[string]graphStory {
	return map[string]graphStory{
		"/graph/failure":      {mediaGraph(), buildbtw.IterationStatusBuilding},
		"/graph/every-status": {everyStatus(), buildbtw.IterationStatusBuilding},
		"/graph/all-built":    {allBuilt(), buildbtw.IterationStatusBuilt},
		"/graph/one":          {oneBuild(), buildbtw.IterationStatusBuilding},
		"/graph/300":          {madeUpGraph(300), buildbtw.IterationStatusBuilding},
		"/graph/3000":         {madeUpGraph(3000), buildbtw.IterationStatusBuilding},
		"/graph/empty":        {(&drawing{}).state(), buildbtw.IterationStatusBuilt},
	}
}

// view is the page of a graph for a request.
func (g graphStory) view(base string, r views.GraphRequest) (views.Graph, error) {
	v := views.Graph{
		Buildspace: "openssl-3.6", Iteration: 4, Architecture: "x86_64", Architectures: []string{"aarch64", "x86_64"},
		Status: g.status, Counts: g.state.Counts(), Base: base,
	}
	return v, v.Show(g.state, r, graphlayout.New)
}

// graphPage is a story's page; the view is in the query.
func graphPage(s views.Shell, path string, g graphStory) http.HandlerFunc {
	s.Nav, s.Crumbs = views.NavBuildspaces, views.IterationCrumbs("openssl-3.6", 4, views.Crumb{Label: "Graph x86_64"})
	s.Script = s.Assets.Graph
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("HX-Request") != "" {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		v, err := g.view(path, askedOf(r))
		if err != nil {
			answer(w, nil, err)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", policy)
		var body bytes.Buffer
		err = page(s, views.GraphContent(v)).Render(r.Context(), &body)
		answer(w, body.Bytes(), err)
	}
}

func askedOf(r *http.Request) views.GraphRequest {
	q := r.URL.Query()
	return views.GraphRequest{Mode: graphview.Mode(q.Get("view")), Focus: q.Get("focus"), To: q.Get("to"), Collapse: q.Get("collapse") != "", Fold: q.Get("fold") != ""}
}

// graphRoutes answers with a graph's page and the requests of its script, as
// the server does; nothing ever changes.
func graphRoutes(mux *http.ServeMux, s views.Shell, path string, g graphStory) {
	mux.HandleFunc("GET "+path, graphPage(s, path, g))
	mux.HandleFunc("GET "+path+"/picture", func(w http.ResponseWriter, r *http.Request) {
		v, err := g.view(path, askedOf(r))
		if err != nil {
			answer(w, nil, err)
			return
		}
		p, err := g.state.Picture(v.View, graphlayout.New)
		if err != nil {
			answer(w, nil, err)
			return
		}
		body, err := g.state.EncodePicture(p)
		answer(w, body, err)
	})
	mux.HandleFunc("GET "+path+"/find", func(w http.ResponseWriter, r *http.Request) {
		type found struct {
			Key  string `json:"key"`
			Code string `json:"code"`
		}
		list := []found{}
		for _, v := range g.state.Search(r.URL.Query().Get("q"), 8) {
			list = append(list, found{g.state.Nodes[v].Key(), g.state.Codes[v : v+1]})
		}
		body, err := json.Marshal(list)
		answer(w, body, err)
	})
	mux.HandleFunc("GET "+path+"/about", func(w http.ResponseWriter, r *http.Request) {
		v, ok := g.state.Find(r.URL.Query().Get("build"))
		if !ok {
			http.NotFound(w, r)
			return
		}
		var body bytes.Buffer
		err := views.GraphAboutPanel(views.NewGraphAbout(g.state, v, path)).Render(r.Context(), &body)
		answer(w, body.Bytes(), err)
	})
}

func answer(w http.ResponseWriter, body []byte, err error) {
	if err != nil {
		log.Print(err)
		http.Error(w, "the story failed", http.StatusInternalServerError)
		return
	}
	_, _ = w.Write(body) // a browser that left
}
