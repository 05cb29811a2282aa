package pacmanrepo

import (
	"container/list"
	"sync"
)

// cache keeps the databases that were used last, up to a number of bytes. A
// database belongs to whoever holds its repository's lock.
type cache struct {
	mu    sync.Mutex
	limit int64
	used  int64
	order *list.List // of *cached, latest use first
	byID  map[ID]*list.Element
}

type cached struct {
	db   *database
	size int64
}

func newCache(limit int64) *cache {
	return &cache{limit: limit, order: list.New(), byID: map[ID]*list.Element{}}
}

// get gives the database when it is loaded, else nil.
func (c *cache) get(id ID) *database {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.byID[id]
	if !ok {
		return nil
	}
	c.order.MoveToFront(e)
	return e.Value.(*cached).db
}

// put keeps the database as the latest and forgets the oldest ones over the
// limit. One database that is larger than the limit alone is not kept.
func (c *cache) put(d *database) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.byID[d.id]; ok {
		c.forget(e)
	}
	size := d.size()
	c.byID[d.id] = c.order.PushFront(&cached{db: d, size: size})
	c.used += size
	for c.used > c.limit {
		c.forget(c.order.Back())
	}
}

// drop forgets a database whose file may differ from what is in memory.
func (c *cache) drop(id ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.byID[id]; ok {
		c.forget(e)
	}
}

func (c *cache) dropRepository(repository string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, e := range c.byID {
		if id.Repository == repository {
			c.forget(e)
		}
	}
}

func (c *cache) forget(e *list.Element) {
	old := e.Value.(*cached)
	c.order.Remove(e)
	delete(c.byID, old.db.id)
	c.used -= old.size
}
