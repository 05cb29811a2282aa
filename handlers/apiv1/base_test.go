package apiv1_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"buildbtw/api"
	"buildbtw/catalog"
	"buildbtw/handlers"
	"buildbtw/handover"
	"buildbtw/pacman/baserepo"
)

func TestWhatABaseLostIsAcceptedByAnAdministrator(t *testing.T) {
	t.Parallel()
	var packages []string
	for i := range 20 {
		packages = append(packages, fmt.Sprintf("NAME p%02d VERSION 1-1", i))
	}
	var base *baserepo.Base
	var dir string
	s := newServer(t, func(d *handlers.Deps) {
		c := d.Catalog.Config
		dir = t.TempDir()
		writeDatabase(t, filepath.Join(dir, "core.db"), packages)
		var err error
		base, err = baserepo.Open(filepath.Join(dir, "copies"), []baserepo.Repo{{Name: "core", URL: "file://" + dir}}, baserepo.Options{})
		if err != nil {
			t.Fatal(err)
		}
		base.Refresh(t.Context())
		c.Bases = baserepo.Bases{"x86_64": base}
		d.Catalog = catalog.New(c)
		if err := d.Catalog.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if d.Handover, err = handover.New(t.Context(), handoverConfig(d.Catalog)); err != nil {
			t.Fatal(err)
		}
	})
	refused := func() (list api.Page[api.RefusedBase]) {
		t.Helper()
		s.call("GET", "/base/refused", nil, http.StatusOK, &list)
		return list
	}
	if n := len(refused().Items); n != 0 {
		t.Fatalf("%d are refused at first", n)
	}
	writeDatabase(t, filepath.Join(dir, "core.db"), packages[:10])
	base.Refresh(t.Context())
	list := refused().Items
	if len(list) != 1 || list[0].Name != "core" || list[0].Before != 20 || list[0].After != 10 || !slices.Contains(list[0].Lost, "p15") {
		t.Fatalf("refused: %+v", list)
	}
	var ready api.Health
	s.call("GET", "/ready", nil, http.StatusOK, &ready)
	if len(ready.Warnings) != 1 || !strings.Contains(ready.Warnings[0], "it has lost 10 of 20 packages") {
		t.Errorf("ready: %+v", ready)
	}
	if page := string(s.fetch(s.url + "/targets").body); !strings.Contains(page, "it has lost 10 of 20 packages") || strings.Contains(page, "Accept that core") {
		t.Error("the page does not say what was lost, or offers a stranger to accept it")
	}
	s.wantProblem(s.call("POST", "/base/core/x86_64/accept", api.AcceptBase{Digest: "other"}, http.StatusConflict, nil), http.StatusConflict, "look again")
	s.call("POST", "/base/core/mips/accept", api.AcceptBase{Digest: list[0].Digest}, http.StatusNotFound, nil)
	s.call("POST", "/base/core/x86_64/accept", api.AcceptBase{Digest: list[0].Digest}, http.StatusNoContent, nil)
	if _, there := base.Snapshot().Package("p15"); there || len(refused().Items) != 0 {
		t.Error("it was accepted, and is not used")
	}
	var audit api.Page[api.AuditEntry]
	s.call("GET", "/audit", nil, http.StatusOK, &audit)
	if !slices.ContainsFunc(audit.Items, func(e api.AuditEntry) bool { return e.Action == "accept base repository" && e.Object == "core" }) {
		t.Errorf("the audit: %+v", audit.Items)
	}
}
