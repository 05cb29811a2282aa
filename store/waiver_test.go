package store_test

import (
	"strings"
	"testing"

	"buildbtw"
	"buildbtw/store"
	"buildbtw/store/storetest"
)

func TestWaiversAreRecordedWithOneEventEach(t *testing.T) {
	t.Parallel()
	db, ctx := storetest.New(t), t.Context()
	db.NewBuildspace(t, "work")
	db.NewBuildspace(t, "other")
	waiver := func(kind buildbtw.WaiverKind, names ...string) buildbtw.Waiver {
		w, err := buildbtw.NewWaiver(kind, names, "upstream asked")
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	messages := func() (list []string) {
		events, err := db.Events(ctx, store.EventFilter{Buildspace: "work", Actor: "anna"})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			list = append(list, e.Message)
		}
		return list
	}
	before := len(messages())
	w, err := db.AddWaiver(ctx, "anna", "work", waiver(buildbtw.WaiverTogether, "b", "a"))
	if err != nil || w.ID == 0 || w.By != "anna" || w.At.IsZero() || w.Name != "a" || w.Other != "b" {
		t.Fatalf("%+v, %v", w, err)
	}
	if _, err := db.AddWaiver(ctx, "bob", "work", waiver(buildbtw.WaiverTogether, "a", "b")); buildbtw.KindOf(err) != buildbtw.KindConflict || !strings.Contains(err.Error(), "anna") {
		t.Errorf("the same again: %v", err)
	}
	if _, err := db.AddWaiver(ctx, "anna", "none", waiver(buildbtw.WaiverHold, "a")); buildbtw.KindOf(err) != buildbtw.KindNotFound {
		t.Errorf("of no buildspace: %v", err)
	}
	if _, err := db.Waivers(ctx, "none"); buildbtw.KindOf(err) != buildbtw.KindNotFound {
		t.Errorf("of no buildspace: %v", err)
	}
	list, err := db.Waivers(ctx, "work")
	if err != nil || len(list) != 1 || list[0].ID != w.ID || list[0].Reason != "upstream asked" || !list[0].At.Equal(w.At) {
		t.Errorf("listed: %+v, %v", list, err)
	}
	if err := db.RemoveWaiver(ctx, "anna", "other", w.ID); buildbtw.KindOf(err) != buildbtw.KindNotFound {
		t.Errorf("removed from another buildspace: %v", err)
	}
	if err := db.RemoveWaiver(ctx, "anna", "work", w.ID); err != nil {
		t.Error(err)
	}
	if err := db.RemoveWaiver(ctx, "anna", "work", w.ID); buildbtw.KindOf(err) != buildbtw.KindNotFound {
		t.Errorf("removed twice: %v", err)
	}
	if list, err := db.Waivers(ctx, "work"); err != nil || len(list) != 0 {
		t.Errorf("in the end: %+v, %v", list, err)
	}
	got := messages()[before:]
	want := []string{"anna releases a and b only together: upstream asked", "Waiver removed: anna releases a and b only together."}
	if len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("events: %q; want %q", got, want)
	}
	db.Check(t)
}

func TestWaiversAreBounded(t *testing.T) {
	t.Parallel()
	db, ctx := storetest.New(t), t.Context()
	db.NewBuildspace(t, "work")
	for i := range buildbtw.MaxWaivers + 1 {
		w, err := buildbtw.NewWaiver(buildbtw.WaiverHold, []string{"p" + strings.Repeat("x", i)}, "no")
		if err != nil {
			t.Fatal(err)
		}
		_, err = db.AddWaiver(ctx, "anna", "work", w)
		if full := i == buildbtw.MaxWaivers; full != (buildbtw.KindOf(err) == buildbtw.KindConflict) || !full && err != nil {
			t.Fatalf("waiver %d: %v", i, err)
		}
	}
}
