package baserepo

import (
	"maps"
	"slices"

	"buildbtw/pacman/alpm"
)

// Tenants lists the packages that pacman would install and that have files in
// versioned directories, by architecture and name.
func (b Bases) Tenants() map[string][]alpm.Tenant {
	all := map[string][]alpm.Tenant{}
	for architecture, base := range b {
		s := base.Snapshot()
		for _, name := range slices.Sorted(maps.Keys(s.byName)) {
			e := s.byName[name][0]
			if list := s.files[e.Repo][e.id()].directories; len(list) > 0 {
				all[architecture] = append(all[architecture], alpm.Tenant{
					Pkgname: e.Name, Pkgbase: e.Base, Version: e.Version, Depends: e.Depends, Directories: list,
				})
			}
		}
	}
	return all
}

// Unlisted names, by architecture, the repositories of which no list of files is
// known.
func (b Bases) Unlisted() map[string][]string {
	all := map[string][]string{}
	for architecture, base := range b {
		s := base.Snapshot()
		for _, r := range base.repos {
			if s.files[r.Name] == nil {
				all[architecture] = append(all[architecture], r.Name)
			}
		}
	}
	return all
}
