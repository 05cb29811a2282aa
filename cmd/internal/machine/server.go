// Package machine is what the programs of a build machine have in common:
// flags, the client of the server, the runners, and doctor's checks.
package machine

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"buildbtw/api"
	"buildbtw/cmd/internal/cli"
	"buildbtw/cmd/internal/local"
)

// Server is where the server is and how it knows this machine.
type Server struct {
	URL       string
	Token     string // the token itself; the environment has it, or TokenFile
	TokenFile string
}

// Flags adds the flags of these settings.
func (s *Server) Flags(f *pflag.FlagSet) {
	f.StringVar(&s.URL, "server-url", "", "address of the server (default: the one that this user started last, else "+local.DefaultURL+")")
	f.StringVar(&s.Token, "worker-token", "", "token that the server knows this machine by; for the environment, not the command line")
	f.StringVar(&s.TokenFile, "worker-token-file", "", "file with that token; a server that this user runs needs none")
}

// Client makes a client that names the program to the server.
func (s *Server) Client(program string, log *slog.Logger, backoff api.Backoff) (*api.Client, error) {
	token, err := s.ReadToken(log)
	if err != nil {
		return nil, err
	}
	options := api.Options{UserAgent: program + "/" + cli.Version(), Backoff: backoff}
	if err := s.find(&options, token == ""); err != nil {
		return nil, err
	}
	client, err := api.New(s.URL, token, options)
	if err != nil {
		return nil, cli.Usage(err)
	}
	return client, nil
}

// find takes the server's URL, and the token when none was given, from what a
// server of this user has left.
func (s *Server) find(options *api.Options, needsToken bool) error {
	dir, err := local.Dir()
	if err != nil {
		s.URL = cmp.Or(s.URL, local.DefaultURL)
		return nil //nolint:nilerr // a user without a home runs no server
	}
	found, ok, err := local.Find(dir, s.URL)
	if err != nil {
		return err
	}
	if ok {
		s.URL = cmp.Or(s.URL, found.URL)
		if needsToken {
			options.Token = found.ReadWorkerToken
		}
	}
	s.URL = cmp.Or(s.URL, local.DefaultURL)
	return nil
}

// ReadToken returns the token, and warns when everybody on the machine can read
// its file.
func (s *Server) ReadToken(log *slog.Logger) (string, error) {
	if s.TokenFile == "" {
		return s.Token, nil
	}
	info, err := os.Stat(s.TokenFile)
	if err != nil {
		return "", fmt.Errorf("read the token: %w", err)
	}
	if info.Mode().Perm()&0o004 != 0 {
		log.Warn("everybody on this machine can read the token; make it private", "command", "chmod 600 "+s.TokenFile)
	}
	text, err := os.ReadFile(s.TokenFile)
	if err != nil {
		return "", fmt.Errorf("read the token: %w", err)
	}
	token := strings.TrimSpace(string(text))
	if token == "" {
		return "", fmt.Errorf("the token file %s is empty", s.TokenFile)
	}
	return token, nil
}

// Check asks the server who this machine is, which needs a valid token.
func (s *Server) Check(ctx context.Context, program string, log *slog.Logger) error {
	client, err := s.Client(program, log, api.Backoff{Tries: 1})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	_, err = client.Me(ctx)
	return err
}
