package api

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"buildbtw"
)

// Channel is a place to which messages about buildspaces go.
type Channel struct {
	ID        string               `json:"id"` // a number; of a channel of the server its name
	Kind      buildbtw.ChannelKind `json:"kind"`
	Address   string               `json:"address"` // of a URL the part up to the host
	Server    bool                 `json:"server"`  // gets the messages about all buildspaces; an administrator set it
	Confirmed bool                 `json:"confirmed"`
	CreatedAt *time.Time           `json:"created_at,omitempty"`
}

// NewChannel is a request for a channel of the caller.
type NewChannel struct {
	Kind    buildbtw.ChannelKind `json:"kind"`    // webhook or mail
	Address string               `json:"address"` // URL or e-mail address
}

// CreatedChannel is a new channel.
type CreatedChannel struct {
	Channel
	Secret string `json:"secret,omitempty"` // with which a webhook is signed; told this once
}

// ConfirmChannel confirms an e-mail address.
type ConfirmChannel struct {
	Code string `json:"code"`
}

// Delivery is a message to a channel.
type Delivery struct {
	ID         string                  `json:"id"`
	MessageID  string                  `json:"message_id"` // the same in every try
	Channel    string                  `json:"channel"`    // its id
	Buildspace string                  `json:"buildspace,omitempty"`
	Subject    string                  `json:"subject"`
	Status     buildbtw.DeliveryStatus `json:"status"`
	Tries      int                     `json:"tries"`
	CreatedAt  time.Time               `json:"created_at"`
	NextAt     *time.Time              `json:"next_at,omitempty"` // of a waiting one
	EndedAt    *time.Time              `json:"ended_at,omitempty"`
	Error      string                  `json:"error,omitempty"` // of the last try
}

// Following says whether messages about a buildspace go to the caller.
type Following struct {
	Choice  buildbtw.FollowChoice `json:"choice"`  // follow, mute, or empty: only who created the buildspace gets them
	Follows bool                  `json:"follows"` // the caller gets them; in an answer only
}

// Channels returns the caller's channels, and for administrators those of the server.
func (c *Client) Channels(ctx context.Context) ([]Channel, error) {
	return pages[Channel](ctx, c, "/notifications/channels", nil)
}

// AddChannel adds a channel to the caller's.
func (c *Client) AddChannel(ctx context.Context, n NewChannel) (CreatedChannel, error) {
	var made CreatedChannel
	return made, c.send(ctx, http.MethodPost, "/notifications/channels", n, &made)
}

// ConfirmChannel confirms an e-mail address with the code that was sent there.
func (c *Client) ConfirmChannel(ctx context.Context, id, code string) error {
	return c.send(ctx, http.MethodPost, "/notifications/channels/"+url.PathEscape(id)+"/confirm", ConfirmChannel{Code: code}, nil)
}

// RemoveChannel removes a channel of the caller.
func (c *Client) RemoveChannel(ctx context.Context, id string) error {
	return c.once(ctx, call{method: http.MethodDelete, path: "/notifications/channels/" + url.PathEscape(id)}, nil)
}

// TestChannel sends a test to a channel, and returns how that went.
func (c *Client) TestChannel(ctx context.Context, id string) (Delivery, error) {
	var d Delivery
	return d, c.send(ctx, http.MethodPost, "/notifications/channels/"+url.PathEscape(id)+"/test", nil, &d)
}

// Deliveries returns the newest messages to the caller's channels or to those of the server.
func (c *Client) Deliveries(ctx context.Context, server bool) ([]Delivery, error) {
	query := url.Values{}
	if server {
		query.Set("server", "true")
	}
	return pages[Delivery](ctx, c, "/notifications/deliveries", query)
}

// ReplayDelivery lets a message be sent again.
func (c *Client) ReplayDelivery(ctx context.Context, id string) (Delivery, error) {
	var d Delivery
	return d, c.send(ctx, http.MethodPost, "/notifications/deliveries/"+url.PathEscape(id)+"/replay", nil, &d)
}

// Follow chooses whether messages about a buildspace go to the caller.
func (c *Client) Follow(ctx context.Context, buildspace string, choice buildbtw.FollowChoice) (Following, error) {
	var f Following
	return f, c.send(ctx, http.MethodPut, "/buildspaces/"+url.PathEscape(buildspace)+"/follow", Following{Choice: choice}, &f)
}
