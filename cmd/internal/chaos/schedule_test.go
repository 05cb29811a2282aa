package chaos

import (
	"math/rand/v2"
	"slices"
	"time"
)

// kind is a way to disturb.
type kind string

const (
	killWorker  kind = "worker killed"
	killServer  kind = "server killed"
	tear        kind = "upload torn"
	tearAndKill kind = "server killed in an upload"
	pauseWorker kind = "worker paused"
	pauseServer kind = "server paused"
	fillDisk    kind = "disk full"
)

// lease is short, so that what is lost is found soon. Pauses are longer.
const lease = 2 * time.Second

// strike is one disturbance.
type strike struct {
	kind   kind
	due    int           // when so many builds are built,
	delay  time.Duration // and this has passed
	worker int           // which one, of killWorker and pauseWorker
	down   time.Duration // how long it is away or stands still
	bytes  int           // that a connection carries before it is torn
}

// drawSchedule spreads the kills over the builds. To 20 kills come 5 torn
// uploads, 1 paused worker, and to 100 a paused server. The disk is full once.
func drawSchedule(r *rand.Rand, builds, kills int) []strike {
	var all []strike
	add := func(n int, choose func() kind) {
		for range n {
			k := choose()
			all = append(all, strike{
				kind: k, due: r.IntN(builds * 19 / 20), delay: time.Duration(r.IntN(250)) * time.Millisecond,
				worker: r.IntN(workers), down: downTime(r, k), bytes: 1 << (10 + r.IntN(8)),
			})
		}
	}
	only := func(k kind) func() kind { return func() kind { return k } }
	add(kills, func() kind {
		return []kind{killWorker, killWorker, killWorker, killServer, killServer, tearAndKill}[r.IntN(6)]
	})
	add(kills/4, only(tear))
	add(max(1, kills/20), only(pauseWorker))
	add(max(1, kills/100), only(pauseServer))
	add(1, only(fillDisk))
	slices.SortStableFunc(all, func(a, b strike) int { return a.due - b.due })
	return all
}

// downTime is mostly short: a service manager starts again at once. One worker
// in twenty is away for longer than its lease.
func downTime(r *rand.Rand, k kind) time.Duration {
	switch k {
	case pauseWorker, pauseServer:
		return 2*lease + time.Duration(r.IntN(1000))*time.Millisecond
	case killWorker:
		if r.IntN(20) == 0 {
			return 2 * lease
		}
	}
	return time.Duration(r.IntN(200)) * time.Millisecond
}
