package catalog

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"buildbtw/release"
	"buildbtw/release/check"
	"buildbtw/store"
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

// addChecks adds what the checks found for the users of the target, and for those of targets before
// it, and holds the units of which one that blocks found something, or has not looked yet.
func (c *Catalog) addChecks(ctx context.Context, r *Release, chains []targetChain, units []release.Unit) error {
	var ids []int64
	for _, u := range units {
		ids = append(ids, r.built[u.Pkgbase]...)
	}
	views := map[checkKey]*checkView{}
	for _, chain := range chains {
		v, err := c.checkView(ctx, chain.layers, chain.arch)
		if err != nil {
			return err
		}
		if v != nil {
			views[v.checkKey] = v
		}
	}
	results, err := c.checksNow(ctx, r, views, ids)
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
			if results.twins[id] {
				continue // the build that did the work is of the same unit, and stands for it
			}
			if f, known := RepeatFinding(repeats[id]); known {
				r.addFindings(u, policy, f)
			}
			var told []check.Finding // of views before: each line once
			for _, chain := range chains {
				v := views[checkKey{chain.viewName(), chain.arch}]
				arch, known := results.architectures[id]
				if v == nil || known && arch != chain.arch {
					continue
				}
				compared, checked := results.of(v, id)
				if !checked {
					if policy.BlocksAny() {
						holdForCheck(u, "its packages are not checked yet")
					}
					continue
				}
				if chain.hides(r.Target.Name, compared.Before) {
					continue
				}
				var fresh []check.Finding
				for _, f := range compared.Findings {
					if f = f.Without(told); len(f.Lines) > 0 {
						f.Target = v.name
						fresh = append(fresh, f)
					}
				}
				told = append(told, r.addFindings(u, policy, fresh...)...)
			}
		}
	}
	return nil
}

// addFindings adds what checks found in the packages of a unit, as far as the policy of the target shows
// it, holds the unit where that blocks, and returns what it has added.
func (r *Release) addFindings(u *release.Unit, policy check.Policy, findings ...check.Finding) (added []check.Finding) {
	for _, f := range policy.Shows(findings) {
		if f.Outcome != check.Found || len(f.Lines) == 0 {
			continue
		}
		added = append(added, f)
		if policy.Blocks(f) {
			detail := "the check " + string(f.Kind) + " blocks: " + f.Lines[0]
			if f.Target != "" && f.Target != r.Target.Name {
				detail += " (for users of " + f.Target + ")"
			}
			holdForCheck(u, detail)
		}
	}
	r.Checks[u.Pkgbase] = append(r.Checks[u.Pkgbase], added...)
	return added
}

// holdForCheck holds a unit that nothing else keeps from being released.
func holdForCheck(u *release.Unit, detail string) {
	if u.NotReady == "" {
		u.NotReady, u.Detail = release.Check, detail
	}
}

// viewName returns the target whose users a chain is of; empty when there is none.
func (t *targetChain) viewName() string {
	if len(t.layers) == 0 {
		return ""
	}
	return t.layers[0].Name
}

// hides reports whether the users of a chain have one of these packages from a target that stands
// before the given one: what that receives changes nothing for them then.
func (t *targetChain) hides(target string, before check.Predecessors) bool {
	for _, p := range before {
		for _, l := range t.layers {
			if l.Name == target {
				break
			}
			if l.Name == p.Target {
				return true
			}
		}
	}
	return false
}

// checkResults are how builds compare with what users have now.
type checkResults struct {
	by            map[int64][]store.Comparison
	architectures map[int64]string // of builds that are known
	twins         map[int64]bool   // builds that did not do the work themselves
}

// of returns the comparison of a build with what the users of a view have now, if there is one.
func (r checkResults) of(v *checkView, build int64) (store.Comparison, bool) {
	for _, c := range r.by[build] {
		if c.View == v.name && !c.Stale && v.current(c.Before) {
			return c, true
		}
	}
	return store.Comparison{}, false
}

// checksNow returns the comparisons of builds. Those that move from one target to another are
// compared first with what they would replace there: their iterations may be over, or gone. Of others
// it is noted which ones the loop has to look at again.
func (c *Catalog) checksNow(ctx context.Context, r *Release, views map[checkKey]*checkView, ids []int64) (checkResults, error) {
	results := checkResults{architectures: map[int64]string{}, twins: map[int64]bool{}}
	for _, builds := range r.builds {
		for _, b := range builds {
			results.architectures[b.ID], results.twins[b.ID] = b.Architecture, b.TwinOf != 0
		}
	}
	var err error
	if results.by, err = c.Store.Checks(ctx, ids); err != nil {
		return results, err
	}
	if r.From.Name != "" {
		rows, err := c.Store.ExistingBuilds(ctx, ids)
		if err != nil {
			return results, err
		}
		for _, b := range rows {
			results.architectures[b.ID], results.twins[b.ID] = b.Architecture, b.TwinOf != 0
		}
		if err := c.checkMoved(ctx, r, views, rows, results); err != nil {
			return results, err
		}
		results.by, err = c.Store.Checks(ctx, ids)
		return results, err
	}
	for _, v := range views {
		var stale []int64
		for _, id := range ids {
			for _, compared := range results.by[id] {
				if compared.View == v.name && results.architectures[id] == v.arch && !results.twins[id] && !compared.Stale && !v.current(compared.Before) {
					stale = append(stale, id)
				}
			}
		}
		if len(stale) > 0 {
			if err := c.Store.ChecksAreStale(ctx, v.name, stale); err != nil {
				return results, err
			}
		}
	}
	return results, nil
}

// checkMoved compares packages that another target has with what users have. At most checkedAtOnce
// are looked at for each view.
func (c *Catalog) checkMoved(ctx context.Context, r *Release, views map[checkKey]*checkView, rows []store.BuildRow, results checkResults) error {
	for _, v := range views {
		var builds []store.BuildRow
		for _, b := range rows {
			_, checked := results.of(v, b.ID)
			if !checked && b.Architecture == v.arch && b.TwinOf == 0 && len(builds) < checkedAtOnce {
				builds = append(builds, b)
			}
		}
		if len(builds) == 0 {
			continue
		}
		g, err := c.targetGroup(ctx, r.From, v, builds)
		if err != nil {
			return err
		}
		if err := c.checkGroup(ctx, g, builds); err != nil {
			return err
		}
	}
	return nil
}

// BuildChecks is how the packages of a build compare with what the users of targets have.
type BuildChecks struct {
	Results  []BuildCheck       // in the order of check.Kinds
	Compared []store.Comparison // with what; in the order of the targets, empty for results of before servers had views
	Targets  int                // that the build was compared with
	Second   *store.Repeat      // its second build; nil when there was none, or the check is off everywhere
}

// BuildCheck is the result of a check of a build, for the users of targets.
type BuildCheck struct {
	check.Finding
	Targets []string // whose users it concerns; empty when there is no target
	Blocks  bool     // it keeps the build from being released to them
}

// SecondBlocks reports whether what the second build made keeps the build from being released to a
// target.
func (c BuildChecks) SecondBlocks() bool {
	return slices.ContainsFunc(c.Results, func(r BuildCheck) bool { return r.Kind == check.Reproducible && r.Blocks })
}

// BuildChecks returns the results of a build's checks that are not off. What is the same for the users
// of several targets is there once. Results of before servers had views are good for all
// targets, until there are others.
func (c *Catalog) BuildChecks(ctx context.Context, db *store.Reader, build int64) (BuildChecks, error) {
	var all BuildChecks
	targets, err := db.Targets(ctx)
	if err != nil {
		return all, err
	}
	checks, err := db.Checks(ctx, []int64{build})
	if err != nil {
		return all, err
	}
	offered := comparisonsWith(targets, checks[build])
	for _, compared := range offered {
		if compared.Before != nil {
			all.Compared = append(all.Compared, compared)
		}
		all.add(c.ChecksOf(compared.View), compared.View, compared.Findings...)
	}
	all.Targets = len(offered)
	if err := c.addSecondBuild(ctx, db, &all, targets, build); err != nil {
		return all, err
	}
	order := check.Kinds()
	slices.SortStableFunc(all.Results, func(a, b BuildCheck) int {
		return cmp.Compare(slices.Index(order, a.Kind), slices.Index(order, b.Kind))
	})
	return all, nil
}

// add adds those findings that a policy shows, for the users of a target.
func (c *BuildChecks) add(policy check.Policy, target string, findings ...check.Finding) {
	for _, f := range policy.Shows(findings) {
		blocks := policy.Blocks(f)
		i := slices.IndexFunc(c.Results, func(o BuildCheck) bool {
			return o.Kind == f.Kind && o.Outcome == f.Outcome && o.Blocks == blocks && slices.Equal(o.Lines, f.Lines)
		})
		if i < 0 {
			i = len(c.Results)
			c.Results = append(c.Results, BuildCheck{Finding: f, Blocks: blocks})
		}
		if target != "" {
			c.Results[i].Targets = append(c.Results[i].Targets, target)
		}
	}
}

// addSecondBuild adds what is known of a build's second build, which is the same for the users of all
// targets; what that means is a target's own.
func (c *Catalog) addSecondBuild(ctx context.Context, db *store.Reader, all *BuildChecks, targets []store.TargetRow, build int64) error {
	repeats, err := db.Repeats(ctx, []int64{build})
	if err != nil {
		return err
	}
	r, ok := repeats[build]
	if !ok {
		return nil
	}
	names := []string{""}
	if len(targets) > 0 {
		names = names[:0]
		for _, t := range targets {
			names = append(names, t.Name)
		}
	}
	f, known := RepeatFinding(r)
	for _, name := range names {
		policy := c.ChecksOf(name)
		if policy[check.Reproducible] == check.Off {
			continue
		}
		all.Second = &r
		if known {
			all.add(policy, name, f)
		}
	}
	return nil
}

// comparisonsWith returns the comparisons with targets, in their order; those without a target when
// there are no others.
func comparisonsWith(targets []store.TargetRow, comparisons []store.Comparison) []store.Comparison {
	var list []store.Comparison
	for _, t := range targets {
		for _, o := range comparisons {
			if o.View == t.Name {
				list = append(list, o)
			}
		}
	}
	if len(list) == 0 {
		for _, o := range comparisons {
			if o.View == "" {
				list = append(list, o)
			}
		}
	}
	return list
}
