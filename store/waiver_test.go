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
	waivers := func(kind buildbtw.WaiverKind, names ...string) []buildbtw.Waiver {
		w, err := buildbtw.NewWaivers(kind, names, "upstream asked")
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
	added, err := db.AddWaivers(ctx, "anna", "work", waivers(buildbtw.WaiverTogether, "b", "a"))
	if err != nil || len(added) != 1 {
		t.Fatalf("%+v, %v", added, err)
	}
	w := added[0]
	if w.ID == 0 || w.By != "anna" || w.At.IsZero() || w.Name != "a" || w.Other != "b" {
		t.Fatalf("%+v", w)
	}
	if _, err := db.AddWaivers(ctx, "bob", "work", waivers(buildbtw.WaiverTogether, "a", "b")); buildbtw.KindOf(err) != buildbtw.KindConflict || !strings.Contains(err.Error(), "anna") {
		t.Errorf("the same again: %v", err)
	}
	if _, err := db.AddWaivers(ctx, "anna", "none", waivers(buildbtw.WaiverHold, "a")); buildbtw.KindOf(err) != buildbtw.KindNotFound {
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
	var names []string
	for i := range buildbtw.MaxWaivers {
		names = append(names, "p"+strings.Repeat("x", i))
	}
	all, err := buildbtw.NewWaivers(buildbtw.WaiverHold, names, "no")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.AddWaivers(ctx, "anna", "work", all[1:]); err != nil {
		t.Fatal(err)
	}
	if _, err := db.AddWaivers(ctx, "anna", "work", all[:2]); buildbtw.KindOf(err) != buildbtw.KindConflict {
		t.Fatalf("too many: %v", err)
	}
	if _, err := db.AddWaivers(ctx, "anna", "work", all[:1]); err != nil {
		t.Fatal(err)
	}
	twice := []buildbtw.Waiver{{Kind: buildbtw.WaiverDrop, Name: "a", Reason: "no"}}
	if _, err := db.AddWaivers(ctx, "anna", "work", twice); buildbtw.KindOf(err) != buildbtw.KindConflict {
		t.Fatalf("one more than are kept: %v", err)
	}
}
