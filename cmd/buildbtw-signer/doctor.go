package main

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"buildbtw/cmd/internal/cli"
	"buildbtw/signing"
)

func doctorCommand() *cobra.Command {
	var s settings
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say whether releases can be signed here, a line per check",
		Long: `doctor finds the key, reads the log, and signs a file without content, which is of no
use to anybody, to see whether gpg-agent asks for a passphrase. It ends with 1 when
something is wrong.`,
		Example: `  buildbtw-signer doctor --target stable --log /var/lib/buildbtw-signer/log
  sudo -u signer buildbtw-signer doctor --target stable --log /var/lib/buildbtw-signer/log --gnupghome /var/lib/buildbtw-signer/gnupg`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.check(cmd.Context(), cmd.OutOrStdout())
		},
	}
	s.flags(cmd.Flags())
	return cmd
}

// check prints a line per check, and ends at the first that fails.
func (s *settings) check(ctx context.Context, out io.Writer) error {
	signer, err := s.signer(ctx)
	if err != nil {
		return err
	}
	steps := []struct {
		what string
		do   func() error
	}{
		{"key " + signer.key, func() error { return nil }},
		{"log " + signer.log.path, signer.log.check},
		{"gpg-agent signs", func() error {
			_, err := signer.agent.Sign(ctx, nothing())
			return err
		}},
	}
	for _, step := range steps {
		if err := step.do(); err != nil {
			fmt.Fprintf(out, "FAIL  %s: %v\n", step.what, err)
			return cli.ErrSilent
		}
		fmt.Fprintf(out, "ok    %s\n", step.what)
	}
	return nil
}

// check returns an error unless the log can be read and lines can be appended.
func (l log) check() error {
	if _, err := l.read(&past{}); err != nil {
		return err
	}
	f, err := os.OpenFile(l.path, os.O_APPEND|os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	probe := filepath.Join(filepath.Dir(l.path), "."+filepath.Base(l.path)+".doctor") // as the lock, beside it
	if err := os.WriteFile(probe, nil, 0o600); err != nil {
		return err
	}
	return os.Remove(probe)
}

// nothing returns a list with one file that is empty.
func nothing() signing.List {
	state, err := signing.State(sha512.New())
	if err != nil {
		return signing.List{}
	}
	sum := sha256.Sum256(nil)
	return signing.List{Files: []signing.File{{Name: "nothing", SHA256: hex.EncodeToString(sum[:]), State: state}}}
}
