package handlers

import (
	"context"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/adaptor"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"buildbtw"
	"buildbtw/store"
)

// Metrics are what /metrics shows of what happens in the process, in a registry of their
// own so that two servers in one process do not meet. They observe the store, too.
type Metrics struct {
	registry *prometheus.Registry
	list     []definition // of all, in the order of the documentation

	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	refused  *prometheus.CounterVec

	changes  *prometheus.CounterVec
	attempts *prometheus.CounterVec
	saved    *prometheus.CounterVec
	retries  *prometheus.CounterVec
	lost     prometheus.Counter
	waited   prometheus.Histogram
	database *prometheus.HistogramVec
	tries    *prometheus.CounterVec

	now scraped
}

// definition is what the documentation says of a metric.
type definition struct {
	name, kind, help string
	labels           []string
}

// scraped are the metrics that are read when somebody asks.
type scraped struct {
	builds, queueBuilds, queueOldest, workers, databaseBytes *prometheus.Desc
	loopPass, loopTook, loopSuccess, loopHangs               *prometheus.Desc
	loopFailing, loopFailed, mirrorAge                       *prometheus.Desc
	diskFree, diskSize, kept, shared                         *prometheus.Desc
	connections, ready, info, scrapeFailure                  *prometheus.Desc
	deliveries, deliveriesOldest                             *prometheus.Desc
	objectFiles, objectBytes, objectsFailing                 *prometheus.Desc
}

// Kinds of metrics, as Prometheus calls them.
const (
	counter   = "counter"
	gauge     = "gauge"
	histogram = "histogram"
)

// NewMetrics returns metrics in which nothing has happened yet.
func NewMetrics() *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	m.now.builds = m.scraped(gauge, "buildbtw_builds", "Builds of the latest iterations of active buildspaces, by status.", "status")
	m.changes = m.counters("buildbtw_build_changes_total", "Changes of a build's status, by the new one and the cause (docs/state-machine.md).", "status", "cause")
	m.attempts = m.counters("buildbtw_attempts_total", "Attempts that came to their end, by how.", "outcome")
	m.saved = m.counters("buildbtw_builds_saved_total", "Builds that need not run: by reuse of an earlier result, or by cut-off because nothing that they depend on changed.", "by")
	m.retries = m.counters("buildbtw_retries_total", "Builds that are to be tried again: after an infrastructure failure, a lost lease, or because a person asked.", "cause")
	m.lost = m.counters("buildbtw_leases_lost_total", "Attempts whose worker or pipeline was not heard of any more.").WithLabelValues()
	m.waited = m.histograms("buildbtw_dispatch_wait_seconds", "Time from when a build could be handed out to when a worker or GitLab got it.",
		[]float64{.1, .5, 1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 24 * 3600}).WithLabelValues().(prometheus.Histogram)
	m.now.queueBuilds = m.scraped(gauge, "buildbtw_queue_builds", "Builds that could be handed out now.", "architecture")
	m.now.queueOldest = m.scraped(gauge, "buildbtw_queue_oldest_seconds", "How long the oldest of them has waited.", "architecture")
	m.now.workers = m.scraped(gauge, "buildbtw_workers", "Build machines: building, idle, draining, quarantined or offline.", "state")
	m.now.loopPass = m.scraped(gauge, "buildbtw_loop_last_pass_timestamp_seconds", "When the last pass of a loop ended.", "loop")
	m.now.loopTook = m.scraped(gauge, "buildbtw_loop_last_pass_duration_seconds", "How long the last pass of a loop took.", "loop")
	m.now.loopSuccess = m.scraped(gauge, "buildbtw_loop_last_success_timestamp_seconds", "When the last pass of a loop without an error ended.", "loop")
	m.now.loopHangs = m.scraped(gauge, "buildbtw_loop_hangs", "1 for a loop that does not go on, else 0.", "loop")
	m.now.loopFailing = m.scraped(gauge, "buildbtw_loop_failing_passes", "Passes of a loop that failed since the last that succeeded; the log says why.", "loop")
	m.now.loopFailed = m.scraped(counter, "buildbtw_loop_failed_passes_total", "Passes of a loop that failed.", "loop")
	m.now.mirrorAge = m.scraped(gauge, "buildbtw_mirror_age_seconds", "Time since the mirror was last compared without an error with the directories of sources (loop sync) and with GitLab (loop groups).", "loop")
	m.requests = m.counters("buildbtw_http_requests_total", "Answered requests, by route: the template of the address, not the address.", "route", "method", "status")
	m.seconds = m.histograms("buildbtw_http_request_duration_seconds", "Time from request to the beginning of the answer.", []float64{.001, .005, .025, .1, .5, 2, 10, 60}, "route")
	m.refused = m.counters("buildbtw_refused_total", "Requests and connections that were refused because they passed a bound, by which.", "reason")
	m.now.connections = m.scraped(gauge, "buildbtw_connections", "Open connections.")
	m.database = m.histograms("buildbtw_database_use_seconds", "Uses of the database: a statement that reads (read), a writing transaction (write), and what that waited for its turn (wait).",
		[]float64{.0001, .0005, .001, .005, .025, .1, .5, 2, 10}, "kind")
	m.now.databaseBytes = m.scraped(gauge, "buildbtw_database_bytes", "Size of the database and of its write-ahead log (wal).", "file")
	m.now.diskFree = m.scraped(gauge, "buildbtw_disk_free_bytes", "Free space of the file system below a directory of the data directory; \".\" is that itself.", "directory")
	m.now.diskSize = m.scraped(gauge, "buildbtw_disk_size_bytes", "Size of that file system.", "directory")
	m.now.shared = m.scraped(gauge, "buildbtw_shared_rows", "Rows of the database that many builds share, by kind, counted once an hour.", "kind")
	m.now.kept = m.scraped(gauge, "buildbtw_disk_bytes", "What is kept on disk, by kind, measured once an hour. Files that several iterations have are counted once.", "kind")
	m.now.objectFiles = m.scraped(gauge, "buildbtw_object_storage_files", "Files in object storage: stored, missing there, or waiting on the disk to be moved.", "state")
	m.now.objectBytes = m.scraped(gauge, "buildbtw_object_storage_bytes", "Size of the files in object storage.")
	m.now.objectsFailing = m.scraped(gauge, "buildbtw_object_storage_failing", "1 while object storage cannot be used, else 0.")
	m.now.ready = m.scraped(gauge, "buildbtw_ready", "1 when /api/v1/ready answers that the server can do its work, else 0.")
	m.now.info = m.scraped(gauge, "buildbtw_build_info", "Always 1.", "version")
	m.now.deliveries = m.scraped(gauge, "buildbtw_notifications_waiting", "Messages that have not arrived yet, to channels of the server or of people.", "channels")
	m.now.deliveriesOldest = m.scraped(gauge, "buildbtw_notifications_oldest_seconds", "How long the oldest of them has waited; 0 when none waits.", "channels")
	m.tries = m.counters("buildbtw_notification_tries_total", "Tries to send a message, by the kind of channel and how they ended: delivered, failed and to be tried again, or given-up.", "kind", "outcome")
	m.now.scrapeFailure = m.scraped(gauge, "buildbtw_scrape_failed", "1 when the database could not be read for this answer, which then lacks what comes from it, else 0.")
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.begin()
	return m
}

// begin sets to 0 what Prometheus must have seen before its first change.
func (m *Metrics) begin() {
	for _, t := range buildbtw.Transitions() {
		for _, cause := range t.Causes {
			m.changes.WithLabelValues(string(t.To), string(cause))
		}
	}
	for _, o := range buildbtw.Outcomes() {
		m.attempts.WithLabelValues(string(o))
	}
	for _, by := range []string{savedByReuse, savedByCutoff} {
		m.saved.WithLabelValues(by)
	}
	for _, cause := range retryCauses() {
		m.retries.WithLabelValues(string(cause))
	}
	for _, kind := range []buildbtw.ChannelKind{buildbtw.ChannelWebhook, buildbtw.ChannelMail, buildbtw.ChannelMatrix, buildbtw.ChannelHTTP} {
		for _, status := range []buildbtw.DeliveryStatus{buildbtw.DeliveryDelivered, buildbtw.DeliveryWaiting, buildbtw.DeliveryGivenUp} {
			m.tries.WithLabelValues(string(kind), tryOutcome(status))
		}
	}
	for _, kind := range store.Timings() {
		m.database.WithLabelValues(string(kind))
	}
}

func (m *Metrics) counters(name, help string, labels ...string) *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	m.registry.MustRegister(v)
	m.list = append(m.list, definition{name, counter, help, labels})
	return v
}

func (m *Metrics) histograms(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
	m.registry.MustRegister(v)
	m.list = append(m.list, definition{name, histogram, help, labels})
	return v
}

// scraped defines a metric that is read at each request.
func (m *Metrics) scraped(kind, name, help string, labels ...string) *prometheus.Desc {
	m.list = append(m.list, definition{name, kind, help, labels})
	return prometheus.NewDesc(name, help, labels, nil)
}

// count notes one request under its route, not its path: paths are without
// bound.
func (m *Metrics) count(c *fiber.Ctx, took time.Duration) {
	route := c.Route().Path
	m.requests.WithLabelValues(route, c.Method(), strconv.Itoa(c.Response().StatusCode())).Inc()
	m.seconds.WithLabelValues(route).Observe(took.Seconds())
	m.countRefusal(c.Response().StatusCode())
}

// refuse counts something that passed a bound.
func (m *Metrics) refuse(reason string) { m.refused.WithLabelValues(reason).Inc() }

// What saves builds.
const (
	savedByReuse  = "reuse"
	savedByCutoff = "cut-off"
)

// retryCauses are the causes for which a build is tried again.
func retryCauses() []buildbtw.Cause {
	return []buildbtw.Cause{buildbtw.CauseInfrastructure, buildbtw.CauseLost, buildbtw.CauseRetried}
}

// Moved implements store.Observer.
func (m *Metrics) Moved(to buildbtw.Status, cause buildbtw.Cause, n int) {
	m.changes.WithLabelValues(string(to), string(cause)).Add(float64(n))
	for _, c := range retryCauses() {
		if c == cause && to == buildbtw.StatusPending {
			m.retries.WithLabelValues(string(c)).Add(float64(n))
		}
	}
	if cause == buildbtw.CauseLost {
		m.lost.Add(float64(n))
	}
}

// Saved implements store.Observer.
func (m *Metrics) Saved(cause buildbtw.Cause, n int) {
	by := savedByReuse
	if cause == buildbtw.CauseUnchanged {
		by = savedByCutoff
	}
	m.saved.WithLabelValues(by).Add(float64(n))
}

// Ended implements store.Observer.
func (m *Metrics) Ended(outcome buildbtw.Outcome) { m.attempts.WithLabelValues(string(outcome)).Inc() }

// Leased implements store.Observer.
func (m *Metrics) Leased(waited time.Duration) { m.waited.Observe(waited.Seconds()) }

// Tried implements notify.Observer.
func (m *Metrics) Tried(kind buildbtw.ChannelKind, status buildbtw.DeliveryStatus) {
	m.tries.WithLabelValues(string(kind), tryOutcome(status)).Inc()
}

// tryOutcome says how a try ended that left a delivery with a status.
func tryOutcome(status buildbtw.DeliveryStatus) string {
	if status == buildbtw.DeliveryWaiting {
		return "failed"
	}
	return string(status)
}

// Took implements store.Observer.
func (m *Metrics) Took(kind store.Timing, took time.Duration) {
	m.database.WithLabelValues(string(kind)).Observe(took.Seconds())
}

// Disk is the room of the file system below a directory.
type Disk struct {
	Directory  string // relative to the data directory
	Free, Size uint64 // bytes
}

// showMetrics answers with the metrics in the format of Prometheus.
func (a *App) showMetrics(c *fiber.Ctx) error {
	if err := user(c).MayRead(); err != nil {
		return err
	}
	now := prometheus.NewRegistry()
	now.MustRegister(a.scrape(c.UserContext()))
	all := prometheus.Gatherers{a.metrics.registry, now}
	return adaptor.HTTPHandler(promhttp.HandlerFor(all, promhttp.HandlerOpts{}))(c)
}

// reading is what was read for one answer.
type reading struct {
	descs  scraped
	values []prometheus.Metric
}

// Describe implements prometheus.Collector. The names are known to be right: a test has
// all of them gathered.
func (*reading) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (r *reading) Collect(to chan<- prometheus.Metric) {
	for _, value := range r.values {
		to <- value
	}
}

func (r *reading) gauge(desc *prometheus.Desc, value float64, labels ...string) {
	r.values = append(r.values, prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...))
}

// flag adds 1 or 0.
func (r *reading) flag(desc *prometheus.Desc, on bool, labels ...string) {
	value := 0.
	if on {
		value = 1
	}
	r.gauge(desc, value, labels...)
}

// scrape reads what is read when somebody asks. What cannot be read is left out: of a server
// with a full disk the rest is worth most.
func (a *App) scrape(ctx context.Context) *reading {
	r := &reading{descs: a.metrics.now}
	r.gauge(r.descs.info, 1, a.Settings.Version)
	r.gauge(r.descs.connections, float64(a.open.Open()))
	r.flag(r.descs.ready, a.Ready(ctx) == nil)
	r.loops(a.states(), time.Now())
	if a.Disks != nil {
		for _, d := range a.Disks() {
			r.gauge(r.descs.diskFree, float64(d.Free), d.Directory)
			r.gauge(r.descs.diskSize, float64(d.Size), d.Directory)
		}
	}
	if a.Retention != nil {
		if kept, ok := a.Retention.Kept(); ok {
			for kind, bytes := range map[string]int64{
				"database": kept.Database, "repositories": kept.Repositories.Bytes, "targets": kept.Targets.Frees,
				"uploads": kept.Uploads.Bytes, "logs": kept.LogBytes, "orphans": kept.Orphans.Frees,
			} {
				r.gauge(r.descs.kept, float64(bytes), kind)
			}
			for kind, rows := range map[string]int{"baselines": kept.Shared.Baselines, "installed": kept.Shared.Sets, "interfaces": kept.Shared.Interfaces} {
				r.gauge(r.descs.shared, float64(rows), kind)
			}
		}
	}
	if a.Objects != nil && a.Objects.Bucket != nil {
		o := a.Objects.State()
		for state, files := range map[string]int{"stored": o.Files - o.Missing, "missing": o.Missing, "waiting": o.Waiting} {
			r.gauge(r.descs.objectFiles, float64(files), state)
		}
		r.gauge(r.descs.objectBytes, float64(o.Bytes))
		r.flag(r.descs.objectsFailing, o.Trouble != "")
	}
	all, err := a.Store.Statistics(ctx)
	r.flag(r.descs.scrapeFailure, err != nil)
	if err == nil {
		r.database(all, a.Now())
	}
	return r
}

// states returns how the passes of the loops went.
func (a *App) states() []buildbtw.LoopState {
	if a.Loops == nil {
		return nil
	}
	return a.Loops()
}

func (r *reading) database(all store.Statistics, now time.Time) {
	for _, status := range buildbtw.Statuses() {
		r.gauge(r.descs.builds, float64(all.Builds[status]), string(status))
	}
	for _, q := range all.Queues {
		r.gauge(r.descs.queueBuilds, float64(q.Builds), q.Architecture)
		r.gauge(r.descs.queueOldest, max(now.Sub(q.Oldest).Seconds(), 0), q.Architecture)
	}
	states := map[string]int{}
	for _, w := range all.Workers {
		states[workerState(w, now)]++
	}
	for _, state := range workerStates() {
		r.gauge(r.descs.workers, float64(states[state]), state)
	}
	for channels, server := range map[string]bool{"server": true, "people": false} {
		waiting, oldest := 0, now
		for _, d := range all.Deliveries {
			if d.Server == server && d.Status == buildbtw.DeliveryWaiting {
				waiting, oldest = d.Deliveries, d.Oldest
			}
		}
		r.gauge(r.descs.deliveries, float64(waiting), channels)
		r.gauge(r.descs.deliveriesOldest, max(now.Sub(oldest).Seconds(), 0), channels)
	}
	for file, bytes := range all.Bytes {
		r.gauge(r.descs.databaseBytes, float64(bytes), file)
	}
}

func (r *reading) loops(states []buildbtw.LoopState, now time.Time) {
	for _, l := range states {
		r.flag(r.descs.loopHangs, l.Hangs(now) != "", l.Name)
		r.gauge(r.descs.loopFailing, float64(l.Failed), l.Name)
		r.values = append(r.values, prometheus.MustNewConstMetric(r.descs.loopFailed, prometheus.CounterValue, float64(l.FailedEver), l.Name))
		if !l.Ended.IsZero() {
			r.gauge(r.descs.loopPass, seconds(l.Ended), l.Name)
			r.gauge(r.descs.loopTook, l.Took.Seconds(), l.Name)
		}
		if l.Succeeded.IsZero() {
			continue
		}
		r.gauge(r.descs.loopSuccess, seconds(l.Succeeded), l.Name)
		if l.Name == "sync" || l.Name == "groups" {
			r.gauge(r.descs.mirrorAge, now.Sub(l.Succeeded).Seconds(), l.Name)
		}
	}
}

// seconds returns a time as Prometheus writes it.
func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// workerStates are the states that workerState returns.
func workerStates() []string {
	return []string{"building", "idle", "draining", "quarantined", "offline"}
}

// workerState returns how a worker stands, as its page shows it.
func workerState(w store.WorkerRow, now time.Time) string {
	switch {
	case w.SetAside != "":
		return "quarantined"
	case w.DrainingSince != nil:
		return "draining"
	case len(w.Running) > 0:
		return "building"
	case !w.Present(now):
		return "offline"
	}
	return "idle"
}
