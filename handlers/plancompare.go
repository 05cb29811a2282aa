package handlers

import (
	"context"
	"maps"
	"slices"

	"buildbtw"
	"buildbtw/buildgraph"
	"buildbtw/store"
	"buildbtw/views"
)

// comparePlan adds which builds a plan has that the latest iteration of the
// edited buildspace has not, and the other way round.
func (a *App) comparePlan(ctx context.Context, f *views.PlanForm, plan *buildgraph.Plan) error {
	row, err := a.Store.Iteration(ctx, f.Editing, 0)
	if buildbtw.KindOf(err) == buildbtw.KindNotFound {
		return nil // there is none yet
	}
	if err != nil {
		return err
	}
	work, err := a.Store.Work(ctx, row.ID)
	if err != nil {
		return err
	}
	before, after := workNames(work), planNames(plan)
	f.Compared = &views.Diff{From: row.Number}
	for _, arch := range slices.Sorted(maps.Keys(union(before, after))) {
		f.Compared.Architectures = append(f.Compared.Architectures, views.DiffArch{
			Architecture: arch, Added: without(after[arch], before[arch]), Removed: without(before[arch], after[arch]),
		})
	}
	return nil
}

// nameSet holds names of builds.
type nameSet map[string]bool

func (n nameSet) with(link views.BuildLink) nameSet {
	if n == nil {
		n = nameSet{}
	}
	n[link.Name()] = true
	return n
}

func workNames(work store.Work) map[string]nameSet {
	all := map[string]nameSet{}
	for _, b := range work.Builds {
		all[b.Architecture] = all[b.Architecture].with(buildLink(b.BuildRef))
	}
	return all
}

func planNames(plan *buildgraph.Plan) map[string]nameSet {
	all := map[string]nameSet{}
	for arch, p := range plan.Architectures {
		for _, b := range p.Builds {
			all[arch] = all[arch].with(views.BuildLink{Pkgbase: b.Pkgbase, Stage: b.Stage})
		}
	}
	return all
}

func union(x, y map[string]nameSet) map[string]nameSet {
	all := maps.Clone(x)
	maps.Copy(all, y)
	return all
}

// without lists what is in one set and not in another.
func without(in, notIn nameSet) []string {
	names := slices.Collect(maps.Keys(in))
	names = slices.DeleteFunc(names, func(name string) bool { return notIn[name] })
	slices.Sort(names)
	return names
}
