package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"buildbtw/cmd/internal/cli"
	"buildbtw/forge"
	"buildbtw/git/gitlab"
	"buildbtw/git/gitmirror"
)

// gitlabFlags say how GitLab is reached.
type gitlabFlags struct {
	url           string
	token         string
	webhookSecret string
	ciConfig      string
	clone         string
	sshKey        string
	knownHosts    string
	period        time.Duration

	dispatch     string // who builds: workers, or gitlab
	maxPipelines int
	runnerTags   map[string]string
}

func (f *gitlabFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.url, "gitlab-url", "", "address of the GitLab of --sources gitlab:GROUP, such as https://gitlab.archlinux.org")
	flags.StringVar(&f.token, "gitlab-token", "", "access token for GitLab; others can read it on a command line, so better name a file with it in BUILDBTW_GITLAB_TOKEN_FILE")
	flags.StringVar(&f.webhookSecret, "gitlab-webhook-secret", "", "secret that GitLab's webhooks present; without it they are refused (BUILDBTW_GITLAB_WEBHOOK_SECRET_FILE)")
	flags.StringVar(&f.ciConfig, "gitlab-ci-config", "", "make every project describe its pipelines here, such as .gitlab-ci.yml@archlinux/ci; empty: leave them alone")
	cli.Word(flags, &f.clone, "gitlab-clone", "https", "how git reaches GitLab: https with the token, or ssh", "https", "ssh")
	flags.StringVar(&f.sshKey, "gitlab-ssh-key", "", "file with the private key for ssh (default: what the agent and ssh's configuration offer)")
	flags.StringVar(&f.knownHosts, "gitlab-known-hosts", "", "file with the server's keys for ssh (default: ssh's own)")
	cli.Word(flags, &f.dispatch, "dispatch", "workers", "who starts builds: workers, which claim them; or gitlab, with a pipeline for each", "workers", "gitlab")
	cli.Number(flags, &f.maxPipelines, "gitlab-max-pipelines", 100, 1, cli.Many, "pipelines at the same time, with --dispatch gitlab")
	flags.StringToStringVar(&f.runnerTags, "gitlab-runner-tag", nil, "ARCHITECTURE=TAG: the tag of the runners that build for it, given to pipelines as BUILDBTW_RUNNER_TAG (default "+forge.DefaultRunnerTag+"; repeatable)")
	cli.Time(flags, &f.period, "gitlab-period", time.Minute, time.Millisecond, 24*time.Hour, "time between looks at what was active in the groups; webhooks tell sooner")
}

// validate returns the first error in the flags for these groups.
func (f *gitlabFlags) validate(groups []string) error {
	switch {
	case len(groups) > 0 && f.url == "":
		return cli.Usage(errors.New("--sources gitlab:GROUP needs --gitlab-url, such as https://gitlab.archlinux.org"))
	case f.period < time.Second:
		return cli.Usage(errors.New("--gitlab-period must be at least one second"))
	case f.ciConfig != "" && f.token == "":
		return cli.Usage(errors.New("--gitlab-ci-config needs a token with the scope api; give it with BUILDBTW_GITLAB_TOKEN_FILE"))
	case f.dispatch == "gitlab" && len(groups) == 0:
		return cli.Usage(errors.New("--dispatch gitlab builds the projects of --sources gitlab:GROUP; name a group"))
	case f.dispatch == "gitlab" && f.token == "":
		return cli.Usage(errors.New("--dispatch gitlab needs a token with the scope api; give it with BUILDBTW_GITLAB_TOKEN_FILE"))
	case f.maxPipelines < 1:
		return cli.Usage(errors.New("--gitlab-max-pipelines must be at least 1"))
	case f.webhookSecret != "" && len(f.webhookSecret) < minToken:
		return cli.Usage(fmt.Errorf("the webhook secret has %d characters; use at least %d, for example: openssl rand -hex 32", len(f.webhookSecret), minToken))
	}
	for _, file := range []string{f.sshKey, f.knownHosts} {
		if _, err := os.Stat(file); file != "" && err != nil {
			return fmt.Errorf("the file for ssh cannot be used: %w", err)
		}
	}
	return disjoint(groups)
}

// disjoint refuses groups of which one lies in another: each project has one
// place.
func disjoint(groups []string) error {
	for i, a := range groups {
		for j, b := range groups {
			if i != j && strings.HasPrefix(strings.ToLower(b)+"/", strings.ToLower(a)+"/") {
				return cli.Usage(fmt.Errorf("--sources gitlab:%s is in gitlab:%s already", b, a))
			}
		}
	}
	return nil
}

// connect returns the configuration of the forge for the groups with these
// paths, as far as it follows from the flags.
func (f *gitlabFlags) connect(paths []string) (forge.Config, error) {
	if len(paths) == 0 {
		return forge.Config{}, nil
	}
	client, err := gitlab.New(gitlab.Config{URL: f.url, Token: f.token})
	if err != nil {
		return forge.Config{}, cli.Usage(err)
	}
	c := forge.Config{
		Client: client, CIConfig: f.ciConfig, RunnerTags: f.runnerTags,
		Access: gitmirror.Access{
			Server: client.URL(), Token: f.token,
			SSHKey: f.sshKey, KnownHosts: f.knownHosts, Agent: os.Getenv("SSH_AUTH_SOCK"),
		},
	}
	if f.dispatch == "gitlab" {
		c.MaxPipelines = f.maxPipelines
	}
	for _, path := range paths {
		group := client.Group(path)
		if f.clone == "ssh" {
			group = group.OverSSH()
		}
		c.Groups = append(c.Groups, group)
	}
	return c, nil
}
