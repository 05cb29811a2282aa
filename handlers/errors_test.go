package handlers_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"buildbtw/api"
	"buildbtw/auth"
	"buildbtw/handlers"
)

func TestEveryAnswerHasTheSecurityHeaders(t *testing.T) {
	t.Parallel()
	f := newFrame(t)
	for _, path := range []string{"/api/v1/health", "/api/v1/nosuch", "/nosuch", "/repo/a/os/b/c", "/metrics"} {
		answer, _ := f.get(t, path)
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin",
		} {
			if got := answer.Header.Get(name); !strings.HasPrefix(got, want) {
				t.Errorf("%s: %s is %q", path, name, got)
			}
		}
		if answer.Header.Get("X-Request-Id") == "" {
			t.Errorf("%s has no request id", path)
		}
	}
}

// panicOnDemand makes the server panic for whoever presents the token "panic".
func panicOnDemand(d *handlers.Deps) {
	d.Who = func(ctx context.Context, c auth.Credentials) (auth.Caller, error) {
		if c.Bearer == "panic" {
			panic("planned to panic")
		}
		return d.Auth.Who(ctx, c)
	}
}

func TestPanicIsAnErrorAndTheServerGoesOn(t *testing.T) {
	t.Parallel()
	f := newFrame(t, panicOnDemand)
	answer, body := f.send(t, "POST", "/api/v1/plans", `{"changesets":["a"]}`, "Authorization", "Bearer panic")
	var p api.Problem
	must(t, json.Unmarshal(body, &p))
	if answer.StatusCode != http.StatusInternalServerError || p.Status != 500 || strings.Contains(string(body), "planned to panic") {
		t.Errorf("%s\n%s", answer.Status, body)
	}
	if text := f.log.String(); !strings.Contains(text, "planned to panic") || !strings.Contains(text, "errors_test.go") {
		t.Errorf("the log does not say what panicked and where:\n%s", text)
	}
	if answer, _ := f.get(t, "/api/v1/health"); answer.StatusCode != http.StatusOK {
		t.Errorf("after the panic: %s", answer.Status)
	}
}

func TestUnknownAddressesAreProblemsForPrograms(t *testing.T) {
	t.Parallel()
	f := newFrame(t)
	answer, body := f.get(t, "/api/v1/nosuch")
	var p api.Problem
	must(t, json.Unmarshal(body, &p))
	if answer.Header.Get("Content-Type") != "application/problem+json" || p.Type != "urn:buildbtw:not-found" || p.Status != 404 {
		t.Errorf("%s %q\n%s", answer.Status, answer.Header.Get("Content-Type"), body)
	}
	answer, _ = f.send(t, "DELETE", "/api/v1/health", "")
	if answer.StatusCode != http.StatusMethodNotAllowed || !strings.Contains(answer.Header.Get("Allow"), "GET") {
		t.Errorf("%s, Allow: %q", answer.Status, answer.Header.Get("Allow"))
	}
}

func TestBodiesThatAreNoJSON(t *testing.T) {
	t.Parallel()
	f := newFrame(t)
	for name, test := range map[string]struct {
		body   string
		status int
		words  string
	}{
		"empty":         {"", 422, "empty"},
		"words":         {"changesets=a", 422, "byte 1"},
		"cut off":       {`{"changesets":["a"`, 422, "ends in the middle"},
		"unknown field": {`{"changesets":["a"],"colour":"red"}`, 422, `"colour"`},
		"wrong type":    {`{"changesets":"a"}`, 422, `"changesets" cannot be a string, at byte`},
		"an object":     {`{"changesets":{}}`, 422, `"changesets" cannot be an object, at byte`},
		"a list":        {`[]`, 422, "must be a JSON object, not an array"},
		"a number":      {`1.5`, 422, "must be a JSON object, not a number"},
		"two objects":   {`{"changesets":["a"]} {}`, 422, "byte 20"},
		"too large":     {`{"changesets":["` + strings.Repeat("a", 2<<20) + `"]}`, 413, "1.0 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			answer, body := f.send(t, "POST", "/api/v1/plans", test.body)
			var p api.Problem
			must(t, json.Unmarshal(body, &p))
			if answer.StatusCode != test.status || !strings.Contains(p.Detail, test.words) {
				t.Errorf("%s, want %d with %q\n%s", answer.Status, test.status, test.words, body)
			}
		})
	}
}

func TestMetricsCountRequestsByRoute(t *testing.T) {
	t.Parallel()
	f := newFrame(t)
	f.get(t, "/api/v1/builds/1")
	f.get(t, "/api/v1/builds/2")
	_, body := f.get(t, "/metrics")
	want := `buildbtw_http_requests_total{method="GET",route="/api/v1/builds/:id",status="404"} 2`
	if !strings.Contains(string(body), want) {
		t.Errorf("no line %s in\n%.2000s", want, body)
	}
}
