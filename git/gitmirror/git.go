package gitmirror

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync/atomic"
	"time"

	"buildbtw/internal/proc"
)

// git runs the program on the mirror. Every call of git in this package goes
// through it.
type git struct {
	program string
	dir     string // the bare repository
	env     []string

	// Damaged files of the mirror that git reports are stored in damage.
	objects string // the mirror's store of objects
	damage  *atomic.Pointer[string]
}

// call is one run of git.
type call struct {
	args   []string
	stdin  io.Reader
	stdout io.Writer
}

// killAfter is how long a cancelled git has to remove its lock files.
const killAfter = 3 * time.Second

// newGit prepares git for a bare repository. It ignores the server's environment and the
// machine's git configuration. Our own configuration file (configText) also applies to the
// upload-pack process that reads a source, which "git -c" would not reach.
func newGit(dir, config string) (git, error) {
	program, err := exec.LookPath("git")
	if err != nil {
		return git{}, fmt.Errorf("find git (install the package git): %w", err)
	}
	return git{program: program, dir: dir, env: []string{
		"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C", "TZ=UTC", "HOME=/nonexistent",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + config, "GIT_ATTR_NOSYSTEM=1",
		"GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=/bin/false", "GIT_NO_REPLACE_OBJECTS=1", "GIT_NO_LAZY_FETCH=1",
	}}, nil
}

// configText is the only git configuration there is, besides that of the mirror,
// which is ours: see fetchLocal. Many fetches write refs at once
// (packedRefsTimeout, milliseconds). A redirection would take the token along, to
// whatever server (followRedirects). Maintenance runs when tidy says so.
const configText = `[core]
	hooksPath = /dev/null
	packedRefsTimeout = 60000
	filesRefLockTimeout = 60000
	fsync = committed
	fsyncMethod = batch
[http]
	followRedirects = false
	lowSpeedLimit = 1000
	lowSpeedTime = 60
[maintenance]
	auto = false
[gc]
	autoDetach = false
	cruftPacks = true
	pruneExpire = 3.months.ago
`

// run executes git. The error has git's message.
func (g git) run(ctx context.Context, c call) error {
	cmd := exec.CommandContext(ctx, g.program, append([]string{"--git-dir", g.dir}, c.args...)...)
	stderr := proc.NewTail(4 << 10)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = g.env, c.stdin, c.stdout, stderr
	err := proc.Run(ctx, cmd, killAfter)
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("git %s: %w", c.args[0], context.Cause(ctx))
	}
	said := strings.TrimSpace(stderr.String())
	if g.damage != nil && isDamage(said) && (c.args[0] != "fetch" || strings.Contains(said, g.objects)) {
		g.damage.Store(&said)
		if err == nil { // cat-file calls a damaged object missing
			err = errDamaged
		}
	}
	if err != nil {
		return &gitError{command: c.args[0], said: said, err: err}
	}
	return nil
}

var errDamaged = errors.New("files are damaged")

// output runs git and returns its standard output.
func (g git) output(ctx context.Context, args ...string) (string, error) {
	var out bytes.Buffer
	err := g.run(ctx, call{args: args, stdout: &out})
	return out.String(), err
}

// gitError is a git that ended with another code than 0.
type gitError struct {
	command, said string
	err           error
}

func (e *gitError) Error() string { return fmt.Sprintf("git %s: %v: %s", e.command, e.err, e.said) }

func (e *gitError) Unwrap() error { return e.err }
