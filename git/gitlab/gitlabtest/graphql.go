package gitlabtest

import (
	"encoding/json"
	"net/http"
	"regexp"
)

// Query answers one named GraphQL query. The stand-in does not understand
// GraphQL: it knows the queries that buildbtw sends by their names.
type Query func(variables map[string]json.RawMessage) (data any)

var queryName = regexp.MustCompile(`^\s*query\s+(\w+)`)

// AnswerQuery registers the handler of the GraphQL query with a name.
func (s *Server) AnswerQuery(name string, q Query) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queries[name] = q
}

func (s *Server) graphQLRoutes() {
	s.api("POST /api/graphql", ReadOnly, func(w http.ResponseWriter, r *http.Request) {
		var asked struct {
			Query     string
			Variables map[string]json.RawMessage
		}
		if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
			refuse(w, http.StatusBadRequest, "400 Bad request - "+err.Error())
			return
		}
		match := queryName.FindStringSubmatch(asked.Query)
		var known Query
		if match != nil {
			s.mu.Lock()
			known = s.queries[match[1]]
			s.mu.Unlock()
		}
		if known == nil {
			answer(w, http.StatusOK, map[string]any{"errors": []any{map[string]any{"message": "the stand-in does not know this query"}}})
			return
		}
		answer(w, http.StatusOK, map[string]any{"data": known(asked.Variables)})
	})
}
