package handlers

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"buildbtw"
	"buildbtw/pacman/alpm"
	"buildbtw/store"
	"buildbtw/views"
)

// openedPackages bounds the files of one build that are opened for its page:
// hardly any pkgbase has more packages.
const openedPackages = 60

// addPackages shows what came out of a build beside what was there before.
func (a *App) addPackages(ctx context.Context, db *store.Reader, v *views.BuildDetail, row store.BuildRow) error {
	packages, err := db.BuildPackages(ctx, v.ID)
	if err != nil || len(packages) == 0 {
		return err
	}
	now, err := db.Interfaces(ctx, v.ID)
	if err != nil {
		return err
	}
	before, against, err := a.before(ctx, db, row)
	if err != nil {
		return err
	}
	v.Packages.Against, v.Packages.URL = against.words, against.url
	repository := buildbtw.RepositoryName(row.Buildspace, row.Iteration)
	for i, p := range packages {
		line := packageLine(v.ID, p)
		if i < openedPackages {
			line.Info = a.pkgInfo(repository, row.Architecture, p)
		}
		compare(&line, before, now)
		v.Packages.Lines = append(v.Packages.Lines, line)
	}
	v.Packages.Gone = gone(before, packages)
	return nil
}

func packageLine(buildID int64, p buildbtw.Package) views.PackageLine {
	return views.PackageLine{
		Pkgname: p.Pkgname, Version: p.Version, Architecture: p.Architecture, Filename: p.Filename, SHA256: p.SHA256, Size: p.Size,
		URL: strings.Join([]string{apiPrefix, "builds", strconv.FormatInt(buildID, 10), "packages", url.PathEscape(p.Filename)}, "/"),
	}
}

// reference is what packages are compared with.
type reference struct{ words, url string }

// before gives the packages that those of a build take the place of: of the
// previous result in the buildspace, else of the base.
func (a *App) before(ctx context.Context, db *store.Reader, row store.BuildRow) ([]alpm.Interface, reference, error) {
	previous, err := db.PreviousResult(ctx, row.ID)
	if err != nil {
		return nil, reference{}, err
	}
	if previous != nil && len(previous.Interfaces) > 0 {
		r := reference{fmt.Sprintf("%s in #%d", previous.Version, previous.Iteration), views.BuildURL(previous.BuildID)}
		return previous.Interfaces, r, nil
	}
	if list, _ := a.Catalog.Bases.Interfaces(row.Architecture, row.Pkgbase); len(list) > 0 {
		return list, reference{words: list[0].Version + " in the base"}, nil
	}
	return nil, reference{}, nil
}

// compare sets a package beside the one of the same name before.
func compare(line *views.PackageLine, before, now []alpm.Interface) {
	is := named(now, line.Pkgname)
	if is == nil {
		return
	}
	line.IsDebug = is.Debug
	was := named(before, line.Pkgname)
	if was == nil {
		offers := alpm.Offers(*is)
		line.Offers, line.IsNew = &offers, len(before) > 0
		return
	}
	offers := alpm.Compare(*was, *is)
	line.Offers = &offers
	if was.Version != line.Version {
		line.Was = was.Version
	}
}

func named(list []alpm.Interface, pkgname string) *alpm.Interface {
	for i := range list {
		if list[i].Pkgname == pkgname {
			return &list[i]
		}
	}
	return nil
}

// gone lists the pkgnames that a build does not make any more.
func gone(before []alpm.Interface, packages []buildbtw.Package) []string {
	has := map[string]bool{}
	for _, p := range packages {
		has[p.Pkgname] = true
	}
	var names []string
	for _, i := range before {
		if !has[i.Pkgname] && !i.Debug {
			names = append(names, i.Pkgname)
		}
	}
	return names
}

// pkgInfo gives what a file says of itself, or nil when it is not there or not
// readable any more: the page can do without.
func (a *App) pkgInfo(repository, architecture string, p buildbtw.Package) *alpm.PkgInfo {
	if info, ok := a.pkgInfos.Get(p.SHA256); ok {
		return info
	}
	info, err := a.Repos.PkgInfo(repository, architecture, p.Filename)
	if err != nil {
		return nil
	}
	a.pkgInfos.Put(p.SHA256, info)
	return info
}

// cachedInfos bounds the .PKGINFO of package files, by digest; some kilobytes each.
// Pages that are polled would otherwise unpack them every time.
const cachedInfos = 512
