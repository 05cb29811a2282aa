package apiv1

import (
	"encoding/json"
	"strings"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/notify"
	"buildbtw/store"
)

// Routes of what people are told about buildspaces.
func (a *API) notificationRoutes() []route {
	return []route{
		{
			method: "GET", path: "/notifications/channels", summary: "Where messages go: channels of the caller, and for administrators those of the server",
			may: buildbtw.User.MayManageTokens, handler: a.channels, answer: api.Page[api.Channel]{}, query: paged(),
		},
		{
			method: "POST", path: "/notifications/channels", summary: "Add a channel of the caller: a webhook, whose secret is told once, or an e-mail address, which is sent a code",
			may: buildbtw.User.MayOwnAccount, handler: a.addChannel, body: api.NewChannel{}, answer: api.CreatedChannel{}, status: fiber.StatusCreated,
		},
		{
			method: "POST", path: "/notifications/channels/{id}/confirm", summary: "Confirm an e-mail address with the code that was sent there",
			may: buildbtw.User.MayOwnAccount, handler: a.confirmChannel, body: api.ConfirmChannel{}, status: fiber.StatusNoContent,
		},
		{
			method: "DELETE", path: "/notifications/channels/{id}", summary: "Remove a channel of the caller, with what waits for it",
			may: buildbtw.User.MayOwnAccount, handler: a.removeChannel, status: fiber.StatusNoContent,
		},
		{
			method: "POST", path: "/notifications/channels/{id}/test", summary: "Send a test at once to a channel of the caller or, for administrators, to one of the server by its name",
			may: buildbtw.User.MayManageTokens, handler: a.testChannel, answer: api.Delivery{},
		},
		{
			method: "GET", path: "/notifications/deliveries", summary: "Messages to the caller's channels, the newest first", may: buildbtw.User.MayManageTokens,
			handler: a.deliveries, answer: api.Page[api.Delivery]{}, query: paged(parameter{"server", "true: those to the channels of the server; for administrators"}),
		},
		{
			method: "POST", path: "/notifications/deliveries/{id}/replay", summary: "Send a message again that was delivered or given up, under the same id",
			may: buildbtw.User.MayManageTokens, handler: a.replayDelivery, answer: api.Delivery{},
		},
		{
			method: "GET", path: "/buildspaces/{name}/follow", summary: "Is the caller told about a buildspace?", may: buildbtw.User.MayOwnAccount,
			handler: a.following, answer: api.Following{},
		},
		{
			method: "PUT", path: "/buildspaces/{name}/follow", summary: "Follow a buildspace, mute it, or neither", may: buildbtw.User.MayOwnAccount,
			handler: a.follow, body: api.Following{}, answer: api.Following{},
		},
	}
}

// notifier returns what tells people about buildspaces; Unavailable without one.
func (a *API) notifier() (*notify.Notifier, error) {
	if a.Notifier == nil {
		return nil, buildbtw.Unavailable("this server tells nobody about buildspaces")
	}
	return a.Notifier, nil
}

func wireChannel(c buildbtw.Channel) api.Channel {
	made := c.CreatedAt.UTC()
	return api.Channel{ID: formatID(c.ID), Kind: c.Kind, Address: c.Shown(), Confirmed: c.ConfirmedAt != nil, CreatedAt: &made}
}

func (a *API) channels(c *fiber.Ctx) error {
	who := a.User(c)
	var all []api.Channel
	if a.Notifier != nil && who.MayAdminister() == nil {
		for _, s := range a.Notifier.Channels() {
			all = append(all, api.Channel{ID: s.Name, Kind: s.Kind, Address: buildbtw.ShownAddress(s.Kind, s.Address), Server: true, Confirmed: true})
		}
	}
	if who.ID != 0 {
		rows, err := a.Store.Channels(c.UserContext(), who.ID)
		if err != nil {
			return err
		}
		all = append(all, list(rows, wireChannel)...)
	}
	page, err := cut(c, list(all, func(v api.Channel) api.Channel { return v }), func(v api.Channel) string { return v.ID })
	if err != nil {
		return err
	}
	return send(c, page)
}

func (a *API) addChannel(c *fiber.Ctx) error {
	n, err := a.notifier()
	if err != nil {
		return err
	}
	r, err := decode[api.NewChannel](c)
	if err != nil {
		return err
	}
	made, text, err := n.AddChannel(c.UserContext(), a.User(c), r.Kind, r.Address)
	if err != nil {
		return err
	}
	return secret(c, fiber.StatusCreated, api.CreatedChannel{Channel: wireChannel(made), Secret: text})
}

func (a *API) confirmChannel(c *fiber.Ctx) error {
	n, err := a.notifier()
	if err != nil {
		return err
	}
	id, err := numbered(c)
	if err != nil {
		return err
	}
	r, err := decode[api.ConfirmChannel](c)
	if err == nil {
		err = n.ConfirmChannel(c.UserContext(), a.User(c), id, r.Code)
	}
	if err != nil {
		return err
	}
	return c.SendStatus(fiber.StatusNoContent)
}

func (a *API) removeChannel(c *fiber.Ctx) error {
	n, err := a.notifier()
	if err != nil {
		return err
	}
	id, err := numbered(c)
	if err == nil {
		err = n.RemoveChannel(c.UserContext(), a.User(c), id)
	}
	if err != nil {
		return err
	}
	return c.SendStatus(fiber.StatusNoContent)
}

func (a *API) testChannel(c *fiber.Ctx) error {
	n, err := a.notifier()
	if err != nil {
		return err
	}
	name, err := param(c, "id")
	if err != nil {
		return err
	}
	d, err := n.Test(c.UserContext(), a.User(c), name)
	if err != nil {
		return err
	}
	return send(c, wireDelivery(d))
}

func wireDelivery(d store.DeliveryRow) api.Delivery {
	v := api.Delivery{
		ID: formatID(d.ID), MessageID: d.MessageID, Channel: strings.TrimPrefix(d.Channel, "user:"), Buildspace: d.Buildspace, Status: d.Status, Tries: d.Tries,
		CreatedAt: d.CreatedAt.UTC(), Error: d.Error,
	}
	var m notify.Message
	if json.Unmarshal([]byte(d.Message), &m) == nil { // else it has no subject
		v.Subject = m.Subject
	}
	if d.Status == buildbtw.DeliveryWaiting {
		next := d.NextAt.UTC()
		v.NextAt = &next
	}
	if d.EndedAt != nil {
		ended := d.EndedAt.UTC()
		v.EndedAt = &ended
	}
	return v
}

func (a *API) deliveries(c *fiber.Ctx) error {
	server, err := flag(c, "server")
	if err != nil {
		return err
	}
	who := a.User(c)
	account := who.ID
	switch {
	case server:
		account, err = 0, who.MayAdminister()
	case account == 0: // would mean the server's
		err = who.MayOwnAccount()
		if err == nil {
			err = buildbtw.Unavailable("accounts cannot be kept at present; the server's log says why")
		}
	}
	if err != nil {
		return err
	}
	size, err := limit(c)
	if err != nil {
		return err
	}
	rows, next, err := a.Store.Deliveries(c.UserContext(), account, c.Query("cursor"), size)
	if err != nil {
		return err
	}
	return send(c, api.Page[api.Delivery]{Items: list(rows, wireDelivery), Cursor: next})
}

func (a *API) replayDelivery(c *fiber.Ctx) error {
	n, err := a.notifier()
	if err != nil {
		return err
	}
	id, err := numbered(c)
	if err != nil {
		return err
	}
	d, err := n.Replay(c.UserContext(), a.User(c), id)
	if err != nil {
		return err
	}
	return send(c, wireDelivery(d))
}

func (a *API) following(c *fiber.Ctx) error {
	name, err := param(c, "name")
	if err != nil {
		return err
	}
	row, err := a.Store.Buildspace(c.UserContext(), name)
	if err != nil {
		return err
	}
	who := a.User(c)
	choice, err := a.Store.FollowChoice(c.UserContext(), who.ID, row.ID)
	if err != nil {
		return err
	}
	return send(c, api.Following{Choice: choice, Follows: choice.Follows(row.CreatedBy == who.Name)})
}

func (a *API) follow(c *fiber.Ctx) error {
	n, err := a.notifier()
	if err != nil {
		return err
	}
	name, err := param(c, "name")
	if err != nil {
		return err
	}
	r, err := decode[api.Following](c)
	if err == nil {
		err = n.Follow(c.UserContext(), a.User(c), name, r.Choice)
	}
	if err != nil {
		return err
	}
	return a.following(c)
}
