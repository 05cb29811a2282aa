package buildbtw

import (
	"strings"
	"time"
)

// TurnKind is a kind of event in the life of a buildspace that its followers are told.
type TurnKind string

// The turns of a buildspace. A package that is built, or another one that fails, is none.
const (
	TurnFailed    TurnKind = "failed"    // the first build of an iteration failed
	TurnBlocked   TurnKind = "blocked"   // nothing of an iteration could go on for some hours
	TurnDone      TurnKind = "done"      // an iteration is all built
	TurnReleased  TurnKind = "released"  // packages of it were handed over to a target
	TurnWithdrawn TurnKind = "withdrawn" // a release was withdrawn
)

// Causes of the events of releases that are turns.
const (
	CauseHandedOver Cause = "handed-over"
	CauseWithdrawn  Cause = "withdrawn"
)

// Turn is one turn of a buildspace.
type Turn struct {
	ID           int64      `bun:"id,pk,autoincrement"`
	BuildspaceID int64      `bun:"buildspace_id"`
	IterationID  int64      `bun:"iteration_id"`
	Kind         TurnKind   `bun:"kind"`
	Number       int64      `bun:"number"` // with iteration and kind, it occurs once
	At           time.Time  `bun:"at"`
	Words        string     `bun:"words"`   // of the event; empty when Kind says it all
	ToldAt       *time.Time `bun:"told_at"` // when its message was put into the outbox
}

// TurnState is what is known of the turns of an iteration.
type TurnState struct {
	IterationID int64      `bun:"iteration_id,pk"`
	EventID     int64      `bun:"event_id"` // the latest that was looked at
	Failed      bool       `bun:"failed"`   // its first failure is known
	Done        bool       `bun:"done"`
	Dones       int64      `bun:"dones"`     // how often it became done
	HaltedAt    *time.Time `bun:"halted_at"` // since when nothing can go on
	Blocked     bool       `bun:"blocked"`   // that this takes long is known
	Halts       int64      `bun:"halts"`     // how often it was so
}

// Standing is how an iteration stands after one of its events.
type Standing struct {
	EventID int64
	At      time.Time // of the event
	Status  IterationStatus
	Failed  int  // failed builds
	GivenUp bool // some builds were cancelled, or skipped as their buildspace was stopped
}

// Next returns the state after an iteration was seen to stand so, and the turns that
// were not known before. After the same event it returns a turn only when time made one: an
// iteration is blocked when it cannot go on for patience.
func (s TurnState) Next(standing Standing, now time.Time, patience time.Duration) (TurnState, []Turn) {
	var turns []Turn
	if standing.EventID > s.EventID {
		s.EventID = standing.EventID
		goesOn := standing.Status == IterationStatusBuilding || standing.Status == IterationStatusFailed
		if goesOn && standing.Failed > 0 && !s.Failed {
			s.Failed = true
			turns = append(turns, Turn{IterationID: s.IterationID, Kind: TurnFailed, At: standing.At})
		}
		done := standing.Status == IterationStatusBuilt && !standing.GivenUp
		if done && !s.Done {
			s.Dones++
			turns = append(turns, Turn{IterationID: s.IterationID, Kind: TurnDone, Number: s.Dones, At: standing.At})
		}
		s.Done = done
		switch halted := standing.Status == IterationStatusFailed; {
		case !halted:
			s.HaltedAt, s.Blocked = nil, false
		case s.HaltedAt == nil:
			at := standing.At
			s.HaltedAt = &at
		}
	}
	if s.HaltedAt != nil && !s.Blocked && now.Sub(*s.HaltedAt) >= patience {
		s.Blocked = true
		s.Halts++
		turns = append(turns, Turn{IterationID: s.IterationID, Kind: TurnBlocked, Number: s.Halts, At: s.HaltedAt.Add(patience)})
	}
	return s, turns
}

// ChannelKind is a way to send messages.
type ChannelKind string

// The kinds of channels. People have the first two; the server has all.
const (
	ChannelWebhook ChannelKind = "webhook" // a signed request to a URL
	ChannelMail    ChannelKind = "mail"
	ChannelMatrix  ChannelKind = "matrix" // a room
	ChannelHTTP    ChannelKind = "http"   // a request made from templates
)

// Channel is a place to which a person wants messages.
type Channel struct {
	ID          int64       `bun:"id,pk,autoincrement"`
	AccountID   int64       `bun:"account_id"`
	Kind        ChannelKind `bun:"kind"`
	Address     string      `bun:"address"` // shown by Shown only: a URL may contain a secret
	Secret      string      `bun:"secret"`  // with which a webhook is signed, or that confirms an address
	CreatedAt   time.Time   `bun:"created_at"`
	ConfirmedAt *time.Time  `bun:"confirmed_at"` // nil: the address is not known to be the person's
}

// Shown returns the address without what may be a secret: of a URL the part up to the
// host.
func (c Channel) Shown() string { return ShownAddress(c.Kind, c.Address) }

// ShownAddress is Shown for an address of some kind.
func ShownAddress(kind ChannelKind, address string) string {
	if kind != ChannelWebhook && kind != ChannelHTTP {
		return address
	}
	scheme, rest, _ := strings.Cut(address, "://")
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	host, path := rest[:end], rest[end:]
	if len(path) > 1 {
		path = "/…"
	}
	return scheme + "://" + host[strings.LastIndex(host, "@")+1:] + path
}

// MaxChannels is how many channels a person may have.
const MaxChannels = 10

// FollowChoice is what a person wants to be told about a buildspace.
type FollowChoice string

// The choices. FollowDefault is that of somebody who made none: the creator of a buildspace
// follows it.
const (
	FollowDefault FollowChoice = ""
	FollowYes     FollowChoice = "follow"
	FollowMute    FollowChoice = "mute"
)

// Follows reports whether a person with this choice gets the messages about a buildspace.
func (f FollowChoice) Follows(created bool) bool {
	return f == FollowYes || f == FollowDefault && created
}

// DeliveryStatus is what became of a message to a channel.
type DeliveryStatus string

// The statuses of a delivery.
const (
	DeliveryWaiting   DeliveryStatus = "waiting"
	DeliveryDelivered DeliveryStatus = "delivered"
	DeliveryGivenUp   DeliveryStatus = "given-up" // refused, or tried DeliveryTries times
)

// DeliveryTries is how often a message is tried, over about 21 hours.
const DeliveryTries = 9

// DeliveryPause returns how long to wait after so many tries that failed: half a minute, then
// four times as long each time, at most six hours.
func DeliveryPause(tries int) time.Duration {
	const first, longest = 30 * time.Second, 6 * time.Hour
	if tries > 6 {
		return longest
	}
	return min(first<<(2*max(tries-1, 0)), longest)
}

// Delivery is a message to a channel.
type Delivery struct {
	ID           int64          `bun:"id,pk,autoincrement"`
	MessageID    string         `bun:"message_id"`    // the same in every try
	Channel      string         `bun:"channel"`       // of the server's by name; of a person's "user:" and its id
	ChannelID    *int64         `bun:"channel_id"`    // nil: it is the server's
	BuildspaceID *int64         `bun:"buildspace_id"` // nil: a test
	Message      string         `bun:"message"`       // as JSON
	Status       DeliveryStatus `bun:"status"`
	Tries        int            `bun:"tries"`
	CreatedAt    time.Time      `bun:"created_at"`
	NextAt       time.Time      `bun:"next_at"` // of a waiting one: when it is tried
	EndedAt      *time.Time     `bun:"ended_at"`
	Error        string         `bun:"error"` // of the last try
}

// CheckChannelName returns an error for a text that cannot be the name of a channel of the
// server.
func CheckChannelName(name string) error { return checkName("channel", name, slugName) }
