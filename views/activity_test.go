package views

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"buildbtw"
)

func TestActivityIsSortedIntoDaysAndGroups(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("CET", 3600)
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, zone)
	at := func(day, hour, minute int) Moment {
		return Moment{time.Date(2026, 11, day, hour, minute, 0, 0, time.UTC), now}
	}
	build := func(m Moment, to buildbtw.Status, iteration int) EventLine {
		return EventLine{At: m, Actor: fmt.Sprint("w", m.At.Minute()), Build: &BuildLink{ID: int64(m.At.Minute())}, To: to, Buildspace: "demo", Iteration: iteration}
	}
	built, failed := buildbtw.StatusBuilt, buildbtw.StatusFailed
	events := []EventLine{
		build(at(30, 1, 3), built, 2), build(at(30, 1, 2), built, 2), build(at(30, 1, 1), built, 2), // workers differ
		build(at(30, 0, 59), failed, 2),
		build(at(30, 0, 30), built, 2), build(at(30, 0, 29), built, 2), // two make no group
		{At: at(29, 23, 30), Actor: "anna", Message: "Created.", Buildspace: "demo"}, // of the 30th, in this zone
		build(at(29, 22, 58), built, 2), build(at(29, 22, 57), built, 2), build(at(29, 22, 56), built, 1), build(at(29, 22, 55), built, 1), build(at(29, 22, 54), built, 1),
	}
	var got []string
	for _, day := range ActivityDays(events, zone) {
		line := []string{day.Day.Format("2 Jan 15:04 MST")}
		for _, g := range day.Groups {
			line = append(line, strconv.Itoa(len(g.Events)))
		}
		got = append(got, strings.Join(line, " "))
	}
	if want := []string{"30 Nov 00:00 CET 3 1 1 1 1", "29 Nov 00:00 CET 1 1 3"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if ActivityDays(nil, zone) != nil {
		t.Error("nothing happened on a day")
	}
}

func TestOldMomentsShowTheirDate(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("CET", 3600)
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, zone)
	for at, want := range map[time.Time]string{
		now.Add(-48 * time.Hour): "28 Nov, 12:00", now.Add(-47 * time.Hour): "1 d ago", now.AddDate(-1, 0, 0): "30 Nov 2025",
	} {
		if got := (Moment{at.UTC(), now}).Age(); got != want {
			t.Errorf("%v: %q, want %q", at, got, want)
		}
	}
	m := Moment{now.Add(-time.Hour).UTC(), now}
	if m.Clock() != "11:00 CET" || m.DateTime() != "2026-11-30 11:00:00 CET" {
		t.Errorf("%s, %s", m.Clock(), m.DateTime())
	}
}
