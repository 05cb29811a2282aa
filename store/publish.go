package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"buildbtw"
)

// PackageFile names an uploaded package as the worker knows it.
type PackageFile struct {
	Filename string
	SHA256   string
}

// Publishing is an attempt whose packages go, or went, into the repositories.
type Publishing struct {
	Attempt       buildbtw.Attempt
	Build         BuildRow
	Architectures []string           // whose repositories get the packages: the build's own and its twins'; sorted
	Files         []buildbtw.Package // that are published, by file name
	Status        buildbtw.Status    // of the build; built when all of it has been done before
}

// Done reports whether there is nothing left to publish.
func (p Publishing) Done() bool { return p.Attempt.State == buildbtw.AttemptFinished }

// AddPackage notes an uploaded file. The same file name again replaces what was
// noted.
func (s *Store) AddPackage(ctx context.Context, lease string, p buildbtw.Package) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		a, err := t.running(ctx, lease)
		if err != nil {
			return err
		}
		if a.Stop {
			return errLeaseOver()
		}
		_, err = t.exec(ctx, "put_package", args{
			"build": a.BuildID, "attempt": a.ID, "pkgname": p.Pkgname, "version": p.Version, "architecture": p.Architecture,
			"filename": p.Filename, "sha256": p.SHA256, "size": p.Size, "now": t.now,
		})
		return err
	})
	if err != nil {
		return fmt.Errorf("add package %s: %w", p.Filename, err)
	}
	return nil
}

// BeginPublish takes a worker's word that an attempt was built with these
// files: they must be exactly the uploaded ones, and every pkgname that the
// build promises must be among them. From here on the attempt cannot be lost or
// stopped. The same report again gives the same answer, also after the end.
func (s *Store) BeginPublish(ctx context.Context, lease string, files []PackageFile) (Publishing, error) {
	var p Publishing
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		a, err := t.attempt(ctx, lease)
		if err != nil {
			return err
		}
		if p, err = t.loadPublishing(ctx, a); err != nil {
			return err
		}
		uploaded := p.Files
		p.Files = p.Build.published(uploaded)
		switch {
		case a.State == buildbtw.AttemptRunning && a.Stop:
			return errLeaseOver()
		case a.Outcome != "" && a.Outcome != buildbtw.OutcomeBuilt:
			s.opts.Log.WarnContext(ctx, "late packages of an attempt were ignored", "attempt", a.ID, "worker", a.Worker, "outcome", a.Outcome)
			return buildbtw.Conflict("the attempt ended already (%s); its packages are not taken", a.Outcome)
		}
		if err := p.Build.check(uploaded, files); err != nil {
			return err
		}
		if a.State == buildbtw.AttemptRunning && p.Build.BaselineID != 0 {
			return t.completeBaseline(ctx, a, &p)
		}
		if a.State == buildbtw.AttemptRunning {
			p.Attempt.State, p.Attempt.Outcome = buildbtw.AttemptPublishing, buildbtw.OutcomeBuilt
			return t.writeAttempt(ctx, a, "begin_publish", args{"attempt": a.ID})
		}
		return nil
	})
	if err != nil {
		return Publishing{}, fmt.Errorf("begin to publish: %w", err)
	}
	return p, nil
}

// published are those of a build's packages that go into the repositories.
func (b BuildRow) published(files []buildbtw.Package) []buildbtw.Package {
	return slices.DeleteFunc(slices.Clone(files), func(f buildbtw.Package) bool { return !b.Publishes(f.Pkgname) })
}

// check compares the worker's list with what was uploaded. What is not published
// need not be there.
func (b BuildRow) check(have []buildbtw.Package, files []PackageFile) error {
	uploaded := map[string]string{}
	pkgnames := map[string]bool{}
	for _, f := range have {
		uploaded[f.Filename] = f.SHA256
		pkgnames[f.Pkgname] = true
	}
	named := map[string]bool{}
	for _, f := range files {
		sum, found := uploaded[f.Filename]
		switch {
		case named[f.Filename]:
			return buildbtw.Invalid("%s is named twice", f.Filename)
		case !found:
			return buildbtw.Invalid("%s was not uploaded; upload it and finish again", f.Filename)
		case !strings.EqualFold(sum, f.SHA256):
			return buildbtw.Invalid("%s was uploaded with another SHA-256 (%s); upload it again", f.Filename, sum)
		}
		named[f.Filename] = true
	}
	for _, f := range have {
		if !named[f.Filename] {
			return buildbtw.Invalid("%s was uploaded but is not among the finished files", f.Filename)
		}
	}
	for _, name := range b.Pkgnames {
		if !pkgnames[name] && b.Publishes(name) {
			return buildbtw.Invalid("package %s of %s is missing; a build is finished with all its packages", name, b.Pkgbase)
		}
	}
	if len(b.published(have)) == 0 {
		return buildbtw.Invalid("nothing of %s can be published: %s", b.Pkgbase, b.NotOwned)
	}
	return nil
}

// loadPublishing loads single rows and the few files of one attempt.
func (q queries) loadPublishing(ctx context.Context, a *buildbtw.Attempt) (Publishing, error) {
	p := Publishing{Attempt: *a}
	row, err := q.buildRow(ctx, a.BuildID)
	if err != nil {
		return p, err
	}
	p.Build, p.Status = row, row.Status
	if err := q.list(ctx, &p.Files, "packages_of_attempt", args{"build": a.BuildID, "attempt": a.ID}); err != nil {
		return p, err
	}
	err = q.list(ctx, &p.Architectures, "architectures_of_build", args{"build": a.BuildID})
	return p, err
}

// Publishing lists the attempts whose packages are on their way into the
// repositories. After a crash each is published again and completed.
func (q *Reader) Publishing(ctx context.Context) ([]Publishing, error) {
	attempts, err := readable[buildbtw.Attempt](ctx, q.queries, "publishing_attempts", nil)
	failures := []error{err}
	list := []Publishing{}
	for _, a := range attempts {
		p, err := q.loadPublishing(ctx, &a)
		if err != nil {
			failures = append(failures, fmt.Errorf("attempt %d: %w", a.ID, err))
			continue
		}
		p.Files = p.Build.published(p.Files)
		list = append(list, p)
	}
	if err := errors.Join(failures...); err != nil {
		return list, fmt.Errorf("list what is being published: %w", err)
	}
	return list, nil
}

// CompletePublish ends an attempt whose packages are in the repositories: the
// build is built, its packages are the published ones, its twins are built as
// far as they wait for nothing else, and what waited only for these is pending.
// Doing it again changes nothing.
func (s *Store) CompletePublish(ctx context.Context, attemptID int64) (buildbtw.Status, error) {
	var status buildbtw.Status
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		a, err := t.publishing(ctx, attemptID)
		if err != nil {
			return err
		}
		if a.State == buildbtw.AttemptFinished && a.Outcome == buildbtw.OutcomeBuilt {
			status = a.Result
			return nil
		}
		if a.State != buildbtw.AttemptPublishing {
			return buildbtw.Conflict("attempt %d is %s, not being published", a.ID, a.State)
		}
		status = buildbtw.StatusBuilt
		return t.complete(ctx, a)
	})
	if err != nil {
		return "", fmt.Errorf("complete attempt %d: %w", attemptID, err)
	}
	return status, nil
}

func (t *tx) publishing(ctx context.Context, id int64) (*buildbtw.Attempt, error) {
	a := new(buildbtw.Attempt)
	err := t.get(ctx, a, "attempt", args{"attempt": id})
	return a, notFound(err, "there is no attempt %d", id)
}

func (t *tx) complete(ctx context.Context, a *buildbtw.Attempt) error {
	var files []buildbtw.Package
	err := t.list(ctx, &files, "packages_of_attempt", args{"build": a.BuildID, "attempt": a.ID})
	if err != nil {
		return err
	}
	row, err := t.buildRow(ctx, a.BuildID)
	if err != nil {
		return err
	}
	verdict := buildbtw.VerdictNone
	if flaky, err := t.passedAgain(ctx, a); err != nil {
		return err
	} else if flaky {
		verdict = buildbtw.VerdictFlaky
	}
	err = t.moveOne(ctx, a.BuildID, change{
		to: buildbtw.StatusBuilt, cause: buildbtw.CauseFinished, actor: a.Worker,
		message: "All packages are published.",
		set:     []string{"verdict = :verdict", "finished_at = :now", "retries = 0", "output_digest = :output", "reused_from = 0", "forced = FALSE"},
		args:    args{"output": outputDigest(row.published(files)), "verdict": verdict},
	})
	if err != nil {
		return err
	}
	if _, err = t.exec(ctx, "publish_packages", args{"attempt": a.ID, "build": a.BuildID}); err != nil {
		return err
	}
	if err := t.finishAttempt(ctx, a, ending{outcome: buildbtw.OutcomeBuilt}, buildbtw.StatusBuilt); err != nil {
		return err
	}
	if err := t.learnFrom(ctx, a); err != nil {
		return err
	}
	return t.unblock(ctx, a.BuildID)
}

// completeBaseline ends an attempt that built a commit on the base alone. Nothing of it is
// published: that it could be built is all that is asked of it.
func (t *tx) completeBaseline(ctx context.Context, a *buildbtw.Attempt, p *Publishing) error {
	err := t.moveOne(ctx, a.BuildID, change{
		to: buildbtw.StatusBuilt, cause: buildbtw.CauseFinished, actor: a.Worker,
		message: "Built on the base alone; its packages are not published.",
		set:     []string{"finished_at = :now", "retries = 0", "output_digest = :output"},
		args:    args{"output": outputDigest(p.Files)},
	})
	if err != nil {
		return err
	}
	err = t.finishAttempt(ctx, a, ending{outcome: buildbtw.OutcomeBuilt}, buildbtw.StatusBuilt)
	p.Attempt, p.Status = *a, buildbtw.StatusBuilt
	return err
}

// PublishingOf gives the attempt of a build whose packages are on their way into
// the repositories: Conflict when there is none.
func (q *Reader) PublishingOf(ctx context.Context, build int64) (p Publishing, err error) {
	var a buildbtw.Attempt
	b, err := q.Build(ctx, build)
	if err == nil {
		err = q.get(ctx, &a, "publishing_attempt_of_build", args{"build": build})
	}
	if errors.Is(err, sql.ErrNoRows) {
		return p, buildbtw.Conflict("%s is %s; no packages of it are being published, so there is nothing to abandon", b.Pkgbase, b.Status)
	}
	if err == nil {
		p, err = q.loadPublishing(ctx, &a)
	}
	if err != nil {
		return p, fmt.Errorf("find what is being published of build %d: %w", build, err)
	}
	return p, nil
}

// RepositoryPackages gives the packages that a repository has for an
// architecture: those of built builds, and of builds that are built again until
// their new ones replace them.
func (q *Reader) RepositoryPackages(ctx context.Context, repository, architecture string) ([]buildbtw.Package, error) {
	packages := []buildbtw.Package{}
	if err := q.list(ctx, &packages, "repository_packages", args{"repository": repository, "architecture": architecture}); err != nil {
		return nil, fmt.Errorf("list the packages of repository %s: %w", repository, err)
	}
	return packages, nil
}

// NotePublishing sets what people read of an attempt whose packages are not
// published yet. It changes nothing when it is not being published any more.
func (s *Store) NotePublishing(ctx context.Context, attemptID int64, message string) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		a, err := t.publishing(ctx, attemptID)
		if err != nil || a.State != buildbtw.AttemptPublishing || a.Message == message {
			return err
		}
		return t.writeAttempt(ctx, a, "note_publishing", args{"attempt": a.ID, "message": message})
	})
	if err != nil {
		return fmt.Errorf("note how the publication of attempt %d goes: %w", attemptID, err)
	}
	return nil
}

// AbandonPublish ends an attempt whose packages could not be published, by the
// server's fault or by an actor's wish, and puts its build back as after an
// infrastructure failure.
func (s *Store) AbandonPublish(ctx context.Context, attemptID int64, actor, message string) (buildbtw.Status, error) {
	var status buildbtw.Status
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		a, err := t.publishing(ctx, attemptID)
		if err != nil {
			return err
		}
		if a.State != buildbtw.AttemptPublishing {
			return buildbtw.Conflict("attempt %d is %s, not being published", a.ID, a.State)
		}
		status, err = t.end(ctx, a, ending{outcome: buildbtw.OutcomeInfrastructure, message: message, actor: actor})
		return err
	})
	if err != nil {
		return "", fmt.Errorf("abandon attempt %d: %w", attemptID, err)
	}
	return status, nil
}
