package runners_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/runners"
)

func single(t *testing.T, s *server, change func(*runners.Options)) *runners.Agent {
	t.Helper()
	o := options(t, s)
	o.Tail = 200
	if change != nil {
		change(&o)
	}
	agent, err := runners.NewAgent(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(agent.Close)
	return agent
}

func TestSingleBuildIsReported(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	l := s.add(task{name: "one", fake: "log-lines=1000"})
	leased := ""
	report, err := single(t, s, nil).RunSingle(t.Context(), runners.Single{
		Build: "one", Pipeline: 70, Job: 71, Slot: 3,
		Leased: func(j api.Job) error { leased = j.Lease; return nil },
	})
	if err != nil || report.Outcome != buildbtw.OutcomeBuilt || report.Status != "built" || report.Lost != nil || leased != l.job.Lease {
		t.Errorf("%v, %+v, lease %q", err, report, leased)
	}
	if len(report.Tail) != 200 || !strings.Contains(string(report.Tail), "uploaded one-b") {
		t.Errorf("the end of the log: %q", report.Tail)
	}
	if asked := s.claims[0]; asked.Build != "one" || asked.Pipeline != 70 || asked.Job != 71 || asked.Slot != 3 {
		t.Errorf("asked for %+v", asked)
	}
}

// What was leased must be what was asked for; otherwise nothing is done with it
// but to end the lease.
func TestSingleBuildThatIsAnother(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		single  runners.Single
		change  func(*runners.Options)
		outcome buildbtw.Outcome
	}{
		"a server that knows no named claims": {runners.Single{Build: "two"}, nil, buildbtw.OutcomeReleased},
		"another commit":                      {runners.Single{Build: "one", Commit: "c0ffee"}, nil, buildbtw.OutcomeInfrastructure},
		"another architecture": {
			runners.Single{Build: "one"},
			func(o *runners.Options) { o.Architectures = []string{"riscv64"} }, buildbtw.OutcomeInfrastructure,
		},
		"a lease that cannot be noted": {
			runners.Single{Build: "one", Leased: func(api.Job) error { return errors.New("disk full") }},
			nil, buildbtw.OutcomeInfrastructure,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			l := s.add(task{name: "one"})
			report, err := single(t, s, test.change).RunSingle(t.Context(), test.single)
			if err != nil || report.Outcome != test.outcome || s.outcome(l).Outcome != test.outcome {
				t.Errorf("%v, %+v, the server heard %+v", err, report.Result, l.finished)
			}
			if len(l.packages) > 0 || len(l.log) > 0 {
				t.Error("it was built all the same")
			}
		})
	}
}

func TestSingleBuildThatIsNotHandedOut(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	if _, err := single(t, s, nil).RunSingle(t.Context(), runners.Single{Build: "one"}); buildbtw.KindOf(err) != buildbtw.KindConflict {
		t.Errorf("nothing to do: %v", err)
	}
	s.setFault(func(w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
		problem(w, buildbtw.Conflict("it is built"), nil)
	})
	if _, err := single(t, s, nil).RunSingle(t.Context(), runners.Single{Build: "one"}); buildbtw.KindOf(err) != buildbtw.KindConflict {
		t.Errorf("refused: %v", err)
	}
}

func TestSingleBuildIsHandedBackAndTimesOut(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	l := s.add(task{name: "stopped", fake: "outcome=hang"})
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		s.until("a heartbeat", func() bool { return l.beats > 0 })
		stop()
	}()
	report, err := single(t, s, nil).RunSingle(ctx, runners.Single{Build: "stopped"})
	if err != nil || report.Outcome != buildbtw.OutcomeReleased || s.outcome(l).Outcome != buildbtw.OutcomeReleased {
		t.Errorf("%v, %+v", err, report.Result)
	}
	late := s.add(task{name: "late", fake: "outcome=hang"})
	report, err = single(t, s, nil).RunSingle(t.Context(), runners.Single{Build: "late", Deadline: time.Now().Add(time.Second)})
	if err != nil || report.Outcome != buildbtw.OutcomeTimedOut || s.outcome(late).Outcome != buildbtw.OutcomeTimedOut {
		t.Errorf("%v, %+v", err, report.Result)
	}
}

func TestSingleBuildWhoseLeaseIsLost(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	l := s.add(task{name: "lost", fake: "outcome=hang"})
	go func() {
		s.until("a heartbeat", func() bool { return l.beats > 0 })
		s.change(func() { l.over = true })
	}()
	report, err := single(t, s, nil).RunSingle(t.Context(), runners.Single{Build: "lost"})
	if err != nil || report.Lost == nil {
		t.Errorf("%v, %+v", err, report)
	}
}
