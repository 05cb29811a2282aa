package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/cmd/internal/cli"
	"buildbtw/internal/flock"
	"buildbtw/signing"
	"buildbtw/signing/gpgtest"
	"buildbtw/signing/keyring"
	"buildbtw/signing/remote"
)

// asSigner makes the test's binary the program.
const asSigner = "BUILDBTW_SIGNER_TEST"

func TestMain(m *testing.M) {
	if os.Getenv(asSigner) != "" {
		os.Exit(cli.Run(command()))
	}
	os.Exit(m.Run())
}

// listOf returns a list with a file for each name, whose content is its name.
func listOf(t *testing.T, release int64, names ...string) signing.List {
	t.Helper()
	l := signing.List{Format: signing.Format, Release: release, Target: "stable", Buildspace: "openssl", Iteration: 2, Set: strings.Repeat("0a", 32), Base: strings.Repeat("0b", 32)}
	for _, n := range names {
		h := sha512.New()
		h.Write([]byte(n))
		state, err := signing.State(h)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256([]byte(n))
		l.Files = append(l.Files, signing.File{Name: n + "-x86_64.pkg.tar.zst", Size: int64(len(n)), SHA256: hex.EncodeToString(sum[:]), State: state})
	}
	return l
}

// newSigner returns a signer with a key of its own and a limit of 4 files in an hour.
func newSigner(t *testing.T) (*signer, *gpgtest.Home) {
	t.Helper()
	h := gpgtest.New(t)
	h.Key("ed25519", "0")
	s := settings{policy: signing.Policy{Targets: []string{"stable"}, PerHour: 4}, home: h.Dir, log: filepath.Join(t.TempDir(), "log")}
	g, err := s.signer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return g, h
}

func TestAListIsSignedOnce(t *testing.T) {
	t.Parallel()
	s, h := newSigner(t)
	now := time.Now()
	s.now = func() time.Time { return now }
	list := listOf(t, 7, "a-1.0-1", "b-1.0-1", "c-1.0-1")
	first, err := s.Sign(t.Context(), list)
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := keyring.Read(bytes.NewReader(h.Public()))
	if err != nil {
		t.Fatal(err)
	}
	for i, g := range first {
		if _, err := accepted.Verify(list.Files[i], g.Packet, time.Now()); err != nil {
			t.Error(err)
		}
	}
	second, err := s.Sign(t.Context(), list)
	if err != nil || !slices.EqualFunc(first, second, func(a, b signing.Signature) bool { return bytes.Equal(a.Packet, b.Packet) }) {
		t.Errorf("signed again with other signatures: %v", err)
	}
	part := list
	part.Files = list.Files[1:2]
	if got, err := s.Sign(t.Context(), part); err != nil || !bytes.Equal(got[0].Packet, first[1].Packet) {
		t.Errorf("a part of it: %v", err)
	}
	for why, l := range map[string]signing.List{
		"without x-1-1":            listOf(t, 7, "a-1.0-1", "x-1-1"), // of another release
		"other contents":           renamed(listOf(t, 8, "other"), "a-1.0-1"),
		"older than 1.0-1":         listOf(t, 8, "a-0.9-1"),
		"over 4 files in an hour":  listOf(t, 8, "x-1-1", "y-1-1"),
		"sign for the target core": func() signing.List { l := listOf(t, 8, "x-1-1"); l.Target = "core"; return l }(),
	} {
		if _, err := s.Sign(t.Context(), l); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v", why, err)
		}
	}
	if _, err := s.Sign(t.Context(), listOf(t, 8, "x-1-1")); err != nil {
		t.Errorf("the fourth file of the hour: %v", err)
	}
	now = now.Add(time.Hour)
	if _, err := s.Sign(t.Context(), listOf(t, 9, "y-1-1", "z-1-1")); err != nil {
		t.Errorf("an hour later: %v", err)
	}
	signed, refused := 0, 0
	for _, e := range readLog(t, s.log.path) {
		if e.Refused != "" {
			refused++
		} else {
			signed += len(e.Signatures)
		}
		if e.At.IsZero() || len(e.List) != 64 || e.Key != s.key {
			t.Errorf("the log has %+v", e)
		}
	}
	if signed != 3+3+1+1+2 || refused != 5 {
		t.Errorf("the log has %d signatures and %d refusals", signed, refused)
	}
}

// renamed gives the only file of a list another name.
func renamed(l signing.List, name string) signing.List {
	l.Files[0].Name = name + "-x86_64.pkg.tar.zst"
	return l
}

func readLog(t *testing.T, path string) (entries []entry) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		var e entry
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatalf("%v: %.100s", err, line)
		}
		entries = append(entries, e)
	}
	return entries
}

func TestALogThatIsNotWhole(t *testing.T) {
	t.Parallel()
	s, _ := newSigner(t)
	first, err := s.Sign(t.Context(), listOf(t, 7, "a-1.0-1"))
	if err != nil {
		t.Fatal(err)
	}
	write := func(text string) {
		t.Helper()
		f, err := os.OpenFile(s.log.path, os.O_APPEND|os.O_WRONLY, 0)
		if err == nil {
			_, err = f.WriteString(text)
			err = errors.Join(err, f.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	write(`{"at":"2026-`) // the program was killed
	for range 2 {
		if again, err := s.Sign(t.Context(), listOf(t, 7, "a-1.0-1")); err != nil || !bytes.Equal(again[0].Packet, first[0].Packet) {
			t.Fatalf("after a torn line: %v", err)
		}
	}
	write("nonsense\n")
	for range 2 {
		if _, err := s.Sign(t.Context(), listOf(t, 8, "b-1.0-1")); err == nil || !strings.Contains(err.Error(), "line 6 of "+s.log.path+" is damaged") {
			t.Fatalf("with a damaged line: %v", err)
		}
	}
}

// TestOnlyWhatIsNewInTheLogIsRead: a process reads each line once, and all of another log.
func TestOnlyWhatIsNewInTheLogIsRead(t *testing.T) {
	t.Parallel()
	s, _ := newSigner(t)
	list := listOf(t, 7, "a-1.0-1")
	first, err := s.Sign(t.Context(), list)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Sign(t.Context(), list); err != nil { // it has read the first line
		t.Fatal(err)
	}
	whole, err := os.ReadFile(s.log.path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(s.log.path, os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteAt([]byte("nonsense"), 0)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	if again, err := s.Sign(t.Context(), list); err != nil || !bytes.Equal(again[0].Packet, first[0].Packet) {
		t.Errorf("it read the first line again: %v", err)
	}
	fresh := &signer{policy: s.policy, log: s.log, key: s.key, agent: s.agent, now: s.now}
	if _, err := fresh.Sign(t.Context(), list); err == nil || !strings.Contains(err.Error(), "line 1 of "+s.log.path+" is damaged") {
		t.Errorf("another process: %v", err)
	}
	// The log comes back from a backup.
	if err := errors.Join(os.WriteFile(s.log.path+".backup", whole, 0o600), os.Rename(s.log.path+".backup", s.log.path)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Sign(t.Context(), listOf(t, 7, "b-1.0-1")); err == nil || !strings.Contains(err.Error(), "release 7 of stable was signed before") {
		t.Errorf("with another log: %v", err)
	}
	if err := os.Truncate(s.log.path, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Sign(t.Context(), listOf(t, 7, "b-1.0-1")); err != nil {
		t.Errorf("with an empty log: %v", err)
	}
}

func TestTwoSignersOfOneLog(t *testing.T) {
	t.Parallel()
	s, _ := newSigner(t)
	lock, err := flock.Take(s.log.path + ".lock")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Sign(t.Context(), listOf(t, 7, "a-1.0-1")); buildbtw.KindOf(err) != buildbtw.KindUnavailable {
		t.Error(err)
	}
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Sign(t.Context(), listOf(t, 7, "a-1.0-1")); err != nil {
		t.Error(err)
	}
}

func TestServeSignsAtASocket(t *testing.T) {
	t.Parallel()
	s, h := newSigner(t)
	path := filepath.Join(h.Dir, "socket")
	l, err := listen(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("the socket has mode %v (%v)", info.Mode(), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- accept(ctx, l, s, slog.New(slog.DiscardHandler)) }()
	client, err := remote.Parse("unix:" + path)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := client.Sign(t.Context(), listOf(t, 7, "a-1.0-1", "b-1.0-1")); err != nil || len(got) != 2 {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := client.Sign(t.Context(), listOf(t, 7, "c-1.0-1")); buildbtw.KindOf(err) != buildbtw.KindConflict || !strings.Contains(err.Error(), "release 7 of stable was signed before") {
		t.Error(err)
	}
	if _, err := listen(t.Context(), path); err == nil {
		t.Error("two listen at one socket")
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	again, err := listen(t.Context(), path) // over what was left behind
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
	file := filepath.Join(h.Dir, "gpg-agent.conf")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := listen(t.Context(), file); err == nil {
		t.Error("a file was replaced by a socket")
	}
}

// As sshd runs it for a key with a forced command.
func TestTheProgramSignsStandardInput(t *testing.T) {
	t.Parallel()
	h := gpgtest.New(t)
	h.Key("rsa2048", "0")
	log := filepath.Join(t.TempDir(), "log")
	run := func(arguments ...string) signing.Signer {
		t.Helper()
		words := append([]string{"env", asSigner + "=1", os.Args[0]}, arguments...)
		s, err := remote.Parse("command:" + strings.Join(words, " "))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := run("sign", "--gnupghome", h.Dir, "--target", "stable", "--log", log)
	list := listOf(t, 7, "a-1.0-1")
	got, err := s.Sign(t.Context(), list)
	if err != nil {
		t.Fatal(err)
	}
	if words, _ := h.Status([]byte("a-1.0-1"), got[0].Packet); !slices.Contains(words, "GOODSIG") {
		t.Error(words)
	}
	list.Target = "core"
	if _, err := s.Sign(t.Context(), list); err == nil || !strings.Contains(err.Error(), "the signer refused: this signer does not sign for the target core") {
		t.Error(err)
	}
	for want, arguments := range map[string][]string{
		"--log is missing":    {"sign", "--target", "stable"},
		"at least one target": {"sign", "--log", log},
		"no fingerprint":      {"sign", "--gnupghome", h.Dir, "--target", "stable", "--log", log, "--key", "alice"},
		"--listen is missing": {"serve", "--gnupghome", h.Dir, "--target", "stable", "--log", log},
		"does not exist":      {"sign", "--gnupghome", filepath.Join(h.Dir, "none"), "--target", "stable", "--log", log},
	} {
		if _, err := run(arguments...).Sign(t.Context(), list); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", arguments, err)
		}
	}
}

func TestDoctor(t *testing.T) {
	t.Parallel()
	h := gpgtest.New(t)
	key := h.Key("ed25519", "0")
	s := settings{policy: signing.Policy{Targets: []string{"stable"}, PerHour: 1}, home: h.Dir, log: filepath.Join(t.TempDir(), "log")}
	var out bytes.Buffer
	if err := s.check(t.Context(), &out); err != nil || out.String() != "ok    key "+key+"\nok    log "+s.log+"\nok    gpg-agent signs\n" {
		t.Errorf("%v\n%s", err, out.String())
	}
	s.log = filepath.Join(t.TempDir(), "none", "log")
	out.Reset()
	if err := s.check(t.Context(), &out); !errors.Is(err, cli.ErrSilent) || !strings.Contains(out.String(), "FAIL  log "+s.log) {
		t.Errorf("%v\n%s", err, out.String())
	}
	s.home = filepath.Join(h.Dir, "none")
	if err := s.check(t.Context(), io.Discard); err == nil || errors.Is(err, cli.ErrSilent) {
		t.Error(err)
	}
}
