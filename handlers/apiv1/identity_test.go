package apiv1_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/auth"
	"buildbtw/handlers"
	"buildbtw/store"
)

// newMachines starts a server on which the machines b1 and b2 have tokens of their
// own, called after them; "rita" only reads.
func newMachines(t *testing.T) *server {
	t.Helper()
	return newServer(t, func(d *handlers.Deps) {
		d.Who = func(ctx context.Context, c auth.Credentials) (auth.Caller, error) {
			switch c.Bearer {
			case "b1", "b2":
				return auth.Caller{User: buildbtw.User{Name: "token of " + c.Bearer, Role: buildbtw.RoleWorker, Machine: &buildbtw.Machine{
					Worker: c.Bearer, Architectures: buildbtw.Names{"x86_64"}, Labels: buildbtw.Names{"big"},
				}}}, nil
			case "rita":
				return auth.Caller{User: buildbtw.User{Name: "rita", Role: buildbtw.RoleReader}}, nil
			}
			return d.Auth.Who(ctx, c)
		}
	})
}

// as sends a body with a token.
func (s *server) as(token, method, path string, body []byte, headers ...string) answer {
	s.t.Helper()
	r := s.request(method, path, bytes.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+token)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return s.do(r)
}

func (s *server) json(v any) []byte {
	s.t.Helper()
	text, err := json.Marshal(v)
	s.must(err)
	return text
}

// state is all that a build machine can change.
func (s *server) state() any {
	s.t.Helper()
	ctx := s.t.Context()
	workers, err := s.store.Workers(ctx)
	s.must(err)
	history, err := s.store.WorkerHistory(ctx, 10)
	s.must(err)
	builds, _, err := s.store.Builds(ctx, store.BuildFilter{})
	s.must(err)
	packages, err := s.store.BuildPackages(ctx, 1)
	s.must(err)
	return []any{workers, history, builds, packages}
}

func TestATokenOfOneMachineClaimsOnlyForIt(t *testing.T) {
	t.Parallel()
	s := newMachines(t)
	s.space("work", "libalpha")
	before := s.state()
	for name, change := range map[string]func(*api.ClaimRequest){
		"as another machine":       func(r *api.ClaimRequest) { r.Worker = "b2" },
		"for another architecture": func(r *api.ClaimRequest) { r.Architectures = []string{"x86_64", "riscv64"} },
		"with another label":       func(r *api.ClaimRequest) { r.Labels = []string{"fast"} },
	} {
		r := claimRequest("b1")
		change(&r)
		s.wantProblem(s.as("b1", "POST", "/worker/claim", s.json(r)), http.StatusForbidden, "token", "b1")
		if d := cmp.Diff(before, s.state()); d != "" {
			t.Errorf("%s: the refused claim changed\n%s", name, d)
		}
	}
	r := claimRequest("b1")
	r.Labels = []string{"big"}
	if got := s.as("b1", "POST", "/worker/claim", s.json(r)); got.StatusCode != http.StatusOK {
		t.Errorf("its own claim: %s\n%s", got.Status, got.body)
	}
}

// A lease is of no use with a token that has not claimed it, be it that of another
// machine, of all machines, or an administrator's; nor without it.
func TestALeaseIsOnlyOfWhoClaimedIt(t *testing.T) {
	t.Parallel()
	s := newMachines(t)
	s.space("work", "libalpha")
	var job api.Job
	s.must(json.Unmarshal(s.as("b1", "POST", "/worker/claim", s.json(claimRequest("b1"))).body, &job))
	var name string
	var body []byte
	for file, content := range s.build(job) { // there is one
		name, body = file, content
	}
	logged := s.as("b1", "PATCH", lease(job, "log"), []byte("of b1\n"), api.HeaderOffset, "0")
	if logged.StatusCode != http.StatusOK {
		t.Fatalf("log of b1: %s", logged.Status)
	}
	before := s.state()
	built := s.json(api.FinishRequest{Outcome: buildbtw.OutcomeBuilt, Files: []api.File{{Name: name, SHA256: digest(body)}}})
	failed := s.json(api.FinishRequest{Outcome: buildbtw.OutcomeFailed, Reason: "no"})
	for _, token := range []string{"b2", workerToken, "rita"} {
		for call, got := range map[string]answer{
			"heartbeat": s.as(token, "POST", lease(job, "heartbeat"), nil),
			"log":       s.as(token, "PATCH", lease(job, "log"), []byte("of another\n"), api.HeaderOffset, "6"),
			"source":    s.as(token, "GET", lease(job, "source"), nil),
			"upload":    s.as(token, "PUT", lease(job, "packages/"+name), body, api.HeaderSHA256, digest(body)),
			"built":     s.as(token, "POST", lease(job, "finish"), built),
			"failed":    s.as(token, "POST", lease(job, "finish"), failed),
		} {
			if got.StatusCode != http.StatusForbidden {
				t.Errorf("%s with token %s: %s\n%s", call, token, got.Status, got.body)
			}
		}
	}
	s.wantProblem(s.call("POST", lease(job, "finish"), api.FinishRequest{Outcome: buildbtw.OutcomeFailed, Reason: "no"}, http.StatusForbidden, nil), http.StatusForbidden) // an administrator's
	other := api.Job{Lease: strings.Repeat("0", len(job.Lease))}
	for call, got := range map[string]answer{
		"upload": s.as("b1", "PUT", lease(other, "packages/"+name), body, api.HeaderSHA256, digest(body)),
		"built":  s.as("b1", "POST", lease(other, "finish"), built),
	} {
		if got.StatusCode != http.StatusConflict {
			t.Errorf("%s with a guessed lease: %s\n%s", call, got.Status, got.body)
		}
	}
	if d := cmp.Diff(before, s.state()); d != "" {
		t.Errorf("the refused calls changed\n%s", d)
	}
	if log := s.call("GET", "/builds/"+job.BuildID+"/log", nil, http.StatusOK, nil); string(log.body) != "of b1\n" {
		t.Errorf("log: %q", log.body)
	}
	if got := s.as("b1", "PUT", lease(job, "packages/"+name), body, api.HeaderSHA256, digest(body)); got.StatusCode != http.StatusCreated {
		t.Errorf("upload by its holder: %s\n%s", got.Status, got.body)
	}
	for range 2 { // the first answer may be lost
		if got := s.as("b1", "POST", lease(job, "finish"), built); got.StatusCode != http.StatusOK {
			t.Errorf("finish by its holder: %s\n%s", got.Status, got.body)
		}
	}
	s.wantProblem(s.as("b2", "POST", lease(job, "finish"), built), http.StatusForbidden)
}

// A machine that claims under the name of another one that is there is told so, and
// gets none of its builds.
func TestANameIsOfOneMachine(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.space("work", "libalpha", "gamma")
	first := claimRequest("w1")
	first.Secret, first.Instance = strings.Repeat("a", 64), "there"
	var job api.Job
	s.call("POST", "/worker/claim", first, http.StatusOK, &job)
	before := s.state()
	for _, slot := range []int{0, 1} {
		for _, secret := range []string{"", strings.Repeat("b", 64)} {
			r := claimRequest("w1")
			r.Secret, r.Instance, r.Slot = secret, "here", slot
			s.wantProblem(s.call("POST", "/worker/claim", r, http.StatusConflict, nil), http.StatusConflict, "worker w1 is connected from 127.0.0.1 since ", "--name")
		}
		r := first
		r.Instance, r.Slot = "a copy", slot
		s.wantProblem(s.call("POST", "/worker/claim", r, http.StatusConflict, nil), http.StatusConflict, "copy of its work directory", "--work-dir")
	}
	for _, secret := range []string{"short", strings.Repeat("a", 200)} {
		r := claimRequest("w1")
		r.Secret = secret
		s.wantProblem(s.call("POST", "/worker/claim", r, http.StatusUnprocessableEntity, nil), http.StatusUnprocessableEntity, "secret")
	}
	if d := cmp.Diff(before, s.state()); d != "" {
		t.Errorf("the refused claims changed\n%s", d)
	}
	var again api.Job
	s.call("POST", "/worker/claim", first, http.StatusOK, &again)
	if again.Lease != job.Lease {
		t.Error("asking again the first one got another lease")
	}
	s.finishBuilt(job)
}
