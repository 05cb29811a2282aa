package store

import (
	"context"
	"fmt"
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
	Files         []buildbtw.Package // by file name
	Status        buildbtw.Status    // of the build; built when all of it has been done before
}

// Done reports whether there is nothing left to publish.
func (p Publishing) Done() bool { return p.Attempt.State == buildbtw.AttemptFinished }

// AddPackage notes an uploaded file. The same file name again replaces what was
// noted.
func (s *Store) AddPackage(ctx context.Context, lease string, p buildbtw.Package) error {
	err := s.transact(ctx, func(ctx context.Context, t *tx) error {
		a, err := t.running(ctx, lease)
		if err != nil {
			return err
		}
		if a.Stop {
			return errLeaseOver()
		}
		p.AttemptID, p.BuildID = a.ID, a.BuildID
		return t.putPackage(ctx, p)
	})
	if err != nil {
		return fmt.Errorf("add package %s: %w", p.Filename, err)
	}
	return nil
}

func (t *tx) putPackage(ctx context.Context, p buildbtw.Package) error {
	_, err := t.execText(ctx, `INSERT INTO packages (build_id, attempt_id, pkgname, version, architecture, filename, sha256, size, created_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (build_id, attempt_id, filename) DO UPDATE SET pkgname = EXCLUDED.pkgname, version = EXCLUDED.version,
    architecture = EXCLUDED.architecture, sha256 = EXCLUDED.sha256, size = EXCLUDED.size, created_at = EXCLUDED.created_at`,
		p.BuildID, p.AttemptID, p.Pkgname, p.Version, p.Architecture, p.Filename, p.SHA256, p.Size, t.now)
	return err
}

// BeginPublish takes a worker's word that an attempt was built with these
// files: they must be exactly the uploaded ones, and every pkgname that the
// build promises must be among them. From here on the attempt cannot be lost or
// stopped. The same report again gives the same answer, also after the end.
func (s *Store) BeginPublish(ctx context.Context, lease string, files []PackageFile) (Publishing, error) {
	var p Publishing
	err := s.transact(ctx, func(ctx context.Context, t *tx) error {
		a, err := t.attempt(ctx, lease)
		if err != nil {
			return err
		}
		if p, err = t.loadPublishing(ctx, a); err != nil {
			return err
		}
		switch {
		case a.State == buildbtw.AttemptRunning && a.Stop:
			return errLeaseOver()
		case a.Outcome != "" && a.Outcome != buildbtw.OutcomeBuilt:
			s.opts.Log.WarnContext(ctx, "late packages of an attempt were ignored", "attempt", a.ID, "worker", a.Worker, "outcome", a.Outcome)
			return buildbtw.Conflict("the attempt ended already (%s); its packages are not taken", a.Outcome)
		}
		if err := p.check(files); err != nil {
			return err
		}
		if a.State == buildbtw.AttemptRunning {
			p.Attempt.State, p.Attempt.Outcome = buildbtw.AttemptPublishing, buildbtw.OutcomeBuilt
			return t.setPublishing(ctx, a)
		}
		return nil
	})
	if err != nil {
		return Publishing{}, fmt.Errorf("begin to publish: %w", err)
	}
	return p, nil
}

func (t *tx) setPublishing(ctx context.Context, a *buildbtw.Attempt) error {
	t.changed.add(Change{Builds: []int64{a.BuildID}})
	const resultFor = `input_key = (SELECT CASE WHEN b.forced OR NOT s.reuse THEN '' ELSE b.input_key END
FROM builds AS b ` + buildRowJoins + ` WHERE b.id = ?)`
	_, err := t.execText(ctx, `UPDATE attempts SET state = 'publishing', outcome = ?, `+resultFor+` WHERE id = ? AND state = 'running'`,
		buildbtw.OutcomeBuilt, a.BuildID, a.ID)
	return err
}

// check compares the worker's list with what was uploaded.
func (p Publishing) check(files []PackageFile) error {
	uploaded := map[string]string{}
	pkgnames := map[string]bool{}
	for _, f := range p.Files {
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
	for _, f := range p.Files {
		if !named[f.Filename] {
			return buildbtw.Invalid("%s was uploaded but is not among the finished files", f.Filename)
		}
	}
	for _, name := range p.Build.Pkgnames {
		if !pkgnames[name] {
			return buildbtw.Invalid("package %s of %s is missing; a build is finished with all its packages", name, p.Build.Pkgbase)
		}
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
	err = q.listText(ctx, &p.Files, `SELECT * FROM packages WHERE build_id = ? AND attempt_id = ? ORDER BY filename`, a.BuildID, a.ID)
	if err != nil {
		return p, err
	}
	err = q.listText(ctx, &p.Architectures, `SELECT architecture FROM builds WHERE id = ?
UNION SELECT architecture FROM builds WHERE twin_of = ? AND twin_of <> 0 ORDER BY architecture`, a.BuildID, a.BuildID)
	return p, err
}

// Publishing lists the attempts whose packages are on their way into the
// repositories. After a crash each is published again and completed.
func (q *Reader) Publishing(ctx context.Context) ([]Publishing, error) {
	var attempts []buildbtw.Attempt
	list := []Publishing{}
	err := q.listText(ctx, &attempts, `SELECT * FROM attempts WHERE state = 'publishing' ORDER BY id`)
	for i := 0; err == nil && i < len(attempts); i++ {
		var p Publishing
		p, err = q.loadPublishing(ctx, &attempts[i])
		list = append(list, p)
	}
	if err != nil {
		return nil, fmt.Errorf("list what is being published: %w", err)
	}
	return list, nil
}

// CompletePublish ends an attempt whose packages are in the repositories: the
// build is built, its packages are the published ones, its twins are built as
// far as they wait for nothing else, and what waited only for these is pending.
// Doing it again changes nothing.
func (s *Store) CompletePublish(ctx context.Context, attemptID int64) (buildbtw.Status, error) {
	var status buildbtw.Status
	err := s.transact(ctx, func(ctx context.Context, t *tx) error {
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
	err := t.getText(ctx, a, `SELECT * FROM attempts WHERE id = ?`, id)
	return a, notFound(err, "there is no attempt %d", id)
}

func (t *tx) complete(ctx context.Context, a *buildbtw.Attempt) error {
	var files []buildbtw.Package
	err := t.listText(ctx, &files, `SELECT * FROM packages WHERE build_id = ? AND attempt_id = ?`, a.BuildID, a.ID)
	if err != nil {
		return err
	}
	err = t.moveOne(ctx, a.BuildID, change{
		to: buildbtw.StatusBuilt, cause: buildbtw.CauseFinished, actor: a.Worker,
		message: "All packages are published.",
		set: []clause{
			sqlf("finished_at = ?", t.now), sqlf("retries = 0"),
			sqlf("output_digest = ?", outputDigest(files)), sqlf("reused_from = 0"), sqlf("forced = FALSE"),
		},
	})
	if err != nil {
		return err
	}
	if _, err = t.execText(ctx, `UPDATE packages SET published = (attempt_id = ?) WHERE build_id = ?`, a.ID, a.BuildID); err != nil {
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

// AbandonPublish ends an attempt whose packages could not be published by the
// server's fault, and puts its build back as after an infrastructure failure.
func (s *Store) AbandonPublish(ctx context.Context, attemptID int64, message string) (buildbtw.Status, error) {
	var status buildbtw.Status
	err := s.transact(ctx, func(ctx context.Context, t *tx) error {
		a, err := t.publishing(ctx, attemptID)
		if err != nil {
			return err
		}
		if a.State != buildbtw.AttemptPublishing {
			return buildbtw.Conflict("attempt %d is %s, not being published", a.ID, a.State)
		}
		status, err = t.end(ctx, a, ending{buildbtw.OutcomeInfrastructure, message})
		return err
	})
	if err != nil {
		return "", fmt.Errorf("abandon attempt %d: %w", attemptID, err)
	}
	return status, nil
}
