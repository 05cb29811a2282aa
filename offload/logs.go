package offload

import (
	"context"
	"io"
	"strings"

	"buildbtw"
	"buildbtw/objects"
	"buildbtw/store"
)

// Keys of logs.
const (
	logPrefix = "logs/"
	logSuffix = ".log.zst"
)

func logKey(attempt buildbtw.AttemptName) string { return logPrefix + attempt.String() + logSuffix }

// AttemptOfKey returns the attempt whose log lies under a key; ok is false for any other key.
func AttemptOfKey(key string) (attempt buildbtw.AttemptName, ok bool) {
	name, ok := strings.CutPrefix(key, logPrefix)
	if !ok {
		return attempt, false
	}
	if name, ok = strings.CutSuffix(name, logSuffix); !ok {
		return attempt, false
	}
	return buildbtw.ParseAttemptName(name)
}

// logs has the logs that were moved. It implements buildlog.Away.
type logs struct{ mover *Mover }

func (l logs) Open(ctx context.Context, attempt buildbtw.AttemptName) (io.ReaderAt, int64, error) {
	o, ok, err := l.mover.Store.MovedObject(ctx, logKey(attempt))
	switch {
	case err != nil || !ok:
		return nil, 0, err
	case l.mover.Bucket == nil:
		return nil, 0, errNoBucket()
	case o.Missing:
		return nil, 0, buildbtw.NotFound("this log was moved to object storage on %s, and is not there any more", o.MovedAt.UTC().Format("2 January 2006"))
	}
	return l.mover.blocks.File(ctx, objects.Object{Key: o.Key, Size: o.Bytes}), o.Bytes, nil
}

func errNoBucket() error {
	return buildbtw.Unavailable("this log was moved to object storage, of which the server knows nothing now; an administrator must start it with --object-storage again")
}

func (l logs) Size(ctx context.Context, attempt buildbtw.AttemptName) (int64, error) {
	o, _, err := l.mover.Store.MovedObject(ctx, logKey(attempt))
	return o.TextBytes, err
}

func (l logs) Remove(ctx context.Context, attempt buildbtw.AttemptName) error {
	key := logKey(attempt)
	_, ok, err := l.mover.Store.MovedObject(ctx, key)
	switch {
	case err != nil || !ok:
		return err
	case l.mover.Bucket == nil:
		return errNoBucket()
	}
	if err := l.mover.Bucket.Remove(ctx, key); err != nil {
		return err
	}
	l.mover.blocks.Forget(key)
	return l.mover.Store.ForgetObject(ctx, key)
}

// Orphans calls f with the logs in the bucket whose attempts the database does not know, and their
// sizes in bytes, until f returns false.
func (m *Mover) Orphans(ctx context.Context, f func(attempt buildbtw.AttemptName, bytes int64) bool) error {
	for after := ""; ; {
		list, err := m.Store.MovedObjects(ctx, after, comparedOnce)
		if err != nil || len(list) == 0 {
			return err
		}
		after = list[len(list)-1].Key
		unknown, err := m.unknown(ctx, list)
		if err != nil {
			return err
		}
		for _, o := range unknown {
			if attempt, _ := AttemptOfKey(o.Key); !f(attempt, o.Bytes) {
				return nil
			}
		}
	}
}

// unknown returns the logs of a list whose attempts are not in the database.
func (m *Mover) unknown(ctx context.Context, list []store.MovedObject) (unknown []store.MovedObject, err error) {
	var ids []int64
	for _, o := range list {
		if attempt, ok := AttemptOfKey(o.Key); ok {
			ids = append(ids, attempt.ID)
		}
	}
	known, err := m.Store.KnownAttempts(ctx, ids)
	if err != nil {
		return nil, err
	}
	for _, o := range list {
		if attempt, ok := AttemptOfKey(o.Key); ok && !known[attempt] {
			unknown = append(unknown, o)
		}
	}
	return unknown, nil
}
