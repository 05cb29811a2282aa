package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Matrix is the account with which messages are sent to rooms.
type Matrix struct {
	URL   string // of the homeserver
	Token string // access token of the account, which is a member of the rooms
}

// Check returns an error for settings that cannot be used.
func (m *Matrix) Check() error {
	if err := checkURL(m.URL); err != nil {
		return fmt.Errorf("the address of the Matrix server: %w", err)
	}
	if m.Token == "" {
		return errors.New("a Matrix server needs the access token of an account")
	}
	return nil
}

// room sends messages to one room.
type room struct {
	*Matrix
	id     string
	client *http.Client
}

// send puts a message into the room under the id of the message as transaction: a server
// that has it does not show it again.
func (r *room) send(ctx context.Context, m Message) error {
	body, err := json.Marshal(map[string]string{"msgtype": "m.notice", "body": m.Subject + "\n" + strings.TrimSpace(m.Text())})
	if err != nil {
		return err
	}
	address := strings.TrimRight(r.URL, "/") + "/_matrix/client/v3/rooms/" + url.PathEscape(r.id) + "/send/m.room.message/" + url.PathEscape(m.ID)
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, address, bytes.NewReader(body))
	if err != nil {
		return withoutURL(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+r.Token)
	answer, err := do(r.client, request)
	var failed *failure
	if errors.As(err, &failed) {
		var words struct {
			Code  string `json:"errcode"`
			After int64  `json:"retry_after_ms"` // before Matrix 1.10; now it is the header Retry-After
		}
		if json.Unmarshal(answer, &words) == nil && words.Code != "" {
			failed.words += fmt.Sprintf(" (%.40q)%s", words.Code, advice(words.Code))
			if failed.after == 0 && words.After > 0 {
				failed.after = min(time.Duration(min(words.After, 1<<40))*time.Millisecond, longestAfter)
			}
		}
	}
	return err
}

// advice returns what an administrator can do about an error of the homeserver; empty when
// its words say all. M_UNSUPPORTED_ROOM_VERSION is Dendrite's answer for a room that it does not
// know, Synapse's is M_FORBIDDEN.
func advice(code string) string {
	switch code {
	case "M_UNKNOWN_TOKEN", "M_MISSING_TOKEN":
		return ": the homeserver does not know the access token; give --matrix-token one that is not signed out, and restart"
	case "M_FORBIDDEN", "M_NOT_FOUND", "M_UNSUPPORTED_ROOM_VERSION":
		return ": the account of --matrix-token is in no such room, or may not write there; invite it, have it join, and compare the id"
	}
	return ""
}
