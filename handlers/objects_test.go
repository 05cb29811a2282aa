package handlers_test

import (
	"context"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"buildbtw"
	"buildbtw/handlers"
	"buildbtw/objects/objectstest"
	"buildbtw/offload"
	"buildbtw/store"
	"buildbtw/views"
)

// moving is a site whose build app failed, and whose log lies in object storage since.
func moving(t *testing.T) (*site, *offload.Mover, *objectstest.Memory, store.BuildRow) {
	t.Helper()
	bucket := &objectstest.Memory{}
	var m *offload.Mover
	s := newSite(t, func(d *handlers.Deps) {
		m = offload.New(offload.Config{
			Store: d.Store, Logs: d.Logs, Bucket: bucket, Location: "s3://files/logs at there", After: 24 * time.Hour,
			Log: slog.New(slog.DiscardHandler), Now: d.Now,
		})
		d.Objects = m
	})
	app, _ := s.failing(t)
	attempts, err := s.db.Attempts(t.Context(), app.ID)
	must(t, err)
	c := &store.Claimed{Build: app, Attempt: attempts[0]}
	s.append(t, c, 0, "cc\napp.c:1: error: no such thing\n")
	s.db.Clock.Advance(3 * 365 * 24 * time.Hour) // files have the time of the disk: all logs rest
	if saved, err := s.logs.Compress(t.Context(), attempts[0].Name()); err != nil || saved == 0 {
		t.Fatal(saved, err)
	}
	must(t, m.Pass(t.Context()))
	if len(bucket.Keys()) != 2 { // with the name of the owner
		t.Fatalf("in the bucket: %q", bucket.Keys())
	}
	return s, m, bucket, app
}

// failingPass makes a pass that the storage ends.
func failingPass(ctx context.Context, t *testing.T, m *offload.Mover) {
	t.Helper()
	if err := m.Pass(ctx); buildbtw.KindOf(err) != buildbtw.KindUnavailable {
		t.Fatalf("a pass without the storage: %v", err)
	}
}

// TestPagesGoOnWithoutObjectStorage looks at a build whose log was moved: while the storage is away,
// when it is back, and after the object was lost.
func TestPagesGoOnWithoutObjectStorage(t *testing.T) {
	t.Parallel()
	s, m, bucket, app := moving(t)
	page := views.BuildURL(app.ID)
	bucket.Fail = func(string, string) error { return buildbtw.Unavailable("the object storage is away") }
	s.db.Clock.Advance(time.Minute)
	failingPass(t.Context(), t, m)
	a := s.get(t, page)
	if a.status != http.StatusOK {
		t.Errorf("the page of the build: %d", a.status)
	}
	a.wants(t, "main", "The object storage is away.")
	a = s.get(t, page+"/log")
	if a.status != http.StatusServiceUnavailable {
		t.Errorf("the page of the log: %d", a.status)
	}
	a.wants(t, "body", "he object storage is away")
	s.get(t, "/disk").wants(t, "[aria-labelledby=h-objects] [role=status]", "The object storage is away. What is to be moved stays on the disk until then.")

	bucket.Fail = nil
	s.db.Clock.Advance(time.Hour)
	must(t, m.Pass(t.Context()))
	s.get(t, page).wants(t, "main", "app.c:1: error: no such thing")
	s.get(t, page+"/log").wants(t, "main", "app.c:1: error: no such thing")
	s.get(t, "/disk").wants(t, "[aria-labelledby=h-objects]", "In object storage", "1 log, ", "in s3://files/logs at there Last looked at")

	key := bucket.Keys()[1]
	must(t, bucket.Remove(t.Context(), key))
	must(t, s.db.MarkMissing(t.Context(), []string{key}, true))
	s.db.Clock.Advance(time.Hour)
	must(t, m.Pass(t.Context()))
	a = s.get(t, page)
	if a.status != http.StatusOK {
		t.Errorf("the page of a build whose log is lost: %d", a.status)
	}
	a.wants(t, "main", "is not there any more")
	if a = s.get(t, page+"/log"); a.status != http.StatusNotFound {
		t.Errorf("the page of a lost log: %d", a.status)
	}
	s.get(t, "/disk").wants(t, "[aria-labelledby=h-objects]", "Not there any more: 1 moved log.")
}
