package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"buildbtw/cmd/internal/cli"
)

// netListener is what the server accepts connections from.
type netListener = net.Listener

// systemdSocket is the number of the first socket that systemd passes
// (sd_listen_fds(3)).
const systemdSocket = 3

// listen opens the address, or takes the socket that systemd has opened. In
// single-user mode anything but loopback and Unix sockets is refused.
func listen(ctx context.Context, address string) (net.Listener, error) {
	if ln, err := fromSystemd(); ln != nil || err != nil {
		return ln, err
	}
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		return listenUnix(ctx, path)
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, cli.Usage(fmt.Errorf("cannot read --listen %q; write HOST:PORT or unix:PATH", address))
	}
	if !isLoopback(host) {
		return nil, cli.Usage(fmt.Errorf("--listen %s: without sign-in the server listens on loopback only; use 127.0.0.1, [::1] or unix:PATH", address))
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%w; is another server running? choose another address with --listen", err)
	}
	return ln, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// fromSystemd returns the socket that systemd passed; nil when there is none
// (sd_listen_fds(3)).
func fromSystemd() (net.Listener, error) {
	if os.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) || os.Getenv("LISTEN_FDS") == "" {
		return nil, nil
	}
	file := os.NewFile(systemdSocket, "systemd")
	defer file.Close()
	ln, err := net.FileListener(file)
	if err != nil {
		return nil, fmt.Errorf("take over the socket of systemd: %w", err)
	}
	if tcp, ok := ln.Addr().(*net.TCPAddr); ok && !tcp.IP.IsLoopback() {
		return nil, errors.Join(fmt.Errorf("systemd passed a socket on %s: without sign-in the server listens on loopback only", tcp), ln.Close())
	}
	return ln, nil
}

// listenUnix opens a Unix socket, in place of one that a dead server left.
func listenUnix(ctx context.Context, path string) (net.Listener, error) {
	if conn, err := (&net.Dialer{}).DialContext(ctx, "unix", path); err == nil {
		return nil, errors.Join(fmt.Errorf("another server listens on %s", path), conn.Close())
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("remove the socket of a dead server: %w", err)
	}
	return (&net.ListenConfig{}).Listen(ctx, "unix", path)
}

// defaultURL is the server's URL when none was given.
func defaultURL(addr net.Addr) string {
	if addr.Network() == "unix" {
		return "http://localhost"
	}
	return "http://" + addr.String()
}
