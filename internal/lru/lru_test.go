package lru_test

import (
	"strings"
	"sync"
	"testing"

	"buildbtw/internal/lru"
)

func TestTheEntryUsedLongestAgoIsDropped(t *testing.T) {
	t.Parallel()
	c := lru.New[string, int](2)
	c.Put("a", 1)
	c.Put("b", 2)
	c.Get("a")
	c.Put("c", 3)
	wants(t, c, "a c", "b")
	c.Put("a", 4) // replaces, and is used
	c.Put("d", 5)
	wants(t, c, "a d", "b c")
	if v, _ := c.Get("a"); v != 4 {
		t.Errorf("a is %d, want 4", v)
	}
}

func TestWeightsAreBounded(t *testing.T) {
	t.Parallel()
	c := lru.NewWeighted[string](10, func(v int) int64 { return int64(v) })
	c.Put("a", 4)
	c.Put("b", 6)
	wants(t, c, "a b", "")
	c.Put("a", 2) // its old weight no longer counts
	c.Put("c", 2)
	wants(t, c, "a b c", "")
	c.Put("huge", 11)
	wants(t, c, "", "a b c huge")
	c.Put("a", 10) // nothing of huge counts
	wants(t, c, "a", "huge")
}

func TestDelete(t *testing.T) {
	t.Parallel()
	c := lru.New[string, int](3)
	for _, key := range []string{"a1", "a2", "b"} {
		c.Put(key, 0)
	}
	c.DeleteFunc(func(key string) bool { return strings.HasPrefix(key, "a") })
	wants(t, c, "b", "a1 a2")
	c.Delete("b")
	c.Delete("never there")
	wants(t, c, "", "b")
	for _, key := range []string{"x", "y", "z"} {
		c.Put(key, 0)
	}
	wants(t, c, "x y z", "")
}

func TestAValueIsCreatedOnce(t *testing.T) {
	t.Parallel()
	c := lru.New[int, *int](1)
	created := 0
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			c.GetOrPut(1, func() *int { created++; return new(int) })
		})
	}
	all.Wait()
	if created != 1 {
		t.Errorf("created %d times", created)
	}
}

func wants(t *testing.T, c *lru.Cache[string, int], there, gone string) {
	t.Helper()
	for _, key := range strings.Fields(there) {
		if _, ok := c.Get(key); !ok {
			t.Errorf("%s is not there", key)
		}
	}
	for _, key := range strings.Fields(gone) {
		if _, ok := c.Get(key); ok {
			t.Errorf("%s is still there", key)
		}
	}
}
