package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"

	"buildbtw/cmd/internal/cli"
)

// systemdSocket is the number of the first socket that systemd passes
// (sd_listen_fds(3)).
const systemdSocket = 3

// listen opens the address, or takes the socket that systemd has opened. Where
// nobody can sign in, anything but loopback and Unix sockets is refused.
func listen(ctx context.Context, address string, peopleSignIn bool) (net.Listener, error) {
	if ln, err := fromSystemd(peopleSignIn); ln != nil || err != nil {
		return ln, err
	}
	return listenOn(ctx, "--listen", address, peopleSignIn)
}

// listenOn opens the address that a flag names: beyond loopback only when callers
// have to prove who they are.
func listenOn(ctx context.Context, flag, address string, beyondLoopback bool) (net.Listener, error) {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		return listenUnix(ctx, path)
	}
	if err := checkListen(flag, address, beyondLoopback); err != nil {
		return nil, err
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%w; is another server running? choose another address with %s", err, flag)
	}
	return ln, nil
}

// checkListen returns an error for an address that listenOn refuses as it is written.
func checkListen(flag, address string, beyondLoopback bool) error {
	if strings.HasPrefix(address, "unix:") {
		return nil
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return cli.Usage(fmt.Errorf("cannot read %s %q; write HOST:PORT or unix:PATH", flag, address))
	}
	if !beyondLoopback && !isLoopback(host) {
		return cli.Usage(fmt.Errorf("%s %s: without sign-in the server listens on loopback only; use 127.0.0.1, [::1] or unix:PATH, or let people sign in (--oidc-issuer or --auth-header)", flag, address))
	}
	return nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// fromSystemd returns the socket that systemd passed; nil when there is none
// (sd_listen_fds(3)).
func fromSystemd(peopleSignIn bool) (net.Listener, error) {
	if os.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) || os.Getenv("LISTEN_FDS") == "" {
		return nil, nil
	}
	file := os.NewFile(systemdSocket, "systemd")
	defer file.Close()
	ln, err := net.FileListener(file)
	if err != nil {
		return nil, fmt.Errorf("take over the socket of systemd: %w", err)
	}
	if tcp, ok := ln.Addr().(*net.TCPAddr); ok && !tcp.IP.IsLoopback() && !peopleSignIn {
		return nil, errors.Join(fmt.Errorf("systemd passed a socket on %s: without sign-in the server listens on loopback only", tcp), ln.Close())
	}
	return ln, nil
}

// listenUnix opens a Unix socket, in place of one that a dead server left. What
// is no socket is somebody's file and stays.
func listenUnix(ctx context.Context, path string) (net.Listener, error) {
	if conn, err := (&net.Dialer{}).DialContext(ctx, "unix", path); err == nil {
		return nil, errors.Join(fmt.Errorf("another server listens on %s", path), conn.Close())
	}
	switch info, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("look for the socket of a dead server: %w", err)
	case info.Mode().Type() != fs.ModeSocket:
		return nil, fmt.Errorf("%s is there and no socket; choose another path with --listen unix:PATH", path)
	default:
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("remove the socket of a dead server: %w", err)
		}
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	made, err := os.Lstat(path)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("look at the new socket: %w", err), ln.Close())
	}
	ln.(*net.UnixListener).SetUnlinkOnClose(false) // it would remove whatever is there by then
	return &unixListener{Listener: ln, path: path, made: made}, nil
}

// unixListener removes its socket when it is closed, and nothing else that has
// come to its place.
type unixListener struct {
	net.Listener
	path string
	made fs.FileInfo
}

func (l *unixListener) Close() error {
	if now, err := os.Lstat(l.path); err == nil && os.SameFile(now, l.made) {
		os.Remove(l.path)
	}
	return l.Listener.Close()
}

// defaultURL is the server's URL when none was given.
func defaultURL(addr net.Addr, secure bool) string {
	scheme := "http://"
	if secure {
		scheme = "https://"
	}
	if addr.Network() == "unix" {
		return scheme + "localhost"
	}
	return scheme + addr.String()
}

const (
	// descriptors that are not for connections: database, logs, programs that are
	// run, files of builds.
	ownDescriptors = 64
	// A server that has fewer says so: some browsers and workers would do.
	fewDescriptors = 1024
	// An idle connection takes 12 KB of memory, so many of them 200 MB.
	mostConnections = 16 << 10
)

// connectionBound returns how many connections fit under the limit of open files.
// Of three connections one may have a file open besides. The Go runtime has raised
// the limit to the hard one at the start of the process.
func connectionBound(log logger) (int, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("ask for the limit of open files: %w", err)
	}
	files := int(min(limit.Cur, 1<<30))
	bound := min(max((files-ownDescriptors)*2/3, 1), mostConnections)
	if files <= fewDescriptors {
		log.Warn("the limit of open files is small; raise it, for example with LimitNOFILE= in the unit", "limit", files, "connections", bound)
	}
	return bound, nil
}
