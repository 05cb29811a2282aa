package forge

import (
	"context"
	"errors"
	"fmt"

	"buildbtw"
)

const (
	ciChanges  = 20 // projects changed in one pass
	ciFailures = 3  // failures in one pass, after which it ends

	// variablesRole is the least role that may set variables of pipelines where nobody
	// could, which is GitLab's default for new groups.
	variablesRole = "maintainer"
)

// SetCIConfigs changes a few of the projects whose pipelines are described
// elsewhere than they should be, or that let nobody set variables of pipelines: that is
// how a pipeline learns which build it is for.
func (f *Forge) SetCIConfigs(ctx context.Context) error {
	if f.CIConfig == "" {
		return nil
	}
	projects, err := f.Store.ProjectsWithOtherCI(ctx, f.CIConfig, ciChanges)
	if err != nil {
		return err
	}
	failures := 0
	var unsaved []error
	for _, p := range projects {
		want := p.Project
		want.CIConfigPath = f.CIConfig
		if want.VariablesRole != "" {
			want.VariablesRole = variablesRole
		}
		err := f.Client.SetCIConfig(ctx, want)
		switch {
		case err == nil:
			f.Log.InfoContext(ctx, "CI configuration of a project set", "project", p.Path, "from", p.CIConfigPath, "to", f.CIConfig)
			err = f.Store.NoteCIConfig(ctx, want, "")
		case ctx.Err() == nil:
			failures++
			text := buildbtw.MessageOf(err)
			if text != p.CIMessage { // logged once
				f.Log.WarnContext(ctx, "the CI configuration of a project cannot be set", "project", p.Path, "error", err)
			}
			err = f.Store.NoteCIConfig(ctx, p.Project, text)
		}
		if err != nil {
			unsaved = append(unsaved, fmt.Errorf("set the CI configuration of project %s: %w", p.Path, err))
		}
		if failures >= ciFailures || ctx.Err() != nil {
			break
		}
	}
	return errors.Join(unsaved...)
}
