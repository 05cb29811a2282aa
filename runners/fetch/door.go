package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path"
	"regexp"
	"sync/atomic"

	"buildbtw/runners"
)

// doorArgument is the first argument of this program when QEMU starts it to reach
// a door.
const doorArgument = "buildbtw-fetch-door"

// Paths of a door.
const (
	DoorRepository = "/repo"   // below it, the files of the iteration's repository
	DoorClose      = "/closed" // closes the door for good
)

// Door is the only way out of a virtual machine that prepares a build: for files of
// pacman's repositories. The machine closes it before it runs anything of a
// package, and cannot open it again.
type Door struct {
	job    runners.Job
	proxy  *proxy
	closed atomic.Bool
	dir    string
	server *http.Server
}

// OpenDoor opens a door in a directory of its own, in which the socket has a short
// path. The caller closes it.
func (f *Fetcher) OpenDoor(ctx context.Context, job runners.Job) (*Door, error) {
	dir, err := os.MkdirTemp("", "buildbtw-door-")
	if err != nil {
		return nil, fmt.Errorf("open a door for the guest: %w", err)
	}
	d := &Door{job: job, proxy: f.newProxy(), dir: dir}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "unix", d.socket())
	if err != nil {
		os.RemoveAll(dir)
		return nil, fmt.Errorf("open a door for the guest: %w", err)
	}
	d.server = newServer(ctx, d)
	go func() { _ = d.server.Serve(listener) }() // until Close
	return d, nil
}

func (d *Door) socket() string { return path.Join(d.dir, "door") }

// Close ends the door and all connections through it.
func (d *Door) Close() {
	_ = d.server.Close()
	os.RemoveAll(d.dir)
}

// Command returns the command line of a program that connects its standard input
// and output with the door.
func (d *Door) Command() ([]string, error) {
	self, err := os.Executable()
	return []string{self, doorArgument, d.socket()}, err
}

// pacmansFile matches the names of files in pacman's repositories.
var pacmansFile = regexp.MustCompile(`^[\w@.+:~-]+\.(db|files|pkg\.tar\.\w+)(\.sig)?$`)

// ServeHTTP implements http.Handler.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := path.Base(r.URL.Path)
	switch {
	case r.URL.Host == "" && r.URL.Path == DoorClose:
		d.closed.Store(true)
	case d.closed.Load():
		http.Error(w, "the door is closed", http.StatusForbidden)
	case r.Method != http.MethodGet || !pacmansFile.MatchString(name) || r.URL.RawQuery != "":
		http.Error(w, "only files of pacman's repositories are fetched", http.StatusForbidden)
	case r.URL.Host != "":
		_ = d.proxy.forward(w, r) // the answer has the error
	case r.URL.Path == DoorRepository+"/"+name:
		passOn(w, r, d.job, name)
	default:
		http.NotFound(w, r)
	}
}

// insideDoor connects standard input and output with a door.
func insideDoor(socket string) error {
	conn, err := (&net.Dialer{}).DialContext(context.Background(), "unix", socket)
	if err != nil {
		return err
	}
	far, ok := conn.(*net.UnixConn)
	if !ok {
		return errors.New("no Unix socket")
	}
	go func() {
		_, _ = io.Copy(far, os.Stdin) // its end shows in the other direction
		_ = far.CloseWrite()
	}()
	_, err = io.Copy(os.Stdout, far)
	return err
}

// Prepare fetches the sources of a job for a machine that builds it by itself, and
// returns the directory with them, and how that machine is to treat signatures:
// unverified is why they cannot be verified.
func (f *Fetcher) Prepare(ctx context.Context, job runners.Job, dest string, log io.Writer) (unverified string, result runners.Result, failed bool) {
	if err := os.MkdirAll(dest, 0o755); err != nil {
		return "", runners.Infrastructure("make the directory for sources: %v", err), true
	}
	if result, failed = f.Fetch(ctx, job, dest, log); failed {
		return "", result, true
	}
	info, err := parse(job)
	if err != nil {
		return "", runners.Failed("%v", err), true
	}
	if _, unverified = Signatures(info, job); unverified != "" {
		fmt.Fprintf(log, "==> WARNING: PGP signatures are not verified: %s\n", unverified)
	}
	return unverified, runners.Result{}, false
}
