package remote_test

import (
	"bytes"
	"context"
	"crypto/sha512"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"buildbtw"
	"buildbtw/signing"
	"buildbtw/signing/remote"
)

func list(t *testing.T) signing.List {
	t.Helper()
	state, err := signing.State(sha512.New())
	if err != nil {
		t.Fatal(err)
	}
	return signing.List{
		Format: signing.Format, Release: 7, Target: "stable", Buildspace: "openssl", Iteration: 1, Set: strings.Repeat("0a", 32), Base: strings.Repeat("0b", 32),
		Files: []signing.File{{Name: "a-1-1-any.pkg.tar.zst", SHA256: strings.Repeat("0", 64), State: state}},
	}
}

// constant signs everything in the same way.
type constant struct {
	packet string
	err    error
}

func (c constant) Sign(_ context.Context, l signing.List) ([]signing.Signature, error) {
	if c.err != nil {
		return nil, c.err
	}
	f := l.Files[0]
	return []signing.Signature{{Name: f.Name, SHA256: f.SHA256, Packet: []byte(c.packet)}}, nil
}

// serve answers each connection to a socket, and returns the setting that names it.
func serve(t *testing.T, answer func(conn net.Conn)) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "signer") // TempDir's paths may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "s")
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			answer(conn)
			conn.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return "unix:" + path
}

func sign(t *testing.T, setting string) ([]signing.Signature, error) {
	t.Helper()
	s, err := remote.Parse(setting)
	if err != nil {
		t.Fatal(err)
	}
	return s.Sign(t.Context(), list(t))
}

func TestASignerBehindASocket(t *testing.T) {
	t.Parallel()
	served := make(chan error, 1)
	setting := serve(t, func(conn net.Conn) { served <- remote.Serve(t.Context(), conn, conn, constant{packet: "yes"}) })
	got, err := sign(t, setting)
	if failed := <-served; err != nil || len(got) != 1 || string(got[0].Packet) != "yes" || failed != nil {
		t.Errorf("%v, %v, %v", got, err, failed)
	}
	setting = serve(t, func(conn net.Conn) {
		served <- remote.Serve(t.Context(), conn, conn, constant{err: errors.New("not on Sundays")})
	})
	_, err = sign(t, setting)
	if failed := <-served; buildbtw.KindOf(err) != buildbtw.KindConflict || !strings.Contains(err.Error(), "refused: not on Sundays") || failed == nil {
		t.Errorf("%v, %v", err, failed)
	}
}

func TestASignerThatIsNotThere(t *testing.T) {
	t.Parallel()
	for _, setting := range []string{
		"unix:" + filepath.Join(t.TempDir(), "none"), serve(t, func(net.Conn) {}),
		"command:/nonexistent/program", "command:false", "command:true",
	} {
		if _, err := sign(t, setting); err == nil || buildbtw.KindOf(err) == buildbtw.KindConflict {
			t.Errorf("%s: %v", setting, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	s, err := remote.Parse(serve(t, func(conn net.Conn) { // it reads and never answers
		cancel()
		_, _ = conn.Read(make([]byte, 1))
		var b bytes.Buffer
		_, _ = b.ReadFrom(conn)
	}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Sign(ctx, list(t)); buildbtw.KindOf(err) != buildbtw.KindUnavailable {
		t.Error("cancelled:", err)
	}
}

func TestACommandSigns(t *testing.T) {
	t.Parallel()
	script := func(text string) string {
		path := filepath.Join(t.TempDir(), "sign")
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o700); err != nil {
			t.Fatal(err)
		}
		return "command:" + path + " first second"
	}
	zeros := strings.Repeat("0", 64)
	got, err := sign(t, script(`[ "$1$2" = firstsecond ] && grep -q '"release":7,"target":"stable"' && echo '{"signatures":[{"name":"a-1-1-any.pkg.tar.zst","sha256":"`+zeros+`","signature":"eWVz"}]}'`))
	if err != nil || len(got) != 1 || string(got[0].Packet) != "yes" {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := sign(t, script(`echo '{"error":"no"}'; exit 3`)); err == nil || !strings.Contains(err.Error(), "the signer refused: no") {
		t.Error(err)
	}
	if _, err := sign(t, script("echo one >&2; echo the card is away >&2; exit 3")); buildbtw.KindOf(err) != buildbtw.KindUnavailable || !strings.Contains(err.Error(), "the card is away") {
		t.Error(err)
	}
}

func TestSettingsOfSigners(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"unix:/run/buildbtw-signer/socket", "ssh:signer@sign.example.org", "command:sign --release"} {
		if _, err := remote.Parse(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{"", "unix:", "unix:relative", "ssh:", "ssh:-oProxyCommand=x", "ssh:a b", "command:", "command: ", "https://example.org", "gpg"} {
		if _, err := remote.Parse(bad); buildbtw.KindOf(err) != buildbtw.KindInvalid {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
