package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/cmd/internal/cmdtest"
)

// quick is how long a server may take to stop that nobody keeps busy, longer where
// the machine has other work. Workers that it started get children.drainTime of it.
func quick() time.Duration { return cmdtest.OnBusyMachine(8 * time.Second) }

func TestChildWorkersEndWithTheServer(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		end   func(*testing.T, *cmdtest.Server)
		state buildbtw.AttemptState // of the build that was under way
	}{
		{"stopped", func(t *testing.T, s *cmdtest.Server) { stop(t, s, quick()) }, buildbtw.AttemptFinished},
		{"killed", func(_ *testing.T, s *cmdtest.Server) { s.Kill() }, buildbtw.AttemptRunning},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newSite(t, "outcome=hang\n")
			server, client := s.serve(t, "--workers", "2")
			newBuildspace(t, client, "work", "lib")
			poll(t, "a worker builds", func() (bool, error) { return running(t, client) == 1, nil })
			workers := childrenOf(t, server.PID())
			if len(workers) != 2 {
				t.Fatalf("the server has the children %v, want two workers", workers)
			}
			t.Cleanup(func() { kill(workers) })
			test.end(t, server)
			poll(t, "the workers end", func() (bool, error) { return !alive(workers), nil })

			_, client = s.serve(t)
			_, attempts := theBuild(t, client)
			if len(attempts) != 1 || attempts[0].State != test.state {
				t.Errorf("attempts after the restart: %+v, want one that is %s", attempts, test.state)
			}
		})
	}
}

// A worker that dies is started again, gets the same attempt once more, and its
// log goes on.
func TestChildWorkerThatDiesIsStartedAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t, "sleep=3s\n")
	server, client := s.serve(t, "--workers", "1")
	newBuildspace(t, client, "work", "lib")
	poll(t, "the worker builds", func() (bool, error) { return running(t, client) == 1, nil })
	for _, pid := range childrenOf(t, server.PID()) {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	poll(t, "the build is built", func() (bool, error) {
		it, err := client.Iteration(t.Context(), "work", api.Latest)
		return it.Counts[buildbtw.StatusBuilt] == 1, err
	})
	log, err := client.Log(t.Context(), api.LogRequest{Build: "1", Attempt: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	text, err := io.ReadAll(log)
	if err != nil || !strings.Contains(string(text), "==> Finished making") {
		t.Errorf("error %v, log:\n%s", err, text)
	}
}

func TestStopEndsLongAnswersAtOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t, "outcome=hang\n")
	server, client := s.serve(t, "--lease", "1m")
	newBuildspace(t, client, "work", "lib")
	job := claim(t, client)
	if _, err := client.AppendLog(t.Context(), job.Lease, 0, []byte("first line\n")); err != nil {
		t.Fatal(err)
	}
	ended := make(chan string, 3)
	log, err := client.Log(t.Context(), api.LogRequest{Build: job.BuildID, Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	drainAfterFirstLine(t, log, "followed log", ended)
	drainAfterFirstLine(t, openEvents(t, server.URL), "event stream", ended)
	go func() {
		_, _, _ = client.Claim(context.WithoutCancel(t.Context()), api.ClaimRequest{ // whether it is refused or broken off does not matter
			Worker: "poller", Architectures: []string{"x86_64"}, Runners: []string{"fake"}, Wait: api.MaxWait,
		})
		ended <- "long poll"
	}()
	poll(t, "the long poll has begun", func() (bool, error) {
		workers, err := client.Workers(t.Context())
		return len(workers) == 2, err
	})

	stop(t, server, quick())
	for range cap(ended) {
		select {
		case what := <-ended:
			t.Log("ended:", what)
		case <-time.After(patience):
			t.Fatal("a long answer goes on after the server has stopped")
		}
	}
}

func claim(t *testing.T, client *api.Client) *api.Job {
	t.Helper()
	job, _, err := client.Claim(t.Context(), api.ClaimRequest{
		Worker: "test", Architectures: []string{"x86_64"}, Runners: []string{"fake"}, Wait: api.MaxWait,
	})
	if err != nil || job == nil {
		t.Fatalf("claimed %+v, error %v", job, err)
	}
	return job
}

func openEvents(t *testing.T, url string) io.ReadCloser {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+api.Prefix+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", "text/event-stream")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	return answer.Body
}

// drainAfterFirstLine returns when the first line has come, and reports when
// the answer has ended.
func drainAfterFirstLine(t *testing.T, body io.ReadCloser, what string, ended chan<- string) {
	t.Helper()
	lines := bufio.NewReader(body)
	if _, err := lines.ReadString('\n'); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	go func() {
		defer body.Close()
		_, _ = io.Copy(io.Discard, lines) // it ends or breaks off
		ended <- what
	}()
}

func newBuildspace(t *testing.T, client *api.Client, name string, changesets ...string) {
	t.Helper()
	if _, err := client.CreateBuildspace(t.Context(), api.NewBuildspace{Name: name, Changesets: changesets}); err != nil {
		t.Fatal(err)
	}
}

// running counts the builds that workers are busy with.
func running(t *testing.T, client *api.Client) int {
	t.Helper()
	workers, err := client.Workers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, w := range workers {
		n += len(w.Running)
	}
	return n
}

// childrenOf lists the workers among the children of a process (proc(5)).
func childrenOf(t *testing.T, pid int) []int {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	var children []int
	for _, file := range files {
		text, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // it has ended meanwhile
		}
		if err != nil {
			t.Fatal(err)
		}
		name, rest, _ := strings.Cut(string(text), ") ")
		if fields := strings.Fields(rest); strings.HasSuffix(name, "(buildbtw-worker") && fields[1] == strconv.Itoa(pid) {
			child, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			if err != nil {
				t.Fatal(err)
			}
			children = append(children, child)
		}
	}
	return children
}

// kill ends those processes that have not ended by themselves.
func kill(pids []int) {
	for _, pid := range pids {
		if alive([]int{pid}) {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may end meanwhile
		}
	}
}

// alive reports whether any of the processes is there and no zombie.
func alive(pids []int) bool {
	for _, pid := range pids {
		text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
		if err == nil && !strings.Contains(string(text), ") Z ") {
			return true
		}
	}
	return false
}
