package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"buildbtw/api"
	"buildbtw/cmd/internal/cmdtest"
)

// TestAWorkersNameIsOfItsWorkDirectory starts a second machine under the name of one
// that builds, and one on a copy of its work directory: both are told so and build
// nothing. Killed and started again, the first goes on.
func TestAWorkersNameIsOfItsWorkDirectory(t *testing.T) {
	t.Parallel()
	s := newSite(t, "outcome.1=hang")
	_, client := s.serve(t, "--lease", "60s")
	first := s.worker(t, "honest")
	newBuildspace(t, client, "names", "lib")
	begun := func(times int) {
		t.Helper()
		poll(t, "the build's begin", func() (bool, error) {
			log, err := client.Log(t.Context(), api.LogRequest{Build: "1"})
			if err != nil {
				return false, nil // not leased yet
			}
			defer log.Close()
			text, err := io.ReadAll(log)
			return strings.Count(string(text), "Making package") >= times, err
		})
	}
	begun(1)

	work := filepath.Join(s.dir, "honest")
	clone := filepath.Join(s.dir, "clone")
	if out, err := exec.Command("cp", "-a", work, clone).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for dir, says := range map[string]string{"twin": "give this one another name with --name", "clone": "copy of its work directory"} {
		p, err := cmdtest.Start(cmdtest.Spec{
			Args: []string{
				"buildbtw-worker", "run", "--server-url", "http://" + s.address, "--architectures", "x86_64",
				"--runner", "fake", "--name", "honest", "--work-dir", filepath.Join(s.dir, dir),
			},
			Log: filepath.Join(s.dir, dir+".log"),
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Kill)
		poll(t, dir, func() (bool, error) {
			return strings.Contains(p.Log(), "worker honest is connected from 127.0.0.1 since ") && strings.Contains(p.Log(), says), nil
		})
	}
	first.Kill()
	again := s.worker(t, "honest")
	begun(2)
	attempts, err := client.Attempts(t.Context(), "1")
	if err != nil || len(attempts) != 1 || attempts[0].Outcome != "" {
		t.Errorf("attempts: %+v, %v", attempts, err)
	}
	secret, err := os.ReadFile(filepath.Join(work, "secret"))
	if err != nil {
		t.Fatal(err)
	}
	serverLog, err := os.ReadFile(filepath.Join(s.dir, "server.log"))
	if err != nil {
		t.Fatal(err)
	}
	for what, log := range map[string]string{"server": string(serverLog), "worker": first.Log() + again.Log()} {
		if strings.Contains(log, strings.TrimSpace(string(secret))) {
			t.Errorf("the log of the %s has the worker's secret", what)
		}
	}
}
