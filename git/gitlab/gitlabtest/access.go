package gitlabtest

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Access is the access level of a token.
type Access string

// The access levels; each includes those before it.
const (
	Nothing    Access = ""     // an unknown or revoked token
	ReadOnly   Access = "read" // scopes read_api and read_repository, role Reporter
	Everything Access = "api"  // scopes api and write_repository, role Maintainer
)

// Allow adds a token, or changes its access; Nothing revokes it.
func (s *Server) Allow(token string, a Access) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[token] = a
}

// access returns the access level of a request. Git sends the token as the password of
// any user.
func (s *Server) access(r *http.Request) Access {
	token := r.Header.Get("Private-Token")
	if bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		token = bearer
	}
	if basic, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Basic "); ok {
		text, err := base64.StdEncoding.DecodeString(basic)
		if _, password, found := strings.Cut(string(text), ":"); err == nil && found {
			token = password
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tokens[token]
}

// api registers a part of the REST API for those who have access.
func (s *Server) api(pattern string, needs Access, handle http.HandlerFunc) {
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		s.note(r)
		if wait, over := s.overLimit(w); over {
			w.Header().Set("Retry-After", strconv.Itoa(wait))
			w.WriteHeader(http.StatusTooManyRequests)
			_, _ = w.Write([]byte("Retry later\n")) // as GitLab: no JSON
			return
		}
		switch has := s.access(r); {
		case has == Nothing:
			refuse(w, http.StatusUnauthorized, "401 Unauthorized")
		case needs == Everything && has != Everything:
			refuse(w, http.StatusForbidden, "403 Forbidden")
		default:
			handle(w, r)
		}
	})
}

// getOwnToken answers what the token of the request may do.
func (s *Server) getOwnToken(w http.ResponseWriter, r *http.Request) {
	scopes := []string{"read_api", "read_repository"}
	if s.access(r) == Everything {
		scopes = []string{"api", "write_repository"}
	}
	answer(w, http.StatusOK, map[string]any{"id": 1, "name": "buildbtw", "active": true, "scopes": scopes, "expires_at": nil})
}

// note remembers a request for Requests.
func (s *Server) note(r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, r.Method+" "+r.URL.RequestURI())
}

// Requests returns method and path of the API requests since its last call.
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.requests
	s.requests = nil
	return asked
}

// window counts the requests of a minute.
type window struct {
	began time.Time
	count int
}

// overLimit counts a request, and says how many seconds to wait when there are
// too many.
func (s *Server) overLimit(w http.ResponseWriter) (wait int, over bool) {
	if s.options.Limit == 0 {
		return 0, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.options.Now()
	if now.Sub(s.window.began) >= time.Minute {
		s.window = window{began: now}
	}
	s.window.count++
	reset := s.window.began.Add(time.Minute)
	w.Header().Set("RateLimit-Limit", strconv.Itoa(s.options.Limit))
	w.Header().Set("RateLimit-Remaining", strconv.Itoa(max(s.options.Limit-s.window.count, 0)))
	w.Header().Set("RateLimit-Reset", strconv.FormatInt(reset.Unix(), 10))
	return int(reset.Sub(now)/time.Second) + 1, s.window.count > s.options.Limit
}

// answer sends a value as JSON.
func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // an error means that the client is gone
}

// refuse answers with a reason, as GitLab does.
func refuse(w http.ResponseWriter, status int, message string) {
	answer(w, status, map[string]string{"message": message})
}
