package notify

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"buildbtw"
	"buildbtw/store"
)

// Channels returns the channels of the server, in the order of the settings.
func (n *Notifier) Channels() []ServerChannel { return n.channels }

// SendsMail reports whether a person's channel may be an e-mail address.
func (n *Notifier) SendsMail() bool { return n.Settings.Mail != nil }

// AddChannel adds a channel to a person's. Of a webhook it returns the secret of its signatures,
// which is told once; to an e-mail address it sends the code that confirms it.
func (n *Notifier) AddChannel(ctx context.Context, who buildbtw.User, kind buildbtw.ChannelKind, address string) (c buildbtw.Channel, secret string, err error) {
	if err := mayHaveChannels(who); err != nil {
		return c, "", err
	}
	now := n.Now()
	c = buildbtw.Channel{AccountID: who.ID, Kind: kind, Address: strings.TrimSpace(address)}
	switch kind {
	case buildbtw.ChannelWebhook:
		if err := checkURL(c.Address); err != nil {
			return c, "", err
		}
		secret = NewSecret()
		c.Secret, c.ConfirmedAt = secret, &now
		c, err = n.Store.AddChannel(ctx, c)
		return c, secret, err
	case buildbtw.ChannelMail:
		if _, err := n.Settings.mailbox(c.Address, ""); err != nil {
			return c, "", buildbtw.Invalid("%w", err)
		}
		if !n.confirms.allow(who.ID, now) {
			return c, "", buildbtw.TooMany("too many addresses were tried; try again in an hour")
		}
		c.Secret = strings.ToLower(rand.Text()[:codeLength])
		if c, err = n.Store.AddChannel(ctx, c); err != nil {
			return c, "", err
		}
		return c, "", n.sendCode(ctx, who, c)
	}
	return c, "", buildbtw.Invalid("%.40q is no kind of channel; choose webhook or mail", kind)
}

// codeLength is that of the code that confirms an address: 40 bits, of which a person may
// guess perHour an hour.
const codeLength = 8

// sendCode sends the code of a new channel to its address. When that fails there is no
// channel.
func (n *Notifier) sendCode(ctx context.Context, who buildbtw.User, c buildbtw.Channel) error {
	to, err := n.Settings.mailbox(c.Address, "turns")
	if err == nil {
		err = to.(*mailbox).deliver(ctx, c.Address, to.(*mailbox).write(Message{
			ID: "msg_" + strings.ToLower(rand.Text()), Type: messageCode, Subject: "buildbtw: is this your address?",
			Summary: fmt.Sprintf("%s wants messages of buildbtw here. If that is you, confirm it:\n\n    bbtw notify confirm %d %s\n\nIf not, do nothing: no other message comes here.", who.Name, c.ID, c.Secret),
			URL:     n.HomeURL,
		}))
	}
	if err != nil {
		if removing := n.Store.RemoveChannel(context.WithoutCancel(ctx), who.ID, c.ID); removing != nil {
			return removing
		}
		return buildbtw.Unavailable("the mail with the code could not be sent: %v", err)
	}
	return nil
}

// ConfirmChannel notes that an address is a person's, who has the code that was sent there.
func (n *Notifier) ConfirmChannel(ctx context.Context, who buildbtw.User, id int64, code string) error {
	if err := mayHaveChannels(who); err != nil {
		return err
	}
	c, err := n.Store.Channel(ctx, who.ID, id)
	switch {
	case err != nil:
		return err
	case c.ConfirmedAt != nil:
		return buildbtw.Conflict("channel %d is confirmed already", id)
	case !n.confirms.allow(who.ID, n.Now()):
		return buildbtw.TooMany("too many codes were tried; try again in an hour")
	case subtle.ConstantTimeCompare([]byte(strings.ToLower(strings.TrimSpace(code))), []byte(c.Secret)) != 1:
		return buildbtw.Invalid("this is not the code that was sent to %s", c.Address)
	}
	return n.Store.ConfirmChannel(ctx, id)
}

// RemoveChannel removes a channel of a person.
func (n *Notifier) RemoveChannel(ctx context.Context, who buildbtw.User, id int64) error {
	if err := mayHaveChannels(who); err != nil {
		return err
	}
	return n.Store.RemoveChannel(ctx, who.ID, id)
}

// mayHaveChannels returns nil for people with an account.
func mayHaveChannels(who buildbtw.User) error {
	if err := who.MayOwnAccount(); err != nil {
		return err
	}
	if who.ID == 0 { // would be the server's
		return buildbtw.Unavailable("accounts cannot be kept at present; the server's log says why")
	}
	return who.MayRead()
}

// Test sends a test at once: to a person's own channel by its number or, for administrators,
// to one of the server by its name. The delivery tells how it went, and is tried again like
// others when it failed.
func (n *Notifier) Test(ctx context.Context, who buildbtw.User, channel string) (store.DeliveryRow, error) {
	name, id, err := n.find(ctx, who, channel)
	if err != nil {
		return store.DeliveryRow{}, err
	}
	if !n.confirms.allow(-who.ID, n.Now()) {
		return store.DeliveryRow{}, buildbtw.TooMany("too many tests; try again in an hour")
	}
	m := Message{Type: MessageTest, At: n.Now().UTC(), Subject: "buildbtw: test", URL: n.HomeURL}
	d, err := n.Store.AddDelivery(ctx, newDelivery(m, name, id), n.Now().Add(3*tryTime))
	if err == nil {
		_, err = n.attempt(ctx, d)
	}
	if err != nil {
		return store.DeliveryRow{}, err
	}
	return n.Store.Delivery(ctx, d.ID)
}

// find returns the name in the outbox of a channel that a person may test.
func (n *Notifier) find(ctx context.Context, who buildbtw.User, channel string) (name string, id *int64, err error) {
	if strings.Trim(channel, "0123456789") != "" {
		for _, c := range n.channels {
			if c.Name == channel {
				return c.Name, nil, who.MayAdminister()
			}
		}
		return "", nil, buildbtw.NotFound("there is no channel %.40q; 'bbtw notify list' shows them", channel)
	}
	if err := mayHaveChannels(who); err != nil {
		if who.MayAdminister() == nil { // an administrator's bot, which tests channels of the server
			return "", nil, buildbtw.NotFound("there is no channel %.40q of the server; 'bbtw notify list' shows them", channel)
		}
		return "", nil, err
	}
	number, err := strconv.ParseInt(channel, 10, 64)
	if err != nil {
		return "", nil, buildbtw.NotFound("there is no channel %.40q", channel)
	}
	c, err := n.Store.Channel(ctx, who.ID, number)
	if err == nil && c.ConfirmedAt == nil {
		err = buildbtw.Conflict("channel %d is not confirmed yet; enter the code that was sent to %s", number, c.Address)
	}
	return userChannel(number), &number, err
}

// Replay lets a delivery of a person's channel or, for administrators, of the server's be
// sent again, under the same id.
func (n *Notifier) Replay(ctx context.Context, who buildbtw.User, id int64) (store.DeliveryRow, error) {
	d, err := n.Store.Delivery(ctx, id)
	switch {
	case err != nil:
		return d, err
	case d.ChannelID == nil:
		err = who.MayAdminister()
	case d.AccountID != who.ID || who.ID == 0:
		err = buildbtw.NotFound("there is no delivery %d", id)
	}
	if err == nil {
		err = n.Store.ReplayDelivery(ctx, id)
	}
	if err != nil {
		return d, err
	}
	return n.Store.Delivery(ctx, id)
}

// Follow stores what a person wants to be told about a buildspace.
func (n *Notifier) Follow(ctx context.Context, who buildbtw.User, buildspace string, choice buildbtw.FollowChoice) error {
	if err := mayHaveChannels(who); err != nil {
		return err
	}
	if choice != buildbtw.FollowDefault && choice != buildbtw.FollowYes && choice != buildbtw.FollowMute {
		return buildbtw.Invalid("%.40q is no choice; follow, mute, or nothing for the default", choice)
	}
	return n.Store.SetFollow(ctx, who.ID, buildspace, choice)
}

// perHour is how many codes and tests a person may try in an hour.
const perHour = 20

// limiter counts what people try in an hour.
type limiter struct {
	mu    sync.Mutex
	since time.Time
	tried map[int64]int
}

func (l *limiter) allow(who int64, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.since) >= time.Hour || l.tried == nil {
		l.since, l.tried = now, map[int64]int{}
	}
	l.tried[who]++
	return l.tried[who] <= perHour
}
