package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"buildbtw/cmd/internal/cli"
)

// versionPatience is how long the server's version is waited for.
const versionPatience = 5 * time.Second

// versions are those of both sides.
type versions struct {
	Client    string `json:"client"`
	Server    string `json:"server,omitempty"`
	ServerURL string `json:"server_url,omitempty"`
	Error     string `json:"error,omitempty"` // why the server's is not known
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the versions of this program and of the server",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := versions{Client: cli.Version()}
			ctx, cancel := context.WithTimeout(cmd.Context(), versionPatience)
			defer cancel()
			c, err := a.client(ctx)
			if err == nil {
				v.ServerURL = a.chosen.url
				health, failure := c.Health(ctx)
				v.Server, err = health.Version, failure
			}
			if err != nil { // this program's version is wanted all the same
				v.Error = err.Error()
			}
			if a.json {
				return a.printJSON(v)
			}
			server := v.Server
			if v.Error != "" {
				server = "not known: " + v.Error
			}
			_, err = fmt.Fprintf(a.out, "bbtw    %s\nserver  %s (%s)\n", v.Client, server, v.ServerURL)
			return err
		},
	}
}
