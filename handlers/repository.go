package handlers

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/handlers/transfer"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/store"
	"buildbtw/views"
)

// repositoryFile serves a pacman repository: databases and packages, fresh after
// every publication, with what pacman and curl need to resume and to skip.
func (a *App) repositoryFile(c *fiber.Ctx) error {
	p, err := unescaped(c, "repository", "architecture", "file")
	if err != nil {
		return err
	}
	f, err := a.Repos.OpenFile(p[0], p[1], p[2])
	if err != nil {
		if buildspace, number, ok := repositoryOf(p[0]); ok {
			err = a.orGone(c.UserContext(), err, buildspace, number)
		}
		return err
	}
	c.Set(fiber.HeaderCacheControl, "no-cache")
	return transfer.SendFile(c, f, repositoryType(p[2]))
}

// unescaped gives parameters of the address: ':' of an epoch comes as %3A from some
// clients.
func unescaped(c *fiber.Ctx, names ...string) ([]string, error) {
	values := make([]string, len(names))
	for i, name := range names {
		value, err := url.PathUnescape(c.Params(name))
		if err != nil {
			return nil, buildbtw.Invalid("the address is not properly escaped")
		}
		values[i] = value
	}
	return values, nil
}

// latestFile serves the repository of a buildspace's newest complete iteration. When
// another one becomes that, Last-Modified of its databases is later than what was
// served before, or pacman would be told that nothing changed.
func (a *App) latestFile(c *fiber.Ctx) error {
	p, err := unescaped(c, "name", "architecture", "file")
	if err != nil {
		return err
	}
	name, architecture, file := p[0], p[1], p[2]
	latest, err := a.latest(c.UserContext(), name)
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderCacheControl, "no-cache")
	f, err := a.Repos.OpenFile(buildbtw.RepositoryName(name, latest.Iteration), architecture, file)
	if pacmanrepo.IsDatabase(name, file) && err == nil {
		return sendLatest(c, f, latest)
	}
	if buildbtw.KindOf(err) == buildbtw.KindNotFound && latest.Previous != 0 && !pacmanrepo.IsDatabase(name, file) {
		// Whoever has the database of before still finds the packages that it lists.
		if old, gone := a.Repos.OpenFile(buildbtw.RepositoryName(name, latest.Previous), architecture, file); gone == nil {
			f, err = old, nil
		}
	}
	if err != nil {
		return err
	}
	return transfer.SendFile(c, f, repositoryType(file))
}

func sendLatest(c *fiber.Ctx, f *os.File, latest store.LatestRepository) error {
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return fmt.Errorf("look at a database: %w", err)
	}
	content := transfer.Content{
		Reader: f, Size: info.Size(), Type: repositoryType(f.Name()), Modified: info.ModTime(),
		ETag: fmt.Sprintf(`"%d-%x-%x"`, latest.Iteration, info.ModTime().UnixNano(), info.Size()),
	}
	if content.Modified.Before(latest.Since) {
		content.Modified = latest.Since
	}
	return transfer.Send(c, content)
}

// latest finds what is served as a buildspace's latest repository, and goes on to
// its newest complete iteration. NotFound when there is none.
func (a *App) latest(ctx context.Context, name string) (store.LatestRepository, error) {
	served, complete, err := a.Store.LatestRepository(ctx, name)
	if err != nil {
		return served, err
	}
	if complete != served.Iteration {
		var newest time.Time
		if served.Iteration != 0 {
			if newest, err = a.Repos.Modified(buildbtw.RepositoryName(name, served.Iteration)); err != nil {
				return served, err
			}
		}
		if served, err = a.Store.SwitchLatest(ctx, name, newest); err != nil {
			return served, err
		}
	}
	if served.Iteration == 0 {
		return served, a.Store.NoLatest(ctx, name)
	}
	return served, nil
}

// latestIndex shows what is in a buildspace's latest repository.
func (a *App) latestIndex(c *fiber.Ctx) error {
	p, err := unescaped(c, "name", "architecture")
	if err != nil {
		return err
	}
	latest, err := a.latest(c.UserContext(), p[0])
	if err != nil {
		return err
	}
	return a.showRepository(c, repositoryView{buildspace: p[0], iteration: latest.Iteration, served: pacmanrepo.Latest(p[0]), architecture: p[1]})
}

// iterationIndex shows what is in the repository of one iteration.
func (a *App) iterationIndex(c *fiber.Ctx) error {
	p, err := unescaped(c, "repository", "architecture")
	if err != nil {
		return err
	}
	buildspace, number, ok := repositoryOf(p[0])
	if !ok {
		return buildbtw.NotFound("there is no repository %.80q; one is called like its buildspace and iteration, for example curl_1", p[0])
	}
	return a.showRepository(c, repositoryView{buildspace: buildspace, iteration: number, served: p[0], architecture: p[1]})
}

// repositoryOf returns the iteration that a repository's name is of.
func repositoryOf(name string) (buildspace string, number int, ok bool) {
	at := strings.LastIndexByte(name, '_')
	number, err := strconv.Atoi(name[at+1:])
	if at < 0 || err != nil || number < 1 {
		return "", 0, false
	}
	return name[:at], number, true
}

// repositoryView is a repository as somebody looks at it.
type repositoryView struct {
	buildspace   string
	iteration    int
	served       string // under this name
	architecture string // the only one that is asked for; empty for all
}

// pageFiles bounds the packages that a page lists for each architecture.
const pageFiles = 10000

func (a *App) showRepository(c *fiber.Ctx, r repositoryView) error {
	ctx := c.UserContext()
	row, err := a.Store.Iteration(ctx, r.buildspace, r.iteration)
	if err != nil {
		return err
	}
	gone, err := a.Store.Gone(ctx, r.buildspace, r.iteration)
	if err != nil {
		return err
	}
	if gone.Packages != "" {
		return buildbtw.NotFound("%s", gone.Packages)
	}
	architectures, err := a.Store.Architectures(ctx, row.ID)
	if err != nil {
		return err
	}
	v := views.RepositoryIndex{
		Buildspace: r.buildspace, Iteration: r.iteration, Status: row.Status(), Latest: r.served == pacmanrepo.Latest(r.buildspace),
		Pacman: a.pacmanView(r.buildspace, row.Bump, r.served),
	}
	for _, arch := range architectures {
		if r.architecture != "" && arch != r.architecture {
			continue
		}
		packages, err := a.Store.RepositoryPackages(ctx, buildbtw.RepositoryName(r.buildspace, r.iteration), arch)
		if err != nil {
			return err
		}
		part := views.RepositoryArchitecture{Architecture: arch, URL: "/repo/" + r.served + "/os/" + url.PathEscape(arch) + "/"}
		part.More = max(0, len(packages)-pageFiles)
		for _, p := range packages[:len(packages)-part.More] {
			part.Files = append(part.Files, views.RepositoryFile{Name: p.Filename, Size: p.Size})
		}
		v.Architectures = append(v.Architectures, part)
	}
	if len(v.Architectures) == 0 {
		return buildbtw.NotFound("the repository %s has nothing for %.40q", r.served, r.architecture)
	}
	s := a.shell(c, views.NavBuildspaces, "Repository of "+r.buildspace)
	s.Crumbs = views.IterationCrumbs(r.buildspace, r.iteration)
	return a.render(c, s, views.RepositoryContent(v))
}

// pacmanView returns the section for a repository, and how machines upgrade with it.
func (a *App) pacmanView(buildspace string, bump bool, served string) views.Pacman {
	p := views.Pacman{Conf: pacmanrepo.PacmanConf(buildspace, a.Settings.ServerURL, served), IndexURL: "/repo/" + served + "/"}
	p.Words, p.Command = pacmanrepo.Upgrade(buildspace, bump)
	return p
}

// mayFetch returns nil when a user may fetch files of repositories, and else why not.
// pacman signs in with the token as password in the URL of the repository.
func (a *App) mayFetch(u buildbtw.User) error {
	if a.Settings.ClosedRepositories && !u.SignedIn() {
		return buildbtw.Unauthenticated("the repositories need a token here: write it into the URL of pacman.conf as https://buildbtw:TOKEN@…")
	}
	return nil
}

// repositoryType keeps browsers from showing a file or unpacking it on the way.
func repositoryType(file string) string {
	if strings.HasSuffix(file, ".sig") {
		return "application/pgp-signature"
	}
	return fiber.MIMEOctetStream
}
