package main

import (
	"time"

	"buildbtw"
	"buildbtw/views"
)

func notificationStories(s views.Shell) []story {
	made := notifications()
	made.Made = views.MadeChannel{ID: "3", Address: "https://hooks.example.org/…", Secret: "whsec_ZXhhbXBsZSBvZiBhIHNlY3JldCBvZiBhIHdlYmhvb2s="} //nolint:gosec // made up
	refused := views.Notifications{Own: true, MaxChannels: buildbtw.MaxChannels, Error: "you have this channel already: it is number 1"}
	followed, muted := failedIteration(), builtIteration()
	followed.Follow = views.Follow{Known: true, Created: true, Channels: 1}
	muted.Follow = views.Follow{Known: true, Choice: buildbtw.FollowMute}
	return []story{
		{"/notifications", page(s, views.NotificationsContent(notifications()))},
		{"/notifications/made", page(s, views.NotificationsContent(made))},
		{"/notifications/none", page(s, views.NotificationsContent(refused))},
		{"/iteration/followed", page(s, views.IterationContent(followed))},
		{"/iteration/muted", page(s, views.IterationContent(muted))},
	}
}

// notifications is the page of an administrator who has channels of every kind.
func notifications() views.Notifications {
	return views.Notifications{
		Own: true, Mail: true, MaxChannels: buildbtw.MaxChannels,
		Channels: []views.ChannelLine{
			{ID: "1", Kind: buildbtw.ChannelWebhook, Address: "https://hooks.example.org/…", Confirmed: true, Made: ago(50 * time.Hour)},
			{ID: "2", Kind: buildbtw.ChannelMail, Address: "anna@example.org", Made: ago(4 * time.Minute)},
		},
		Deliveries: views.Deliveries{Next: "/notifications?cursor=x", Lines: []views.DeliveryLine{
			{ID: 41, Channel: "1", Subject: "openssl-3.6 #3: first failure", Buildspace: "openssl-3.6", Status: buildbtw.DeliveryWaiting, Made: ago(time.Second)},
			{ID: 40, Channel: "1", Subject: "icu-78 #1: all built, released", Buildspace: "icu-78", Status: buildbtw.DeliveryWaiting, Tries: 3, Made: ago(20 * time.Minute), NextAt: "2026-03-01 12:40 UTC", Error: "the receiver answered 502 Bad Gateway"},
			{ID: 38, Channel: "1", Subject: "x264 #2: blocked", Buildspace: "x264", Status: buildbtw.DeliveryGivenUp, Tries: 9, Made: ago(30 * time.Hour), Error: "the receiver answered 404 Not Found"},
			{ID: 12, Channel: "1", Subject: "buildbtw: test", Status: buildbtw.DeliveryDelivered, Tries: 1, Made: ago(49 * time.Hour)},
		}},
		Follows: []views.FollowLine{{Buildspace: "icu-78", Choice: buildbtw.FollowYes}, {Buildspace: "x264", Choice: buildbtw.FollowMute}},
		Admin:   true,
		ServerChannels: []views.ChannelLine{
			{ID: "ops", Kind: buildbtw.ChannelWebhook, Address: "https://hooks.example.org/…", Confirmed: true},
			{ID: "room", Kind: buildbtw.ChannelMatrix, Address: "!abc:example.org", Confirmed: true},
		},
		ServerDeliveries: views.Deliveries{Lines: []views.DeliveryLine{
			{ID: 39, Channel: "ops", Subject: "icu-78 #1: all built", Buildspace: "icu-78", Status: buildbtw.DeliveryDelivered, Tries: 2, Made: ago(time.Hour)},
		}},
	}
}
