package handlers

import (
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/adaptor"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"buildbtw"
	"buildbtw/handlers/transfer"
	"buildbtw/store"
)

// metrics count what goes over HTTP, in a registry of their own so that two
// servers in one process do not meet.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	builds   *prometheus.GaugeVec
	refused  *prometheus.CounterVec
	failing  *prometheus.GaugeVec
	failed   *prometheus.GaugeVec
	disk     *prometheus.GaugeVec
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "buildbtw_http_requests_total", Help: "Answered requests.",
		}, []string{"route", "method", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "buildbtw_http_request_seconds", Help: "Time from request to the beginning of the answer.",
			Buckets: []float64{.001, .005, .025, .1, .5, 2, 10, 60},
		}, []string{"route"}),
		builds: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "buildbtw_builds", Help: "Builds of the latest iterations of active buildspaces, by status.",
		}, []string{"status"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "buildbtw_refused_total", Help: "Requests and connections that were refused because they passed a bound, by which.",
		}, []string{"reason"}),
	}
	m.failing = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "buildbtw_loop_failing_passes", Help: "Passes of a loop that failed since the last that succeeded; the log says why.",
	}, []string{"loop"})
	m.failed = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "buildbtw_loop_failed_passes", Help: "Passes of a loop that failed since the server was started.",
	}, []string{"loop"})
	m.disk = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "buildbtw_disk_bytes", Help: "What is kept on disk, by kind, measured once an hour. Files that several iterations have are counted once.",
	}, []string{"kind"})
	m.registry.MustRegister(m.disk, m.requests, m.seconds, m.builds, m.refused, m.failing, m.failed, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// count notes one request under its route, not its path: paths are without
// bound.
func (m *metrics) count(c *fiber.Ctx, took time.Duration) {
	route := c.Route().Path
	m.requests.WithLabelValues(route, c.Method(), strconv.Itoa(c.Response().StatusCode())).Inc()
	m.seconds.WithLabelValues(route).Observe(took.Seconds())
	m.countRefusal(c.Response().StatusCode())
}

// refuse counts something that passed a bound.
func (m *metrics) refuse(reason string) { m.refused.WithLabelValues(reason).Inc() }

// watch shows how many connections are open.
func (m *metrics) watch(open *transfer.Connections) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "buildbtw_connections", Help: "Open connections.",
	}, func() float64 { return float64(open.Open()) }))
}

// showMetrics answers with the metrics in the format of Prometheus. The builds of
// active buildspaces are counted at each request.
func (a *App) showMetrics(c *fiber.Ctx) error {
	if err := user(c).MayRead(); err != nil {
		return err
	}
	counts := buildbtw.Counts{}
	f := store.BuildspaceFilter{Status: string(buildbtw.BuildspaceActive), Limit: 500}
	for more := true; more; more = f.Cursor != "" {
		rows, next, err := a.Store.Buildspaces(c.UserContext(), f)
		if err != nil {
			return err
		}
		for _, row := range rows {
			if row.Latest == nil {
				continue
			}
			for status, n := range row.Latest.Counts {
				counts[status] += n
			}
		}
		f.Cursor = next
	}
	for _, status := range buildbtw.Statuses() {
		a.metrics.builds.WithLabelValues(string(status)).Set(float64(counts[status]))
	}
	if a.Retention != nil {
		if kept, ok := a.Retention.Kept(); ok {
			for kind, bytes := range map[string]int64{
				"database": kept.Database, "repositories": kept.Repositories.Bytes, "targets": kept.Targets.Frees,
				"uploads": kept.Uploads.Bytes, "logs": kept.LogBytes, "orphans": kept.Orphans.Frees,
			} {
				a.metrics.disk.WithLabelValues(kind).Set(float64(bytes))
			}
		}
	}
	if a.Loops != nil {
		for _, l := range a.Loops() {
			a.metrics.failing.WithLabelValues(l.Name).Set(float64(l.Failed))
			a.metrics.failed.WithLabelValues(l.Name).Set(float64(l.FailedEver))
		}
	}
	return adaptor.HTTPHandler(promhttp.HandlerFor(a.metrics.registry, promhttp.HandlerOpts{}))(c)
}
