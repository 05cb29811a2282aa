package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// secretPrefix marks the secret of a webhook, as Standard Webhooks does.
const secretPrefix = "whsec_"

// NewSecret returns a secret for the signatures of a webhook.
func NewSecret() string {
	key := make([]byte, 32)
	rand.Read(key)
	return secretPrefix + base64.StdEncoding.EncodeToString(key)
}

// parseSecret returns the key of a secret: the bytes that are written in base64 after
// whsec_, else the text itself.
func parseSecret(secret string) ([]byte, error) {
	text, encoded := strings.CutPrefix(secret, secretPrefix)
	key := []byte(text)
	if encoded {
		var err error
		if key, err = base64.StdEncoding.DecodeString(text); err != nil {
			return nil, fmt.Errorf("the secret of the webhook begins with %s, and what follows is not base64", secretPrefix)
		}
	}
	if len(key) < 16 {
		return nil, fmt.Errorf("the secret of the webhook has %d bytes; use at least 16, for example: openssl rand -hex 32", len(key))
	}
	return key, nil
}

// webhook sends messages as JSON, signed as https://www.standardwebhooks.com describes.
type webhook struct {
	url    string
	key    []byte
	client *http.Client
	now    func() time.Time
}

func (w *webhook) send(ctx context.Context, m Message) error {
	body, err := json.Marshal(m)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(body))
	if err != nil {
		return withoutURL(err)
	}
	at := strconv.FormatInt(w.now().Unix(), 10)
	mac := hmac.New(sha256.New, w.key)
	fmt.Fprintf(mac, "%s.%s.%s", m.ID, at, body)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Webhook-Id", m.ID)
	r.Header.Set("Webhook-Timestamp", at)
	r.Header.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	_, err = do(w.client, r)
	return err
}

// do sends a request, and returns the beginning of the answer. Any status but those of
// success is a failure.
func do(client *http.Client, r *http.Request) ([]byte, error) {
	r.Header.Set("User-Agent", "buildbtw")
	answer, err := client.Do(r)
	if err != nil {
		return nil, withoutURL(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	switch code := answer.StatusCode; {
	case code >= 300 && code < 400:
		return body, &failure{words: fmt.Sprintf("the receiver answered %d: it points to another address, and redirects are not followed; give that one", code), permanent: true}
	case code == http.StatusGone:
		return body, &failure{words: "the receiver answered 410: it is gone for good", permanent: true}
	case code < 200 || code >= 300:
		return body, &failure{words: fmt.Sprintf("the receiver answered %d %s", code, http.StatusText(code)), after: retryAfter(answer.Header.Get("Retry-After"))}
	case err != nil:
		return body, withoutURL(err)
	}
	return body, nil
}

// longestAfter bounds how long a receiver may ask to wait.
const longestAfter = time.Hour

// retryAfter reads the seconds of a Retry-After header; 0 for anything else.
func retryAfter(text string) time.Duration {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0
	}
	return min(time.Duration(min(n, 1<<20))*time.Second, longestAfter)
}
