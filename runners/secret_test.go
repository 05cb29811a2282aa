package runners_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"buildbtw/api"
	"buildbtw/runners"
)

// claimOf runs a worker in a directory until it has claimed, and returns what it
// claimed with.
func claimOf(t *testing.T, s *server, o runners.Options) api.ClaimRequest {
	t.Helper()
	var before int
	s.change(func() { before = len(s.claims) })
	w := startWorker(t, o)
	s.until("a claim", func() bool { return len(s.claims) > before })
	w.stop()
	w.wait(t)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.claims[before]
}

func TestTheSecretStaysInTheWorkDirectory(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	o := options(t, s)
	first := claimOf(t, s, o)
	file := filepath.Join(o.WorkDir, "secret")
	info, err := os.Lstat(file)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("%s: %v, %v; want a file of mode 0600", file, info, err)
	}
	if !regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(first.Secret) || first.Instance == "" {
		t.Errorf("claimed with %q, %q", first.Secret, first.Instance)
	}
	if again := claimOf(t, s, o); again.Secret != first.Secret || again.Instance != first.Instance {
		t.Errorf("after a restart: %q, %q; want %q, %q", again.Secret, again.Instance, first.Secret, first.Instance)
	}

	clone := o
	clone.WorkDir = filepath.Join(t.TempDir(), "clone")
	if out, err := exec.Command("cp", "-a", o.WorkDir, clone.WorkDir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if copied := claimOf(t, s, clone); copied.Secret != first.Secret || copied.Instance == first.Instance {
		t.Errorf("from a copy: %q, %q; want the same secret and another instance", copied.Secret, copied.Instance)
	}

	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if lost := claimOf(t, s, o); lost.Secret == first.Secret {
		t.Error("a lost secret came back")
	}
}

func TestASecretThatOthersMayKnowIsRefused(t *testing.T) {
	t.Parallel()
	good := strings.Repeat("a", 64) + "\n"
	for name, make := range map[string]func(file string) error{
		"readable by others": func(file string) error { return os.WriteFile(file, []byte(good), 0o644) },
		"empty":              func(file string) error { return os.WriteFile(file, nil, 0o600) },
		"damaged":            func(file string) error { return os.WriteFile(file, []byte(good[1:]), 0o600) },
		"a link":             func(file string) error { return os.Symlink("/etc/hostname", file) },
		"directory":          func(file string) error { return os.Mkdir(file, 0o700) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options(t, newServer(t))
			file := filepath.Join(o.WorkDir, "secret")
			if err := make(file); err != nil {
				t.Fatal(err)
			}
			if agent, err := runners.NewAgent(o); err == nil || !strings.Contains(err.Error(), "secret") {
				t.Errorf("got %v", err)
				agent.Close()
			}
			if err := os.RemoveAll(file); err != nil {
				t.Fatal(err)
			}
			agent, err := runners.NewAgent(o) // the failure has left no lock
			if err != nil {
				t.Fatal(err)
			}
			agent.Close()
		})
	}
}

// The jobs of a gitlab-runner's machine have work directories of their own and begin
// at the same time; they are one worker.
func TestAgentsWithOneSecretDirectoryAreOneWorker(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	secrets := t.TempDir()
	var wg sync.WaitGroup
	for slot := range 8 {
		o := options(t, s)
		o.SecretDir = secrets
		wg.Go(func() {
			agent, err := runners.NewAgent(o)
			if err != nil {
				t.Error(err)
				return
			}
			defer agent.Close()
			_, _ = agent.RunSingle(t.Context(), runners.Single{Build: "1", Slot: slot})
		})
	}
	wg.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.claims) < 8 || slices.ContainsFunc(s.claims, func(c api.ClaimRequest) bool {
		return c.Secret == "" || c.Secret != s.claims[0].Secret || c.Instance != s.claims[0].Instance
	}) {
		t.Errorf("%d claims: %+v", len(s.claims), s.claims)
	}
}
