package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"buildbtw/cmd/internal/cli"
	"buildbtw/cmd/internal/cmdtest"
)

// commandLines are the arguments with which TestEveryCommandTellsJSON calls every
// command of bbtw, in this order. Those that fail must say so as JSON.
func commandLines() [][]string {
	return [][]string{
		{"plan", "lib"},
		{"new", "lib", "-n", "work", "--wait"},
		{"list"},
		{"show", "work"},
		{"watch", "work"},
		{"wait", "work"},
		{"diff", "work"}, // has one iteration only
		{"release", "work", "--dry-run"},
		{"release", "why", "work/app"},
		{"release", "push", "work", "--remote", "file:///nowhere/{pkgbase}.git"},
		{"overlaps", "work"},
		{"compare", "base", "work"},
		{"compare", "work#1", "work", "--list", "versions"},
		{"compare", "base", "work", "--files", "lib"}, // is not in the base
		{"why", "work/app"},
		{"links", "libssl.so.3"},
		{"search", "lib"},
		{"files", "python3.13"},
		{"log", "work/app"},
		{"log", "--errors", "work/lib"},
		{"log", "--grep", "nowhere", "work/lib"},
		{"log", "--grep", "lib", "work/lib"},
		{"log", "999"},
		{"activity", "work"},
		{"commits", "lib"},
		{"pushes"},
		{"sources"},
		{"sources", "look", "lib"},
		{"workers"},
		{"workers", "attempts", "one"},
		{"workers", "drain", "one"},
		{"workers", "resume", "one"},
		{"workers", "forget", "one"}, // is connected
		{"reproduce", "work/lib"},
		{"open", "--no-browser"},
		{"release", "sign", "1"},             // there is none
		{"release", "fetch", "1", "staging"}, // there is none
		{"release", "withdraw", "1"},         // there is none
		{"check", "stable"},
		{"repo", "work"},
		{"download", "work", "-d", "packages"},
		{"release", "waive", "work", "hold", "lib", "--reason", "no"},
		{"release", "waive", "work", "--list"},
		{"release", "waive", "work", "--remove", "1"},
		{"edit", "work", "--exclude", "nobody"},
		{"baseline", "work/app"},
		{"retry", "work"},
		{"rebuild", "work/app"},
		{"cancel", "work"},
		{"abandon", "work/lib"}, // publishes nothing
		{"iterate", "work"},
		{"rebase", "work"},
		{"merge", "work", "other", "--yes"}, // is not there
		{"pin", "work#1"},
		{"archive", "work#1", "--yes"}, // is pinned
		{"unpin", "work#1"},
		{"delete", "work#9", "--yes"}, // is not there
		{"retention"},
		{"retention", "orphans"},
		{"base"},
		{"base", "accept", "core"}, // is not there
		{"follow", "work"},
		{"mute", "work"},
		{"notify", "add", "webhook", "https://127.0.0.1:1/"},
		{"notify", "list"},
		{"notify", "confirm", "1", "code"}, // is
		{"notify", "test", "1"},            // leads to this machine
		{"notify", "deliveries"},
		{"notify", "replay", "1"},
		{"notify", "remove", "1"},
		{"stop", "work"},
		{"start", "work"},
		{"auth", "status"},
		{"fix", "work/app"},
		{"auth", "token", "list"},
		{"auth", "token", "create", "ci", "--bot"},
		{"auth", "token", "revoke", "1"},
		{"auth", "logout"}, // is not signed in
		{"version"},
	}
}

func TestEveryCommandTellsJSON(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("with -short no server is started")
	}
	dir := t.TempDir()
	for _, p := range []storyPackage{parsePackage("lib", "1.0", nil), parsePackage("app", "1.0", []string{"depends=lib", "fake.outcome=failed"})} {
		name := strings.Fields(p.srcinfo)[2]
		if err := cmdtest.Commit(filepath.Join(dir, "sources", name), "main", "one", map[string]string{"PKGBUILD": "", ".SRCINFO": p.srcinfo, ".fake": p.fake}); err != nil {
			t.Fatal(err)
		}
	}
	env := append(os.Environ(), "XDG_STATE_HOME="+filepath.Join(dir, "state"), "XDG_CONFIG_HOME="+filepath.Join(dir, "config"))
	server, err := cmdtest.StartServer(t.Context(), "", cmdtest.Spec{
		Args: []string{"--data-dir", filepath.Join(dir, "data"), "--sources", "dir:" + filepath.Join(dir, "sources")},
		Dir:  dir, Env: env, Log: filepath.Join(dir, "server.log"),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Kill()
	worker, err := cmdtest.Start(cmdtest.Spec{
		Args: []string{"buildbtw-worker", "run", "--runner", "fake", "--name", "one", "--architectures", "x86_64", "--work-dir", filepath.Join(dir, "worker"), "--server-url", server.URL},
		Dir:  dir, Env: env, Log: filepath.Join(dir, "worker.log"),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer worker.Kill()
	for _, args := range commandLines() {
		out, errs, code := bbtw(t, dir, env, append([]string{"--server-url", server.URL, "--json"}, args...))
		command := "bbtw " + strings.Join(args, " ")
		if !isJSON(out) || code == 0 && out == "" {
			t.Errorf("%s, exit code %d, printed no JSON:\n%s", command, code, out)
		}
		if code != 0 && out == "" {
			checkFailure(t, command, errs, code)
		}
	}
}

// bbtw runs the program.
func bbtw(t *testing.T, dir string, env, args []string) (out, errs string, code int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "bbtw", args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = dir, env, &stdout, &stderr
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()
}

// isJSON reports whether a text is nothing but JSON documents.
func isJSON(text string) bool {
	d := json.NewDecoder(strings.NewReader(text))
	for {
		var v any
		if err := d.Decode(&v); err != nil {
			return errors.Is(err, io.EOF)
		}
	}
}

func checkFailure(t *testing.T, command, errs string, code int) {
	t.Helper()
	var f cli.Failure
	if err := json.Unmarshal([]byte(errs), &f); err != nil || f.Error == "" || f.Kind == "" || f.ExitCode != code {
		t.Errorf("%s, exit code %d: %v in\n%s", command, code, err, errs)
	}
}

// Every command is in the list above, and each of them says as JSON that there is no
// server.
func TestEveryCommandFailsAsJSON(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	env := append(os.Environ(), "XDG_STATE_HOME="+filepath.Join(dir, "state"), "XDG_CONFIG_HOME="+filepath.Join(dir, "config"))
	groups := []string{"auth", "auth token", "auth login"} // a group shows its help; a login needs a person
	alone := []string{"version", "auth logout"}            // need no server
	walk((&app{out: io.Discard, errors: io.Discard}).command(), func(_ *cobra.Command, path string) {
		if slices.Contains(groups, path) {
			return
		}
		i := slices.IndexFunc(commandLines(), func(args []string) bool {
			return strings.HasPrefix(strings.Join(args, " ")+" ", path+" ")
		})
		if i < 0 {
			t.Errorf("bbtw %s is not in the list of commandLines", path)
			return
		}
		args := commandLines()[i]
		out, errs, code := bbtw(t, dir, env, append([]string{"--json", "--server-url", "http://127.0.0.1:1"}, args...))
		switch {
		case slices.Contains(alone, path):
		case code != 1 || out != "":
			t.Errorf("bbtw %s without a server: exit code %d\n%s", path, code, out)
		default:
			checkFailure(t, "bbtw "+path, errs, code)
		}
		_, errs, code = bbtw(t, dir, env, append(args, "--json", "--no-such-flag"))
		if code != 2 {
			t.Errorf("bbtw %s --no-such-flag: exit code %d", path, code)
		}
		checkFailure(t, "bbtw "+path+" --no-such-flag", errs, code)
	})
}
