package gitlabtest

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
)

// Fault is a way to fail.
type Fault func(s *Server, w http.ResponseWriter, r *http.Request)

type fault struct {
	path  *regexp.Regexp
	times int // left; negative: for ever
	do    Fault
}

// Fail makes requests fail whose method and path ("GET /api/v4/projects/7") match
// the expression: the next times of them, or all when times is negative. The
// latest fault that matches counts.
func (s *Server) Fail(expression string, times int, do Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &fault{regexp.MustCompile(expression), times, do})
}

// Heal ends all faults.
func (s *Server) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// fail answers a request with the fault that was made for it.
func (s *Server) fail(w http.ResponseWriter, r *http.Request) bool {
	do := s.faultFor(r.Method + " " + r.URL.Path)
	if do == nil {
		return false
	}
	s.note(r)
	do(s, w, r)
	return true
}

func (s *Server) faultFor(request string) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := len(s.faults) - 1; i >= 0; i-- {
		if f := s.faults[i]; f.times != 0 && f.path.MatchString(request) {
			f.times--
			return f.do
		}
	}
	return nil
}

// Status answers with an error in GitLab's form.
func Status(code int) Fault {
	return func(_ *Server, w http.ResponseWriter, _ *http.Request) {
		refuse(w, code, strconv.Itoa(code)+" "+http.StatusText(code))
	}
}

// TooMany asks to come back after some seconds.
func TooMany(seconds int) Fault {
	return func(_ *Server, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", strconv.Itoa(seconds))
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = w.Write([]byte("Retry later\n"))
	}
}

// HTML answers with a page, as a proxy or a sign-in in front of GitLab does.
func HTML(code int) Fault {
	return func(_ *Server, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(code)
		_, _ = w.Write([]byte("<!DOCTYPE html><html><title>Sign in</title><body>Please sign in.</body></html>"))
	}
}

// HalfJSON answers with the beginning of an answer and then closes the
// connection.
func HalfJSON() Fault {
	return func(_ *Server, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", "100000")
		_, _ = w.Write([]byte(`[{"id":1,"path_with_namespace":"half/an`))
		_ = http.NewResponseController(w).Flush() // an error means that the client is gone
		panic(http.ErrAbortHandler)
	}
}

// Silence answers nothing until the client gives up.
func Silence() Fault {
	return func(s *Server, _ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-s.stop.Done():
		}
	}
}

// AfterAnswering returns a fault whose request is carried out but answered with f, as
// when a proxy in front of GitLab fails.
func AfterAnswering(f Fault) Fault {
	return func(s *Server, w http.ResponseWriter, r *http.Request) {
		s.mux.ServeHTTP(httptest.NewRecorder(), r)
		f(s, w, r)
	}
}
