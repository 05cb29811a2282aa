package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"

	"buildbtw"
)

// WaitForRepository makes a release that is being handed over wait until the repositories of
// the distribution show these files. The error is Conflict when it is not being handed over any
// more, or another release to its target waits.
func (s *Store) WaitForRepository(ctx context.Context, id int64, files []buildbtw.ReleaseFile) error {
	type row struct {
		Name         string `json:"name"`
		Pkgbase      string `json:"pkgbase"`
		Pkgname      string `json:"pkgname"`
		Version      string `json:"version"`
		Architecture string `json:"architecture"`
		Repository   string `json:"repository"`
		SHA256       string `json:"sha256"`
		Size         int64  `json:"size"`
		Build        int64  `json:"build"`
	}
	rows := make([]row, len(files))
	for i, f := range files {
		rows[i] = row{f.Name, f.Pkgbase, f.Pkgname, f.Version, f.Architecture, f.Repository, f.SHA256, f.Size, f.BuildID}
	}
	text, err := json.Marshal(rows)
	if err != nil {
		return fmt.Errorf("let release %d wait for the repository: %w", id, err)
	}
	err = s.inTx(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, "begin_waiting", args{"id": id})
		if err != nil {
			return err
		}
		if n != 1 {
			return t.refuseRelease(ctx, id)
		}
		if _, err := t.exec(ctx, "forget_release_files", args{"id": id}); err != nil {
			return err
		}
		if _, err := t.exec(ctx, "add_release_files", args{"id": id, "files": string(text)}); err != nil {
			return err
		}
		return t.recordRelease(ctx, buildbtw.System, id, buildbtw.ReleaseWaiting)
	})
	if err != nil {
		return fmt.Errorf("let release %d wait for the repository: %w", id, err)
	}
	return nil
}

// WaitingReleases lists the releases to a target, or with 0 to all, that wait for the
// repositories of a distribution, in the order in which they were confirmed. The error names
// those that cannot be read.
func (q *Reader) WaitingReleases(ctx context.Context, target int64) ([]ReleaseRow, error) {
	return q.releasesIn(ctx, buildbtw.ReleaseWaiting, target)
}

// ReleaseFiles lists the files of a release that a packager hands over, by repository and name;
// none of other releases.
func (q *Reader) ReleaseFiles(ctx context.Context, id int64) ([]buildbtw.ReleaseFile, error) {
	files := []buildbtw.ReleaseFile{}
	if err := q.list(ctx, &files, "release_files", args{"id": id}); err != nil {
		return nil, fmt.Errorf("list the files of release %d: %w", id, err)
	}
	return files, nil
}

// NoteRelease notes what a release that goes on by itself waits for, or how much of it the
// repositories have. To note the same again changes nothing.
func (s *Store) NoteRelease(ctx context.Context, id int64, message string) error {
	err := s.inTx(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, "note_release", args{"id": id, "message": message})
		if err != nil || n == 0 {
			return err
		}
		r, err := t.release(ctx, id)
		if err != nil {
			return err
		}
		return t.record(ctx, buildbtw.Event{
			Actor: buildbtw.System, BuildspaceID: r.BuildspaceID, IterationID: r.IterationID, Kind: buildbtw.EventRelease,
			Message: fmt.Sprintf("Release %d to %s: %s", id, r.Target, cmp.Or(message, "none of its packages are in the repositories (any more).")),
		})
	})
	if err != nil {
		return fmt.Errorf("note how far release %d is: %w", id, err)
	}
	return nil
}
