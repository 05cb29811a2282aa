package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"buildbtw/api"
	"buildbtw/cmd/internal/cli"
)

func doctorCommand() *cobra.Command {
	var s settings
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say whether this machine is ready to build, a line per check",
		Long: `doctor checks the token, the server, the work directory and every --runner with
the same settings as run, and says what to do where something is wrong. It ends
with 1 when something is.`,
		Example: `  buildbtw-worker doctor
  buildbtw-worker doctor --runner makepkg --runner pkgctl`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s.complete()
			return doctor(cmd.Context(), &s, cmd.OutOrStdout())
		},
	}
	s.flags(cmd.Flags())
	return cmd
}

func doctor(ctx context.Context, s *settings, out io.Writer) error {
	list, err := s.makeRunners()
	if err != nil {
		return err
	}
	failed := false
	report := func(what string, err error) {
		if err != nil {
			failed = true
			fmt.Fprintf(out, "FAIL  %s: %v\n", what, err)
			return
		}
		fmt.Fprintf(out, "ok    %s\n", what)
	}
	report("server "+s.serverURL, s.checkServer(ctx))
	report("work directory "+s.workDir, s.checkWorkDir())
	for _, r := range list {
		report("runner "+r.Name(), r.Probe(ctx))
	}
	if failed {
		return cli.ErrSilent
	}
	return nil
}

// checkServer asks the server who this worker is, which needs a valid token.
func (s *settings) checkServer(ctx context.Context) error {
	log, err := cli.NewLogger(os.Stderr, s.logFormat)
	if err != nil {
		return err
	}
	client, err := s.client(log, api.Backoff{Tries: 1})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	_, err = client.Me(ctx)
	return err
}

// roomWanted is what a worker should have for builds at least, in bytes.
const roomWanted = 4 << 30

// checkWorkDir makes the directory if need be, writes to it, and looks how much
// room there is.
func (s *settings) checkWorkDir() error {
	if err := os.MkdirAll(s.workDir, 0o700); err != nil {
		return err
	}
	probe := filepath.Join(s.workDir, ".doctor")
	if err := os.WriteFile(probe, []byte("ok"), 0o600); err != nil {
		return err
	}
	defer os.Remove(probe)
	var fs unix.Statfs_t
	if err := unix.Statfs(s.workDir, &fs); err != nil {
		return err
	}
	if free := fs.Bavail * uint64(fs.Bsize); free < roomWanted {
		return fmt.Errorf("only %d MiB are free; builds need some GiB", free>>20)
	}
	if fs.Flags&unix.ST_NOEXEC != 0 {
		return errors.New("it is mounted noexec; builds run programs there")
	}
	return nil
}
