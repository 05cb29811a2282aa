package store

import (
	"context"
	"fmt"
	"os"
	"time"

	"buildbtw"
)

// Statistics are what the database says for metrics.
type Statistics struct {
	Builds  buildbtw.Counts // of the latest iterations of active buildspaces
	Queues  []QueueLength   // of the architectures for which builds wait
	Workers []WorkerRow

	Deliveries []DeliveryCount

	Bytes map[string]int64 // of the database's files: database, wal
}

// QueueLength is how many builds could be handed out for an architecture.
type QueueLength struct {
	Architecture string
	Builds       int
	Oldest       time.Time // since when the first of them could be
}

// Statistics returns what the database says for metrics, all of one moment.
func (s *Store) Statistics(ctx context.Context) (Statistics, error) {
	all := Statistics{Builds: buildbtw.Counts{}, Bytes: map[string]int64{}}
	err := s.Snapshot(ctx, func(q *Reader) error {
		var counts []struct {
			Status buildbtw.Status `bun:"status"`
			Builds int             `bun:"builds"`
		}
		if err := q.list(ctx, &counts, "builds_by_status", nil); err != nil {
			return err
		}
		for _, c := range counts {
			all.Builds[c.Status] = c.Builds
		}
		var queues []struct {
			Architecture string `bun:"architecture"`
			Builds       int    `bun:"builds"`
			Oldest       string `bun:"oldest"` // an expression has no type by which the driver would read a time
		}
		err := q.list(ctx, &queues, "queue_by_architecture", args{"now": s.now()})
		if err != nil {
			return err
		}
		for _, l := range queues {
			oldest, err := time.Parse(writtenTime, l.Oldest)
			if err != nil {
				return fmt.Errorf("the time since which builds for %s wait: %w", l.Architecture, err)
			}
			all.Queues = append(all.Queues, QueueLength{l.Architecture, l.Builds, oldest})
		}
		if all.Workers, err = q.Workers(ctx); err != nil {
			return err
		}
		all.Deliveries, err = q.DeliveryCounts(ctx)
		return err
	})
	if err != nil {
		return Statistics{}, fmt.Errorf("read statistics: %w", err)
	}
	for kind, file := range map[string]string{"database": s.path, "wal": s.path + "-wal"} {
		if info, err := os.Stat(file); err == nil { // without a log there are no bytes in it
			all.Bytes[kind] = info.Size()
		}
	}
	return all, nil
}

// Writable returns an error while nothing can be written: it writes, and waits for its turn
// as others do. It does not wait longer than ctx.
func (s *Store) Writable(ctx context.Context) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		// It writes the page with the file's header, and the same number again.
		_, err := t.Tx.Tx.ExecContext(ctx, `PRAGMA user_version = 0`)
		return err
	})
	if err != nil {
		return fmt.Errorf("write to the database: %w", err)
	}
	return nil
}
