package buildbtw

import (
	"path"
	"time"
)

// Project is a source's home on a GitLab, as GitLab describes it.
type Project struct {
	ID           int64     `bun:"id,pk"`          // stays when the project is renamed or moved
	Path         string    `bun:"path"`           // with all groups above: archlinux/packaging/packages/gtkplus
	SSHURL       string    `bun:"ssh_url"`        // where git finds it over SSH
	CIConfigPath string    `bun:"ci_config_path"` // where its pipelines are described; empty: GitLab's default
	ActiveAt     time.Time `bun:"active_at"`      // of the latest push that GitLab took notice of: see ActivityDelay
}

// ActivityDelay is how far behind GitLab's notion of a project's latest activity
// may be: it writes the time at most once an hour (its
// Event::RESET_PROJECT_ACTIVITY_INTERVAL).
const ActivityDelay = time.Hour

// Slug names the source: the last part of the path.
func (p Project) Slug() string { return path.Base(p.Path) }
