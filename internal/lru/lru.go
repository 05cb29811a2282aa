// Package lru provides a map of bounded size, which drops the entries that were
// used longest ago. It differs from github.com/hashicorp/golang-lru in that
// entries may have weights: a database takes more memory than another.
package lru

import (
	"container/list"
	"sync"
)

// Cache is a map of bounded weight. Its methods may be called from several
// goroutines at once.
type Cache[K comparable, V any] struct {
	mu     sync.Mutex
	limit  int64
	used   int64
	weight func(V) int64
	order  *list.List // of *entry[K, V], latest use first
	byKey  map[K]*list.Element
}

type entry[K comparable, V any] struct {
	key    K
	value  V
	weight int64
}

// New returns a cache for limit entries.
func New[K comparable, V any](limit int) *Cache[K, V] {
	return NewWeighted[K](int64(limit), func(V) int64 { return 1 })
}

// NewWeighted returns a cache for entries that together weigh up to limit. The
// weight of an entry is asked for when it is put.
func NewWeighted[K comparable, V any](limit int64, weight func(V) int64) *Cache[K, V] {
	return &Cache[K, V]{limit: limit, weight: weight, order: list.New(), byKey: map[K]*list.Element{}}
}

// Get returns the value of a key and marks it as used.
func (c *Cache[K, V]) Get(key K) (value V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.get(key)
}

func (c *Cache[K, V]) get(key K) (value V, ok bool) {
	e, ok := c.byKey[key]
	if !ok {
		return value, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*entry[K, V]).value, true
}

// Put sets the value of a key and drops the entries that exceed the limit. A
// value that exceeds it alone is not kept.
func (c *Cache[K, V]) Put(key K, value V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.put(key, value)
}

func (c *Cache[K, V]) put(key K, value V) {
	if e, ok := c.byKey[key]; ok {
		c.drop(e)
	}
	w := c.weight(value)
	c.byKey[key] = c.order.PushFront(&entry[K, V]{key, value, w})
	c.used += w
	for c.used > c.limit {
		c.drop(c.order.Back())
	}
}

// GetOrPut returns the value of a key; when there is none yet, it stores and returns that
// of create. The cache is locked meanwhile, so a value that takes long to make should
// have a lock of its own.
func (c *Cache[K, V]) GetOrPut(key K, create func() V) V {
	c.mu.Lock()
	defer c.mu.Unlock()
	value, ok := c.get(key)
	if !ok {
		value = create()
		c.put(key, value)
	}
	return value
}

// Update replaces the value of a key by the result of change; ok is false when there is
// none yet. The cache is locked meanwhile.
func (c *Cache[K, V]) Update(key K, change func(value V, ok bool) V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.put(key, change(c.get(key)))
}

// DeleteFunc drops the entries whose keys match.
func (c *Cache[K, V]) DeleteFunc(match func(K) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, e := range c.byKey {
		if match(key) {
			c.drop(e)
		}
	}
}

// Delete drops the entry of a key, if there is one.
func (c *Cache[K, V]) Delete(key K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.byKey[key]; ok {
		c.drop(e)
	}
}

func (c *Cache[K, V]) drop(e *list.Element) {
	old := c.order.Remove(e).(*entry[K, V])
	delete(c.byKey, old.key)
	c.used -= old.weight
}
