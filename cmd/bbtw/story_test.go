package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"buildbtw/cmd/internal/cmdtest"
)

func TestMain(m *testing.M) { os.Exit(cmdtest.Main(m.Run)) }

// TestStories runs the scripts in testdata: each tells what a packager does and
// sees, with a real server, real workers and real git.
func TestStories(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               newStory,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"source": storyCommand((*story).source),
			"server": storyCommand((*story).startServer),
			"worker": storyCommand((*story).startWorker),
			"crash":  storyCommand((*story).crash),
			"halt":   storyCommand((*story).halt),
			"until":  storyCommand((*story).until),
			"usage":  storyCommand((*story).usage),
			"json":   storyCommand((*story).json),

			"terminal": storyCommand((*story).terminal),

			"interrupt":  storyCommand((*story).interrupt),
			"background": storyCommand((*story).background),
			"browser":    storyCommand((*story).browser),
			"receiver":   storyCommand((*story).receiver),
			"ended":      storyCommand((*story).ended),
		},
	})
}

// story is what one script has running.
type story struct {
	ctx       context.Context // ends with the script
	dir       string
	env       []string
	server    *cmdtest.Server
	address   string // of the server, kept over restarts
	processes map[string]*cmdtest.Process
}

// patience bounds every wait of a script; machines may be busy.
const patience = 5 * time.Minute

// newStory prepares the environment of a script and sees that nothing outlives
// it.
func newStory(env *testscript.Env) error {
	t, ok := env.T().(interface {
		Context() context.Context
		Failed() bool
	})
	if !ok {
		return errors.New("scripts run in a test of package testing")
	}
	s := &story{ctx: t.Context(), dir: env.WorkDir, processes: map[string]*cmdtest.Process{}}
	env.Values["story"] = s
	env.Setenv("BUILDBTW_TIMEOUT", patience.String()) // of bbtw wait and watch
	env.Setenv("BUILDBTW_SERVER_URL", "http://127.0.0.1:1")
	env.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
	env.Setenv("XDG_CONFIG_HOME", filepath.Join(env.WorkDir, "no-config"))
	env.Setenv("XDG_STATE_HOME", filepath.Join(env.WorkDir, "state"))
	bin, err := newOpener(s.dir)
	if err != nil {
		return err
	}
	env.Setenv("PATH", bin+string(filepath.ListSeparator)+env.Getenv("PATH"))
	env.Setenv("LONG", strings.Repeat("a", 300))
	s.env = append(slices.Clip(s.env), env.Vars...)
	env.Defer(func() {
		for _, p := range s.processes {
			p.Kill()
		}
		if t.Failed() && s.server != nil {
			env.T().Log("the server's log:\n" + s.server.Log())
		}
	})
	return os.Mkdir(filepath.Join(s.dir, "sources"), 0o755)
}

// storyCommand makes a command of scripts from a method; none can be negated.
func storyCommand(run func(*story, *testscript.TestScript, []string) error) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg {
			ts.Fatalf("this command cannot be negated")
		}
		ts.Check(run(ts.Value("story").(*story), ts, args))
	}
}

// server [ARGUMENT...] starts the server on the script's sources and waits until
// it is ready. Started again it has the same address.
func (s *story) startServer(ts *testscript.TestScript, args []string) error {
	server, err := cmdtest.StartServer(s.ctx, s.address, cmdtest.Spec{
		Args: append([]string{
			"--data-dir", filepath.Join(s.dir, "data"), "--sources", "dir:" + filepath.Join(s.dir, "sources"),
			"--sync-period", "200ms", "--debounce", "200ms", "--lease", "3s",
		}, args...),
		Dir: s.dir, Env: s.env, Log: filepath.Join(s.dir, "server.log"),
	})
	if err != nil {
		return err
	}
	u, err := url.Parse(server.URL)
	if err != nil {
		return err
	}
	s.server, s.address, s.processes["server"] = server, u.Host, server.Process
	ts.Setenv("BUILDBTW_SERVER_URL", server.URL)
	return nil
}

// worker NAME [ARGUMENT...] starts a worker with the fake runner.
func (s *story) startWorker(ts *testscript.TestScript, args []string) error {
	if len(args) == 0 {
		return errors.New("usage: worker NAME [ARGUMENT...]")
	}
	name := args[0]
	p, err := cmdtest.Start(cmdtest.Spec{
		Args: append([]string{
			"buildbtw-worker", "run", "--runner", "fake", "--architectures", "x86_64",
			"--name", name, "--work-dir", filepath.Join(s.dir, "workers", name),
		}, args[1:]...),
		Dir: s.dir, Log: filepath.Join(s.dir, name+".log"),
		Env: s.environ(ts),
	})
	s.processes[name] = p
	return err
}

// crash NAME ends the server or a worker as kill -9 does.
func (s *story) crash(_ *testscript.TestScript, args []string) error {
	p, err := s.process(args)
	if err == nil {
		p.Kill()
	}
	return err
}

// halt NAME asks the server or a worker to end, and wants exit code 0.
func (s *story) halt(_ *testscript.TestScript, args []string) error {
	p, err := s.process(args)
	if err != nil {
		return err
	}
	code, err := p.Stop(patience)
	if err == nil && code != 0 {
		err = fmt.Errorf("%s ended with exit code %d:\n%s", args[0], code, p.Log())
	}
	return err
}

// interrupt NAME sends what Ctrl-C sends.
func (s *story) interrupt(_ *testscript.TestScript, args []string) error {
	p, err := s.process(args)
	if err != nil {
		return err
	}
	return p.Signal(os.Interrupt)
}

func (s *story) process(args []string) (*cmdtest.Process, error) {
	if len(args) != 1 || s.processes[args[0]] == nil {
		return nil, fmt.Errorf("%q names nothing that was started", args)
	}
	return s.processes[args[0]], nil
}

// until REGEXP PROGRAM [ARGUMENT...] runs the program again and again until its
// standard output matches.
func (s *story) until(ts *testscript.TestScript, args []string) error {
	if len(args) < 2 {
		return errors.New("usage: until REGEXP PROGRAM [ARGUMENT...]")
	}
	pattern, err := regexp.Compile("(?m)" + args[0])
	if err != nil {
		return err
	}
	var out, errs bytes.Buffer
	err = cmdtest.Poll(s.ctx, patience, func() (bool, error) {
		out.Reset()
		errs.Reset()
		cmd := exec.CommandContext(s.ctx, args[1], args[2:]...)
		cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, &out, &errs
		cmd.Env = s.environ(ts)
		_ = cmd.Run() // what counts is the output
		return pattern.Match(out.Bytes()), nil
	})
	if err != nil {
		return fmt.Errorf("%s never printed %q: %w\n%s%s", strings.Join(args[1:], " "), args[0], err, &out, &errs)
	}
	return nil
}

// usage REGEXP PROGRAM [ARGUMENT...] wants the program to end with exit code 2,
// to say what matches, and to point to its help.
func (s *story) usage(ts *testscript.TestScript, args []string) error {
	if len(args) < 2 {
		return errors.New("usage: usage REGEXP PROGRAM [ARGUMENT...]")
	}
	cmd := exec.CommandContext(s.ctx, args[1], args[2:]...)
	cmd.Dir, cmd.Env = s.dir, s.environ(ts)
	out, _ := cmd.CombinedOutput() // the exit code tells
	if code := cmd.ProcessState.ExitCode(); code != 2 {
		return fmt.Errorf("%s: exit code %d, want 2\n%s", strings.Join(args[1:], " "), code, out)
	}
	matched, err := regexp.Match(args[0], out)
	if err == nil && (!matched || !bytes.Contains(out, []byte("--help"))) {
		err = fmt.Errorf("%s said:\n%s", strings.Join(args[1:], " "), out)
	}
	return err
}
