package release

import "slices"

// After returns the base as it is once units have been released: their packages are there,
// and what they replace, by pkgbase or pkgname, is gone. A package goes to the repository
// that its unit names, else to the one that has its pkgbase or its name now, a new one to
// the last. What stands before the repository that a unit names stays. Units that are not
// ready change nothing.
func (b *Base) After(units []Unit) *Base {
	views := make([]View, len(b.views))
	for i, v := range b.views {
		views[i] = v.after(units)
	}
	return NewBase(views)
}

func (v *view) after(units []Unit) View {
	bases, names := map[string]int{}, map[string]int{} // with the first repository from which they go
	for _, u := range units {
		if u.NotReady != "" {
			continue
		}
		bases[u.Pkgbase] = v.receiver(u)
		for _, p := range u.Packages {
			if v.has(p) {
				names[p.Name] = v.receiver(u)
			}
		}
	}
	goes := func(p Package, r int) bool {
		from, ok := bases[p.Base]
		first, named := names[p.Name]
		return ok && r >= from || named && r >= first
	}
	out := View{Name: v.Name, Architecture: v.Architecture, Repositories: make([]Repository, len(v.Repositories))}
	home := map[string]int{} // the repository that receives a pkgbase or a name
	for r, repository := range v.Repositories {
		out.Repositories[r].Name = repository.Name
		for _, p := range repository.Packages {
			if !goes(p, r) {
				continue
			}
			for _, key := range []string{"base " + p.Base, "name " + p.Name} {
				if _, known := home[key]; !known {
					home[key] = r
				}
			}
		}
		out.Repositories[r].Packages = slices.DeleteFunc(slices.Clone(repository.Packages), func(p Package) bool { return goes(p, r) })
	}
	if len(out.Repositories) == 0 {
		out.Repositories = []Repository{{}}
	}
	for _, u := range units {
		if u.NotReady != "" {
			continue
		}
		for _, p := range u.Packages {
			if !v.has(p) {
				continue
			}
			r := slices.IndexFunc(out.Repositories, func(r Repository) bool { return r.Name == u.Repository && u.Repository != "" })
			known := r >= 0
			if !known {
				r, known = home["base "+u.Pkgbase]
			}
			if !known {
				r, known = home["name "+p.Name]
			}
			if !known {
				r = len(out.Repositories) - 1
			}
			out.Repositories[r].Packages = append(out.Repositories[r].Packages, p)
		}
	}
	return out
}

// has reports whether a package is one for the view's architecture.
func (v *view) has(p Package) bool {
	return p.Architecture == v.Architecture || p.Architecture == "any"
}
