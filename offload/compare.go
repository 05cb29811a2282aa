package offload

import (
	"context"
	"errors"
	"fmt"

	"buildbtw"
	"buildbtw/buildlog"
	"buildbtw/objects"
	"buildbtw/store"
)

// compare brings the rows and the bucket together: a row whose object is not there says so from
// then on, and a log without a row gets one, be it of an attempt that the database knows or of one
// that only another database knew. It holds the keys of all objects in memory: 100 MB for a million.
//
// Rows are read before the bucket is listed: what is moved meanwhile is in neither, or in both.
func (m *Mover) compare(ctx context.Context) error {
	rows := map[string]store.MovedObject{}
	for after := ""; ; {
		list, err := m.Store.MovedObjects(ctx, after, comparedOnce)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			break
		}
		after = list[len(list)-1].Key
		for _, o := range list {
			rows[o.Key] = o
		}
	}
	var back []string
	found := 0
	for o, err := range m.Bucket.List(ctx, logPrefix) {
		if err != nil {
			return err
		}
		row, ok := rows[o.Key]
		switch {
		case ok && row.Bytes == o.Size:
			delete(rows, o.Key)
			if row.Missing {
				back = append(back, o.Key)
			}
		case !ok:
			switch err := m.adopt(ctx, o); {
			case err == nil:
				found++
			case buildbtw.KindOf(err) == buildbtw.KindUnavailable || ctx.Err() != nil:
				return err
			case !errors.Is(err, objects.ErrNotThere): // else it was removed meanwhile
				m.Log.WarnContext(ctx, "an object below the prefix of the logs is no log of this service", "key", o.Key, "error", err)
			}
		}
	}
	var missing []string
	for key, row := range rows {
		if row.Missing {
			continue
		}
		if _, still, err := m.Store.MovedObject(ctx, key); err != nil {
			return err
		} else if still { // else it was removed meanwhile
			missing = append(missing, key)
		}
	}
	if err := errors.Join(m.Store.MarkMissing(ctx, missing, true), m.Store.MarkMissing(ctx, back, false)); err != nil {
		return err
	}
	if len(missing) > 0 {
		m.Log.ErrorContext(ctx, "files that were moved to object storage are not there, or have another size; is it the right bucket? Their pages say that they are lost", "location", m.Location, "files", len(missing))
	}
	if found > 0 {
		m.Log.InfoContext(ctx, "logs were found in object storage that the database did not know of", "location", m.Location, "files", found)
	}
	return nil
}

// adopt records a log that is in the bucket without a row.
func (m *Mover) adopt(ctx context.Context, o objects.Object) error {
	if _, ok := AttemptOfKey(o.Key); !ok {
		return errors.New("its key is not that of a log")
	}
	o, err := m.Bucket.Stat(ctx, o.Key)
	if err != nil {
		return err
	}
	text, err := buildlog.TextSize(m.blocks.File(ctx, o), o.Size)
	if err != nil {
		return fmt.Errorf("look at %s: %w", o.Key, err)
	}
	return m.Store.NoteObject(ctx, store.MovedObject{Key: o.Key, Bytes: o.Size, SHA256: o.SHA256, TextBytes: text})
}
