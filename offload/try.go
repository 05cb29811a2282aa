package offload

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"

	"buildbtw/objects"
)

// Try returns an error unless a bucket stores, lists, returns and removes an object. The object is
// below a prefix of its own, and is removed whatever happens.
func Try(ctx context.Context, b objects.Bucket) (err error) {
	text := rand.Text()
	o := objects.Object{Key: "doctor/" + text, Size: int64(len(text)), SHA256: digestOf(text)}
	if err := b.Put(ctx, o, bytes.NewReader([]byte(text))); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Remove(ctx, o.Key)) }()
	body, err := b.Open(ctx, o.Key, 0, o.Size)
	if err != nil {
		return err
	}
	got, err := io.ReadAll(body)
	if err := errors.Join(err, body.Close()); err != nil {
		return err
	}
	if string(got) != text {
		return errors.New("the object storage returned something else than was put into it")
	}
	for _, err := range b.List(ctx, o.Key) {
		if err != nil {
			return err
		}
	}
	return nil
}
