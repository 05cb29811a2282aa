package gitmirror

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// keptBehind is how many comparisons of two commits are remembered: they never change.
const keptBehind = 8192

// Behind returns how many commits tip has that commit has not: 0 when commit has all that
// tip has.
func (m *Mirror) Behind(ctx context.Context, commit, tip string) (int, error) {
	if commit == tip {
		return 0, nil
	}
	for _, c := range []string{commit, tip} {
		if err := checkCommit(c); err != nil {
			return 0, err
		}
	}
	key := commit + ".." + tip
	if n, ok := m.behind.Get(key); ok {
		return n, nil
	}
	for _, c := range []string{commit, tip} { // one that was only looked at is fetched now
		if full, err := m.peel(ctx, c); err == nil && full == "" {
			m.mirrorCommit(ctx, c)
		}
	}
	out, err := m.git.output(ctx, "rev-list", "--count", key)
	if err != nil {
		return 0, fmt.Errorf("compare commits %s and %s: %w", commit, tip, err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(out))
	if err != nil {
		return 0, fmt.Errorf("git rev-list answered %.80q", out)
	}
	m.behind.Put(key, n)
	return n, nil
}
