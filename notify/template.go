package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/textproto"
	"strings"
	"text/template"
	"time"

	"buildbtw"
)

// request sends messages as a request whose body a template makes.
type request struct {
	method string
	url    string
	header http.Header
	body   *template.Template
	client *http.Client
}

// maxBody bounds the bytes that a template may make.
const maxBody = 64 << 10

// parseTemplate reads a template of a body (text/template). json writes a value as JSON; text
// in it comes with its quotes.
func parseTemplate(text string) (*template.Template, error) {
	t, err := template.New("body").Option("missingkey=error").Funcs(template.FuncMap{
		"json": func(v any) (string, error) {
			b, err := json.Marshal(v)
			return string(b), err
		},
	}).Parse(text)
	if err != nil {
		return nil, err
	}
	_, err = fill(t, sample())
	return t, err
}

// fill returns the body for a message.
func fill(t *template.Template, m Message) ([]byte, error) {
	var b limited
	if err := t.Execute(&b, m); err != nil {
		return nil, err
	}
	return b.text.Bytes(), nil
}

// limited is a buffer that takes at most maxBody bytes.
type limited struct{ text bytes.Buffer }

func (l *limited) Write(p []byte) (int, error) {
	if l.text.Len()+len(p) > maxBody {
		return 0, fmt.Errorf("the template makes more than %d bytes", maxBody)
	}
	return l.text.Write(p)
}

// sample is a message with everything that a template may show, and letters that JSON
// quotes.
func sample() Message {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return Message{
		ID: "msg_sample", Type: MessageTurn, At: at, Buildspace: "sample", Iteration: 1, Subject: "sample #1: \"first failure\"",
		Turns: []TurnWords{{buildbtw.TurnFailed, 1, at, "The first build of #1 failed."}}, Summary: "2 builds: 1 failed,\n1 blocked.",
		Cause: &Description{"curl failed.", "https://build.example.org/builds/1"}, URL: "https://build.example.org/buildspaces/sample",
	}
}

// parseHeaders reads lines such as "Authorization: Bearer …".
func parseHeaders(text string) (http.Header, error) {
	h := http.Header{}
	for i, line := range strings.Split(text, "\n") {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || name == "" || strings.ContainsFunc(name, func(r rune) bool {
			return r != '-' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
		}) {
			return nil, fmt.Errorf("line %d of the headers is not of the form \"Name: value\"", i+1) // it may be a secret
		}
		h.Add(textproto.CanonicalMIMEHeaderKey(name), strings.TrimSpace(value))
	}
	return h, nil
}

func (r *request) send(ctx context.Context, m Message) error {
	body, err := fill(r.body, m)
	if err != nil {
		return &failure{words: fmt.Sprintf("the template of the body failed: %v", err)}
	}
	to, err := http.NewRequestWithContext(ctx, r.method, r.url, bytes.NewReader(body))
	if err != nil {
		return withoutURL(err)
	}
	to.Header = r.header.Clone()
	if to.Header.Get("Content-Type") == "" {
		to.Header.Set("Content-Type", "application/json")
	}
	to.Header.Set("Idempotency-Key", m.ID)
	_, err = do(r.client, to)
	return err
}
