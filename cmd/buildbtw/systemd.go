package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// notifier tells systemd how the server stands (sd_notify(3), Type=notify): that it begins,
// is ready, lives, stops. Without systemd it tells nobody.
type notifier struct {
	conn     *net.UnixConn // nil: nobody listens
	watchdog time.Duration // systemd restarts the server after this long without a word; 0: never
	log      logger
	app      atomic.Pointer[checks]
	ended    chan struct{}
}

// checks are what the notifier asks.
type checks struct {
	ready   func(context.Context) error // nil when the server can do its work
	answers func(context.Context) error // an error when the database or a loop hangs
}

// Bounds of the notifier.
const (
	notifyPeriod = time.Second      // between looks whether the server is ready
	startExtends = 90 * time.Second // what a start may take longer from each word on
)

// newNotifier returns what tells the systemd of these two variables of its environment.
func newNotifier(getenv func(string) string, log logger) *notifier {
	n := &notifier{log: log, ended: make(chan struct{})}
	path := getenv("NOTIFY_SOCKET")
	if path == "" {
		return n
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Net: "unixgram", Name: path}) // "@" begins an abstract name, in Go, too
	if err != nil {
		log.Warn("systemd cannot be told how the server stands", "socket", path, "error", err)
		return n
	}
	n.conn = conn
	if pid := getenv("WATCHDOG_PID"); pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return n
	}
	if micros, err := strconv.ParseInt(getenv("WATCHDOG_USEC"), 10, 64); err == nil && micros > 0 {
		n.watchdog = time.Duration(micros) * time.Microsecond
	}
	return n
}

// send tells systemd these assignments. What cannot be told is logged: the server goes on.
func (n *notifier) send(lines ...string) {
	if n.conn == nil {
		return
	}
	if _, err := n.conn.Write([]byte(strings.Join(lines, "\n"))); err != nil {
		n.log.Warn("systemd cannot be told how the server stands", "error", err)
	}
}

// run tells systemd how the server stands until ctx ends: that its start goes on, until it is
// ready for the first time; from then on that it lives, as long as it answers.
func (n *notifier) run(ctx context.Context) {
	defer close(n.ended)
	if n.conn == nil {
		return
	}
	if !n.start(ctx) || n.watchdog == 0 {
		return
	}
	// Twice in its time, so that one late answer costs nothing.
	tick := time.NewTicker(n.watchdog / 2)
	defer tick.Stop()
	for {
		if err := n.app.Load().answers(ctx); err == nil {
			n.send("WATCHDOG=1")
		} else if ctx.Err() == nil {
			n.log.Error("the server does not tell systemd that it lives, so that it is restarted", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// start returns true when the server is ready, and false when ctx ends before.
func (n *notifier) start(ctx context.Context) bool {
	tick := time.NewTicker(notifyPeriod)
	defer tick.Stop()
	var told time.Time
	words := ""
	for {
		status := "starting"
		if app := n.app.Load(); app != nil {
			err := app.ready(ctx)
			if err == nil {
				n.send("READY=1", "STATUS=ready")
				return true
			}
			status = "not ready: " + strings.ReplaceAll(err.Error(), "\n", " ")
		}
		if status != words || time.Since(told) > startExtends/3 {
			words, told = status, time.Now()
			n.send("STATUS="+status, fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", startExtends.Microseconds()))
		}
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
}

// stopping tells systemd that the server ends, after all that was told before.
func (n *notifier) stopping() {
	<-n.ended
	n.send("STOPPING=1", "STATUS=stopping")
}

// close ends the connection to systemd.
func (n *notifier) close() {
	if n.conn != nil {
		_ = n.conn.Close()
	}
}
