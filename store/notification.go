package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"buildbtw"
)

// turnEvents is how many events one transaction looks at for turns.
const turnEvents = 20_000

// FindTurns looks at the events since the last call, and stores the turns of buildspaces
// that follow from them in the transaction that remembers how far it came: a crash finds
// none of them twice and loses none. patience is after which time an iteration that cannot
// go on is blocked. more reports that there are events left.
func (s *Store) FindTurns(ctx context.Context, patience time.Duration) (more bool, err error) {
	some, err := s.mayHaveTurns(ctx, s.now().Add(-patience))
	if err != nil {
		return false, fmt.Errorf("look for turns of buildspaces: %w", err)
	}
	if !some {
		return false, nil
	}
	err = s.inTx(ctx, func(ctx context.Context, t *tx) (err error) {
		more, err = t.findTurns(ctx, patience)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("find the turns of buildspaces: %w", err)
	}
	return more, nil
}

// mayHaveTurns reports whether there are events that were not looked at, or an iteration
// that has not been able to go on since before.
func (q *Reader) mayHaveTurns(ctx context.Context, before time.Time) (bool, error) {
	var cursor, event int64
	var halted []int64
	err := q.Snapshot(ctx, func(q *Reader) error {
		return errors.Join(q.get(ctx, &cursor, "turn_cursor", nil), q.get(ctx, &event, "last_event_id", nil),
			q.list(ctx, &halted, "halted_iterations", args{"before": before}))
	})
	return event > cursor || len(halted) > 0, err
}

// turnedIteration is an iteration that has events.
type turnedIteration struct {
	IterationID int64     `bun:"iteration_id"`
	EventID     int64     `bun:"event_id"`
	At          time.Time `bun:"at"`
}

func (t *tx) findTurns(ctx context.Context, patience time.Duration) (more bool, err error) {
	var after, last int64
	if err := errors.Join(t.get(ctx, &after, "turn_cursor", nil), t.get(ctx, &last, "last_event_id", nil)); err != nil {
		return false, err
	}
	until := min(last, after+turnEvents)
	var touched []turnedIteration
	if err := t.list(ctx, &touched, "turned_iterations", args{"after": after, "until": until}); err != nil {
		return false, err
	}
	var ids []int64
	for _, it := range touched {
		ids = append(ids, it.IterationID)
	}
	var halted []int64
	if err := t.list(ctx, &halted, "halted_iterations", args{"before": t.now.Add(-patience)}); err != nil {
		return false, err
	}
	ids = addAll(ids, halted)
	if err := t.addTurns(ctx, touched, ids, patience); err != nil {
		return false, err
	}
	var releases []buildbtw.Turn
	if err := t.list(ctx, &releases, "turned_releases", args{"after": after, "until": until}); err != nil {
		return false, err
	}
	for _, turn := range releases {
		if err := t.addTurn(ctx, turn); err != nil {
			return false, err
		}
	}
	_, err = t.exec(ctx, "move_turn_cursor", args{"after": after, "until": until})
	return until < last, err
}

// addAll appends the ids that a list does not have.
func addAll(list, more []int64) []int64 {
	known := make(map[int64]bool, len(list))
	for _, id := range list {
		known[id] = true
	}
	for _, id := range more {
		if !known[id] {
			list = append(list, id)
		}
	}
	return list
}

// addTurns stores the new turns and states of iterations. touched are those of them that
// have new events.
func (t *tx) addTurns(ctx context.Context, touched []turnedIteration, ids []int64, patience time.Duration) error {
	var states []buildbtw.TurnState
	var rows []IterationRow
	a := args{"iterations": idList(ids)}
	if err := errors.Join(t.list(ctx, &states, "turn_states", a), t.list(ctx, &rows, "iterations_by_id", a)); err != nil {
		return err
	}
	if err := addCounts(ctx, &Reader{queries: t.queries}, rows); err != nil {
		return err
	}
	known, events := map[int64]buildbtw.TurnState{}, map[int64]turnedIteration{}
	for _, s := range states {
		known[s.IterationID] = s
	}
	for _, e := range touched {
		events[e.IterationID] = e
	}
	for _, row := range rows {
		state := known[row.ID]
		state.IterationID = row.ID
		standing := buildbtw.Standing{
			EventID: events[row.ID].EventID, At: events[row.ID].At, Status: row.Status(), Failed: row.Counts[buildbtw.StatusFailed],
		}
		if standing.Status == buildbtw.IterationStatusBuilt {
			if err := t.get(ctx, &standing.GivenUp, "given_up", args{"iteration": row.ID}); err != nil {
				return err
			}
		}
		next, turns := state.Next(standing, t.now, patience)
		for _, turn := range turns {
			turn.BuildspaceID = row.BuildspaceID
			if err := t.addTurn(ctx, turn); err != nil {
				return err
			}
		}
		_, err := t.exec(ctx, "put_turn_state", args{
			"iteration": row.ID, "event": next.EventID, "failed": next.Failed, "done": next.Done, "dones": next.Dones,
			"halted": next.HaltedAt, "blocked": next.Blocked, "halts": next.Halts,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) addTurn(ctx context.Context, turn buildbtw.Turn) error {
	_, err := t.exec(ctx, "add_turn", args{
		"buildspace": turn.BuildspaceID, "iteration": turn.IterationID, "kind": turn.Kind, "number": turn.Number, "at": turn.At, "words": turn.Words,
	})
	return err
}

// TurnRow is a turn with the names of what it is about.
type TurnRow struct {
	buildbtw.Turn
	Buildspace string `bun:"buildspace"`
	Iteration  int    `bun:"iteration"`
}

// UntoldTurns returns the turns that are in no message yet, by buildspace, of those
// buildspaces whose first one was not after before.
func (q *Reader) UntoldTurns(ctx context.Context, before time.Time) ([]TurnRow, error) {
	var rows []TurnRow
	if err := q.list(ctx, &rows, "untold_turns", args{"before": before}); err != nil {
		return nil, fmt.Errorf("list the turns that nobody was told: %w", err)
	}
	return rows, nil
}

// NewDelivery is a message to put into the outbox.
type NewDelivery struct {
	MessageID string
	Channel   string
	ChannelID *int64 // nil: a channel of the server
	Message   string
}

// maxWaiting bounds the messages that wait for one channel.
const maxWaiting = 500

// TellTurns puts the messages about turns of a buildspace into the outbox, and marks the
// turns as told. It does nothing, and is no error, when one of them was told already.
func (s *Store) TellTurns(ctx context.Context, buildspace int64, turns []int64, messages []NewDelivery) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, "mark_told", args{"turns": idList(turns), "now": t.now})
		switch {
		case err != nil:
			return err
		case n == 0:
			return nil
		case n != int64(len(turns)):
			return buildbtw.Conflict("some of %d turns were told already", len(turns))
		}
		for _, m := range messages {
			if err := t.addDelivery(ctx, buildspace, m, t.now); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("tell %d turns of buildspace %d: %w", len(turns), buildspace, err)
	}
	return nil
}

func (t *tx) addDelivery(ctx context.Context, buildspace int64, m NewDelivery, next time.Time) error {
	waiting, err := t.waitingDeliveries(ctx, m.Channel)
	if err != nil {
		return err
	}
	row := buildbtw.Delivery{
		MessageID: m.MessageID, Channel: m.Channel, ChannelID: m.ChannelID, BuildspaceID: &buildspace, Message: m.Message,
		Status: buildbtw.DeliveryWaiting, CreatedAt: t.now, NextAt: next,
	}
	if waiting >= maxWaiting {
		row.Status, row.EndedAt = buildbtw.DeliveryGivenUp, &t.now
		row.Error = fmt.Sprintf("not tried: %d older messages wait for this channel", waiting)
	}
	return t.insert(ctx, &row)
}

func (t *tx) waitingDeliveries(ctx context.Context, channel string) (n int, err error) {
	return n, t.get(ctx, &n, "waiting_deliveries", args{"channel": channel})
}

// AddDelivery puts a message that is about no buildspace into the outbox, as already
// claimed for a first try that ends by until.
func (s *Store) AddDelivery(ctx context.Context, m NewDelivery, until time.Time) (buildbtw.Delivery, error) {
	row := buildbtw.Delivery{
		MessageID: m.MessageID, Channel: m.Channel, ChannelID: m.ChannelID, Message: m.Message,
		Status: buildbtw.DeliveryWaiting, Tries: 1, NextAt: until,
	}
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		row.CreatedAt = t.now
		return t.insert(ctx, &row)
	})
	if err != nil {
		return row, fmt.Errorf("add a message to %s: %w", m.Channel, err)
	}
	return row, nil
}

// FollowersChannels returns the confirmed channels of those who follow a buildspace and have
// a role now.
func (s *Store) FollowersChannels(ctx context.Context, buildspace int64) ([]buildbtw.Channel, error) {
	var rows []buildbtw.Channel
	if err := s.list(ctx, &rows, "followers_channels", args{"buildspace": buildspace, "now": s.now()}); err != nil {
		return nil, fmt.Errorf("list the channels of those who follow buildspace %d: %w", buildspace, err)
	}
	return rows, nil
}

// DueDeliveries returns the messages to try now: at most one for each channel and buildspace,
// and at most each for a channel.
func (s *Store) DueDeliveries(ctx context.Context, each int) ([]buildbtw.Delivery, error) {
	var rows []buildbtw.Delivery
	if err := s.list(ctx, &rows, "due_deliveries", args{"now": s.now(), "each": each}); err != nil {
		return nil, fmt.Errorf("list the messages to deliver: %w", err)
	}
	return rows, nil
}

// ClaimDelivery begins a try that ends by until, and returns the delivery. ok is false when
// another try is under way, or it has ended.
func (s *Store) ClaimDelivery(ctx context.Context, id int64, until time.Time) (d buildbtw.Delivery, ok bool, err error) {
	var row DeliveryRow
	err = s.inTx(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, "claim_delivery", args{"id": id, "until": until, "now": t.now})
		if err != nil || n != 1 {
			return err
		}
		ok = true
		return t.get(ctx, &row, "delivery", args{"id": id})
	})
	if err != nil {
		return d, false, fmt.Errorf("claim delivery %d: %w", id, err)
	}
	return row.Delivery, ok, nil
}

// EndTry records how a try of a delivery ended: d has its new status, error and, when it
// goes on waiting, the time of the next try. A late end of an earlier try changes nothing.
func (s *Store) EndTry(ctx context.Context, d buildbtw.Delivery) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		var ended *time.Time
		if d.Status != buildbtw.DeliveryWaiting {
			ended = &t.now
		}
		_, err := t.exec(ctx, "end_try", args{"id": d.ID, "tries": d.Tries, "status": d.Status, "next": d.NextAt, "ended": ended, "error": d.Error})
		return err
	})
	if err != nil {
		return fmt.Errorf("record the try of delivery %d: %w", d.ID, err)
	}
	return nil
}

// NextNotification returns when FindTurns, UntoldTurns or DueDeliveries will have something that time
// alone brings; ok is false when nothing waits.
func (q *Reader) NextNotification(ctx context.Context, patience, batch time.Duration) (at time.Time, ok bool, err error) {
	err = q.Snapshot(ctx, func(q *Reader) error {
		for _, next := range []struct {
			statement string
			after     time.Duration
		}{{"next_turn", batch}, {"next_halt", patience}, {"next_delivery", 0}} {
			var due time.Time
			switch err := q.get(ctx, &due, next.statement, nil); {
			case errors.Is(err, sql.ErrNoRows):
				continue
			case err != nil:
				return err
			}
			if due = due.Add(next.after); !ok || due.Before(at) {
				at, ok = due, true
			}
		}
		return nil
	})
	if err != nil {
		return at, false, fmt.Errorf("find the next message: %w", err)
	}
	return at, ok, nil
}

// DeliveryRow is a delivery with what lists show of it.
type DeliveryRow struct {
	buildbtw.Delivery
	Buildspace string               `bun:"buildspace"` // empty of a test
	AccountID  int64                `bun:"account_id"` // of the channel's owner; 0: it is the server's
	Kind       buildbtw.ChannelKind `bun:"kind"`       // of a person's channel
	Address    string               `bun:"address"`    // likewise
}

// Delivery returns one delivery; NotFound when there is none.
func (q *Reader) Delivery(ctx context.Context, id int64) (row DeliveryRow, err error) {
	if err := q.get(ctx, &row, "delivery", args{"id": id}); err != nil {
		return row, notFound(err, "there is no delivery %d", id)
	}
	return row, nil
}

// Deliveries lists those of a person's channels or, for account 0, of the server's, the newest
// first.
func (q *Reader) Deliveries(ctx context.Context, account int64, cursor string, limit int) (rows []DeliveryRow, next string, err error) {
	if limit, err = pageLimit(limit); err != nil {
		return nil, "", err
	}
	before, err := parseCursor(cursor)
	if err != nil {
		return nil, "", err
	}
	if err := q.list(ctx, &rows, "deliveries", args{"account": account, "before": before, "limit": limit + 1}); err != nil {
		return nil, "", fmt.Errorf("list deliveries: %w", err)
	}
	rows, next = cutPage(rows, limit, func(r DeliveryRow) int64 { return r.ID })
	return rows, next, nil
}

// DeliveryCount is how many deliveries have a status.
type DeliveryCount struct {
	Server     bool // to the server's channels; else to people's
	Status     buildbtw.DeliveryStatus
	Deliveries int
	Oldest     time.Time // when the first of them was made
}

// DeliveryCounts counts the deliveries that are remembered.
func (q *Reader) DeliveryCounts(ctx context.Context) ([]DeliveryCount, error) {
	var rows []struct {
		Server     bool                    `bun:"server"`
		Status     buildbtw.DeliveryStatus `bun:"status"`
		Deliveries int                     `bun:"deliveries"`
		Oldest     string                  `bun:"oldest"` // an expression has no type by which the driver would read a time
	}
	if err := q.list(ctx, &rows, "delivery_counts", nil); err != nil {
		return nil, fmt.Errorf("count deliveries: %w", err)
	}
	counts := make([]DeliveryCount, 0, len(rows))
	for _, r := range rows {
		oldest, err := time.Parse(writtenTime, r.Oldest)
		if err != nil {
			return nil, fmt.Errorf("the time since which deliveries are %s: %w", r.Status, err)
		}
		counts = append(counts, DeliveryCount{r.Server, r.Status, r.Deliveries, oldest})
	}
	return counts, nil
}

// ReplayDelivery lets a message that was delivered or given up be tried again, under the
// same id. The error is Conflict while it waits anyway.
func (s *Store) ReplayDelivery(ctx context.Context, id int64) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, "replay_delivery", args{"id": id, "now": t.now})
		if err == nil && n != 1 {
			return buildbtw.Conflict("delivery %d waits to be sent already", id)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("replay delivery %d: %w", id, err)
	}
	return nil
}

// What is remembered of messages: the newest keptDeliveries of each channel, at most for
// keptMessages.
const (
	keptDeliveries = 200
	keptMessages   = 30 * 24 * time.Hour
)

// PruneNotifications removes old deliveries that have ended, and old turns.
func (s *Store) PruneNotifications(ctx context.Context) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		before := t.now.Add(-keptMessages)
		if _, err := t.exec(ctx, "prune_deliveries", args{"before": before, "keep": keptDeliveries}); err != nil {
			return err
		}
		_, err := t.exec(ctx, "prune_turns", args{"before": before})
		return err
	})
	if err != nil {
		return fmt.Errorf("remove old messages: %w", err)
	}
	return nil
}

// Channels returns the channels of a person, in the order in which they were made.
func (q *Reader) Channels(ctx context.Context, account int64) ([]buildbtw.Channel, error) {
	var rows []buildbtw.Channel
	if err := q.list(ctx, &rows, "channels_of", args{"account": account}); err != nil {
		return nil, fmt.Errorf("list the channels of account %d: %w", account, err)
	}
	return rows, nil
}

// Channel returns a channel of a person; NotFound when the person has none with this id.
func (q *Reader) Channel(ctx context.Context, account, id int64) (c buildbtw.Channel, err error) {
	err = notFound(q.get(ctx, &c, "channel", args{"id": id}), "you have no channel %d", id)
	if err == nil && c.AccountID != account {
		err = buildbtw.NotFound("you have no channel %d", id)
	}
	return c, err
}

// ChannelByID returns a channel of anybody.
func (q *Reader) ChannelByID(ctx context.Context, id int64) (c buildbtw.Channel, err error) {
	return c, notFound(q.get(ctx, &c, "channel", args{"id": id}), "there is no channel %d", id)
}

// AddChannel adds a channel to a person's, of which there are at most MaxChannels.
func (s *Store) AddChannel(ctx context.Context, c buildbtw.Channel) (buildbtw.Channel, error) {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		var rows []buildbtw.Channel
		if err := t.list(ctx, &rows, "channels_of", args{"account": c.AccountID}); err != nil {
			return err
		}
		if len(rows) >= buildbtw.MaxChannels {
			return buildbtw.Conflict("you have %d channels, and may not have more; remove one first", len(rows))
		}
		for _, r := range rows {
			if r.Kind == c.Kind && r.Address == c.Address {
				return buildbtw.Conflict("you have this channel already: it is number %d", r.ID)
			}
		}
		c.CreatedAt = t.now
		return t.insert(ctx, &c)
	})
	if err != nil {
		return c, fmt.Errorf("add a channel: %w", err)
	}
	return c, nil
}

// ConfirmChannel notes that an address is a person's. It is confirmed once.
func (s *Store) ConfirmChannel(ctx context.Context, id int64) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, "confirm_channel", args{"id": id, "now": t.now})
		if err == nil && n != 1 {
			return buildbtw.Conflict("channel %d is confirmed already", id)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("confirm channel %d: %w", id, err)
	}
	return nil
}

// RemoveChannel removes a channel of a person with what waits for it.
func (s *Store) RemoveChannel(ctx context.Context, account, id int64) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, "remove_channel", args{"id": id, "account": account})
		if err == nil && n != 1 {
			return buildbtw.NotFound("you have no channel %d", id)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("remove channel %d: %w", id, err)
	}
	return nil
}

// SetFollow stores what a person wants to be told about a buildspace.
func (s *Store) SetFollow(ctx context.Context, account int64, buildspace string, choice buildbtw.FollowChoice) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		var row buildbtw.Buildspace
		if err := t.get(ctx, &row, "buildspace", args{"name": buildspace}); err != nil {
			return notFound(err, "there is no buildspace %q", buildspace)
		}
		a := args{"account": account, "buildspace": row.ID}
		if choice == buildbtw.FollowDefault {
			_, err := t.exec(ctx, "unfollow", a)
			return err
		}
		a["choice"] = choice
		_, err := t.exec(ctx, "follow", a)
		return err
	})
	if err != nil {
		return fmt.Errorf("follow buildspace %s: %w", buildspace, err)
	}
	return nil
}

// FollowChoice returns what a person chose for a buildspace.
func (q *Reader) FollowChoice(ctx context.Context, account, buildspace int64) (choice buildbtw.FollowChoice, err error) {
	if err := q.get(ctx, &choice, "follow_choice", args{"account": account, "buildspace": buildspace}); err != nil {
		return choice, fmt.Errorf("look whether buildspace %d is followed: %w", buildspace, err)
	}
	return choice, nil
}

// FollowRow is a person's choice for a buildspace.
type FollowRow struct {
	Buildspace string                `bun:"buildspace"`
	Choice     buildbtw.FollowChoice `bun:"choice"`
}

// Follows lists the choices of a person.
func (q *Reader) Follows(ctx context.Context, account int64) ([]FollowRow, error) {
	var rows []FollowRow
	if err := q.list(ctx, &rows, "follows_of", args{"account": account}); err != nil {
		return nil, fmt.Errorf("list what account %d follows: %w", account, err)
	}
	return rows, nil
}
