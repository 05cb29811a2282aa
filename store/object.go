package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"
)

// MovedObject is a file that was moved to object storage.
type MovedObject struct {
	bun.BaseModel `bun:"table:objects"`

	Key       string    `bun:"key,pk"` // in the bucket, below the server's prefix
	Bytes     int64     `bun:"bytes"`
	SHA256    string    `bun:"sha256"`     // empty when it was found in the bucket without one
	TextBytes int64     `bun:"text_bytes"` // of a log before it was compressed
	MovedAt   time.Time `bun:"moved_at"`
	Missing   bool      `bun:"missing"` // not in the bucket when that was last compared
}

// MovedObject returns the object of a key; ok is false when there is none.
func (q *Reader) MovedObject(ctx context.Context, key string) (o MovedObject, ok bool, err error) {
	err = q.get(ctx, &o, "moved_object", args{"key": key})
	if errors.Is(err, sql.ErrNoRows) {
		return o, false, nil
	}
	if err != nil {
		return o, false, fmt.Errorf("look for object %s: %w", key, err)
	}
	return o, true, nil
}

// MovedObjects returns at most so many objects whose keys come after one, in the order of keys.
func (q *Reader) MovedObjects(ctx context.Context, after string, limit int) ([]MovedObject, error) {
	var list []MovedObject
	if err := q.list(ctx, &list, "moved_objects", args{"after": after, "limit": limit}); err != nil {
		return nil, fmt.Errorf("list objects after %q: %w", after, err)
	}
	return list, nil
}

// ObjectCount is how much lies in object storage.
type ObjectCount struct {
	Files   int   `bun:"files"`
	Bytes   int64 `bun:"bytes"`
	Missing int   `bun:"missing"` // of the files, those that are not there
}

// CountObjects counts what lies in object storage. It reads all rows.
func (q *Reader) CountObjects(ctx context.Context) (n ObjectCount, err error) {
	if err := q.get(ctx, &n, "count_objects", nil); err != nil {
		return n, fmt.Errorf("count objects: %w", err)
	}
	return n, nil
}

// NoteObject records that an object is in the bucket, with its present size and digest.
func (s *Store) NoteObject(ctx context.Context, o MovedObject) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, "note_object", args{"key": o.Key, "bytes": o.Bytes, "sha256": o.SHA256, "text_bytes": o.TextBytes, "now": t.now})
		return err
	})
	if err != nil {
		return fmt.Errorf("note object %s: %w", o.Key, err)
	}
	return nil
}

// ForgetObject removes the row of an object, which is not in the bucket any more.
func (s *Store) ForgetObject(ctx context.Context, key string) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, "forget_object", args{"key": key})
		return err
	})
	if err != nil {
		return fmt.Errorf("forget object %s: %w", key, err)
	}
	return nil
}

// MarkMissing records whether objects are missing in the bucket.
func (s *Store) MarkMissing(ctx context.Context, keys []string, missing bool) error {
	if len(keys) == 0 {
		return nil
	}
	list, err := json.Marshal(keys)
	if err == nil {
		err = s.inTx(ctx, func(ctx context.Context, t *tx) error {
			_, err := t.exec(ctx, "mark_missing", args{"keys": string(list), "missing": missing})
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("note which of %d objects are missing: %w", len(keys), err)
	}
	return nil
}

// ObjectOwner returns the name by which this database marks a bucket as its own. It is made the
// first time, and is that of the database for good, also when it is restored from a backup.
func (s *Store) ObjectOwner(ctx context.Context) (name string, err error) {
	if err = s.get(ctx, &name, "object_owner", nil); errors.Is(err, sql.ErrNoRows) {
		err = s.inTx(ctx, func(ctx context.Context, t *tx) error {
			if _, err := t.exec(ctx, "set_object_owner", args{"name": random(16)}); err != nil {
				return err
			}
			return t.get(ctx, &name, "object_owner", nil)
		})
	}
	if err != nil {
		return "", fmt.Errorf("find the name of this database: %w", err)
	}
	return name, nil
}
