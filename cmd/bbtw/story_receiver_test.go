package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"
)

// receiver VARIABLE FILE starts a receiver of webhooks, whose address is in the variable from
// then on. It appends the path, the id and the subject of each message to the file, and answers
// 503 as long as there is a file called FILE.down.
func (s *story) receiver(ts *testscript.TestScript, args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("usage: receiver VARIABLE FILE")
	}
	name := filepath.Join(s.dir, args[1])
	if err := os.WriteFile(name, nil, 0o644); err != nil {
		return err
	}
	var writing sync.Mutex
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := os.Stat(name + ".down"); err == nil {
			http.Error(w, "down", http.StatusServiceUnavailable)
			return
		}
		body, err := io.ReadAll(r.Body)
		var message struct {
			Subject string `json:"subject"`
		}
		if err != nil || json.Unmarshal(body, &message) != nil {
			http.Error(w, "no message", http.StatusBadRequest)
			return
		}
		writing.Lock()
		defer writing.Unlock()
		f, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
		if err == nil {
			_, err = fmt.Fprintf(f, "%s %s %s\n", r.URL.Path, r.Header.Get("Webhook-Id"), message.Subject)
			f.Close()
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}))
	ts.Defer(server.Close)
	ts.Setenv(args[0], server.URL)
	return nil
}
