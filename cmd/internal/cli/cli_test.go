package cli

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"buildbtw"
)

func TestFlagsComeFromTheEnvironment(t *testing.T) {
	t.Parallel()
	env := map[string]string{
		"BUILDBTW_SERVER_URL":    "http://from.env",
		"BUILDBTW_DATA_DIR":      "/from/env",
		"BUILDBTW_TOKEN_FILE":    "/run/token",
		"BUILDBTW_SESSION_KEY":   "from env",
		"BUILDBTW_LEASE":         "2m",
		"BUILDBTW_ARCHITECTURES": "x86_64,aarch64",
	}
	files := map[string]string{"/run/token": "s3cret\n"}
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	url := flags.String("server-url", "http://default", "")
	dir := flags.String("data-dir", "./data", "")
	token := flags.String("token", "", "")
	lease := flags.Duration("lease", 0, "")
	architectures := flags.StringSlice("architectures", nil, "")
	if err := flags.Parse([]string{"--data-dir=/from/flag"}); err != nil {
		t.Fatal(err)
	}
	lookup := func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	read := func(name string) ([]byte, error) {
		if text, ok := files[name]; ok {
			return []byte(text), nil
		}
		return nil, fs.ErrNotExist
	}
	if err := fromEnvironment(flags, lookup, read); err != nil {
		t.Fatal(err)
	}
	if *url != "http://from.env" || *dir != "/from/flag" || *token != "s3cret" || lease.String() != "2m0s" || strings.Join(*architectures, " ") != "x86_64 aarch64" {
		t.Errorf("server-url %q, data-dir %q, token %q, lease %v, architectures %v", *url, *dir, *token, lease, *architectures)
	}
}

func TestEnvironmentThatDoesNotParseIsWrongUsage(t *testing.T) {
	t.Parallel()
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	flags.Duration("lease", 0, "")
	err := fromEnvironment(flags, func(name string) (string, bool) { return "soon", name == "BUILDBTW_LEASE" }, nil)
	var usage usageError
	if !errors.As(err, &usage) || !strings.Contains(err.Error(), "BUILDBTW_LEASE") {
		t.Errorf("got %v", err)
	}
}

// A script whose token's file is empty must not act with the rights of somebody else.
func TestAnEmptyFileIsWrongUsage(t *testing.T) {
	t.Parallel()
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	flags.String("token", "", "")
	lookup := func(name string) (string, bool) { return "/run/token", name == "BUILDBTW_TOKEN_FILE" }
	err := fromEnvironment(flags, lookup, func(string) ([]byte, error) { return []byte("\n"), nil })
	var usage usageError
	if !errors.As(err, &usage) || !strings.Contains(err.Error(), "/run/token, which BUILDBTW_TOKEN_FILE names, is empty") {
		t.Errorf("got %v", err)
	}
}

// A group of commands shows its help, but is no success when it is asked for what it has not.
func TestAGroupRefusesWhatIsNoCommand(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		args []string
		code int
	}{{[]string{"auth"}, 0}, {[]string{"auth", "login"}, 0}, {[]string{"auth", "lgoin"}, 2}, {[]string{"auth", "login", "x"}, 2}} {
		root := &cobra.Command{Use: "bbtw"}
		auth := &cobra.Command{Use: "auth"}
		auth.AddCommand(&cobra.Command{Use: "login", Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error { return nil }})
		root.AddCommand(auth)
		root.SetArgs(test.args)
		root.SetOut(io.Discard)
		prepare(root)
		cmd, err := root.ExecuteC()
		if code := report(io.Discard, cmd, err); code != test.code {
			t.Errorf("%q: exit code %d, error %v", test.args, code, err)
		}
	}
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		err  error
		code int
		says string
	}{
		{"done", nil, 0, ""},
		{"failed", errors.New("disk on fire"), 1, "bbtw: disk on fire\n"},
		{"for people", buildbtw.NotFound("no buildspace %q", "x"), 1, "bbtw: no buildspace \"x\"\n"},
		{"said already", ErrSilent, 1, ""},
		{"a code of its own", WithCode(errors.New("no server"), 7), 7, "bbtw: no server\n"},
		{"the first code counts", WithCode(WithCode(errors.New("no server"), 7), 8), 7, "bbtw: no server\n"},
		{"a code, said already", WithCode(ErrSilent, 7), 7, ""},
		{"wrong usage", Usage(errors.New("needs a name")), 2, "bbtw: needs a name\nSee 'bbtw --help'.\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			if code := report(&out, &cobra.Command{Use: "bbtw"}, test.err); code != test.code || out.String() != test.says {
				t.Errorf("exit code %d, output %q", code, out.String())
			}
		})
	}
}
