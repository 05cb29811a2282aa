package apiv1

import (
	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/catalog"
	"buildbtw/git/gitmirror"
)

// fix answers POST /buildspaces/{name}/fix: it requests an iteration that builds failed
// builds again from newer commits of their sources.
func (a *API) fix(c *fiber.Ctx) error {
	name, err := param(c, "name")
	if err != nil {
		return err
	}
	r, err := decode[api.Fix](c)
	if err != nil {
		return err
	}
	f := buildbtw.Fix{Ref: r.Ref}
	for _, s := range r.Builds {
		id, err := buildbtw.ParseBuildID(s)
		if err != nil {
			return err
		}
		f.Builds = append(f.Builds, id)
	}
	done, err := a.Catalog.Fix(c.UserContext(), a.User(c), name, f)
	if err != nil {
		return err
	}
	a.Wake()
	c.Status(fiber.StatusAccepted)
	return send(c, api.Fixed{
		Buildspace: name, Already: done.Already, URL: a.page("buildspaces", name),
		Sources: list(done.Sources, func(s catalog.FixedSource) api.FixedSource {
			return api.FixedSource{Changeset: s.Changeset.String(), Added: s.Added, Failed: s.Failed, Commit: wireCommit(s.Commit), Words: s.String()}
		}),
	})
}

func wireCommit(c gitmirror.Commit) api.Commit {
	w := api.Commit{ID: c.ID, Subject: c.Subject, Author: c.Author}
	if !c.Time.IsZero() {
		w.At = &c.Time
	}
	return w
}
