package fetch

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path"
	"time"

	"buildbtw/runners"
)

// Relay gives a pacman on this machine the files of a job's repository. It asks the
// server as the worker does, with the worker's token, which so neither pacman's
// configuration nor anything that pacman installs gets to see. It listens on a loopback
// port, at an address that nobody can guess.
type Relay struct {
	job    runners.Job
	prefix string // of every path, with a slash at both ends
	at     net.Addr
	server *http.Server
}

// OpenRelay opens a relay. The caller closes it.
func OpenRelay(ctx context.Context, job runners.Job) (*Relay, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open a port for pacman: %w", err)
	}
	r := &Relay{job: job, prefix: "/" + rand.Text() + "/", at: listener.Addr()}
	r.server = newServer(ctx, r)
	go func() { _ = r.server.Serve(listener) }() // until Close
	return r, nil
}

// newServer returns a server for few and trusted clients.
func newServer(ctx context.Context, h http.Handler) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: time.Minute, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
}

// URL returns the address of the repository for pacman.conf.
func (r *Relay) URL() string { return "http://" + r.at.String() + path.Clean(r.prefix) }

// Close ends the relay and all connections to it.
func (r *Relay) Close() { _ = r.server.Close() }

// ServeHTTP implements http.Handler.
func (r *Relay) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	name := path.Base(request.URL.Path)
	if request.Method != http.MethodGet || request.URL.Path != r.prefix+name || !pacmansFile.MatchString(name) {
		http.NotFound(w, request)
		return
	}
	passOn(w, request, r.job, name)
}

// passOn answers with a file of the job's repository.
func passOn(w http.ResponseWriter, r *http.Request, job runners.Job, name string) {
	answer, err := askRepository(r.Context(), job, name, r.Header)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer answer.Body.Close()
	for _, header := range []string{"Content-Length", "Content-Range", "Last-Modified"} {
		if value := answer.Header.Get(header); value != "" {
			w.Header().Set(header, value)
		}
	}
	w.WriteHeader(answer.StatusCode)
	_, _ = io.Copy(w, answer.Body) // that it is not whole shows by its length
}
