package cmdtest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"runtime"
	"slices"
	"time"

	"buildbtw/api"
	"buildbtw/cmd/internal/local"
)

// Server is a running server that has answered that it is ready.
type Server struct {
	*Process
	URL string
}

// startTime bounds how long a server may take until it is ready. Tests of
// several packages share few processors.
const startTime = 5 * time.Minute

// servingLine is what the server logs when it serves.
var servingLine = regexp.MustCompile(`msg=serving url=(\S+)`)

// StartServer starts "buildbtw serve" with these arguments and waits until it is
// ready. An empty address means a free port of 127.0.0.1.
func StartServer(ctx context.Context, address string, s Spec) (*Server, error) {
	if address == "" {
		address = "127.0.0.1:0"
	}
	if s.Env == nil {
		s.Env = os.Environ()
	}
	s.Env = append(slices.Clip(s.Env), "BUILDBTW_SERVER_URL=") // that one is meant for clients
	// Failures are compared with the base where a test asks for it: else every failed
	// build is built once more.
	s.Args = append([]string{"buildbtw", "serve", "--listen", address, "--baseline=false"}, s.Args...)
	p, err := Start(s)
	if err != nil {
		return nil, err
	}
	server := &Server{Process: p}
	err = Poll(ctx, startTime, func() (bool, error) {
		if p.Ended() {
			return false, errors.New("it ended")
		}
		m := servingLine.FindStringSubmatch(p.Log())
		if m == nil {
			return false, nil
		}
		server.URL = m[1]
		return isReady(ctx, m[1]), nil
	})
	if err != nil {
		p.Kill()
		return nil, fmt.Errorf("start the server: %w; it said:\n%s", err, p.Log())
	}
	return server, nil
}

// Client returns a client of the server that acts for the user who runs it, an
// administrator: it finds the token where bbtw does.
func (s *Server) Client(o api.Options) (*api.Client, error) {
	o.Token = s.Token
	return api.New(s.URL, "", o)
}

// Token returns the administrator's token. A server that was started again has
// another one.
func (s *Server) Token() (string, error) {
	dir, err := local.Dir()
	if err != nil {
		return "", err
	}
	found, ok, err := local.Find(dir, s.URL)
	if err != nil {
		return "", err
	}
	if !ok {
		return "", fmt.Errorf("the server at %s has left no token in %s", s.URL, dir)
	}
	return found.ReadToken()
}

func isReady(ctx context.Context, url string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+api.Prefix+"/ready", nil)
	if err != nil {
		return false
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// pollPause is the time between two looks.
const pollPause = 20 * time.Millisecond

// Poll looks again and again until done reports true or an error, or the limit
// has passed.
func Poll(ctx context.Context, limit time.Duration, done func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not within %s: %w", limit, ctx.Err())
		case <-time.After(pollPause):
		}
	}
}

// OnBusyMachine stretches a time that is long enough on an idle machine by as much
// as others keep this one busy.
func OnBusyMachine(d time.Duration) time.Duration {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return d
	}
	var load float64
	if _, err := fmt.Sscan(string(text), &load); err != nil {
		return d
	}
	return time.Duration(float64(d) * max(1, load/float64(runtime.NumCPU())))
}
