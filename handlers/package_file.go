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

// addPackages adds the packages of a build, each compared with the one of the same
// name before.
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
	gone, err := db.Gone(ctx, row.Buildspace, row.Iteration)
	if err != nil {
		return err
	}
	v.Packages.Removed = gone.Packages
	repository := buildbtw.RepositoryName(row.Buildspace, row.Iteration)
	made := map[string]bool{}
	for i, p := range packages {
		line := views.PackageLine{
			Pkgname: p.Pkgname, Version: p.Version, Architecture: p.Architecture, Filename: p.Filename, SHA256: p.SHA256, Size: p.Size,
			URL: strings.Join([]string{apiPrefix, "builds", strconv.FormatInt(v.ID, 10), "packages", url.PathEscape(p.Filename)}, "/"),
		}
		if gone.Packages != "" {
			line.URL = ""
		} else if i < openedPackages {
			line.Info = a.pkgInfo(repository, row.Architecture, p)
		}
		compare(&line, before, now)
		v.Packages.Lines = append(v.Packages.Lines, line)
		made[p.Pkgname] = true
	}
	for _, i := range before {
		if !made[i.Pkgname] && !i.Debug {
			v.Packages.Gone = append(v.Packages.Gone, i.Pkgname)
		}
	}
	return nil
}

// reference names the packages that a build's are compared with.
type reference struct{ words, url string }

// before returns the packages that those of a build replace: those of the previous
// result in the buildspace, else those of the base.
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

// compare adds to line how a package differs from the one of the same name before.
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

// pkgInfo returns the .PKGINFO of a package file, or nil when the file is missing or
// unreadable: the page is shown without it.
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
