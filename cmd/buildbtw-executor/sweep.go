package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/runners"
)

// sweepTime bounds the time that a stage of one job spends on others.
const sweepTime = 20 * time.Second

// late is how long after its time limit a job counts as gone, though the runner
// that began it is there: its cleanup was not called.
const late = time.Hour

// gone reports whether nobody executes the job any more.
func (s state) gone(now time.Time) bool {
	return !s.Runner.alive() || !s.Until.IsZero() && now.After(s.Until.Add(late))
}

// sweep cleans up after jobs whose runner was killed. After a failure the next
// job tries again.
func (s *settings) sweep(ctx context.Context, dir stateDir, except int64) {
	ctx, cancel := context.WithTimeout(ctx, sweepTime)
	defer cancel()
	jobs, err := dir.jobs()
	if err != nil {
		say("%v", err)
		return
	}
	for _, d := range jobs {
		st, err := d.readState()
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			say("a job's state cannot be read and is taken for gone: %v", err)
		}
		if d == dir.job(except) || err == nil && !st.gone(time.Now()) || err != nil && fresh(d) {
			continue
		}
		if err := s.clear(ctx, d, st); err != nil {
			say("what a job has left cannot be cleaned up: %v", err)
			continue
		}
		say("cleaned up after job %d, whose runner is gone", st.Job)
		removeResponses(os.Getenv("JOB_RESPONSE_FILE"), st.Job)
	}
}

// removeResponses removes the directories that a killed gitlab-runner has left of a job, beside
// the one of the job that runs now: GitLab's answer in them has the job's token.
func removeResponses(own string, job int64) {
	if own == "" || job == 0 {
		return
	}
	dirs, err := filepath.Glob(filepath.Join(filepath.Dir(filepath.Dir(own)), "custom-executor*"))
	if err != nil {
		return // a directory whose name is a pattern
	}
	for _, dir := range dirs {
		file := filepath.Join(dir, filepath.Base(own))
		info, err := os.Lstat(file)
		if dir == filepath.Dir(own) || err != nil || !info.Mode().IsRegular() {
			continue
		}
		if r, err := readResponse(file); err != nil || r.ID != job {
			continue
		}
		if err := os.RemoveAll(dir); err != nil {
			say("what gitlab-runner has left of job %d cannot be removed: %v", job, err)
		}
	}
}

// fresh reports whether a directory without a state may be one that another job
// is just making.
func fresh(d jobDir) bool {
	info, err := os.Stat(string(d))
	return err == nil && time.Since(info.ModTime()) < time.Minute
}

// clear ends everything that a job has left: processes, its lease, files. It
// fails while the job's build is still executed.
func (s *settings) clear(ctx context.Context, d jobDir, st state) error {
	if _, err := os.Stat(d.work()); err == nil {
		if err := runners.ClearWorkDir(d.work()); err != nil {
			return err
		}
	}
	if st.Lease != "" {
		if err := s.giveUp(ctx, st); err != nil {
			return err
		}
	}
	return runners.RemoveTree(string(d))
}

// giveUp reports an attempt whose executor was killed: the server need not wait
// until the lease has run out. One that is over already is none of ours.
func (s *settings) giveUp(ctx context.Context, st state) error {
	client, _, err := s.client(briefly(sweepTime / 2))
	if err != nil {
		return err
	}
	_, err = client.Finish(ctx, st.Lease, api.FinishRequest{
		Outcome: buildbtw.OutcomeInfrastructure, Reason: "the executor was killed before it could report how the build ended",
	})
	switch kind := buildbtw.KindOf(err); {
	case err == nil, kind == buildbtw.KindConflict, kind == buildbtw.KindNotFound, kind == buildbtw.KindForbidden:
		return nil
	case api.Temporary(err):
		say("the server does not answer; the lease of build %s will run out by itself", st.Build)
		return nil
	}
	return fmt.Errorf("report the end of build %s: %w", st.Build, err)
}
