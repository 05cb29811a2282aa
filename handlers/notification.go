package handlers

import (
	"cmp"
	"context"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/handlers/transfer"
	"buildbtw/notify"
	"buildbtw/store"
	"buildbtw/views"
)

// deliveryLines is how many messages a page lists.
const deliveryLines = 20

// notificationsPage shows people where they are told about buildspaces, and administrators
// the channels of the server.
func (a *App) notificationsPage(c *fiber.Ctx) error {
	return a.renderNotifications(c, views.MadeChannel{}, nil)
}

func (a *App) renderNotifications(c *fiber.Ctx, made views.MadeChannel, refused error) error {
	n, err := a.notifier()
	if err != nil {
		return err
	}
	v := views.Notifications{Mail: n.SendsMail(), MaxChannels: buildbtw.MaxChannels, Made: made}
	if who := user(c); who.MayOwnAccount() == nil && who.ID != 0 {
		v.Own = true
		if err := a.addOwnNotifications(c, &v, who.ID); err != nil {
			return err
		}
	}
	if user(c).MayAdminister() == nil {
		v.Admin = true
		for _, ch := range n.Channels() {
			v.ServerChannels = append(v.ServerChannels, views.ChannelLine{
				ID: ch.Name, Kind: ch.Kind, Address: buildbtw.ShownAddress(ch.Kind, ch.Address), Confirmed: true,
			})
		}
		if v.ServerDeliveries, err = a.deliveries(c, 0, "server"); err != nil {
			return err
		}
	}
	v.Error = say(c, refused)
	return a.renderAccess(c, "Notifications", views.NotificationsContent(v))
}

func (a *App) addOwnNotifications(c *fiber.Ctx, v *views.Notifications, account int64) error {
	channels, err := a.Store.Channels(c.UserContext(), account)
	if err != nil {
		return err
	}
	for _, ch := range channels {
		v.Channels = append(v.Channels, views.ChannelLine{
			ID: strconv.FormatInt(ch.ID, 10), Kind: ch.Kind, Address: ch.Shown(), Confirmed: ch.ConfirmedAt != nil, Made: a.moment(ch.CreatedAt),
		})
	}
	follows, err := a.Store.Follows(c.UserContext(), account)
	if err != nil {
		return err
	}
	for _, f := range follows {
		v.Follows = append(v.Follows, views.FollowLine{Buildspace: f.Buildspace, Choice: f.Choice})
	}
	v.Deliveries, err = a.deliveries(c, account, "cursor")
	return err
}

// deliveries returns messages to a person's channels or, for account 0, to the server's.
// cursor is the parameter of the address that says where the list begins.
func (a *App) deliveries(c *fiber.Ctx, account int64, cursor string) (views.Deliveries, error) {
	rows, next, err := a.Store.Deliveries(c.UserContext(), account, c.Query(cursor), deliveryLines)
	if err != nil {
		return views.Deliveries{}, err
	}
	v := views.Deliveries{}
	if next != "" {
		v.Next = views.NotificationsURL + "?" + cursor + "=" + next
	}
	for _, d := range rows {
		l := views.DeliveryLine{
			ID: d.ID, Channel: strings.TrimPrefix(d.Channel, "user:"), Buildspace: d.Buildspace, Status: d.Status, Tries: d.Tries,
			Made: a.moment(d.CreatedAt), NextAt: d.NextAt.UTC().Format("2006-01-02 15:04 UTC"), Error: d.Error,
		}
		var m notify.Message
		if json.Unmarshal([]byte(d.Message), &m) == nil { // else it has no subject
			l.Subject = m.Subject
		}
		v.Lines = append(v.Lines, l)
	}
	return v, nil
}

// notifier returns what tells people about buildspaces; Unavailable without one.
func (a *App) notifier() (*notify.Notifier, error) {
	if a.Notifier == nil {
		return nil, buildbtw.Unavailable("this server tells nobody about buildspaces")
	}
	return a.Notifier, nil
}

// addChannel adds the channel of a form, and shows the secret of a webhook once.
func (a *App) addChannel(c *fiber.Ctx) error {
	n, err := a.notifier()
	if err == nil {
		err = transfer.ReadBody(c, maxForm)
	}
	if err != nil {
		return err
	}
	ch, secret, err := n.AddChannel(c.UserContext(), user(c), buildbtw.ChannelKind(c.FormValue("kind")), c.FormValue("address"))
	switch {
	case err != nil:
		return a.renderNotifications(c, views.MadeChannel{}, err)
	case secret == "":
		return a.seeOtherWith(c, views.NotificationsURL, views.Word{Text: "A code was sent to " + ch.Shown() + ". Enter it here to confirm the address."})
	}
	return a.renderNotifications(c, views.MadeChannel{ID: strconv.FormatInt(ch.ID, 10), Address: ch.Shown(), Secret: secret}, nil)
}

// notificationOf returns the notifier, and the number of the channel or message in the path.
func (a *App) notificationOf(c *fiber.Ctx) (*notify.Notifier, int64, error) {
	n, err := a.notifier()
	if err != nil {
		return nil, 0, err
	}
	id, err := strconv.ParseInt(c.Params("id"), 10, 64)
	if err != nil || id <= 0 {
		return nil, 0, buildbtw.NotFound("there is nothing with the number %.40q", c.Params("id"))
	}
	return n, id, nil
}

// confirmChannel takes the code that was sent to an address.
func (a *App) confirmChannel(c *fiber.Ctx) error {
	n, id, err := a.notificationOf(c)
	if err == nil {
		err = transfer.ReadBody(c, maxForm)
	}
	if err != nil {
		return err
	}
	if err := n.ConfirmChannel(c.UserContext(), user(c), id, c.FormValue("code")); err != nil {
		return a.renderNotifications(c, views.MadeChannel{}, err)
	}
	return a.seeOtherWith(c, views.NotificationsURL, views.Word{Text: "The address is confirmed: messages go there from now on."})
}

func (a *App) removeChannel(c *fiber.Ctx) error {
	n, id, err := a.notificationOf(c)
	if err == nil {
		err = n.RemoveChannel(c.UserContext(), user(c), id)
	}
	if err != nil {
		return err
	}
	return a.seeOtherWith(c, views.NotificationsURL, views.Word{Text: "The channel is removed, with what waited for it."})
}

// testChannel sends a test, and says whether it arrived.
func (a *App) testChannel(c *fiber.Ctx) error {
	n, err := a.notifier()
	if err != nil {
		return err
	}
	name, err := param(c, "id")
	if err != nil {
		return err
	}
	d, err := n.Test(c.UserContext(), user(c), name)
	if err != nil {
		return err
	}
	words := "The test to channel " + name + " was delivered."
	if d.Status != buildbtw.DeliveryDelivered {
		words = "The test to channel " + name + " did not arrive: " + d.Error
	}
	return a.seeOtherWith(c, views.NotificationsURL, views.Word{Text: words})
}

func (a *App) replayDelivery(c *fiber.Ctx) error {
	n, id, err := a.notificationOf(c)
	if err != nil {
		return err
	}
	d, err := n.Replay(c.UserContext(), user(c), id)
	if err != nil {
		return err
	}
	return a.seeOtherWith(c, views.NotificationsURL, views.Word{Text: "Message " + strconv.FormatInt(d.ID, 10) + " is sent again."})
}

// followBuildspace stores whether a person is told about a buildspace, and goes back to
// where the form was.
func (a *App) followBuildspace(c *fiber.Ctx) error {
	n, err := a.notifier()
	if err != nil {
		return err
	}
	name, err := param(c, "name")
	if err == nil {
		err = transfer.ReadBody(c, maxForm)
	}
	if err != nil {
		return err
	}
	choice := buildbtw.FollowChoice(c.FormValue("choice"))
	if err := n.Follow(c.UserContext(), user(c), name, choice); err != nil {
		return err
	}
	back := views.BuildspaceURL(name)
	if c.FormValue("back") == "notifications" {
		back = views.NotificationsURL
	}
	words := "Your choice about " + name + " is taken back."
	switch choice {
	case buildbtw.FollowYes:
		words = "You are told about " + name + " from now on."
	case buildbtw.FollowMute:
		words = "You are told nothing about " + name + " from now on."
	}
	return a.seeOtherWith(c, back, views.Word{Text: words})
}

// followOf returns whether whoever asks is told about a buildspace.
func (a *App) followOf(c *fiber.Ctx, row store.BuildspaceRow) (views.Follow, error) {
	who := user(c)
	if a.Notifier == nil || who.ID == 0 {
		return views.Follow{}, nil
	}
	if who.MayOwnAccount() != nil {
		return views.Follow{}, nil //nolint:nilerr // those without an account follow nothing
	}
	f := views.Follow{Known: true, Created: row.CreatedBy == who.Name}
	var err error
	if f.Choice, err = a.Store.FollowChoice(c.UserContext(), who.ID, row.ID); err != nil {
		return f, err
	}
	channels, err := a.Store.Channels(c.UserContext(), who.ID)
	for _, ch := range channels {
		if ch.ConfirmedAt != nil {
			f.Channels++
		}
	}
	return f, err
}

// Standing returns how a buildspace stands, in the words of its page, for messages.
func (a *App) Standing(ctx context.Context, name string) (notify.Standing, error) {
	row, v, err := a.halted(ctx, name)
	if err != nil {
		return notify.Standing{}, err
	}
	s := notify.Standing{Iteration: v.Number, Summary: views.CountWords(v.Counts), URL: a.Settings.ServerURL + views.BuildspaceURL(name)}
	if halt := v.Halt(); !halt.Going && (v.Stopped || v.Status == buildbtw.IterationStatusInvalid || v.Counts[buildbtw.StatusBlocked] > 0) {
		s.Summary += " " + halt.Words
	}
	if row.Latest == nil || v.Status != buildbtw.IterationStatusBuilding && v.Status != buildbtw.IterationStatusFailed {
		return s, nil
	}
	var first []int64
	blocks := 0
	if len(v.Blockers) > 0 {
		first, blocks = []int64{v.Blockers[0].Build.ID}, v.Blockers[0].Blocks
	}
	failed, err := a.Store.FailedBuilds(ctx, []int64{row.Latest.ID}, first, 1)
	if err != nil || len(failed) == 0 {
		return s, err
	}
	f := failed[0]
	words := linkOf(f.BuildRow).Name() + " " + string(f.Status) + " (" + f.Architecture + ")"
	if why := printable(cmp.Or(f.FirstError.Text, f.Message)); why != "" {
		words += ": " + strings.TrimSuffix(why, ".")
	}
	words += "."
	if blocks > 0 {
		words += " It blocks " + views.Plural(blocks, "build") + "."
	}
	s.Cause = &notify.Description{Words: words, URL: a.Settings.ServerURL + views.BuildURL(f.ID)}
	return s, nil
}

// printable returns the beginning of a line of a log without what terminals obey.
func printable(line string) string {
	const most = 300
	list := []rune(strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return ' '
		}
		return r
	}, line))
	if len(list) > most {
		list = append(list[:most], '…')
	}
	return strings.TrimSpace(string(list))
}
