package publish

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"buildbtw"
	"buildbtw/git/gitmirror"
	"buildbtw/pacman/alpm"
	"buildbtw/pacman/srcinfo"
	"buildbtw/store"
)

// decide finds out for builds that are ready, and that the cut-off may apply
// to, whether anything they notice has changed. It returns how many there were.
func (p *Publisher) decide(ctx context.Context) (int, error) {
	list, err := p.Store.CutoffCandidates(ctx, reuseBatch)
	if err != nil || len(list) == 0 {
		return 0, err
	}
	commits := make([]string, 0, len(list))
	for _, u := range list {
		commits = append(commits, u.Build.Commit)
	}
	slices.Sort(commits)
	files, err := p.Mirror.ReadSrcinfos(ctx, slices.Compact(commits))
	if err != nil {
		return 0, fmt.Errorf("read the dependencies of %d builds: %w", len(list), err)
	}
	decisions := make([]store.CutoffResult, len(list))
	for i, u := range list {
		decisions[i] = p.decideOn(u, triggers(files[u.Build.Commit], u))
	}
	return len(list), p.Store.ApplyCutoff(ctx, decisions)
}

// triggers returns the dependencies of a build of the kinds that bring dependents
// into the set. None when its .SRCINFO cannot be read; then it is built.
func triggers(file gitmirror.Srcinfo, u store.CutoffCandidate) []alpm.Dep {
	info, err := file.Parse()
	if err != nil {
		return nil
	}
	lists := []srcinfo.Values{}
	for _, pkg := range info.Packages {
		lists = append(lists, pkg.Depends)
	}
	if buildbtw.TriggerKinds(u.Makedepends)&buildbtw.EdgeMakedepends != 0 {
		lists = append(lists, info.Base.MakeDepends)
	}
	var deps []alpm.Dep
	for _, values := range lists {
		for _, text := range values.For(u.Build.Architecture) {
			if d, err := alpm.ParseDep(text); err == nil {
				deps = append(deps, d)
			}
		}
	}
	return deps
}

// decideOn compares the packages that brought a build into the set with those
// it was last built against. The build is skipped if all are known and none
// differs noticeably; otherwise it is built, with the first reason found.
func (p *Publisher) decideOn(u store.CutoffCandidate, deps []alpm.Dep) store.CutoffResult {
	d := store.CutoffResult{BuildID: u.Build.ID}
	switch {
	case u.Within:
		d.Reason = "its first stage was built, so its second is too."
		return d
	case len(u.Triggers) == 0:
		d.Reason = "the dependency that brought it in is built after it, on a cycle."
		return d
	}
	var same []string
	for _, tr := range u.Triggers {
		if reason, changed := p.noticed(u, tr, deps); changed {
			d.Reason = reason + "."
			return d
		}
		same = append(same, tr.Pkgbase)
	}
	d.Action, d.Reason = store.CutoffSkip, "Not rebuilt: the ABI of "+enumerate(same)+" is the same as in the base repositories."
	if u.Previous != nil {
		d.Action, d.From = store.CutoffKeep, u.Previous.BuildID
		d.Reason = fmt.Sprintf("the ABI of %s is the same as in #%d.", enumerate(same), u.Previous.Iteration)
	}
	return d
}

// noticed reports whether a dependency differs noticeably from the one that a
// build was last built against.
func (p *Publisher) noticed(u store.CutoffCandidate, tr store.Trigger, deps []alpm.Dep) (reason string, changed bool) {
	was, now := tr.Before, tr.Now
	if tr.Unchanged && tr.FromBase {
		return "", false
	}
	if tr.FromBase {
		was = p.base(u.Build.Architecture, tr.Pkgbase)
	}
	if tr.Unchanged {
		now = p.base(u.Build.Architecture, tr.Pkgbase)
	}
	switch {
	case len(was) == 0:
		return "it is unknown which " + tr.Pkgbase + " the last build used", true
	case len(now) == 0:
		return "the ABI of " + tr.Pkgbase + " is unknown", true
	}
	if reason, changed = alpm.Noticed(deps, was, now); changed {
		reason = "in " + tr.Pkgbase + ", " + reason
	}
	return reason, changed
}

// base returns the base's packages of a pkgbase, or none when they are not known.
func (p *Publisher) base(architecture, pkgbase string) []alpm.Interface {
	if p.Baseline == nil {
		return nil
	}
	list, ok := p.Baseline(architecture, pkgbase)
	if !ok {
		return nil
	}
	return list
}

// enumerate names a few and counts the rest.
func enumerate(names []string) string {
	const most = 5
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}
