package main

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/spf13/pflag"

	"buildbtw/cmd/internal/cli"
	"buildbtw/signing"
	"buildbtw/signing/agent"
)

// settings are the flags of all commands that sign.
type settings struct {
	policy    signing.Policy
	home, key string
	log       string
}

func (s *settings) flags(f *pflag.FlagSet) {
	f.StringSliceVar(&s.policy.Targets, "target", nil, "a target for whose releases it signs; several are allowed")
	f.StringSliceVar(&s.policy.Databases, "databases", nil, "one of the targets whose databases it signs, too; several are allowed")
	f.StringSliceVar(&s.policy.Buildspaces, "buildspace", nil, "a buildspace, or a pattern such as kde-*, whose releases it signs (default: all)")
	cli.Number(f, &s.policy.PerHour, "max-per-hour", 5000, 1, 100_000, "files that it signs in an hour; more are refused")
	f.StringVar(&s.home, "gnupghome", "", "gpg's directory with the key (default: gpg's own, ~/.gnupg)")
	f.StringVar(&s.key, "key", "", "fingerprint of the key (default: the only one that can sign)")
	f.StringVar(&s.log, "log", "", "file to which everything that was signed or refused is appended, and from which it knows what it signed before")
}

// signer returns the signer of the settings. Its agent runs.
func (s *settings) signer(ctx context.Context) (*signer, error) {
	if s.log == "" {
		return nil, cli.Usage(errors.New("--log is missing: without it nobody could find out what was signed"))
	}
	if err := s.policy.Validate(); err != nil {
		return nil, cli.Usage(err)
	}
	path, err := filepath.Abs(s.log)
	if err != nil {
		return nil, err
	}
	a, err := agent.Find(ctx, s.home, s.key, nil)
	if err != nil {
		return nil, err
	}
	return &signer{policy: s.policy, log: log{path}, key: a.Key.String(), agent: a, now: time.Now}, nil
}
