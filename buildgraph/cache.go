package buildgraph

import (
	"crypto/sha256"
	"encoding/binary"
	"hash/maphash"
	"sync"

	"buildbtw"
	"buildbtw/internal/lru"
)

// planCache keeps the plans of the sets that were asked for last, for one state
// of a graph's links. Open buildspaces of core libraries share them, and while
// pushes change nothing but versions they stay. It holds nothing that cannot be
// computed anew.
type planCache struct {
	recent *lru.Cache[setKey, func() *setPlan]
	seed   maphash.Seed
}

// cachedPlans bounds a cache: the plan of a set of 7,000 takes about 3 MB.
const cachedPlans = 48

func newPlanCache() *planCache {
	return &planCache{lru.New[setKey, func() *setPlan](cachedPlans), maphash.MakeSeed()}
}

// get returns the plan of a key. Whoever asks for one that is being made waits
// for it.
func (c *planCache) get(key setKey, make func() *setPlan) *setPlan {
	return c.recent.GetOrPut(key, func() func() *setPlan { return sync.OnceValue(make) })()
}

// setKey is a digest of all that the plan of a set depends on beside the links.
type setKey [sha256.Size]byte

func (c *planCache) key(set []int32, cycles buildbtw.Cycles, durations map[string]float64) setKey {
	var digest uint64 // the same in whatever order the durations come
	for pkgbase, seconds := range durations {
		digest += maphash.Comparable(c.seed, duration{pkgbase, seconds})
	}
	b := append(make([]byte, 0, 64+4*len(set)), cycles...)
	b = binary.LittleEndian.AppendUint64(append(b, 0), digest)
	for _, v := range set {
		b = binary.LittleEndian.AppendUint32(b, uint32(v))
	}
	return sha256.Sum256(b)
}

type duration struct {
	pkgbase string
	seconds float64
}
