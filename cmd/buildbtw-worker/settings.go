package main

import (
	"path/filepath"
	"time"

	"github.com/spf13/pflag"

	"buildbtw/cmd/internal/cli"
	"buildbtw/cmd/internal/machine"
)

// program is how this one calls itself to the server.
const program = "buildbtw-worker"

// settings are the flags that run and doctor share.
type settings struct {
	server            machine.Server
	builders          machine.Builders
	name, workDir     string
	log               cli.LogFlags
	labels            []string
	slots             int
	drain, keepFailed time.Duration
	exitWithParent    bool
}

func (s *settings) flags(f *pflag.FlagSet) {
	s.server.Flags(f)
	s.builders.Flags(f, "makepkg")
	f.StringVar(&s.name, "name", machine.Hostname(), "name of this worker; each needs its own")
	f.StringSliceVar(&s.labels, "labels", nil, "labels of this worker, for the server's limits")
	cli.Number(f, &s.slots, "jobs", 1, 1, 1024, "builds at the same time")
	f.StringVar(&s.workDir, "work-dir", "", "directory for builds, for this worker alone (default: buildbtw-worker-NAME in /var/tmp)")
	s.log.Register(f)
}

// complete sets the defaults that follow from other settings.
func (s *settings) complete() {
	if s.workDir == "" {
		s.workDir = filepath.Join("/var/tmp", "buildbtw-worker-"+filepath.Base(s.name))
	}
	s.builders.Complete(s.slots)
}
