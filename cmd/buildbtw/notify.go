package main

import (
	"context"
	"errors"
	"fmt"
	"net/mail"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"buildbtw/cmd/internal/cli"
	"buildbtw/notify"
)

// notifyFlags say who is told about the turns of buildspaces, and how.
type notifyFlags struct {
	list         []string
	patience     time.Duration
	allow        []string
	smtpServer   string
	smtpTLS      notify.MailTLS
	smtpUser     string
	smtpPassword string
	mailFrom     string
	matrixURL    string
	matrixToken  string
}

func (f *notifyFlags) register(flags *pflag.FlagSet) {
	flags.StringArrayVar(&f.list, "notify", nil, "channel that is told about the turns of all buildspaces: NAME=webhook,url=URL,secret-file=FILE, NAME=mail,to=ADDRESS, NAME=matrix,room=ID, or NAME=http,url=URL,body-file=FILE[,method=PUT][,headers-file=FILE]; url-file=FILE for an address that is a secret (repeatable)")
	cli.Time(flags, &f.patience, "notify-blocked-after", 4*time.Hour, time.Minute, cli.Long, "after which time people are told that an iteration cannot go on")
	flags.StringSliceVar(&f.allow, "notify-allow", nil, "network in which webhooks of people may lie, though it is private, such as 10.1.0.0/16 (repeatable)")
	flags.StringVar(&f.smtpServer, "smtp-server", "", "mail server through which messages are sent: HOST:PORT")
	cli.Word(flags, &f.smtpTLS, "smtp-tls", notify.MailSTARTTLS, "how the connection to it is encrypted: starttls, implicit, or none for a server on this machine", notify.MailSTARTTLS, notify.MailImplicit, notify.MailPlain)
	flags.StringVar(&f.smtpUser, "smtp-user", "", "user at the mail server")
	flags.StringVar(&f.smtpPassword, "smtp-password", "", "password there; better name a file with it in BUILDBTW_SMTP_PASSWORD_FILE")
	flags.StringVar(&f.mailFrom, "mail-from", "", "sender of mails, such as \"buildbtw <buildbtw@example.org>\"")
	flags.StringVar(&f.matrixURL, "matrix-url", "", "address of the Matrix server through which messages go to rooms, such as https://matrix.example.org")
	flags.StringVar(&f.matrixToken, "matrix-token", "", "access token of an account there that is a member of the rooms; better name a file with it in BUILDBTW_MATRIX_TOKEN_FILE")
}

// settings returns the flags as the notifier takes them.
func (f *notifyFlags) settings(publicURL string) (notify.Settings, error) {
	s := notify.Settings{Channels: f.list, ReadFile: os.ReadFile, Now: time.Now}
	for _, text := range f.allow {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return s, cli.Usage(fmt.Errorf("cannot read --notify-allow %.80q; write a network such as 10.1.0.0/16", text))
		}
		s.Guard.Allow = append(s.Guard.Allow, network)
	}
	switch {
	case f.smtpServer != "":
		from, err := mail.ParseAddress(f.mailFrom)
		if err != nil {
			return s, cli.Usage(errors.New("--smtp-server needs --mail-from with the address of the sender, such as \"buildbtw <buildbtw@example.org>\""))
		}
		site := "localhost"
		if u, err := url.Parse(publicURL); err == nil && u.Hostname() != "" && !strings.Contains(u.Hostname(), ":") {
			site = u.Hostname()
		}
		s.Mail = &notify.Mail{Server: f.smtpServer, TLS: f.smtpTLS, User: f.smtpUser, Password: f.smtpPassword, From: *from, Site: site}
	case f.mailFrom != "" || f.smtpUser != "" || f.smtpPassword != "":
		return s, cli.Usage(errors.New("--mail-from, --smtp-user and --smtp-password are of a mail server; name it with --smtp-server"))
	}
	if f.matrixURL != "" || f.matrixToken != "" {
		s.Matrix = &notify.Matrix{URL: f.matrixURL, Token: f.matrixToken}
	}
	return s, nil
}

// channels returns the channels of --notify.
func (f *notifyFlags) channels(publicURL string) ([]notify.ServerChannel, error) {
	s, err := f.settings(publicURL)
	if err != nil {
		return nil, err
	}
	list, err := s.ServerChannels()
	if err != nil {
		return nil, cli.Usage(fmt.Errorf("--notify: %w", err))
	}
	return list, nil
}

// openNotifier makes what tells people about turns. How a buildspace stands is told in the
// words of the pages, which are made later.
func (s *server) openNotifier() (*notify.Notifier, error) {
	settings, err := s.flags.notify.settings(s.flags.publicURL)
	if err != nil {
		return nil, err
	}
	return notify.New(notify.Config{
		Store: s.store, Settings: settings, Log: s.log, Now: time.Now, Patience: s.flags.notify.patience,
		Observer: s.metrics,
		HomeURL:  strings.TrimRight(s.flags.publicURL, "/"),
		Describe: func(ctx context.Context, name string) (notify.Standing, error) { return s.app.Standing(ctx, name) },
	})
}
