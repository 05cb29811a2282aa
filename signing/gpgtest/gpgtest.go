// Package gpgtest gives tests a GnuPG of their own, with real keys and a real gpg-agent.
package gpgtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Home is a home directory of gpg.
type Home struct {
	Dir string
	tb  testing.TB
}

// New makes a home directory that lives as long as the test, and so does its gpg-agent. The
// test is skipped where GnuPG is not installed.
func New(tb testing.TB) *Home {
	tb.Helper()
	for _, program := range []string{"gpg", "gpgconf", "gpg-agent"} {
		if _, err := exec.LookPath(program); err != nil {
			tb.Skipf("skipped: %s is not installed, so no signature is made or verified", program)
		}
	}
	// Not TempDir, whose path may be too long for a socket (unix(7): 108 bytes).
	dir, err := os.MkdirTemp("", "gpg")
	if err != nil {
		tb.Fatal(err)
	}
	h := &Home{dir, tb}
	tb.Cleanup(func() {
		err := exec.CommandContext(context.Background(), "gpgconf", "--homedir", dir, "--kill", "all").Run()
		if err := errors.Join(err, removeAll(dir)); err != nil {
			tb.Error(err)
		}
	})
	return h
}

// removeAll removes a directory in which gpg-agent may still remove its sockets.
func removeAll(dir string) error {
	var err error
	for range 10 {
		if err = os.RemoveAll(dir); err == nil {
			return nil
		}
	}
	return err
}

// Run executes gpg, and returns what it printed.
func (h *Home) Run(stdin []byte, arguments ...string) []byte {
	h.tb.Helper()
	out, err := h.gpg(stdin, arguments...)
	if err != nil {
		h.tb.Fatal(err)
	}
	return out
}

func (h *Home) gpg(stdin []byte, arguments ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	arguments = append([]string{"--homedir", h.Dir, "--batch", "--yes", "--no-tty", "--pinentry-mode", "loopback", "--passphrase", ""}, arguments...)
	cmd := exec.CommandContext(ctx, "gpg", arguments...)
	var out, trouble bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), &out, &trouble
	if err := cmd.Run(); err != nil {
		return out.Bytes(), fmt.Errorf("gpg %s: %w: %s", strings.Join(arguments, " "), err, trouble.String())
	}
	return out.Bytes(), nil
}

// Key makes a key that may sign, and returns its fingerprint. algorithm is ed25519 or
// rsa2048, more are options of gpg such as --faked-system-time.
func (h *Home) Key(algorithm, expires string, more ...string) string {
	h.tb.Helper()
	before := h.fingerprints()
	name := fmt.Sprintf("Key %d <key%d@example.org>", len(before), len(before))
	h.Run(nil, append(more, "--quick-generate-key", name, algorithm, "sign", expires)...)
	for f := range h.fingerprints() {
		if !before[f] {
			return f
		}
	}
	h.tb.Fatal("gpg made no key")
	return ""
}

func (h *Home) fingerprints() map[string]bool {
	all := map[string]bool{}
	for line := range strings.Lines(string(h.Run(nil, "--with-colons", "--list-secret-keys"))) {
		if f := strings.Split(line, ":"); f[0] == "fpr" {
			all[f[9]] = true
		}
	}
	return all
}

// Public returns public keys, armored.
func (h *Home) Public(fingerprints ...string) []byte {
	h.tb.Helper()
	return h.Run(nil, append([]string{"--armor", "--export"}, fingerprints...)...)
}

// Status returns the words of the status lines of gpg --verify (doc/DETAILS of GnuPG), such
// as GOODSIG, and what follows VALIDSIG. gpg's exit code tells less.
func (h *Home) Status(content, signature []byte) (words []string, validBy string) {
	h.tb.Helper()
	dir := h.tb.TempDir()
	file := filepath.Join(dir, "file")
	for name, b := range map[string][]byte{file: content, file + ".sig": signature} {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			h.tb.Fatal(err)
		}
	}
	out, err := h.gpg(nil, "--status-fd", "1", "--verify", file+".sig", file)
	if err != nil && len(out) == 0 {
		h.tb.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(strings.TrimPrefix(line, "[GNUPG:] "))
		if len(f) > 1 && f[0] == "VALIDSIG" {
			validBy = f[1]
		}
		words = append(words, f[0])
	}
	return words, validBy
}

// Forget makes gpg-agent forget passphrases.
func (h *Home) Forget() {
	h.tb.Helper()
	if err := exec.CommandContext(context.Background(), "gpgconf", "--homedir", h.Dir, "--reload", "gpg-agent").Run(); err != nil {
		h.tb.Fatal(err)
	}
}

// Revoke revokes a key with the certificate that gpg made with it.
func (h *Home) Revoke(fingerprint string) {
	h.tb.Helper()
	text, err := os.ReadFile(filepath.Join(h.Dir, "openpgp-revocs.d", fingerprint+".rev"))
	if err != nil {
		h.tb.Fatal(err)
	}
	// gpg puts a colon before the block, so that it is not imported by mistake.
	h.Run(bytes.Replace(text, []byte(":-----BEGIN"), []byte("-----BEGIN"), 1), "--import")
}
