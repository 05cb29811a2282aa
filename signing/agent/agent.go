// Package agent signs releases with a key that gpg-agent holds. Only gpg-agent sees the
// secret key; it asks for passphrases and speaks to smart cards.
package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"buildbtw"
	"buildbtw/internal/proc"
	"buildbtw/signing"
)

// Agent signs with one key of a user's gpg-agent.
type Agent struct {
	Key signing.Key

	keygrip string
	socket  string
	options []string // of the session, for the window in which a passphrase is asked for
	now     func() time.Time
}

// Find returns the agent for the key of a home directory of gpg (empty: gpg's own default)
// that name selects: a fingerprint, or empty when only one key can sign. Each of options
// is what OPTION of gpg-agent takes, such as ttyname=/dev/pts/1.
func Find(ctx context.Context, home, name string, options []string) (*Agent, error) {
	if name != "" {
		if _, err := signing.ParseFingerprint(name); err != nil {
			return nil, buildbtw.Invalid("%v; gpg --list-secret-keys lists them", err)
		}
	}
	arguments := []string{"--batch", "--with-colons", "--with-keygrip", "--fixed-list-mode", "--list-secret-keys"}
	if name != "" {
		arguments = append(arguments, "--", strings.ReplaceAll(name, " ", ""))
	}
	listing, err := run(ctx, "gpg", home, arguments...)
	if err != nil {
		return nil, err
	}
	key, err := choose(parseKeys(listing), name)
	if err != nil {
		return nil, err
	}
	if _, err := run(ctx, "gpgconf", home, "--launch", "gpg-agent"); err != nil {
		return nil, err
	}
	socket, err := run(ctx, "gpgconf", home, "--list-dirs", "agent-socket")
	if err != nil {
		return nil, err
	}
	return &Agent{key.Key, key.keygrip, strings.TrimSpace(string(socket)), options, time.Now}, nil
}

// run executes a program of GnuPG and returns what it printed.
func run(ctx context.Context, program, home string, arguments ...string) ([]byte, error) {
	const limit = 4 << 20
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if home != "" {
		arguments = append([]string{"--homedir", home}, arguments...)
	}
	cmd := exec.CommandContext(ctx, program, arguments...)
	out, trouble := proc.NewHead(limit), proc.NewTail(2000)
	cmd.Stdout, cmd.Stderr = out, trouble
	err := proc.Run(ctx, cmd, time.Second)
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return nil, buildbtw.Unavailable("%s is not installed; install GnuPG", program)
	case err != nil:
		return nil, fmt.Errorf("%s: %w: %s", program, err, strings.TrimSpace(trouble.String()))
	case out.Truncated():
		return nil, fmt.Errorf("%s printed more than %d bytes", program, limit)
	}
	return out.Bytes(), nil
}

// Sign signs the files of a list one after the other: 3 to 15 ms each, and as long as a
// person takes to enter a passphrase.
func (a *Agent) Sign(ctx context.Context, l signing.List) ([]signing.Signature, error) {
	c, err := dial(ctx, a.socket)
	if err != nil {
		return nil, err
	}
	defer c.close()
	for _, option := range a.options {
		if _, err := c.command("OPTION " + option); err != nil {
			return nil, err
		}
	}
	signatures, err := l.SignWith(a.Key, a.now(), func(digest []byte) ([][]byte, error) {
		for _, line := range []string{"RESET", "SIGKEY " + a.keygrip, fmt.Sprintf("SETHASH 10 %X", digest)} { // 10: SHA-512
			if _, err := c.command(line); err != nil {
				return nil, err
			}
		}
		answer, err := c.command("PKSIGN")
		if err != nil {
			return nil, err
		}
		return signatureValues(answer, a.Key.Algorithm)
	})
	if err != nil && ctx.Err() != nil {
		return nil, fmt.Errorf("sign release %d: %w", l.Release, context.Cause(ctx))
	}
	return signatures, err
}

// secretKey is a key of gpg's listing that may sign.
type secretKey struct {
	signing.Key

	keygrip string
	why     string // it cannot be used; empty: it can
}

// parseKeys reads the keys that may sign from what gpg --with-colons --list-secret-keys
// prints (doc/DETAILS of GnuPG), in its order.
func parseKeys(listing []byte) []secretKey {
	var keys []secretKey
	here := false // the lines are those of the last key
	for line := range bytes.Lines(listing) {
		f := strings.Split(strings.TrimRight(string(line), "\n"), ":")
		switch {
		case (f[0] == "sec" || f[0] == "ssb") && len(f) > 11:
			// Lower case: what this key itself may do; upper case: what all of them can.
			if here = strings.Contains(f[11], "s"); here {
				keys = append(keys, secretKey{why: unusable(f)})
				keys[len(keys)-1].Algorithm = algorithm(f[3])
			}
		case f[0] == "fpr" && here && len(f) > 9:
			keys[len(keys)-1].Fingerprint, _ = signing.ParseFingerprint(f[9]) // gpg's own
		case f[0] == "grp" && here && len(f) > 9:
			keys[len(keys)-1].keygrip = f[9]
			here = false
		}
	}
	return keys
}

func algorithm(number string) signing.Algorithm {
	switch number {
	case "1":
		return signing.RSA
	case "22":
		return signing.EdDSA
	}
	return 0
}

// unusable returns why gpg's line of a key forbids its use, or "".
func unusable(f []string) string {
	curve := ""
	if len(f) > 16 {
		curve = f[16]
	}
	switch {
	case f[1] == "e":
		return "has expired"
	case f[1] == "r":
		return "is revoked"
	case f[1] == "i" || f[1] == "d":
		return "is invalid or disabled"
	case len(f) > 14 && f[14] == "#":
		return "has no secret part here"
	case algorithm(f[3]) == 0, algorithm(f[3]) == signing.EdDSA && curve != "ed25519":
		return "is neither Ed25519 nor RSA"
	}
	return ""
}

// choose returns the key with the fingerprint that was asked for. The fingerprint of a
// primary key also selects the last of its subkeys that may sign, as gpg does.
func choose(keys []secretKey, name string) (secretKey, error) {
	var usable []secretKey
	var reasons []string
	for _, k := range keys {
		if k.why != "" {
			reasons = append(reasons, k.String()+" "+k.why)
			continue
		}
		if name != "" && strings.EqualFold(k.String(), strings.ReplaceAll(strings.TrimPrefix(name, "0x"), " ", "")) {
			return k, nil
		}
		usable = append(usable, k)
	}
	switch {
	case len(usable) == 1 || name != "" && len(usable) > 0:
		return usable[len(usable)-1], nil
	case len(usable) == 0 && len(reasons) > 0:
		return secretKey{}, buildbtw.Conflict("no key can sign: %s", strings.Join(reasons, "; "))
	case len(usable) == 0:
		return secretKey{}, buildbtw.NotFound("gpg has no secret key that can sign; gpg --list-secret-keys lists those that it has")
	}
	names := make([]string, len(usable))
	for i, k := range usable {
		names[i] = k.String()
	}
	return secretKey{}, buildbtw.Invalid("gpg has several keys that can sign; choose one with --key: %s", strings.Join(names, ", "))
}
