// Package remote asks signers that run elsewhere: behind a Unix socket, on another host by
// SSH, or as any command. They get the list of a release as JSON and answer with
// signatures, which the caller has to verify.
package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"buildbtw"
	"buildbtw/internal/proc"
	"buildbtw/signing"
)

// Timeout bounds one exchange: a signing host may ask a person, and 10,000 signatures of a
// smart card take an hour.
const Timeout = 2 * time.Hour

// Parse returns the signer that a setting names: unix:PATH, ssh:HOST or ssh:USER@HOST, or
// command:PROGRAM with arguments, separated by spaces; no shell reads them.
func Parse(setting string) (signing.Signer, error) {
	kind, rest, _ := strings.Cut(setting, ":")
	switch {
	case kind == "unix" && filepath.IsAbs(rest):
		return socket(rest), nil
	case kind == "ssh" && rest != "" && !strings.HasPrefix(rest, "-") && !strings.ContainsAny(rest, " \t\n"):
		// The host's own command is what sshd runs: the key is allowed one command only.
		return command{"ssh", "-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=30", "-o", "ServerAliveInterval=30", "--", rest}, nil
	case kind == "command" && len(strings.Fields(rest)) > 0:
		return command(strings.Fields(rest)), nil
	}
	return nil, buildbtw.Invalid("%.200q is no signer; write unix:/path/of/socket, ssh:HOST or command:PROGRAM ARGUMENTS", setting)
}

// socket is the path of the Unix socket at which buildbtw-signer listens.
type socket string

// Sign implements signing.Signer.
func (s socket) Sign(ctx context.Context, l signing.List) ([]signing.Signature, error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	conn, err := (&net.Dialer{Timeout: 30 * time.Second}).DialContext(ctx, "unix", string(s))
	if err != nil {
		return nil, buildbtw.Unavailable("the signer does not answer at %s: %v", string(s), errors.Unwrap(err))
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	signatures, err := exchange(conn.(*net.UnixConn), l)
	if err != nil && ctx.Err() != nil {
		return nil, buildbtw.Unavailable("the signer at %s did not answer: %v", string(s), context.Cause(ctx))
	}
	return signatures, err
}

func exchange(conn *net.UnixConn, l signing.List) ([]signing.Signature, error) {
	sent := json.NewEncoder(conn).Encode(l)
	if sent == nil {
		sent = conn.CloseWrite()
	}
	// A signer that refuses before it has read everything says why.
	signatures, err := signing.ParseAnswer(conn, l)
	if err != nil && sent != nil && buildbtw.KindOf(err) != buildbtw.KindConflict {
		return nil, buildbtw.Unavailable("the signer hung up: %v", sent)
	}
	return signatures, err
}

// command is a program with its arguments.
type command []string

// Sign implements signing.Signer.
func (c command) Sign(ctx context.Context, l signing.List) ([]signing.Signature, error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	text, err := json.Marshal(l)
	if err != nil {
		return nil, fmt.Errorf("write the list of release %d: %w", l.Release, err)
	}
	cmd := exec.CommandContext(ctx, c[0], c[1:]...)
	out, trouble := proc.NewHead(signing.MaxAnswer+1), proc.NewTail(2000)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(text), out, trouble
	err = proc.Run(ctx, cmd, 5*time.Second)
	signatures, parsed := signing.ParseAnswer(bytes.NewReader(out.Bytes()), l)
	switch {
	case buildbtw.KindOf(parsed) == buildbtw.KindConflict: // it says why it refused, and may end with any code
		return nil, parsed
	case err != nil:
		return nil, buildbtw.Unavailable("the signer %s failed: %v: %s", c[0], err, lastLines(trouble.String()))
	}
	return signatures, parsed
}

// lastLines returns the end of what a program printed, in one line.
func lastLines(s string) string {
	lines := strings.FieldsFunc(s, func(r rune) bool { return r == '\n' })
	return strings.Join(lines[max(0, len(lines)-3):], "; ")
}

// Serve answers one request: it reads a list, has it signed, and writes the answer. An
// error in the answer is returned, too.
func Serve(ctx context.Context, in io.Reader, out io.Writer, s signing.Signer) error {
	var answer signing.Answer
	l, err := signing.ParseList(in)
	if err == nil {
		answer.Signatures, err = s.Sign(ctx, l)
	}
	if err != nil {
		answer = signing.Answer{Error: err.Error()}
	}
	return errors.Join(err, json.NewEncoder(out).Encode(answer))
}
