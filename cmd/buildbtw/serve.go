package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"golang.org/x/term"

	"buildbtw/auth"
	"buildbtw/cmd/internal/cli"
	"buildbtw/cmd/internal/local"
)

func serveCommand() *cobra.Command {
	var f serveFlags
	var check bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Long: `Runs the server until it is told to stop (SIGTERM or SIGINT).

Without --oidc-issuer and --auth-header the server is in single-user mode: only the
user who runs it may change something, from the command line with bbtw, which finds
the server and a token in this user's state directory, and in a browser after 'bbtw
open'. It listens on loopback addresses and Unix sockets only. With --oidc-issuer
people sign in with an OpenID Connect provider, whose groups give them roles; with
--auth-header a reverse proxy says who they are. Then it may listen anywhere.
Whoever can reach it may look, unless --anonymous-read=false.`,
		Example: `  buildbtw serve --sources dir:./packages --workers 2
  buildbtw serve --sources dir:/srv/packages --data-dir /var/lib/buildbtw --listen 127.0.0.1:9000
  buildbtw serve --sources dir:/srv/packages --worker-token-file /etc/buildbtw/worker-token
  BUILDBTW_OIDC_CLIENT_SECRET_FILE=/etc/buildbtw/oidc-secret BUILDBTW_SESSION_KEY_FILE=/etc/buildbtw/session-key \
    buildbtw serve --sources dir:/srv/packages --public-url https://build.example.org --oidc-issuer https://sso.example.org/realms/staff \
    --oidc-client-id buildbtw --oidc-packager-groups packagers --oidc-admin-groups build-admins
  BUILDBTW_GITLAB_TOKEN_FILE=/etc/buildbtw/gitlab-token \
    buildbtw serve --sources gitlab:archlinux/packaging/packages --gitlab-url https://gitlab.archlinux.org`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if check {
				return f.check(cmd.OutOrStdout())
			}
			return serve(cmd.Context(), f, cli.FromEnvironment(cmd.Flag("server-url")))
		},
	}
	cmd.Flags().BoolVar(&check, "check-config", false, "only check the settings, and exit")
	f.register(cmd.Flags())
	completeFlags(cmd)
	return cmd
}

// serve runs everything and stops it in order: first its own workers, which hand
// their builds back, then the listener, so that nobody gets half an answer, then
// the store.
//
// oldVariable tells that the server's URL has come from the variable of its old name.
func serve(ctx context.Context, f serveFlags, oldVariable bool) error {
	if err := f.validate(); err != nil {
		return err
	}
	log, err := f.log.New(os.Stderr)
	if err != nil {
		return err
	}
	f.takeOldName(log, oldVariable)
	notify := newNotifier(os.Getenv, log)
	defer notify.close()
	notifying, ended := context.WithCancel(ctx)
	defer ended()
	go notify.run(notifying)
	ln, err := listen(ctx, f.listen, f.peopleSignIn())
	if err != nil {
		return err
	}
	defer func() { _ = ln.Close() }() // a second close after Shutdown is harmless
	doors := listeners{people: ln}
	if doors.tls, err = tlsConfig(f.tlsCert, f.tlsKey, log); err != nil {
		return err
	}
	f.publicURL = cmp.Or(f.publicURL, defaultURL(ln.Addr(), doors.tls != nil))
	if err := f.oidc.checkURL(f.publicURL); err != nil {
		return err
	}
	if f.listenWorkers != "" {
		if doors.machines, err = listenOn(ctx, "--listen-workers", f.listenWorkers, true); err != nil {
			return err
		}
		defer func() { _ = doors.machines.Close() }() // likewise
		f.workersURL = cmp.Or(f.workersURL, defaultURL(doors.machines.Addr(), doors.tls != nil))
	}
	if doors.debug, err = listenDebug(ctx, f.debugListen); err != nil {
		return err
	}
	if doors.debug != nil {
		defer func() { _ = doors.debug.Close() }() // likewise
	}
	srv, err := newServer(ctx, f, ln.Addr(), log)
	if err != nil {
		return err
	}
	srv.notify = notify
	defer srv.close()
	return srv.run(ctx, doors)
}

// takeOldName takes the server's URL by the name that it had before, when it is not
// given by the one of today. The old name is that of the server which bbtw and workers
// call: somebody who has set it for them may not know that the server reads it, too.
func (f *serveFlags) takeOldName(log logger, fromEnvironment bool) {
	if f.publicURL != "" || f.serverURL == "" {
		return
	}
	f.publicURL = f.serverURL
	before, now := "--server-url", "--public-url"
	if fromEnvironment {
		before, now = cli.EnvName("server-url"), cli.EnvName("public-url")
	}
	log.Warn("the URL under which this server says that it is reached comes from "+before+"; call it "+now+": the old name is that of the server which bbtw and workers call", "url", f.publicURL)
}

// publishLocally leaves the server's URL and tokens for the programs of this user.
func publishLocally(addr net.Addr, url string) (local.Server, error) {
	dir, dirErr := local.Dir()
	if dirErr != nil {
		own, _ := local.Publish(os.DevNull, addr, url) // the tokens are made all the same
		return own, dirErr
	}
	return local.Publish(dir, addr, url)
}

// mode describes who may change something.
func (s *server) mode() string {
	if o := s.auth.OIDC; o != nil {
		return "people sign in with " + o.Name + " (" + o.Issuer + "); " + s.auth.Operator + " is an administrator"
	}
	if s.flags.peopleSignIn() {
		return "people sign in; " + s.auth.Operator + " is an administrator"
	}
	return "single-user: only " + s.auth.Operator + " may change something; 'bbtw open' signs a browser in"
}

// run serves until ctx ends or a part fails.
func (s *server) run(ctx context.Context, doors listeners) error {
	if err := s.scheduler.Prepare(ctx); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		s.scheduler.Run(ctx)
		return nil
	})
	group.Go(func() error { return s.watch(ctx) })
	group.Go(func() error { return s.app.Serve(doors.people, doors.tls) })
	if doors.machines != nil {
		group.Go(func() error { return s.app.ServeMachines(doors.machines, doors.tls) })
	}
	if doors.debug != nil {
		s.log.Info("profiles are served", "url", "http://"+doors.debug.Addr().String()+"/debug/pprof/")
		group.Go(func() error { return serveDebug(ctx, doors.debug) })
	}
	s.notify.app.Store(&checks{s.app.Ready, s.app.Answers})
	workersEnded := make(chan struct{})
	group.Go(func() error {
		defer close(workersEnded)
		return s.workers.run(ctx)
	})
	group.Go(func() error {
		<-ctx.Done()
		s.notify.stopping()
		s.app.EndStreams()
		<-workersEnded
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
		defer cancel()
		return s.app.Shutdown(stop)
	})
	// Nobody at a provider gets the name of the user who runs the server.
	if _, err := s.auth.Who(ctx, auth.Credentials{Bearer: s.own.Token}); err != nil {
		return err
	}
	s.log.Info("serving", "url", s.flags.publicURL, "data", s.flags.dataDir, "mode", s.mode())
	s.offerLink(ctx)
	err := group.Wait()
	s.log.Info("stopped")
	return err
}

// listeners are those of the server.
type listeners struct {
	people   net.Listener
	machines net.Listener // nil: they use that of people
	debug    net.Listener // for profiles; nil: none
	tls      *tls.Config  // of both; nil: they speak HTTP
}

// offerLink prints a link that signs a browser in, for somebody who sits at the
// terminal. A journal never gets one.
func (s *server) offerLink(ctx context.Context) {
	if !term.IsTerminal(int(os.Stderr.Fd())) {
		return
	}
	code, err := s.auth.OperatorCode(ctx)
	if err != nil {
		s.log.Warn("no link to sign in could be made", "error", err)
		return
	}
	fmt.Fprintf(os.Stderr, "\nOpen this link within two minutes to sign in, or run 'bbtw open' later:\n  %s/sign-in#code=%s\n\n", s.flags.publicURL, code)
}

// shutdownTime bounds the wait for requests that are being answered.
const shutdownTime = 10 * time.Second

// logger is the logger of the server's parts.
type logger = *slog.Logger
