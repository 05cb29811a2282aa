package catalog

import (
	"context"
	"fmt"
	"strings"

	"buildbtw/release"
	"buildbtw/release/check"
)

// CheckWords returns what checks found as a list of kinds, with the number of lines of each:
// "files (3), size (1)".
func CheckWords(list []check.Finding) string {
	lines := map[check.Kind]int{}
	for _, f := range list {
		lines[f.Kind] += len(f.Lines)
	}
	var words []string
	for _, kind := range check.Kinds() {
		if n := lines[kind]; n > 0 {
			words = append(words, fmt.Sprintf("%s (%d)", kind, n))
		}
	}
	return strings.Join(words, ", ")
}

// ChecksOf returns what findings mean for a target.
func (c *Catalog) ChecksOf(target string) check.Policy {
	if p, own := c.TargetChecks[target]; own {
		return p
	}
	return c.Checks
}

// checkedAtOnce bounds the builds that a question about a release checks itself; the others are
// left to the loop.
const checkedAtOnce = 50

// addChecks adds what the checks found to a release, and holds the units of which one that blocks
// found something, or has not looked yet.
func (c *Catalog) addChecks(ctx context.Context, r *Release, units []release.Unit) error {
	var ids []int64
	for _, builds := range r.built {
		ids = append(ids, builds...)
	}
	results, err := c.Store.Checks(ctx, ids)
	if err != nil {
		return err
	}
	repeats, err := c.Store.Repeats(ctx, ids)
	if err != nil {
		return err
	}
	r.Checks = map[string][]check.Finding{}
	policy := c.ChecksOf(r.Target.Name)
	for i := range units {
		u := &units[i]
		for _, id := range r.built[u.Pkgbase] {
			findings, checked := results[id]
			if !checked && u.NotReady == "" && policy.BlocksAny() && len(c.Bases) > 0 { // without a base nothing is compared
				u.NotReady, u.Detail = release.Check, "its packages are not checked yet"
			}
			if f, known := RepeatFinding(repeats[id]); known {
				findings = append(findings, f)
			}
			for _, f := range policy.Shows(findings) {
				if f.Outcome != check.Found {
					continue
				}
				r.Checks[u.Pkgbase] = append(r.Checks[u.Pkgbase], f)
				if u.NotReady == "" && policy.Blocks(f) {
					u.NotReady, u.Detail = release.Check, "the check "+string(f.Kind)+" blocks: "+strings.Join(f.Lines[:1], "")
				}
			}
		}
	}
	return nil
}
