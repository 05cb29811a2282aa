package store

import (
	"cmp"
	"slices"
	"time"

	"buildbtw"
)

// settle goes through a plan in rounds. A round gives the builds that wait for
// nothing their input keys and asks which of them have a result; those are
// settled, and what waits for nothing then makes the next round. Afterwards
// Waiting counts what is left to wait for.
func (g *laidOut) settle(lookup func(keys []string) (Reuse, error)) error {
	in, out := g.neighbours()
	var round []int32
	for i := range g.builds {
		if g.builds[i].Waiting == 0 {
			round = append(round, int32(i))
		}
	}
	for len(round) > 0 {
		found, err := lookup(g.giveKeys(round, in))
		if err != nil {
			return err
		}
		round = g.release(g.settleRound(round, found), out)
	}
	return nil
}

// neighbours gives what each build waits for and what waits for it, as places
// in g.builds. A twin waits for the build that does its work.
func (g *laidOut) neighbours() (in, out lists) {
	from, to := make([]int32, 0, len(g.edges)), make([]int32, 0, len(g.edges))
	for _, e := range g.edges {
		from, to = append(from, int32(e.From-g.first)), append(to, int32(e.To-g.first))
	}
	for i, b := range g.builds {
		if b.TwinOf != 0 {
			from, to = append(from, int32(b.TwinOf-g.first)), append(to, int32(i))
		}
	}
	return newLists(len(g.builds), to, from), newLists(len(g.builds), from, to)
}

// giveKeys sets the input keys of builds whose dependencies are all settled,
// and lists them.
func (g *laidOut) giveKeys(round []int32, in lists) []string {
	keys := make([]string, 0, len(round))
	for _, i := range round {
		b := &g.builds[i]
		if b.TwinOf != 0 {
			continue
		}
		deps := make([]madeFrom, 0, len(in.of(i)))
		for _, d := range in.of(i) {
			deps = append(deps, madeFrom{g.builds[d].Pkgbase, g.builds[d].Stage, g.builds[d].OutputDigest})
		}
		slices.SortFunc(deps, func(x, y madeFrom) int {
			return cmp.Or(cmp.Compare(x.pkgbase, y.pkgbase), cmp.Compare(x.stage, y.stage))
		})
		if b.InputKey = inputKey(b, deps); b.InputKey != "" {
			keys = append(keys, b.InputKey)
		}
	}
	return keys
}

// settleRound makes those built that have a result. A twin gets here when the
// build that does its work is settled.
func (g *laidOut) settleRound(round []int32, found Reuse) []int32 {
	var settled []int32
	for _, i := range round {
		b := &g.builds[i]
		if b.TwinOf != 0 {
			b.OutputDigest = g.builds[b.TwinOf-g.first].OutputDigest
		} else if r, ok := found[b.InputKey]; ok {
			b.OutputDigest, b.ReusedFrom = r.OutputDigest, r.BuildID
		} else {
			continue
		}
		b.Status = buildbtw.StatusBuilt
		settled = append(settled, i)
	}
	return settled
}

// release lists what waits for nothing any more.
func (g *laidOut) release(settled []int32, out lists) []int32 {
	var free []int32
	for _, i := range settled {
		for _, to := range out.of(i) {
			if g.builds[to].Waiting--; g.builds[to].Waiting == 0 {
				free = append(free, to)
			}
		}
	}
	return free
}

// links lists what has to be in the iteration's repositories for its settled
// builds. Packages of a first stage do not stay beside those of the second.
func (g *laidOut) links(reuse Reuse) []Link {
	type place struct{ architecture, pkgbase string }
	second := map[place]bool{}
	twins := map[int64][]string{}
	for _, b := range g.builds {
		if b.Stage == 2 && b.ReusedFrom != 0 {
			second[place{b.Architecture, b.Pkgbase}] = true
		}
		if b.TwinOf != 0 {
			twins[b.TwinOf] = append(twins[b.TwinOf], b.Architecture)
		}
	}
	var links []Link
	for _, b := range g.builds {
		if b.ReusedFrom == 0 || b.Stage == 1 && second[place{b.Architecture, b.Pkgbase}] {
			continue
		}
		links = append(links, Link{From: reuse[b.InputKey], Architectures: append([]string{b.Architecture}, twins[b.ID]...)})
	}
	return links
}

// begin gives the builds the statuses that they have in a new iteration.
func (g *laidOut) begin(now time.Time) {
	for i := range g.builds {
		b := &g.builds[i]
		b.ChangedAt = now
		switch {
		case b.Status == buildbtw.StatusBuilt:
			b.FinishedAt = &now
		case b.Waiting == 0:
			b.Status = buildbtw.StatusPending
		}
	}
}
