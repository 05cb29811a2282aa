package api

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"buildbtw"
	"buildbtw/buildgraph"
)

// Plan returns the builds that the changesets would need, without storing
// anything.
func (c *Client) Plan(ctx context.Context, r PlanRequest) (*buildgraph.Plan, error) {
	var plan buildgraph.Plan
	return &plan, c.send(ctx, http.MethodPost, "/plans", r, &plan)
}

// Explain asks, per architecture, why the changesets would build a package, or
// why not.
func (c *Client) Explain(ctx context.Context, r ExplainRequest) (map[string]buildgraph.Explanation, error) {
	answer := map[string]buildgraph.Explanation{}
	return answer, c.send(ctx, http.MethodPost, "/plans/explain", r, &answer)
}

// CreateBuildspace creates a buildspace. Conflict when the name is taken,
// unconfirmed when it has more builds than the server makes without Confirm.
func (c *Client) CreateBuildspace(ctx context.Context, n NewBuildspace) (Buildspace, error) {
	var space Buildspace
	return space, c.send(ctx, http.MethodPost, "/buildspaces", n, &space)
}

// BuildspaceFilter selects buildspaces; empty fields select all.
type BuildspaceFilter struct {
	Status, Source, Query string
}

// Buildspaces returns all buildspaces that the filter selects, newest first,
// reading page after page.
func (c *Client) Buildspaces(ctx context.Context, f BuildspaceFilter) ([]Buildspace, error) {
	query := values("status", f.Status, "source", f.Source, "q", f.Query)
	return pages[Buildspace](ctx, c, "/buildspaces", query)
}

// Buildspace returns one buildspace with its latest iteration.
func (c *Client) Buildspace(ctx context.Context, name string) (Buildspace, error) {
	var space Buildspace
	return space, c.get(ctx, "/buildspaces/"+url.PathEscape(name), nil, &space)
}

// EditBuildspace changes settings or changesets, stops or starts.
func (c *Client) EditBuildspace(ctx context.Context, name string, e EditBuildspace) (Buildspace, error) {
	var space Buildspace
	return space, c.send(ctx, http.MethodPatch, "/buildspaces/"+url.PathEscape(name), e, &space)
}

// Count is the number of builds that a call changed.
type Count struct {
	Builds int `json:"builds"`
}

// RetryFailed queues every failed or cancelled build of the latest iteration for another
// attempt, and returns how many there are.
func (c *Client) RetryFailed(ctx context.Context, name string) (int, error) {
	var n Count
	err := c.send(ctx, http.MethodPost, "/buildspaces/"+url.PathEscape(name)+"/retry", nil, &n)
	return n.Builds, err
}

// Fix makes the sources of failed builds changesets of the buildspace with this name, and
// requests one new iteration, which builds their newest commits. The error is a Conflict
// when a build has not failed, or when its source is a changeset already and has no newer
// commit than the one that failed.
func (c *Client) Fix(ctx context.Context, name string, f Fix) (Fixed, error) {
	var fixed Fixed
	return fixed, c.send(ctx, http.MethodPost, "/buildspaces/"+url.PathEscape(name)+"/fix", f, &fixed)
}

// CancelBuilds cancels every build of the latest iteration that is not done.
func (c *Client) CancelBuilds(ctx context.Context, name string) (int, error) {
	var n Count
	err := c.send(ctx, http.MethodPost, "/buildspaces/"+url.PathEscape(name)+"/cancel", nil, &n)
	return n.Builds, err
}

// Waivers returns what people decided about what a buildspace releases, oldest first.
func (c *Client) Waivers(ctx context.Context, name string) ([]Waiver, error) {
	var page Page[Waiver]
	return page.Items, c.get(ctx, "/buildspaces/"+url.PathEscape(name)+"/waivers", nil, &page)
}

// Waive records waivers, one for each name or one for the two of together, all or none. The
// error is a Conflict when one is recorded already.
func (c *Client) Waive(ctx context.Context, name string, n NewWaiver) ([]Waiver, error) {
	var page Page[Waiver]
	err := c.send(ctx, http.MethodPost, "/buildspaces/"+url.PathEscape(name)+"/waivers", n, &page)
	return page.Items, err
}

// RemoveWaiver takes a waiver back.
func (c *Client) RemoveWaiver(ctx context.Context, name, id string) error {
	return c.once(ctx, call{method: http.MethodDelete, path: "/buildspaces/" + url.PathEscape(name) + "/waivers/" + url.PathEscape(id)}, nil)
}

// Latest names the newest iteration.
const Latest = 0

func iterationPath(name string, number int) string {
	which := "latest"
	if number != Latest {
		which = strconv.Itoa(number)
	}
	return "/buildspaces/" + url.PathEscape(name) + "/iterations/" + which
}

// Iteration returns one iteration, or the Latest.
func (c *Client) Iteration(ctx context.Context, name string, number int) (Iteration, error) {
	var i Iteration
	return i, c.get(ctx, iterationPath(name, number), nil, &i)
}

// Iterations returns the iterations of a buildspace, newest first.
func (c *Client) Iterations(ctx context.Context, name string) ([]Iteration, error) {
	return pages[Iteration](ctx, c, "/buildspaces/"+url.PathEscape(name)+"/iterations", url.Values{})
}

// NewIteration asks for an iteration by hand.
func (c *Client) NewIteration(ctx context.Context, name, reason string) (Buildspace, error) {
	var space Buildspace
	return space, c.send(ctx, http.MethodPost, "/buildspaces/"+url.PathEscape(name)+"/iterations", NewIteration{Reason: reason}, &space)
}

// Diff returns the difference of two iterations of a buildspace.
func (c *Client) Diff(ctx context.Context, name string, from, to int) (Diff, error) {
	var d Diff
	return d, c.get(ctx, iterationPath(name, from)+"/diff", values("to", strconv.Itoa(to)), &d)
}

// Forecast returns when an iteration, or the Latest, will be done.
func (c *Client) Forecast(ctx context.Context, name string, number int) (Forecast, error) {
	var f Forecast
	return f, c.get(ctx, iterationPath(name, number)+"/forecast", nil, &f)
}

// DrainWorker gives a worker no new builds until ResumeWorker.
func (c *Client) DrainWorker(ctx context.Context, name string) (Worker, error) {
	var w Worker
	return w, c.send(ctx, http.MethodPost, "/workers/"+url.PathEscape(name)+"/drain", nil, &w)
}

// ResumeWorker gives a worker builds again that was draining or quarantined.
func (c *Client) ResumeWorker(ctx context.Context, name string) (Worker, error) {
	var w Worker
	return w, c.send(ctx, http.MethodPost, "/workers/"+url.PathEscape(name)+"/resume", nil, &w)
}

// ForgetWorker removes a worker that is gone; Conflict when it is there or has a build.
func (c *Client) ForgetWorker(ctx context.Context, name string) error {
	return c.once(ctx, call{method: http.MethodDelete, path: "/workers/" + url.PathEscape(name)}, nil)
}

// LookAt has a source looked at at once, or all when slug is empty.
func (c *Client) LookAt(ctx context.Context, slug string) error {
	path := "/mirror/look"
	if slug != "" {
		path = "/sources/" + url.PathEscape(slug) + "/look"
	}
	return c.send(ctx, http.MethodPost, path, nil, nil)
}

// Sources returns every source at its base ref.
func (c *Client) Sources(ctx context.Context) ([]Source, error) {
	return pages[Source](ctx, c, "/sources", url.Values{})
}

// Workers returns every build machine.
func (c *Client) Workers(ctx context.Context) ([]Worker, error) {
	return pages[Worker](ctx, c, "/workers", url.Values{})
}

// WorkerAttempts returns the attempts that ended on a worker, at most so many, newest first.
func (c *Client) WorkerAttempts(ctx context.Context, name string, limit int) ([]WorkerAttempt, error) {
	var page Page[WorkerAttempt]
	return page.Items, c.get(ctx, "/workers/"+url.PathEscape(name)+"/attempts", values("limit", strconv.Itoa(limit)), &page)
}

// EventFilter selects events.
type EventFilter struct {
	Buildspace string
	Kind       string // what happened: matters, failed, built, iterations, releases, buildspaces, workers; empty: all
	Actor      string // a person or a worker
	Since      string // id of the last event that is known
	Limit      int    // of NewestEvents; 0: 50
}

// Events returns the events after Since, oldest first.
func (c *Client) Events(ctx context.Context, f EventFilter) ([]Event, error) {
	return pages[Event](ctx, c, "/events", values("buildspace", f.Buildspace, "kind", f.Kind, "actor", f.Actor, "since", f.Since))
}

// NewestEvents returns the last events, newest first.
func (c *Client) NewestEvents(ctx context.Context, f EventFilter) ([]Event, error) {
	query := values("buildspace", f.Buildspace, "kind", f.Kind, "actor", f.Actor, "newest", "true")
	if f.Limit > 0 {
		query.Set("limit", strconv.Itoa(f.Limit))
	}
	var page Page[Event]
	return page.Items, c.get(ctx, "/events", query, &page)
}

// send makes a call that changes something. It is made once: repeating it is
// the caller's decision.
func (c *Client) send(ctx context.Context, method, path string, in, out any) error {
	k := call{method: method, path: path}
	if in != nil {
		if err := k.jsonBody(in); err != nil {
			return err
		}
	}
	return c.once(ctx, k, out)
}

// maxPages bounds a list: a server that always names another page is broken.
const maxPages = 1000

// pages reads a list to its end.
func pages[T any](ctx context.Context, c *Client, path string, query url.Values) ([]T, error) {
	all := []T{}
	for range maxPages {
		var page Page[T]
		if err := c.get(ctx, path, query, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if page.Cursor == "" {
			return all, nil
		}
		query.Set("cursor", page.Cursor)
	}
	return nil, buildbtw.TooLarge("the list %s has more than %d pages", path, maxPages)
}

// values makes a query of names and values, leaving out empty ones.
func values(pairs ...string) url.Values {
	query := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			query.Set(pairs[i], pairs[i+1])
		}
	}
	return query
}
