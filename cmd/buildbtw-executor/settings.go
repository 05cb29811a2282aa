package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"buildbtw/api"
	"buildbtw/cmd/internal/cli"
	"buildbtw/cmd/internal/machine"
	"buildbtw/runners"
)

// program is how this one calls itself to the server.
const program = "buildbtw-executor"

// settings are the flags of all stages, which get them from the environment of
// gitlab-runner.
type settings struct {
	server   machine.Server
	builders machine.Builders
	name     string
	stateDir string
	log      cli.LogFlags
	grace    time.Duration
	patience time.Duration
	tail     int
}

func (s *settings) flags(f *pflag.FlagSet) {
	s.server.Flags(f)
	s.builders.Flags(f, "vm")
	f.StringVar(&s.name, "name", "", "name of this machine for the server; each state directory needs its own (default: gitlab-, the host's name, and six characters that follow from the secret in the state directory)")
	f.StringVar(&s.stateDir, "state-dir", "/var/tmp/buildbtw-executor", "directory for jobs and their builds, for gitlab-runner's user alone")
	s.log.Register(f)
	cli.Time(f, &s.grace, "grace", 30*time.Second, 0, cli.Long, "how long before GitLab's time limit a build is ended, so that it can be reported")
	cli.Time(f, &s.patience, "patience", time.Minute, 0, cli.Long, "how long prepare waits for a server that does not answer; gitlab-runner calls it three times")
	cli.Number(f, &s.tail, "tail", 4096, 0, 1<<20, "bytes of the build's log that are repeated in GitLab's; the server has all of it")
}

// client makes a client that repeats calls so.
func (s *settings) client(backoff func(*slog.Logger) api.Backoff) (*api.Client, *slog.Logger, error) {
	log := slog.New(jobLog{})
	if s.log.Format == "json" || s.log.Level == "debug" {
		var err error
		if log, err = s.log.New(os.Stderr); err != nil {
			return nil, nil, err
		}
	}
	client, err := s.server.Client(program, log, backoff(log))
	return client, log, err
}

// workerName returns how this machine is called on the server. Hosts of one name, and
// gitlab-runners of one host with state directories of their own, do not share it.
func (s *settings) workerName(dir stateDir) (string, error) {
	if s.name != "" {
		return s.name, nil
	}
	suffix, err := runners.Suffix(string(dir))
	return "gitlab-" + machine.Hostname() + "-" + suffix, err
}

// briefly repeats calls for as long as a stage may take that does not build.
func briefly(patience time.Duration) func(*slog.Logger) api.Backoff {
	return func(*slog.Logger) api.Backoff { return api.Backoff{Tries: 2, Patience: patience} }
}

// openState makes sure that the state directory is there and nobody else's.
func (s *settings) openState() (stateDir, error) {
	path, err := filepath.Abs(s.stateDir)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Join(path, "jobs"), 0o700); err != nil {
		return "", fmt.Errorf("make the state directory: %w", err)
	}
	var info unix.Stat_t
	if err := unix.Lstat(path, &info); err != nil {
		return "", fmt.Errorf("look at the state directory: %w", err)
	}
	if info.Mode&unix.S_IFMT != unix.S_IFDIR || int(info.Uid) != os.Geteuid() || info.Mode&0o022 != 0 {
		return "", errors.New("the state directory " + path + " must be a directory of the user who runs gitlab-runner, that nobody else can write to; choose another --state-dir")
	}
	return stateDir(path), nil
}
