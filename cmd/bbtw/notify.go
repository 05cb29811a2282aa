package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/cmd/internal/cli"
)

func (a *app) notifyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "notify",
		Short: "Choose where you are told about buildspaces",
		Long: `You are told, once each, when the first build of an iteration fails, when nothing of it
could go on for some hours, when it is all built, and when it is released: about the
buildspaces that you created, and those of 'bbtw follow'.`,
		Example: `  bbtw notify add webhook https://hooks.example.org/buildbtw
  bbtw notify add mail anna@example.org
  bbtw notify test 1
  bbtw notify deliveries`,
	}
	cmd.AddCommand(a.notifyListCommand(), a.notifyAddCommand(), a.notifyConfirmCommand(), a.notifyRemoveCommand(), a.notifyTestCommand(),
		a.notifyDeliveriesCommand(), a.notifyReplayCommand())
	return cmd
}

func (a *app) notifyListCommand() *cobra.Command {
	l := listing[api.Channel]{name: func(c api.Channel) string { return c.ID }, columns: []column[api.Channel]{
		{name: "ID", text: func(c api.Channel) string { return c.ID }},
		{name: "KIND", text: func(c api.Channel) string { return string(c.Kind) }},
		{name: "ADDRESS", text: func(c api.Channel) string { return c.Address }},
		{name: "FOR", text: func(c api.Channel) string {
			switch {
			case c.Server:
				return "all buildspaces"
			case !c.Confirmed:
				return "nothing: not confirmed"
			}
			return "what you follow"
		}},
	}}
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List your channels, and for administrators those of the server",
		Example: "  bbtw notify list",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			channels, err := c.Channels(cmd.Context())
			if err != nil {
				return err
			}
			return l.print(a, channels)
		},
	}
	l.register(cmd.Flags())
	return cmd
}

func (a *app) notifyAddCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "add webhook URL | mail ADDRESS",
		Short: "Add a channel",
		Long: `add webhook prints the secret with which requests to the URL are signed
(https://www.standardwebhooks.com) to standard output, this once. add mail sends a code to
the address; 'bbtw notify confirm' takes it.`,
		Example: `  bbtw notify add webhook https://hooks.example.org/buildbtw
  bbtw notify add mail anna@example.org`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			made, err := c.AddChannel(cmd.Context(), api.NewChannel{Kind: buildbtw.ChannelKind(args[0]), Address: args[1]})
			if err != nil {
				return err
			}
			switch {
			case a.json:
				return a.printJSON(made)
			case made.Secret == "":
				_, err = fmt.Fprintf(a.out, "A code was sent to %s. Confirm the address with: bbtw notify confirm %s CODE\n", made.Address, made.ID)
				return err
			}
			fmt.Fprintf(a.errors, "Channel %s is made. This is the secret of its signatures; it is not shown again:\n", made.ID)
			_, err = fmt.Fprintln(a.out, made.Secret)
			return err
		},
	}
}

// channelCommand is a command that does something to one channel.
func (a *app) channelCommand(use, short string, args int, do func(cmd *cobra.Command, c *api.Client, args []string) error) *cobra.Command {
	return &cobra.Command{
		Use:               use,
		Short:             short,
		Args:              cobra.ExactArgs(args),
		ValidArgsFunction: a.complete(channelNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			return do(cmd, c, args)
		},
	}
}

func (a *app) notifyConfirmCommand() *cobra.Command {
	cmd := a.channelCommand("confirm ID CODE", "Confirm an e-mail address with the code that was sent there", 2, func(cmd *cobra.Command, c *api.Client, args []string) error {
		if err := c.ConfirmChannel(cmd.Context(), args[0], args[1]); err != nil {
			return err
		}
		return a.tell(map[string]string{"id": args[0], "status": "confirmed"}, "Channel %s is confirmed.\n", args[0])
	})
	cmd.Example = "  bbtw notify confirm 2 k3j5x2ab"
	return cmd
}

func (a *app) notifyRemoveCommand() *cobra.Command {
	cmd := a.channelCommand("remove ID", "Remove a channel of yours", 1, func(cmd *cobra.Command, c *api.Client, args []string) error {
		if err := c.RemoveChannel(cmd.Context(), args[0]); err != nil {
			return err
		}
		return a.tell(map[string]string{"id": args[0], "status": "removed"}, "Channel %s is removed.\n", args[0])
	})
	cmd.Example = "  bbtw notify remove 1"
	return cmd
}

func (a *app) notifyTestCommand() *cobra.Command {
	cmd := a.channelCommand("test ID", "Send a test to a channel of yours; administrators to one of the server by its name", 1, func(cmd *cobra.Command, c *api.Client, args []string) error {
		d, err := c.TestChannel(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		if d.Status != buildbtw.DeliveryDelivered {
			return errors.New("the test did not arrive: " + d.Error)
		}
		return a.tell(d, "The test was delivered as %s.\n", d.MessageID)
	})
	cmd.Example = "  bbtw notify test 1\n  bbtw notify test ops"
	return cmd
}

func (a *app) notifyDeliveriesCommand() *cobra.Command {
	var server bool
	l := listing[api.Delivery]{name: func(d api.Delivery) string { return d.ID }, columns: []column[api.Delivery]{
		{name: "ID", text: func(d api.Delivery) string { return d.ID }},
		{name: "CHANNEL", text: func(d api.Delivery) string { return d.Channel }},
		{name: "MESSAGE", text: func(d api.Delivery) string { return d.Subject }},
		{name: "STATUS", text: func(d api.Delivery) string { return string(d.Status) }},
		{name: "TRIES", text: func(d api.Delivery) string { return fmt.Sprint(d.Tries) }},
		{name: "AGE", text: func(d api.Delivery) string { return age(d.CreatedAt, time.Now()) }},
		{name: "ERROR", text: func(d api.Delivery) string { return d.Error }},
	}}
	cmd := &cobra.Command{
		Use:     "deliveries",
		Short:   "List the newest messages, and whether they arrived",
		Example: "  bbtw notify deliveries\n  bbtw notify deliveries --server",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			list, err := c.Deliveries(cmd.Context(), server)
			if err != nil {
				return err
			}
			return l.print(a, list)
		},
	}
	cmd.Flags().BoolVar(&server, "server", false, "those to the channels of the server, for administrators")
	l.register(cmd.Flags())
	return cmd
}

func (a *app) notifyReplayCommand() *cobra.Command {
	cmd := a.channelCommand("replay ID", "Send a message again", 1, func(cmd *cobra.Command, c *api.Client, args []string) error {
		if !isNumber(args[0]) {
			return cli.Usage(fmt.Errorf("%q is no number of a delivery; 'bbtw notify deliveries' shows them", args[0]))
		}
		d, err := c.ReplayDelivery(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		return a.tell(d, "Delivery %s will be sent again.\n", d.ID)
	})
	cmd.ValidArgsFunction = nil // it names a message
	cmd.Long = "replay sends a message again that was delivered or given up, under the same id, by which receivers recognize one that they have. The ID is the number in 'bbtw notify deliveries'."
	cmd.Example = "  bbtw notify replay 17"
	return cmd
}

func (a *app) followCommand() *cobra.Command {
	return a.followingCommand("follow", buildbtw.FollowYes, "Be told about a buildspace on your channels ('bbtw notify')", "You are told about %s.\n")
}

func (a *app) muteCommand() *cobra.Command {
	return a.followingCommand("mute", buildbtw.FollowMute, "Be told nothing about a buildspace", "You are told nothing about %s.\n")
}

func (a *app) followingCommand(use string, choice buildbtw.FollowChoice, short, done string) *cobra.Command {
	return &cobra.Command{
		Use:     use + " NAME",
		Short:   short,
		Example: "  bbtw " + use + " curl-openssl-4",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client(cmd.Context())
			if err != nil {
				return err
			}
			f, err := c.Follow(cmd.Context(), args[0], choice)
			if err != nil {
				return err
			}
			return a.tell(f, done, args[0])
		},
		ValidArgsFunction: a.complete(buildspaceNames),
	}
}
