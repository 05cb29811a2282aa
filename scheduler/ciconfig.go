package scheduler

import (
	"context"
	"fmt"

	"buildbtw"
)

// CISetter says where the pipelines of a project are described.
type CISetter interface {
	SetCIConfig(ctx context.Context, id int64, path string) error
}

const (
	ciChanges  = 20 // projects changed in one pass
	ciFailures = 3  // failures in one pass, after which it ends
)

// ciPass changes a few of the projects whose pipelines are described elsewhere
// than they should be.
func (s *Scheduler) ciPass(ctx context.Context) error {
	if s.CIConfig == "" {
		return nil
	}
	projects, err := s.Store.ProjectsWithOtherCI(ctx, s.CIConfig, ciChanges)
	if err != nil {
		return err
	}
	failures := 0
	for _, p := range projects {
		err := s.CI.SetCIConfig(ctx, p.ID, s.CIConfig)
		if err == nil {
			err = s.Store.NoteCIConfig(ctx, p.ID, s.CIConfig, "")
			s.Log.InfoContext(ctx, "CI configuration of a project set", "project", p.Path, "from", p.CIConfigPath, "to", s.CIConfig)
		} else if ctx.Err() == nil {
			failures++
			err = s.noteCIFailure(ctx, p, err)
		}
		if err != nil {
			return fmt.Errorf("set the CI configuration of project %s: %w", p.Path, err)
		}
		if failures >= ciFailures {
			break
		}
	}
	return nil
}

// noteCIFailure keeps why a project could not be changed; the log tells once.
func (s *Scheduler) noteCIFailure(ctx context.Context, p buildbtw.MirroredProject, failure error) error {
	text := buildbtw.MessageOf(failure)
	if text != p.CIMessage {
		s.Log.WarnContext(ctx, "the CI configuration of a project cannot be set", "project", p.Path, "error", failure)
	}
	return s.Store.NoteCIConfig(ctx, p.ID, p.CIConfigPath, text)
}
