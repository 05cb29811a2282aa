package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"buildbtw/cmd/internal/cli"
	"buildbtw/internal/atomicfile"
	"buildbtw/signing"
	"buildbtw/signing/remote"
)

// requestTime bounds how long the list of a release may take to arrive, and its
// signatures to be read.
const requestTime = time.Minute

func serveCommand() *cobra.Command {
	var s settings
	var socket string
	var log cli.LogFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Sign lists that arrive at a Unix socket",
		Long: `serve listens at a Unix socket. Who may connect is decided by the directory of the
socket and by its group: it is made with mode 0660.`,
		Example: `  buildbtw-signer serve --listen /run/buildbtw-signer/socket --target stable --max-per-hour 500 --log /var/lib/buildbtw-signer/log
  buildbtw-signer serve --listen /run/buildbtw-signer/socket --target testing --buildspace 'kde-*' --log /var/lib/buildbtw-signer/log`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if socket == "" {
				return cli.Usage(errors.New("--listen is missing: the path of the socket"))
			}
			logger, err := log.New(cmd.ErrOrStderr())
			if err != nil {
				return cli.Usage(err)
			}
			signer, err := s.signer(cmd.Context())
			if err != nil {
				return err
			}
			listener, err := listen(cmd.Context(), socket)
			if err != nil {
				return err
			}
			logger.Info("ready", "socket", socket, "key", signer.key, "targets", s.policy.Targets, "max-per-hour", s.policy.PerHour)
			return accept(cmd.Context(), listener, signer, logger)
		},
	}
	s.flags(cmd.Flags())
	cmd.Flags().StringVar(&socket, "listen", "", "path of the socket")
	log.Register(cmd.Flags())
	return cmd
}

// listen makes the socket. It takes the place of one that a process left behind, but not
// of one that answers. It gets its permissions before it gets its name.
func listen(ctx context.Context, path string) (net.Listener, error) {
	if conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "unix", path); err == nil {
		_ = conn.Close()
		return nil, fmt.Errorf("another process answers at %s", path)
	}
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() != os.ModeSocket {
		return nil, fmt.Errorf("%s is there and no socket; choose another --listen", path)
	}
	temp := filepath.Join(filepath.Dir(path), atomicfile.TempPrefix+filepath.Base(path))
	if err := os.Remove(temp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "unix", temp)
	if err != nil {
		return nil, fmt.Errorf("listen at %s: %w", path, err)
	}
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false)
	}
	if err := errors.Join(os.Chmod(temp, 0o660), os.Rename(temp, path)); err != nil { //nolint:gosec // the group of the server connects
		return nil, errors.Join(err, l.Close(), os.Remove(temp))
	}
	return l, nil
}

// accept answers connections one after the other until ctx ends: gpg-agent signs one file
// at a time, too.
func accept(ctx context.Context, l net.Listener, s signing.Signer, logger *slog.Logger) error {
	stop := context.AfterFunc(ctx, func() { _ = l.Close() }) // Accept returns
	defer stop()
	for {
		conn, err := l.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("wait for connections: %w", err)
		}
		if err := answer(ctx, conn, s); err != nil {
			logger.Warn("not signed", "reason", err)
		}
	}
}

func answer(ctx context.Context, conn net.Conn, s signing.Signer) error {
	defer func() { _ = conn.Close() }() // the other side sees whether the answer is whole
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if err := conn.SetReadDeadline(time.Now().Add(requestTime)); err != nil {
		return err
	}
	return remote.Serve(ctx, conn, deadlineWriter{conn}, s)
}

// deadlineWriter gives up on a reader that takes too long.
type deadlineWriter struct{ conn net.Conn }

// Write implements io.Writer.
func (w deadlineWriter) Write(p []byte) (int, error) {
	if err := w.conn.SetWriteDeadline(time.Now().Add(requestTime)); err != nil {
		return 0, err
	}
	return w.conn.Write(p)
}
