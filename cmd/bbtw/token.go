package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/cmd/internal/cli"
)

func (a *app) tokenCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "List, create and revoke tokens",
		Example: `  bbtw auth token list
  bbtw auth token create cron --role reader --expires 30d
  bbtw auth token revoke 7`,
	}
	cmd.AddCommand(a.tokenListCommand(), a.tokenCreateCommand(), a.tokenRevokeCommand())
	return cmd
}

func (a *app) tokenListCommand() *cobra.Command {
	var all bool
	l := listing[api.Token]{name: func(t api.Token) string { return t.ID }, columns: []column[api.Token]{
		{name: "ID", text: func(t api.Token) string { return t.ID }},
		{name: "NAME", text: func(t api.Token) string { return t.Name }},
		{name: "KIND", text: func(t api.Token) string { return string(t.Kind) }},
		{name: "OWNER", text: func(t api.Token) string { return t.Owner }},
		{name: "ROLE", text: func(t api.Token) string { return string(t.Role) }},
		{name: "FOR", text: func(t api.Token) string { return strings.Join(append(slices.Clone(t.Architectures), t.Labels...), " ") }},
		{name: "ENDS", text: func(t api.Token) string { return tokenEnd(t, time.Now()) }},
		{name: "LAST USED", text: func(t api.Token) string { return lastUsed(t, time.Now()) }, by: func(a, b api.Token) int { return timeOf(a.LastUsedAt).Compare(timeOf(b.LastUsedAt)) }},
	}}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List your tokens; administrators with --all everybody's",
		Example: `  bbtw auth token list
  bbtw auth token list --all --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			tokens, err := c.Tokens(cmd.Context(), all)
			if err != nil {
				return err
			}
			return l.print(a, tokens)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "those of everybody, bots and workers too")
	l.register(cmd.Flags())
	return cmd
}

// tokenEnd tells until when a token is good, or why it is not.
func tokenEnd(t api.Token, now time.Time) string {
	switch {
	case t.RevokedAt != nil:
		return "revoked"
	case t.ExpiresAt == nil:
		return "never"
	case !now.Before(*t.ExpiresAt):
		return "expired"
	}
	return until(t.ExpiresAt)
}

func lastUsed(t api.Token, now time.Time) string {
	if t.LastUsedAt == nil {
		return "never"
	}
	return age(*t.LastUsedAt, now) + " ago from " + cmp.Or(t.LastUsedFrom, "unknown")
}

func (a *app) tokenCreateCommand() *cobra.Command {
	var bot, worker bool
	var role buildbtw.Role
	var expires string
	var architectures, labels []string
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Create a token, and print its secret once",
		Long: `create makes a token of yours, for a script that acts for you, or, for administrators,
of a bot or a build machine of this name. Its secret is printed to standard output, this
once; everything else goes to standard error.

A token of yours can do at most what you can. A worker's token lets one machine claim builds,
under this name, and for these architectures and labels alone if some are given.`,
		Example: `  bbtw auth token create cron --role reader --expires 30d
  bbtw auth token create ci --bot
  (umask 077; bbtw auth token create build-3 --worker --arch x86_64 --label big-memory >token)`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			n := api.NewToken{Kind: buildbtw.KindPerson, Name: args[0], Role: role, Architectures: architectures, Labels: labels}
			switch {
			case bot:
				n.Kind = buildbtw.KindBot
			case worker:
				n.Kind = buildbtw.KindWorker
			}
			if bot && worker {
				return cli.Usage(errors.New("a token is of a bot or of a worker; give one of --bot and --worker"))
			}
			if worker && role != "" {
				return cli.Usage(errors.New("a worker's token has no --role"))
			}
			if !worker && len(architectures)+len(labels) > 0 {
				return cli.Usage(errors.New("--arch and --label are for the token of a worker; give --worker too"))
			}
			life, err := readLife(expires)
			if err != nil {
				return cli.Usage(err)
			}
			n.ExpiresIn = int64(life.Seconds())
			s, err := a.server(cmd.Context())
			if err != nil {
				return err
			}
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			made, err := c.CreateToken(cmd.Context(), n)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(made)
			}
			fmt.Fprintf(a.errors, "Token %s of %s %s, number %s, ends: %s. This is its secret; it is not shown again:\n",
				made.Name, made.Kind, cmp.Or(made.Owner, made.Name), made.ID, tokenEnd(made.Token, time.Now()))
			if _, err := fmt.Fprintln(a.out, made.Secret); err != nil {
				return err
			}
			switch {
			case worker:
				fmt.Fprintf(a.errors, "On that machine, with the secret in a file of mode 0600:\n  buildbtw-worker run --server-url %s --name %s --worker-token-file FILE\n", s.url, made.Name)
			case bot:
				fmt.Fprintln(a.errors, "Programs present it as BUILDBTW_TOKEN_FILE, or as the header \"Authorization: Bearer …\".")
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.BoolVar(&bot, "bot", false, "of a bot, a user of its own")
	f.BoolVar(&worker, "worker", false, "of a build machine")
	cli.Word(f, &role, "role", "", "reader, packager or admin (default: yours, or packager for a bot)", buildbtw.RoleReader, buildbtw.RolePackager, buildbtw.RoleAdmin)
	f.StringVar(&expires, "expires", "", "when it ends, such as 12h or 90d, at most a year (default: 90d, and never for a worker's)")
	f.StringSliceVar(&architectures, "arch", nil, "architectures that the worker may build for (default: all)")
	f.StringSliceVar(&labels, "label", nil, "labels that the worker may claim with (default: all)")
	return cmd
}

// readLife reads a duration that may be in days; 0 for the default.
func readLife(s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	var life time.Duration
	var err error
	if days, ok := strings.CutSuffix(s, "d"); ok {
		var n int
		if n, err = strconv.Atoi(days); n > 36600 { // more does not fit into a Duration
			n = 36600
		}
		life = time.Duration(n) * 24 * time.Hour
	} else {
		life, err = time.ParseDuration(s)
	}
	if err != nil || life < time.Second {
		return 0, fmt.Errorf("--expires %q is no time; write for example 12h or 90d", s)
	}
	return life, nil
}

func (a *app) tokenRevokeCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "revoke ID",
		Short:   "End a token at once; administrators any",
		Long:    "revoke ends a token at once. The ID is the number in 'bbtw auth token list'.",
		Example: "  bbtw auth token revoke 7",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			if !isNumber(args[0]) {
				return cli.Usage(fmt.Errorf("%q is no number of a token; 'bbtw auth token list' shows them", args[0]))
			}
			if err := c.RevokeToken(cmd.Context(), args[0]); err != nil {
				return err
			}
			return a.tell(map[string]string{"id": args[0], "status": "revoked"}, "Token %s is revoked.\n", args[0])
		},
	}
}
