package store

import (
	"slices"
	"testing"
)

// TestObjectsAreNotedOnce follows an object from its row's beginning to its end.
func TestObjectsAreNotedOnce(t *testing.T) {
	t.Parallel()
	s, ctx := openTemp(t), t.Context()
	for _, o := range []MovedObject{
		{Key: "logs/2.zst", Bytes: 10, TextBytes: 100, SHA256: "a"},
		{Key: "logs/1.zst", Bytes: 5, TextBytes: 50, SHA256: "b"},
		{Key: "logs/2.zst", Bytes: 11, TextBytes: 110, SHA256: "c"},
	} {
		if err := s.NoteObject(ctx, o); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.MarkMissing(ctx, []string{"logs/1.zst", "logs/9.zst"}, true); err != nil {
		t.Fatal(err)
	}
	if n, err := s.CountObjects(ctx); err != nil || n != (ObjectCount{Files: 2, Bytes: 16, Missing: 1}) {
		t.Errorf("there are %+v (%v), want 2 files with 16 bytes, one of them missing", n, err)
	}
	var keys []string
	for after := ""; ; {
		some, err := s.MovedObjects(ctx, after, 1)
		if err != nil {
			t.Fatal(err)
		}
		if len(some) == 0 {
			break
		}
		after = some[0].Key
		keys = append(keys, after)
	}
	if !slices.Equal(keys, []string{"logs/1.zst", "logs/2.zst"}) {
		t.Errorf("page by page there are %q", keys)
	}
	if err := s.NoteObject(ctx, MovedObject{Key: "logs/1.zst", Bytes: 5}); err != nil { // it was put again
		t.Fatal(err)
	}
	if o, ok, err := s.MovedObject(ctx, "logs/1.zst"); err != nil || !ok || o.Missing || o.MovedAt.IsZero() {
		t.Errorf("an object that was put again is %+v, %v (%v)", o, ok, err)
	}
	if err := s.ForgetObject(ctx, "logs/1.zst"); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := s.MovedObject(ctx, "logs/1.zst"); ok || err != nil {
		t.Errorf("a forgotten object is there: %v (%v)", ok, err)
	}
}

// TestTheOwnerOfObjectsStays asks twice for the name of a database, and for that of another one.
func TestTheOwnerOfObjectsStays(t *testing.T) {
	t.Parallel()
	s, other := openTemp(t), openTemp(t)
	var names []string
	for _, of := range []*Store{s, s, other} {
		name, err := of.ObjectOwner(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	if len(names[0]) != 32 || names[0] != names[1] || names[0] == names[2] {
		t.Errorf("names of a database, the same once more, and another one: %q", names)
	}
}
