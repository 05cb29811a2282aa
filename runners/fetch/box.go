package fetch

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"buildbtw/runners"
)

//go:embed box.sh
var boxScript string

// insideArgument is the first argument of this program when it is started in a
// fetch box.
const insideArgument = "buildbtw-fetch-inside"

// Descriptors and the address in a box.
const (
	statusFD   = 3 // bwrap's --json-status-fd
	listenerFD = 4 // the socket on which the listener is handed out
	selfFD     = 5 // this program
	insidePort = 3128
)

// Inside runs this process's part in a fetch box, if it was started in one, and then does
// not return. Every program and test that fetches calls it first in main. In the box,
// which has a network namespace of its own, it opens the proxy's port, passes the open
// socket to the fetcher, which serves it from outside, and executes curl or git. Its arguments
// are the whole environment, "--", and the program's command line. Started by QEMU
// it is a guest's way to a Door.
func Inside() {
	if len(os.Args) == 3 && os.Args[1] == doorArgument {
		if err := insideDoor(os.Args[2]); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	end := slices.Index(os.Args, "--")
	if end < 2 || end+1 >= len(os.Args) || os.Args[1] != insideArgument {
		return
	}
	err := handOut()
	if err == nil {
		err = unix.Exec(os.Args[end+1], os.Args[end+1:], os.Args[2:end])
	}
	fmt.Fprintln(os.Stderr, "fetch box:", err)
	os.Exit(127)
}

func handOut() error {
	unix.CloseOnExec(selfFD)
	unix.CloseOnExec(listenerFD)
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := unix.Bind(socket, &unix.SockaddrInet4{Port: insidePort, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return err
	}
	if err := unix.Listen(socket, 64); err != nil {
		return err
	}
	return unix.Sendmsg(listenerFD, []byte{0}, unix.UnixRights(socket), nil, 0)
}

// program is one run of curl or git.
type program struct {
	args    []string
	scratch string // the only directory that it may write to; its working directory
	env     []string
	limit   time.Duration
	mark    string
	output  io.Writer
}

// inBox is where a program in a box finds its directory.
const inBox = "/fetch"

// run runs a program whose only way out is the proxy.
func (f *Fetcher) run(ctx context.Context, p *proxy, c program) (runners.Exit, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.limit, errTooSlow)
	defer cancel()
	server := &http.Server{
		Handler: p, ReadHeaderTimeout: time.Minute, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	defer func() { _ = server.Close() }()
	if f.options.NoBox {
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return runners.Exit{}, fmt.Errorf("open the proxy: %w", err)
		}
		go func() { _ = server.Serve(listener) }() // until Close
		return runners.Command{
			Args: append(f.dropRoot(), c.args...), Dir: c.scratch, Output: c.output, Mark: c.mark,
			Env: environment(c.scratch, listener.Addr().String(), c.env),
		}.Run(ctx)
	}
	files, listener, started, err := descriptors()
	if err != nil {
		return runners.Exit{}, fmt.Errorf("make the fetch box: %w", err)
	}
	go serve(server, listener)
	exit, err := runners.Command{
		Args: f.boxed(c), Dir: "/", Output: c.output, Mark: c.mark, Files: files,
		Env: []string{"PATH=/usr/bin:/bin:/usr/sbin:/sbin", "LANG=C.UTF-8"},
	}.Run(ctx)
	for _, file := range files {
		file.Close()
	}
	_ = listener.Close()
	if ran := <-started; err == nil && !ran && exit.Killed == nil {
		err = fmt.Errorf("%w (%s); its output is in the log", errNoBox, exit)
	}
	return exit, err
}

var (
	errTooSlow = errors.New("it took too long")
	errNoBox   = errors.New("the fetch box could not be started")
)

// serve takes the listener out of the box and serves it.
func serve(server *http.Server, from *net.UnixConn) {
	rights := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := from.ReadMsgUnix(make([]byte, 1), rights)
	if err != nil {
		return // the box was not started, which is reported elsewhere
	}
	messages, err := unix.ParseSocketControlMessage(rights[:n])
	if err != nil || len(messages) != 1 {
		return
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return
	}
	file := os.NewFile(uintptr(fds[0]), "listener")
	listener, err := net.FileListener(file)
	file.Close()
	if err == nil {
		_ = server.Serve(listener) // until Close
	}
}

// descriptors returns the files for a box, the end of a socket from which its
// listener comes, and a channel that says whether its program was started.
func descriptors() ([]*os.File, *net.UnixConn, <-chan bool, error) {
	self, err := os.Open("/proc/self/exe") // also when another version has replaced the file
	if err != nil {
		return nil, nil, nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		self.Close()
		return nil, nil, nil, err
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		self.Close()
		r.Close()
		w.Close()
		return nil, nil, nil, err
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "ours"), os.NewFile(uintptr(pair[1]), "theirs")
	defer ours.Close()
	conn, err := net.FileConn(ours)
	unixConn, ok := conn.(*net.UnixConn)
	if err != nil || !ok {
		self.Close()
		r.Close()
		w.Close()
		theirs.Close()
		return nil, nil, nil, fmt.Errorf("make a socket pair: %w", err)
	}
	started := make(chan bool, 1)
	go func() {
		defer r.Close()
		text, _ := io.ReadAll(io.LimitReader(r, 64<<10)) // its output until the end
		started <- bytes.Contains(text, []byte(`"exit-code"`))
	}()
	return []*os.File{w, theirs, self}, unixConn, started, nil
}

// boxed returns the command line of a box: the system's programs read-only, one
// directory to write to, no processes but its own, and no network.
func (f *Fetcher) boxed(c program) []string {
	var args []string
	scratch := c.scratch
	if os.Geteuid() == 0 {
		// The user who fetches may not be able to reach the attempt's directory.
		args = append(args, f.tools["unshare"], "--mount", "--propagation", "private", f.tools["bash"], "-c", boxScript, "box", c.scratch)
		args = append(args, f.dropRoot()...)
		scratch = "BOX"
	}
	args = append(args, f.tools["bwrap"], "--unshare-all", "--die-with-parent", "--new-session", "--hostname", "buildbtw",
		"--json-status-fd", strconv.Itoa(statusFD), "--ro-bind", "/usr", "/usr")
	for _, dir := range []string{"bin", "sbin", "lib", "lib32", "lib64", "libx32"} {
		if target, err := os.Readlink("/" + dir); err == nil {
			args = append(args, "--symlink", target, "/"+dir)
		} else if info, err := os.Stat("/" + dir); err == nil && info.IsDir() {
			args = append(args, "--ro-bind", "/"+dir, "/"+dir)
		}
	}
	for _, path := range []string{
		"/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives",
		"/etc/ssl/certs", "/etc/ssl/cert.pem", "/etc/ssl/openssl.cnf", "/etc/ca-certificates", "/etc/pki/tls/certs", "/etc/pki/ca-trust",
	} {
		args = append(args, "--ro-bind-try", path, path)
	}
	args = append(args, "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp", "--bind", scratch, inBox, "--chdir", inBox, "--")
	args = append(args, "/proc/self/fd/"+strconv.Itoa(selfFD), insideArgument)
	args = append(args, environment("/tmp", "127.0.0.1:"+strconv.Itoa(insidePort), c.env)...)
	return append(append(args, "--"), c.args...)
}

// dropRoot returns the prefix of a command line that must not run as root.
func (f *Fetcher) dropRoot() []string {
	if os.Geteuid() != 0 {
		return nil
	}
	return []string{
		f.tools["setpriv"], "--reuid", strconv.Itoa(f.options.UID), "--regid", strconv.Itoa(f.options.GID),
		"--clear-groups", "--inh-caps=-all", "--no-new-privs", "--",
	}
}

// environment returns the whole environment of curl and git: no settings, no
// keys, no questions.
func environment(home, proxy string, more []string) []string {
	address := "http://" + proxy
	return append([]string{
		"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", "LC_ALL=C.UTF-8", "HOME=" + home,
		"http_proxy=" + address, "https_proxy=" + address, "ftp_proxy=" + address, "all_proxy=" + address,
	}, more...)
}

// findTools looks for the programs.
func (f *Fetcher) findTools() error {
	f.tools = map[string]string{}
	names := []string{"curl", "git"}
	if !f.options.NoBox {
		names = append(names, "bwrap")
	}
	if os.Geteuid() == 0 {
		names = append(names, "setpriv", "unshare", "bash")
	}
	packages := map[string]string{"bwrap": "bubblewrap", "setpriv": "util-linux", "unshare": "util-linux"}
	var missing, install []string
	for _, name := range names {
		path, err := exec.LookPath(name)
		if err != nil {
			missing = append(missing, name)
			if p := packages[name]; p != "" {
				name = p
			}
			install = append(install, name)
			continue
		}
		f.tools[name] = path
	}
	if len(missing) > 0 {
		return fmt.Errorf("fetching sources needs %s; install them: apt install %[2]s, or pacman -S %[2]s", strings.Join(missing, ", "), strings.Join(install, " "))
	}
	return nil
}
