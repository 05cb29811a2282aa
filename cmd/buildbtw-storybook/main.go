// Command buildbtw-storybook shows every page in every state with made-up data,
// on a loopback address, to whoever works on the views. It needs no server, no
// store and no sources.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	"buildbtw/static"
	"buildbtw/views"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8090", "loopback `address` to listen on")
	list := flag.Bool("list", false, "print the paths of all stories and exit")
	picture := flag.String("shrink", "", "give the picture in this PNG `file` a palette and exit")
	flag.Parse()
	if *picture != "" {
		fail(shrink(*picture))
		return
	}
	if *list {
		for _, s := range stories(shell(views.Assets{})) {
			fmt.Println(s.Path)
		}
		return
	}
	fail(run(context.Background(), *listen))
}

// fail ends the program if there is an error.
func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "buildbtw-storybook:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, listen string) error {
	assets, err := static.Load()
	if err != nil {
		return err
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", listen, err)
	}
	if addr, ok := ln.Addr().(*net.TCPAddr); !ok || !addr.IP.IsLoopback() {
		return fmt.Errorf("%s is no loopback address", listen)
	}
	log.Printf("stories at http://%s/", ln.Addr())
	server := &http.Server{Handler: routes(assets), ReadHeaderTimeout: 10 * time.Second}
	return server.Serve(ln)
}

// policy is the one of the real server, so that an inline style shows here too.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func routes(assets *static.Assets) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+static.Prefix+"{file}", func(w http.ResponseWriter, r *http.Request) {
		asset, ok := assets.File(r.PathValue("file"))
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", asset.ContentType)
		_, _ = w.Write(asset.Body) // a browser that left
	})
	frame := shell(views.NewAssets(assets.URL))
	for path, g := range graphs() {
		graphRoutes(mux, frame, path, g)
	}
	logRoutes(mux)
	pictureRoutes(mux)
	goRoute(mux)
	all := stories(frame)
	for _, s := range append(all, index(all)) {
		if s.View == nil {
			continue
		}
		mux.HandleFunc("GET "+s.Path, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("HX-Request") != "" {
				w.WriteHeader(http.StatusNoContent) // a page that polls: stories never change
				return
			}
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.Header().Set("Content-Security-Policy", policy)
			if err := s.View.Render(r.Context(), w); err != nil {
				log.Printf("render %s: %v", s.Path, err)
			}
		})
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := mux.Handler(r); pattern == "" && r.Header.Get("HX-Request") != "" {
			w.WriteHeader(http.StatusNoContent) // a part that polls, too
			return
		}
		mux.ServeHTTP(w, r)
	})
}
