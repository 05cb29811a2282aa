package agent_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/signing"
	"buildbtw/signing/agent"
	"buildbtw/signing/gpgtest"
	"buildbtw/signing/keyring"
)

// listOf returns a list of files with contents, and the contents by name.
func listOf(t testing.TB, contents ...string) (signing.List, map[string][]byte) {
	t.Helper()
	l := signing.List{Format: signing.Format, Release: 7, Target: "stable", Buildspace: "openssl", Iteration: 2, Set: strings.Repeat("0a", 32), Base: strings.Repeat("0b", 32)}
	byName := map[string][]byte{}
	for i, c := range contents {
		h := sha512.New()
		h.Write([]byte(c))
		state, err := signing.State(h)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256([]byte(c))
		name := fmt.Sprintf("lib%03d-1.0-2-x86_64.pkg.tar.zst", i)
		l.Files = append(l.Files, signing.File{Name: name, Size: int64(len(c)), SHA256: hex.EncodeToString(sum[:]), State: state})
		byName[name] = []byte(c)
	}
	if err := l.Validate(); err != nil {
		t.Fatal(err)
	}
	return l, byName
}

// The states of SHA-512 are those at each length of a last block, with what OpenPGP adds in
// the same block and in the next.
func TestGpgVerifiesWhatTheAgentSigned(t *testing.T) {
	t.Parallel()
	for _, algorithm := range []string{"ed25519", "rsa2048"} {
		t.Run(algorithm, func(t *testing.T) {
			t.Parallel()
			h := gpgtest.New(t)
			fingerprint := h.Key(algorithm, "0")
			a, err := agent.Find(t.Context(), h.Dir, "", nil)
			if err != nil {
				t.Fatal(err)
			}
			l, contents := listOf(t, "", "a", strings.Repeat("b", 70), strings.Repeat("c", 127), strings.Repeat("d", 128), strings.Repeat("e", 100_000))
			signatures, err := a.Sign(t.Context(), l)
			if err != nil {
				t.Fatal(err)
			}
			accepted, err := keyring.Read(bytes.NewReader(h.Public()))
			if err != nil {
				t.Fatal(err)
			}
			for i, s := range signatures {
				words, by := h.Status(contents[s.Name], s.Packet)
				if !slices.Contains(words, "GOODSIG") || by != fingerprint {
					t.Errorf("gpg says of %s: %v, valid by %q", s.Name, words, by)
				}
				if by, err := accepted.Verify(l.Files[i], s.Packet, time.Now()); err != nil || by != fingerprint {
					t.Errorf("keyring says of %s: by %q, %v", s.Name, by, err)
				}
			}
			if err := l.Match(signatures); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestTheKeyIsChosen(t *testing.T) {
	t.Parallel()
	h := gpgtest.New(t)
	if _, err := agent.Find(t.Context(), h.Dir, "", nil); buildbtw.KindOf(err) != buildbtw.KindNotFound {
		t.Error("without a key:", err)
	}
	expired := h.Key("ed25519", "1d", "--faked-system-time", "20200101T000000")
	if _, err := agent.Find(t.Context(), h.Dir, "", nil); err == nil || !strings.Contains(err.Error(), expired+" has expired") {
		t.Error("with an expired key:", err)
	}
	first, second := h.Key("ed25519", "0"), h.Key("rsa2048", "0")
	if _, err := agent.Find(t.Context(), h.Dir, "", nil); err == nil || !strings.Contains(err.Error(), first) || !strings.Contains(err.Error(), second) {
		t.Error("of two keys one was chosen:", err)
	}
	for _, name := range []string{first, "0x" + second} {
		a, err := agent.Find(t.Context(), h.Dir, name, nil)
		if err != nil || a.Key.String() != strings.TrimPrefix(name, "0x") {
			t.Errorf("key %s: %v, %v", name, a, err)
		}
	}
	if _, err := agent.Find(t.Context(), h.Dir, "--version", nil); buildbtw.KindOf(err) != buildbtw.KindInvalid {
		t.Error("an option was taken for a key:", err)
	}

	// A primary key stands for its newest subkey, as with gpg.
	h.Run(nil, "--quick-add-key", first, "ed25519", "sign", "0")
	a, err := agent.Find(t.Context(), h.Dir, first, nil)
	if err != nil {
		t.Fatal(err)
	}
	l, contents := listOf(t, "x")
	signatures, err := a.Sign(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	if _, by := h.Status(contents[signatures[0].Name], signatures[0].Packet); by != a.Key.String() {
		t.Errorf("signed by %q instead of %s", by, a.Key)
	}
}

// Whoever waits for a passphrase that nobody can enter is told so, and no signature is made.
func TestAPassphraseThatCannotBeAskedFor(t *testing.T) {
	t.Parallel()
	h := gpgtest.New(t)
	// A pinentry that is not there.
	if err := os.WriteFile(filepath.Join(h.Dir, "gpg-agent.conf"), []byte("pinentry-program "+filepath.Join(h.Dir, "none")+"\nallow-loopback-pinentry\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.Run(nil, "--passphrase", "secret", "--quick-generate-key", "p <p@example.org>", "ed25519", "sign", "0")
	h.Forget()
	a, err := agent.Find(t.Context(), h.Dir, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	l, _ := listOf(t, "x")
	if _, err := a.Sign(t.Context(), l); buildbtw.KindOf(err) != buildbtw.KindUnavailable || !strings.Contains(err.Error(), "pinentry") {
		t.Error(err)
	}
}

func TestSigningEndsWithItsContext(t *testing.T) {
	t.Parallel()
	h := gpgtest.New(t)
	h.Key("ed25519", "0")
	a, err := agent.Find(t.Context(), h.Dir, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	l, _ := listOf(t, "x")
	if _, err := a.Sign(ctx, l); err == nil {
		t.Error("it signed")
	}
}

func BenchmarkSign(b *testing.B) {
	for _, algorithm := range []string{"ed25519", "rsa4096"} {
		b.Run(algorithm, func(b *testing.B) {
			h := gpgtest.New(b)
			h.Key(algorithm, "0")
			a, err := agent.Find(b.Context(), h.Dir, "", nil)
			if err != nil {
				b.Fatal(err)
			}
			l, _ := listOf(b, slices.Repeat([]string{"x"}, 100)...)
			for b.Loop() {
				if _, err := a.Sign(b.Context(), l); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*100), "µs/file")
		})
	}
}
