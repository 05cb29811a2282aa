package handlers

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/progress"
	"buildbtw/views"
)

const (
	machineHours = 24 // that the page shows when nobody says
	aheadPart    = 4  // of the span, that a live page shows as a forecast
	laneNext     = 3  // builds of the forecast that the table names for each slot
	cachedTimes  = 8  // some 2 MB each; the script of a page that was just opened asks for the same, which took 130 ms
)

// machinesPage shows the attempts on each slot of the workers over time: of one buildspace,
// or for all.
func (a *App) machinesPage(c *fiber.Ctx) error {
	name, err := param(c, "name")
	if err != nil {
		return err
	}
	v := views.Machines{Buildspace: name, Hours: machineHours, Live: c.Query("until") == ""}
	if hours := c.QueryInt("hours", machineHours); slices.Contains(views.MachineHours(), hours) {
		v.Hours = hours
	}
	w := watched{topics: []string{topicAll}, query: []string{"hours", "until"}, period: presencePeriod, seconds: 5}
	if name != "" {
		w.topics = []string{topicBuildspace(name)}
		row, err := a.Store.Buildspace(c.UserContext(), name)
		if err != nil {
			return err
		}
		if row.Latest != nil {
			v.Latest = row.Latest.Number
			if v.Architectures, err = a.Store.Architectures(c.UserContext(), row.Latest.ID); err != nil {
				return err
			}
		}
	}
	return a.renderLive(c, w, func() (*livePage, error) {
		v := v
		if err := a.addMachines(c, &v); err != nil {
			return nil, err
		}
		s := a.shell(c, views.NavWorkers, v.Title())
		s.Crumbs = []views.Crumb{{Label: "Workers", URL: "/workers"}, {Label: "Over time"}}
		if name != "" {
			s.Nav, s.Crumbs = views.NavBuildspaces, views.BuildspaceCrumbs(name, views.Crumb{Label: "Machines"})
		}
		s.Script = s.Assets.Pictures
		return &livePage{shell: s, parts: v.Parts(), content: views.MachinesContent(v, a.Now())}, nil
	})
}

// addMachines adds the attempts on each slot of the workers, and the forecast.
func (a *App) addMachines(c *fiber.Ctx, v *views.Machines) error {
	span, now := time.Duration(v.Hours)*time.Hour, a.Now()
	until := now
	if !v.Live {
		var err error
		if until, err = time.Parse(time.RFC3339, c.Query("until")); err != nil {
			return buildbtw.Invalid("until is no time as 2026-03-01T12:00:00Z: %.40q", c.Query("until"))
		}
	}
	until = until.UTC().Truncate(time.Millisecond)
	v.From, v.Until = until.Add(-span), until
	if v.Live {
		until = until.Add(span / aheadPart)
	}
	r := progress.TimeRequest{Buildspace: v.Buildspace, From: v.From, Until: until}
	t, err := a.Forecasts.Timeline(c.UserContext(), &a.Store.Reader, r, now)
	if err != nil {
		return err
	}
	a.times.Put(r, t)
	v.More = t.More
	busy := make([]time.Duration, len(t.Lanes))
	v.Lanes = make([]views.MachineLane, len(t.Lanes))
	for i, lane := range t.Lanes {
		v.Lanes[i] = views.MachineLane{Worker: lane.Worker, Slot: lane.Slot, Present: lane.Present}
	}
	for _, bar := range t.Bars {
		lane := &v.Lanes[bar.Lane]
		end := bar.End
		if end.IsZero() {
			end = now
			lane.Now = &views.BuildLink{ID: bar.BuildID, Pkgbase: bar.Pkgbase, OfBase: bar.OfBase, Second: bar.Second, Status: buildbtw.StatusBuilding}
			lane.Since = a.moment(bar.Start)
		}
		busy[bar.Lane] += max(0, earlier(end, v.Until).Sub(later(bar.Start, v.From)))
		lane.Builds++
		switch bar.Outcome {
		case buildbtw.OutcomeFailed:
			lane.Failed++
		case buildbtw.OutcomeInfrastructure, buildbtw.OutcomeLost, buildbtw.OutcomeTimedOut, buildbtw.OutcomeStalled:
			lane.Broken++
		}
	}
	for i := range v.Lanes {
		v.Lanes[i].Busy = int(100 * busy[i] / span)
	}
	for _, bar := range t.Ahead {
		lane := &v.Lanes[bar.Lane]
		if len(lane.Next) < laneNext {
			build := views.BuildLink{ID: bar.BuildID, Pkgbase: bar.Pkgbase}
			lane.Next = append(lane.Next, views.MachineNext{Build: build, Starts: "in " + views.Roughly(max(0, bar.Start.Sub(now)))})
		}
	}
	return nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// wireBars is a timeline as static/src/pictures/time.js reads it. Lists of numbers
// have several for each bar, one after the other; a name is its place in a list.
type wireBars struct {
	Now      int64    `json:"now"` // ms since 1970
	Lanes    []string `json:"lanes"`
	Slots    []int    `json:"slots"`
	Present  []bool   `json:"present"`
	Names    []string `json:"names"`
	Spaces   []string `json:"spaces"`   // "name #3"
	Outcomes []string `json:"outcomes"` // "" while it runs
	Bars     []int64  `json:"bars"`     // lane, build, attempt, name, space, outcome, start in ms, ms that it took (-1: it runs)
	Ahead    []int64  `json:"ahead"`
}

// machineBars answers with the bars of a span of time, for static/src/pictures.
func (a *App) machineBars(c *fiber.Ctx) error {
	r := progress.TimeRequest{Buildspace: c.Query("buildspace")}
	for name, at := range map[string]*time.Time{"from": &r.From, "until": &r.Until} {
		ms, err := strconv.ParseInt(c.Query(name), 10, 64)
		if err != nil {
			return buildbtw.Invalid("%s is no time in milliseconds: %.40q", name, c.Query(name))
		}
		*at = time.UnixMilli(ms).UTC()
	}
	t, known := a.times.Get(r) // by the page that is being opened
	if !known {
		var err error
		if t, err = a.Forecasts.Timeline(c.UserContext(), &a.Store.Reader, r, a.Now()); err != nil {
			return err
		}
	}
	wire := wireBars{Now: t.Now.UnixMilli(), Lanes: []string{}, Slots: []int{}, Present: []bool{}, Bars: []int64{}, Ahead: []int64{}}
	for _, lane := range t.Lanes {
		wire.Lanes, wire.Slots, wire.Present = append(wire.Lanes, lane.Worker), append(wire.Slots, lane.Slot), append(wire.Present, lane.Present)
	}
	names, spaces, outcomes := places{}, places{}, places{}
	add := func(to []int64, b progress.Bar) []int64 {
		took := int64(-1)
		if !b.End.IsZero() {
			took = b.End.Sub(b.Start).Milliseconds()
		}
		name, space := b.Pkgbase, fmt.Sprintf("%s #%d", b.Buildspace, b.Iteration)
		if b.OfBase {
			name, space = buildbtw.BaselineName(b.Pkgbase), "in no buildspace"
		}
		if b.Second {
			name, space = buildbtw.RepeatName(b.Pkgbase), "in no buildspace"
		}
		return append(to, int64(b.Lane), b.BuildID, int64(b.Attempt), names.of(name), spaces.of(space), outcomes.of(string(b.Outcome)), b.Start.UnixMilli(), took)
	}
	for _, b := range t.Bars {
		wire.Bars = add(wire.Bars, b)
	}
	for _, b := range t.Ahead {
		wire.Ahead = add(wire.Ahead, b)
	}
	wire.Names, wire.Spaces, wire.Outcomes = names.list(), spaces.list(), outcomes.list()
	body, err := json.Marshal(wire)
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderCacheControl, "no-cache")
	return sendPacked(c, fiber.MIMEApplicationJSON, body)
}

// places numbers words in the order in which they come.
type places map[string]int64

func (p places) of(word string) int64 {
	at, ok := p[word]
	if !ok {
		at = int64(len(p))
		p[word] = at
	}
	return at
}

func (p places) list() []string {
	words := make([]string, 0, len(p))
	for word := range p {
		words = append(words, word)
	}
	slices.SortFunc(words, func(a, b string) int { return cmp.Compare(p[a], p[b]) })
	return words
}
