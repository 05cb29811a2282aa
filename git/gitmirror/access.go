package gitmirror

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"buildbtw/internal/shell"

	"buildbtw"
)

// Access is how repositories elsewhere are reached. The zero value reaches public
// ones over HTTPS.
type Access struct {
	Server string // address of the server that gets Token; nobody else does
	Token  string // for HTTPS: an access token that may read repositories

	SSHKey     string // for SSH: file of the private key; empty: those of ssh-agent and ssh_config(5)
	KnownHosts string // for SSH: file with the servers' keys; empty: ssh's own
	Agent      string // for SSH: socket of the agent; may be empty

	Timeout time.Duration // of one fetch; 10 minutes when 0
}

// defaultFetchTime is enough for the largest package source over a slow line.
const defaultFetchTime = 10 * time.Minute

var errSlow = errors.New("it took too long")

func (a Access) timeout() time.Duration {
	if a.Timeout == 0 {
		return defaultFetchTime
	}
	return a.Timeout
}

// environment returns the entries by which git gets its credentials. They stand
// in the environment of the process, which only its user can read, and neither on its command line nor in
// an address.
func (a Access) environment(address string) []string {
	scheme, _, _ := strings.Cut(address, "://")
	env := []string{"GIT_ALLOW_PROTOCOL=" + scheme}
	if scheme == "ssh" {
		return append(env, "GIT_SSH_VARIANT=ssh", "GIT_SSH_COMMAND="+a.sshCommand(), "SSH_AUTH_SOCK="+a.Agent)
	}
	if a.Token == "" {
		return env
	}
	login := base64.StdEncoding.EncodeToString([]byte("oauth2:" + a.Token))
	return append(env,
		"GIT_CONFIG_COUNT=1",
		"GIT_CONFIG_KEY_0=http."+strings.TrimRight(a.Server, "/")+"/.extraHeader",
		"GIT_CONFIG_VALUE_0=Authorization: Basic "+login)
}

// sshCommand returns ssh's command line for a shell. It asks no questions, and
// accepts no server with an unknown key.
func (a Access) sshCommand() string {
	words := []string{
		"ssh", "-oBatchMode=yes", "-oStrictHostKeyChecking=yes", "-oConnectTimeout=20",
		"-oServerAliveInterval=15", "-oServerAliveCountMax=3",
	}
	if a.KnownHosts != "" {
		file := `"` + strings.ReplaceAll(a.KnownHosts, "%", "%%") + `"` // one file, whatever its name: ssh_config(5)
		words = append(words, "-oUserKnownHostsFile="+file, "-oGlobalKnownHostsFile=/dev/null")
	}
	if a.SSHKey != "" {
		words = append(words, "-oIdentitiesOnly=yes", "-i", a.SSHKey)
	}
	for i, word := range words {
		words[i] = shell.Quote(word)
	}
	return strings.Join(words, " ")
}

// CheckRemote refuses addresses of other schemes than HTTPS and SSH, and those
// that would make git run another program.
func CheckRemote(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || strings.HasPrefix(u.Host, "-") || u.User.String() != u.User.Username() || strings.HasPrefix(u.User.Username(), "-") {
		return fmt.Errorf("%q is no address of a repository", address)
	}
	switch u.Scheme {
	case "https", "http", "ssh":
		return nil
	}
	return fmt.Errorf("%q is no address of a repository over HTTPS or SSH", address)
}

// hints lists the failures that people can mend: phrases of git's messages, and
// advice.
func hints() []hint {
	return []hint{
		{[]string{"authentication failed", "could not read username", "returned error: 401"}, buildbtw.KindUnavailable, "the server does not accept the token; it needs the scope read_repository"},
		{[]string{"returned error: 403"}, buildbtw.KindUnavailable, "the token may not read it; it needs the scope read_repository and a role in the group"},
		{[]string{"returned error: 30"}, buildbtw.KindNotFound, "the server says that it is elsewhere now; is --gitlab-url right?"},
		{[]string{"returned error: 429"}, buildbtw.KindUnavailable, "the server asks for fewer requests; it is tried again"},
		{[]string{"returned error: 5"}, buildbtw.KindUnavailable, "the server has trouble of its own; it is tried again"},
		{[]string{"not found", "returned error: 404", "does not exist", "could not be found"}, buildbtw.KindNotFound, "there is no such repository, or it may not be seen"},
		{[]string{"host key verification failed"}, buildbtw.KindUnavailable, "the server's SSH key is not known or has changed; put it into the file of --gitlab-known-hosts"},
		{[]string{"permission denied"}, buildbtw.KindUnavailable, "the server does not accept the SSH key"},
		{[]string{"too slow", "timed out", "could not resolve", "failed to connect", "couldn't connect", "connection refused", "empty reply", "timeout"}, buildbtw.KindUnavailable, "the server does not answer; it is tried again"},
		{[]string{"early eof", "rpc failed", "hung up", "not valid: is this a git repository", "disconnect", "bad pack", "invalid index-pack", "unexpected"}, buildbtw.KindUnavailable, "the server's answer was cut off or is none of git's; it is tried again"},
	}
}

// forPeople returns the failure of a fetch without paths of this server and
// without secrets.
func (a Access) forPeople(r Remote, err error) error {
	if err == nil {
		return nil
	}
	var said *gitError
	kind, text := buildbtw.KindUnavailable, "git cannot fetch it"
	switch {
	case errors.Is(err, errSlow), errors.Is(err, context.DeadlineExceeded):
		text = "the server did not send it within " + a.timeout().String() + "; it is tried again"
	case errors.As(err, &said):
		kind, text = explain(said.said)
	}
	return &buildbtw.Error{Kind: kind, Message: "source " + r.Slug + ": " + text, Err: err}
}

type hint struct {
	phrases []string // in lower case; one of them is in the message
	kind    buildbtw.Kind
	advice  string
}

// explain returns the advice for a message of git, or else its fatal error.
func explain(said string) (kind buildbtw.Kind, text string) {
	lower := strings.ToLower(said)
	for _, h := range hints() {
		for _, part := range h.phrases {
			if strings.Contains(lower, part) {
				return h.kind, h.advice
			}
		}
	}
	line := said[strings.LastIndexByte(said, '\n')+1:]
	if i := strings.LastIndex(said, "fatal: "); i >= 0 {
		line, _, _ = strings.Cut(said[i:], "\n")
	}
	return buildbtw.KindUnavailable, "git cannot fetch it: " + line
}
