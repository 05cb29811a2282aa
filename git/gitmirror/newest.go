package gitmirror

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// MaxNewest is how many branches NewestTips returns.
	MaxNewest = 500

	newestPeriod = 30 * time.Second // for which an answer holds: reading 16,000 branches takes 0.2 s
)

// newestTips is the last answer of NewestTips.
type newestTips struct {
	mu    sync.Mutex // held while git reads, so that many who ask wait for one answer
	at    time.Time
	state uint64
	tips  []Tip
}

// NewestTips returns the branches of all sources whose commits were made last, by the
// committer's date, the latest first. Sources that were read ahead are left out until they
// are in the mirror. An answer holds for half a minute, as long as the state that the caller
// names is the same: it counts what was pushed.
func (m *Mirror) NewestTips(ctx context.Context, state uint64) ([]Tip, error) {
	n := &m.newest
	n.mu.Lock()
	defer n.mu.Unlock()
	if now := m.now(); n.tips != nil && n.state == state && now.Sub(n.at) < newestPeriod {
		return n.tips, nil
	}
	out, err := m.git.output(ctx, "for-each-ref", "--sort=-committerdate", "--count="+strconv.Itoa(MaxNewest), "--format=%(objectname) %(refname)", refRoot+"*/"+headsPrefix+"**")
	if err != nil {
		return nil, fmt.Errorf("read the newest branches of the mirror: %w", err)
	}
	tips := []Tip{}
	for line := range strings.Lines(out) {
		commit, ref, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if slug, name, ok := splitRef(ref); ok {
			tips = append(tips, Tip{Slug: slug, Ref: strings.TrimPrefix(name, headsPrefix), Commit: commit})
		}
	}
	n.at, n.state, n.tips = m.now(), state, tips
	return tips, nil
}

// Coming reports whether a commit is the one of a branch that was read ahead: it is not in the
// mirror yet.
func (m *Mirror) Coming(commit string) bool {
	m.ahead.mu.Lock()
	defer m.ahead.mu.Unlock()
	return m.ahead.byCommit[commit] != nil
}
