// Package notify tells people about the turns of buildspaces: it composes one message for
// the turns of a buildspace within a minute, puts it into the outbox for every channel of the
// server and of those who follow the buildspace, and delivers what is there.
package notify

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"buildbtw"
	"buildbtw/internal/guard"
	"buildbtw/store"
)

// Config has what a Notifier needs. All fields but Observer, Patience, Batch and Limit are required.
type Config struct {
	Store    *store.Store
	Settings Settings
	Log      *slog.Logger
	Now      func() time.Time

	// Describe returns how a buildspace stands.
	Describe func(ctx context.Context, buildspace string) (Standing, error)
	HomeURL  string   // of the server's pages, for tests
	Observer Observer // for metrics; nil: nobody

	Patience time.Duration // after which an iteration that cannot go on is blocked; 0: four hours
	Batch    time.Duration // the turns of so long are one message; 0: a minute
	Limit    time.Duration // of a try, at most 20 s; 0: these
}

// Observer is told of tries. Its method is called from many goroutines, and must not wait.
type Observer interface {
	// Tried says that a try over a channel of some kind left its delivery with a status:
	// waiting when it failed and there will be another one.
	Tried(kind buildbtw.ChannelKind, status buildbtw.DeliveryStatus)
}

// Notifier tells people about turns.
type Notifier struct {
	Config
	channels []ServerChannel
	pruned   time.Time
	confirms limiter
}

// New reads the settings. Its errors are for people.
func New(c Config) (*Notifier, error) {
	c.Patience, c.Batch = cmp.Or(c.Patience, 4*time.Hour), cmp.Or(c.Batch, time.Minute)
	c.Settings.Now = c.Now
	channels, err := c.Settings.ServerChannels()
	return &Notifier{Config: c, channels: channels}, err
}

// Pass finds turns, puts messages about them into the outbox, and delivers what is due. What
// fails does not keep the rest from going on.
func (n *Notifier) Pass(ctx context.Context) error {
	var failures []error
	for more := true; more && ctx.Err() == nil; {
		var err error
		more, err = n.Store.FindTurns(ctx, n.Patience)
		failures = append(failures, err)
	}
	failures = append(failures, n.tell(ctx), n.deliver(ctx))
	if now := n.Now(); now.Sub(n.pruned) >= time.Hour {
		n.pruned = now
		failures = append(failures, n.Store.PruneNotifications(ctx))
	}
	return errors.Join(failures...)
}

// Next returns when the next pass has something to do.
func (n *Notifier) Next(ctx context.Context) (time.Time, bool, error) {
	return n.Store.NextNotification(ctx, n.Patience, n.Batch)
}

// tell puts one message a buildspace into the outbox.
func (n *Notifier) tell(ctx context.Context) error {
	turns, err := n.Store.UntoldTurns(ctx, n.Now().Add(-n.Batch))
	if err != nil {
		return err
	}
	var failures []error
	for len(turns) > 0 {
		count := 1
		for count < len(turns) && turns[count].BuildspaceID == turns[0].BuildspaceID {
			count++
		}
		of := turns[:count]
		turns = turns[count:]
		failures = append(failures, guard.Run(func() error { return n.tellBuildspace(ctx, of) }))
	}
	return errors.Join(failures...)
}

func (n *Notifier) tellBuildspace(ctx context.Context, turns []store.TurnRow) error {
	standing, err := n.Describe(ctx, turns[0].Buildspace)
	if err != nil {
		return fmt.Errorf("describe buildspace %s: %w", turns[0].Buildspace, err)
	}
	message := newMessage(turns, standing, n.Patience)
	followers, err := n.Store.FollowersChannels(ctx, turns[0].BuildspaceID)
	if err != nil {
		return err
	}
	var list []store.NewDelivery
	for _, c := range n.channels {
		list = append(list, newDelivery(message, c.Name, nil))
	}
	for _, c := range followers {
		list = append(list, newDelivery(message, userChannel(c.ID), &c.ID))
	}
	ids := make([]int64, len(turns))
	for i, t := range turns {
		ids[i] = t.ID
	}
	return n.Store.TellTurns(ctx, turns[0].BuildspaceID, ids, list)
}

// userChannel is the name of a person's channel in the outbox. No channel of the server has a
// name with a colon.
func userChannel(id int64) string { return fmt.Sprintf("user:%d", id) }

// newDelivery gives a message an id of its own.
func newDelivery(m Message, channel string, id *int64) store.NewDelivery {
	m.ID = "msg_" + strings.ToLower(rand.Text())
	text, err := json.Marshal(m)
	if err != nil {
		panic("notify: a message is always JSON: " + err.Error())
	}
	return store.NewDelivery{MessageID: m.ID, Channel: channel, ChannelID: id, Message: string(text)}
}

const (
	dueAtOnce = 20 // deliveries to one channel in one pass
	parallel  = 16 // channels to which one pass sends at the same time
)

// deliver tries what is due: the channels at the same time, the messages to one of them one
// after the other. A channel that fails gets no other message in this pass.
func (n *Notifier) deliver(ctx context.Context) error {
	due, err := n.Store.DueDeliveries(ctx, dueAtOnce)
	if err != nil {
		return err
	}
	by := map[string][]buildbtw.Delivery{}
	for _, d := range due {
		by[d.Channel] = append(by[d.Channel], d)
	}
	var group errgroup.Group
	group.SetLimit(parallel)
	var mu sync.Mutex
	var failures []error
	for _, list := range by {
		group.Go(func() error {
			for _, d := range list {
				ended, err := n.try(ctx, d.ID)
				if err != nil {
					mu.Lock()
					failures = append(failures, err)
					mu.Unlock()
				}
				if err != nil || ended.Status == buildbtw.DeliveryWaiting {
					break
				}
			}
			return nil //nolint:nilerr // it is in failures
		})
	}
	_ = group.Wait() // the errors are in failures
	return errors.Join(failures...)
}

// try claims a delivery, sends it once, and records how that went. The error is the
// server's own, not that the message did not arrive.
func (n *Notifier) try(ctx context.Context, id int64) (buildbtw.Delivery, error) {
	d, ok, err := n.Store.ClaimDelivery(ctx, id, n.Now().Add(3*tryTime))
	if err != nil || !ok {
		return d, err
	}
	return n.attempt(ctx, d)
}

// attempt sends a delivery that is claimed.
func (n *Notifier) attempt(ctx context.Context, d buildbtw.Delivery) (buildbtw.Delivery, error) {
	sending, cancel := context.WithTimeout(ctx, cmp.Or(n.Limit, tryTime))
	defer cancel()
	var kind buildbtw.ChannelKind
	err := guard.Run(func() (err error) {
		kind, err = n.send(sending, d)
		return err
	})
	if err != nil && ctx.Err() != nil {
		return d, ctx.Err() // the server stops; it is due again when the claim ends
	}
	now := n.Now()
	d.Status, d.Error = buildbtw.DeliveryDelivered, ""
	if err != nil {
		var failed *failure
		if !errors.As(err, &failed) {
			failed = &failure{words: err.Error()}
		}
		d.Status, d.Error = buildbtw.DeliveryWaiting, fmt.Sprintf("%.500s", failed.words)
		d.NextAt = now.Add(max(buildbtw.DeliveryPause(d.Tries), failed.after))
		if failed.permanent || d.Tries >= buildbtw.DeliveryTries {
			d.Status = buildbtw.DeliveryGivenUp
		}
		n.Log.WarnContext(ctx, "a message did not arrive", "channel", d.Channel, "delivery", d.ID, "try", d.Tries, "status", d.Status, "error", d.Error)
	}
	if n.Observer != nil && kind != "" {
		n.Observer.Tried(kind, d.Status)
	}
	return d, n.Store.EndTry(ctx, d)
}

// send finds the channel of a delivery and sends it there. kind is that of the channel; empty
// when nothing was sent because there is none.
func (n *Notifier) send(ctx context.Context, d buildbtw.Delivery) (kind buildbtw.ChannelKind, err error) {
	var m Message
	if err := json.Unmarshal([]byte(d.Message), &m); err != nil {
		return "", &failure{words: "the message cannot be read: " + err.Error(), permanent: true}
	}
	kind, to, err := n.senderOf(ctx, d)
	if err != nil {
		return kind, err
	}
	return kind, to.send(ctx, m)
}

func (n *Notifier) senderOf(ctx context.Context, d buildbtw.Delivery) (buildbtw.ChannelKind, sender, error) {
	if d.ChannelID == nil {
		for _, c := range n.channels {
			if c.Name == d.Channel {
				return c.Kind, c.sender, nil
			}
		}
		return "", nil, &failure{words: "the server has no channel of this name any more", permanent: true}
	}
	c, err := n.Store.ChannelByID(ctx, *d.ChannelID)
	if err != nil {
		return "", nil, err
	}
	to, err := n.senderTo(c)
	return c.Kind, to, err
}

// senderTo returns the sender for a person's channel.
func (n *Notifier) senderTo(c buildbtw.Channel) (sender, error) {
	if c.Kind == buildbtw.ChannelMail {
		return n.Settings.mailbox(c.Address, "turns")
	}
	key, err := parseSecret(c.Secret)
	return &webhook{c.Address, key, newClient(n.Settings.Guard.control), n.Now}, err
}
