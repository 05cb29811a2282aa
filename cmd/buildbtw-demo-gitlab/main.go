// Command buildbtw-demo-gitlab is the rest of the world for make demo-gitlab: a
// stand-in for GitLab with git over HTTP, webhooks and pipelines, and gitlab-runners
// that play the recorded contract with the real executor.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"buildbtw/cmd/internal/cli"
	"buildbtw/cmd/internal/gitlabrunner"
	"buildbtw/forge"
	"buildbtw/git/gitlab/gitlabtest"
)

// options are the flags.
type options struct {
	listen, dir     string
	projects        []string
	token, executor string
	hook, secret    string
	runners         int
	tags            []string
}

func main() {
	var o options
	root := &cobra.Command{
		Use:   "buildbtw-demo-gitlab",
		Short: "Play a GitLab with its runners, for the demonstration",
		Long: `buildbtw-demo-gitlab serves a stand-in for GitLab: the parts of its API that
buildbtw uses, git over HTTP for real repositories, webhooks, and pipelines, whose
jobs its runners execute with buildbtw-executor as a gitlab-runner does. Nobody
signs in; it is for demonstrations and tests on this machine.`,
		Example: `  buildbtw-demo-gitlab --project packages/curl --project packages/zlib \
    --hook http://127.0.0.1:8080/api/v1/webhooks/gitlab --hook-secret secret-of-16-letters`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), o, cmd.OutOrStdout()) },
	}
	f := root.Flags()
	f.StringVar(&o.listen, "listen", "127.0.0.1:8081", "address to listen on, of this machine")
	f.StringVar(&o.dir, "dir", "./demo-gitlab", "directory for repositories and for the runners")
	f.StringArrayVar(&o.projects, "project", nil, "path of a project to make (repeatable)")
	f.StringVar(&o.token, "token", gitlabtest.Token, "token that may do everything")
	f.StringVar(&o.hook, "hook", "", "address that is told of pushes and pipelines")
	f.StringVar(&o.secret, "hook-secret", "", "what is presented there")
	cli.Number(f, &o.runners, "runners", 2, 0, 1024, "jobs at the same time; 0 leaves all jobs to a gitlab-runner of yours")
	f.StringArrayVar(&o.tags, "runner-tag", []string{forge.DefaultRunnerTag}, "tag of the runners (repeatable)")
	f.StringVar(&o.executor, "executor", "buildbtw-executor", "program that executes jobs; its settings are this program's environment")
	os.Exit(cli.Run(root))
}

func run(ctx context.Context, o options, out io.Writer) error {
	if host, _, err := net.SplitHostPort(o.listen); err != nil || net.ParseIP(host) == nil || !net.ParseIP(host).IsLoopback() {
		return cli.Usage(fmt.Errorf("--listen %q must be an address of this machine alone, such as 127.0.0.1:8081", o.listen))
	}
	server, err := gitlabtest.New(filepath.Join(o.dir, "repositories"), gitlabtest.Options{Tags: o.tags, JobEnded: reporter(out)})
	if err != nil {
		return err
	}
	defer server.Close()
	server.Allow(o.token, gitlabtest.Everything)
	for _, path := range o.projects {
		server.CreateProject(path)
	}
	if o.hook != "" {
		server.AddHook(gitlabtest.Hook{URL: o.hook, Secret: o.secret})
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.listen)
	if err != nil {
		return err
	}
	server.SetURL("http://" + listener.Addr().String())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	fmt.Fprintf(out, "serving %s\n", server.URL())
	err = o.serve(ctx, server.URL(), ended)
	server.Close()
	return err
}

// serve runs the runners until ctx or the server ends, and waits for them: they
// cancel their jobs.
func (o options) serve(ctx context.Context, url string, ended <-chan error) error {
	dir, err := filepath.Abs(filepath.Join(o.dir, "runner"))
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		return fmt.Errorf("make the runners' directory: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	var runners sync.WaitGroup
	defer runners.Wait()
	defer cancel()
	r := gitlabrunner.Runner{Executor: o.executor, Env: os.Environ(), TempDir: dir}
	for range o.runners {
		runners.Go(func() {
			r.Serve(ctx, gitlabrunner.GitLab{URL: url, Token: gitlabtest.RunnerToken}, func(gitlabrunner.Job, gitlabrunner.Result) {})
		})
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-ended:
		return errors.Join(errors.New("the stand-in for GitLab has ended"), err)
	}
}

// reporter prints a line for each job that a runner has ended, this program's or another one.
func reporter(out io.Writer) func(gitlabtest.EndedJob) {
	var mu sync.Mutex
	return func(j gitlabtest.EndedJob) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintln(out, strings.TrimSpace(fmt.Sprintf("job %d of %s: %s %s", j.ID, j.Project, j.Status, j.Reason)))
	}
}
