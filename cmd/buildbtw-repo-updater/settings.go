package main

import (
	"errors"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"buildbtw"
	"buildbtw/cmd/internal/cli"
	"buildbtw/git/gitlab"
	"buildbtw/git/gitmirror"
)

// settings are the flags of update.
type settings struct {
	url, token, group  string
	sshKey, knownHosts string
	ssh, all           bool
	jobs               int
	timeout            time.Duration
}

func (s *settings) flags(f *pflag.FlagSet) {
	f.StringVar(&s.url, "gitlab-url", "https://gitlab.archlinux.org", "address of GitLab")
	f.StringVar(&s.token, "gitlab-token", "", "access token that may read the group; for the environment, not the command line. Public groups need none")
	f.StringVar(&s.group, "group", "archlinux/packaging/packages", "the group whose projects, and those of its subgroups, are cloned")
	f.BoolVar(&s.ssh, "ssh", false, "fetch over SSH instead of HTTPS")
	f.StringVar(&s.sshKey, "ssh-key", "", "private key for SSH (default: what the agent offers)")
	f.StringVar(&s.knownHosts, "known-hosts", "", "file with the SSH keys of servers (default: ssh's own)")
	f.BoolVar(&s.all, "all", false, "fetch every project, not only those that GitLab shows as changed")
	cli.Number(f, &s.jobs, "jobs", 8, 1, 1024, "fetches at the same time")
	cli.Time(f, &s.timeout, "fetch-timeout", 10*time.Minute, time.Millisecond, cli.Long, "how long one fetch may take")
}

func (s *settings) check() error {
	switch {
	case s.jobs < 1 || s.jobs > 100:
		return cli.Usage(errors.New("--jobs must be from 1 to 100"))
	case strings.Trim(s.group, "/") == "":
		return cli.Usage(errors.New("--group is empty"))
	}
	return nil
}

func (s *settings) access() gitmirror.Access {
	return gitmirror.Access{
		Server: s.url, Token: s.token, SSHKey: s.sshKey, KnownHosts: s.knownHosts,
		Agent: os.Getenv("SSH_AUTH_SOCK"), Timeout: s.timeout,
	}
}

// groupOf returns the group, with addresses for git as it is to reach them.
func (s *settings) groupOf(c *gitlab.Client) *gitlab.Group {
	if s.ssh {
		return c.Group(s.group).OverSSH()
	}
	return c.Group(s.group)
}

// place returns where a project's clone lies: below its group's directory as it lies
// below the group.
func (s *settings) place(directory string, p buildbtw.Project) (string, bool) {
	group := strings.Trim(s.group, "/") + "/"
	if len(p.Path) <= len(group) || !strings.EqualFold(p.Path[:len(group)], group) {
		return "", false
	}
	rel := p.Path[len(group):]
	if path.Clean(rel) != rel || !filepath.IsLocal(rel) {
		return "", false
	}
	return filepath.Join(directory, filepath.FromSlash(rel)), true
}
