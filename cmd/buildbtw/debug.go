package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"time"

	"buildbtw/cmd/internal/cli"
)

// debugTime bounds the headers of a request for a profile; a profile itself takes as long as
// it is asked to.
const debugTime = 10 * time.Second

// listenDebug opens the address of --debug-listen; nil when there is none. Profiles show what
// is in memory, so nobody but this machine may reach it.
func listenDebug(ctx context.Context, address string) (net.Listener, error) {
	if address == "" {
		return nil, nil
	}
	if err := checkDebug(address); err != nil {
		return nil, err
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("--debug-listen: %w", err)
	}
	return ln, nil
}

// checkDebug returns an error for an address that --debug-listen may not be: a name could
// mean any machine's.
func checkDebug(address string) error {
	if address == "" {
		return nil
	}
	at, err := netip.ParseAddrPort(address)
	if err != nil || !at.Addr().IsLoopback() {
		return cli.Usage(fmt.Errorf("--debug-listen %s: profiles show what is in the server's memory, so it listens on loopback only; write 127.0.0.1:PORT or [::1]:PORT", address))
	}
	return nil
}

// serveDebug answers requests for profiles until ctx ends.
func serveDebug(ctx context.Context, ln net.Listener) error {
	pages := http.NewServeMux()
	pages.HandleFunc("/debug/pprof/", pprof.Index)
	pages.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	pages.HandleFunc("/debug/pprof/profile", pprof.Profile)
	pages.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	pages.HandleFunc("/debug/pprof/trace", pprof.Trace)
	server := &http.Server{Handler: onlyLoopback(pages), ReadHeaderTimeout: debugTime}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() }) // a profile that is being made is worth nothing
	defer stop()
	if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve profiles: %w", err)
	}
	return nil
}

// onlyLoopback refuses requests by another name than an address of this machine: the page of
// another site could have had its name point here.
func onlyLoopback(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if !isLoopback(host) {
			http.Error(w, "ask by 127.0.0.1 or localhost", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}
