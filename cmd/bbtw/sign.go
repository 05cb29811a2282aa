package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/cmd/internal/cli"
	"buildbtw/internal/atomicfile"
	"buildbtw/signing"
	"buildbtw/signing/agent"
)

// signFlags are what 'bbtw release sign' was told.
type signFlags struct {
	key, list, out string
	yes            bool
}

func (a *app) releaseSignCommand() *cobra.Command {
	var f signFlags
	cmd := &cobra.Command{
		Use:   "sign ID | sign --list FILE --out DIR",
		Short: "Sign the packages of a release with your key",
		Long: `Fetches the list of the files of a release that waits for signatures, has your
gpg-agent sign them, and sends the signatures. The packages themselves are not
needed. The server accepts signatures by the keys of the release's target; with the
last one it hands the release over. Of a target with databases=signed the server then
makes the databases, and their signatures follow: the command waits for that.

With --list the list is read from a file (- is standard input) and the signatures
are written into a directory as NAME.sig, without a server.`,
		Example: `  bbtw release sign 7
  bbtw release sign 7 --key 1CF8C1B542DC4CCACAB6AEF6666E2C7CC8AFF506 --yes
  bbtw release sign --list list.json --out signatures`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case f.list != "" && len(args) == 0 && f.out != "":
				return a.signFile(cmd.Context(), cmd.InOrStdin(), f)
			case f.list != "" || f.out != "":
				return cli.Usage(errors.New("--list and --out go together, without the id of a release"))
			case len(args) == 0:
				return cli.Usage(errors.New("the id of the release is missing; its page names it"))
			}
			return a.signRelease(cmd.Context(), args[0], f)
		},
	}
	cmd.Flags().StringVar(&f.key, "key", "", "fingerprint of the key (default: the only one that can sign)")
	cmd.Flags().StringVar(&f.list, "list", "", "sign the list in this file instead of one of a server's releases")
	cmd.Flags().StringVar(&f.out, "out", "", "directory for the signatures of --list")
	cmd.Flags().BoolVarP(&f.yes, "yes", "y", false, "do not ask")
	return cmd
}

func (a *app) signRelease(ctx context.Context, id string, f signFlags) error {
	c, err := a.client(ctx)
	if err != nil {
		return err
	}
	for range maxRounds {
		l, err := c.SigningList(ctx, id)
		if err != nil {
			return err
		}
		signatures, err := a.sign(ctx, l, f)
		if err != nil {
			return err
		}
		p, err := c.PutSignatures(ctx, id, signatures)
		if err != nil {
			return err
		}
		databases := l.Databases() > 0
		if !p.Databases && !databases {
			return a.tell(p, "release %s: %d of %d files are signed\n", id, p.Signed, p.Files)
		}
		if !a.json {
			fmt.Fprintf(a.out, "release %s: %d of %d files are signed\n", id, p.Signed, p.Files)
		}
		r, err := a.awaitSigned(ctx, c, id)
		if err != nil {
			return err
		}
		if r.State != "signing" {
			if databases {
				return a.tell(p, "release %s is %s\n", id, r.State)
			}
			return fmt.Errorf("release %s is %s: %s", id, r.State, plain(r.Message))
		}
		f.yes = true // who has said so of the release means its databases, too
	}
	return buildbtw.Unavailable("release %s needs signatures of other databases each time; run the command again", id)
}

// maxRounds bounds how often the signatures of one release are made anew, because something else
// was released meanwhile.
const maxRounds = 5

// awaitSigned waits until a release whose files are signed needs other signatures, or none.
func (a *app) awaitSigned(ctx context.Context, c *api.Client, id string) (api.StoredRelease, error) {
	ctx, cancel := context.WithTimeout(ctx, handOverTime)
	defer cancel()
	r, err := c.StoredRelease(ctx, id)
	if err == nil {
		r, err = awaitRelease(ctx, c, r)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return r, buildbtw.Unavailable("release %s is still %s; look at its page, and run the command again when it waits for signatures", id, r.State)
	}
	return r, err
}

// handOverTime bounds the wait for a hand-over, before which the base repositories are read.
const handOverTime = 10 * time.Minute

// signFile signs a list without a server.
func (a *app) signFile(ctx context.Context, in io.Reader, f signFlags) error {
	if f.list != "-" {
		file, err := os.Open(f.list)
		if err != nil {
			return err
		}
		defer file.Close()
		in = file
	}
	l, err := signing.ParseList(in)
	if err != nil {
		return err
	}
	signatures, err := a.sign(ctx, l, f)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(f.out, 0o755); err != nil {
		return err
	}
	for _, s := range signatures {
		path := filepath.Join(f.out, filepath.FromSlash(s.Name)+".sig") // of a database below its architecture
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := atomicfile.WriteBytes(path, 0o644, s.Packet); err != nil {
			return err
		}
	}
	return a.tell(signatures, "release %d: %d signatures are in %s\n", l.Release, len(signatures), f.out)
}

// sign shows what is to be signed, asks, and has gpg-agent sign it.
func (a *app) sign(ctx context.Context, l signing.List, f signFlags) ([]signing.Signature, error) {
	key, err := agent.Find(ctx, "", f.key, agentOptions())
	if err != nil {
		return nil, err
	}
	names := make(buildbtw.Names, len(l.Files))
	for i, file := range l.Files {
		names[i] = file.Name
	}
	what := fmt.Sprintf("release %d of %s to %s, %d files: %s", l.Release, l.Source(), l.Target, len(l.Files), names.Summary())
	if !a.json {
		fmt.Fprintln(a.out, plain(what))
	}
	if !f.yes {
		ok, err := a.confirm("Sign them with " + key.Key.String() + "?")
		if err != nil || !ok {
			return nil, cmp.Or(err, buildbtw.Unconfirmed("nothing was signed; --yes confirms it"))
		}
	}
	return key.Sign(ctx, l)
}

// agentOptions tell gpg-agent where to ask for a passphrase: what gpg tells it, too.
func agentOptions() []string {
	var options []string
	for option, value := range map[string]string{
		"ttyname": cmp.Or(os.Getenv("GPG_TTY"), terminalName()), "ttytype": os.Getenv("TERM"), "display": os.Getenv("DISPLAY"),
		"lc-ctype": cmp.Or(os.Getenv("LC_ALL"), os.Getenv("LC_CTYPE"), os.Getenv("LANG")),
	} {
		if value != "" {
			options = append(options, option+"="+value)
		}
	}
	slices.Sort(options)
	return options
}

// terminalName returns the device of the terminal that standard input is, or "".
func terminalName() string {
	if !isTerminal(os.Stdin) {
		return ""
	}
	name, err := os.Readlink("/proc/self/fd/0")
	if err != nil {
		return ""
	}
	return name
}
