package buildbtw

import (
	"path"
	"time"
)

// Project is a source's home on a GitLab, as GitLab describes it.
type Project struct {
	ID           int64  `bun:"id,pk" json:"id"`                      // stays when the project is renamed or moved
	Path         string `bun:"path" json:"path"`                     // with all groups above: archlinux/packaging/packages/gtkplus
	SSHURL       string `bun:"ssh_url" json:"ssh_url"`               // where git finds it over SSH
	CIConfigPath string `bun:"ci_config_path" json:"ci_config_path"` // where its pipelines are described; empty: GitLab's default
	// VariablesRole is the least role that may set variables of its pipelines, in GitLab's
	// word; empty when GitLab does not show it to the token.
	VariablesRole string    `bun:"variables_role" json:"variables_role"`
	ActiveAt      time.Time `bun:"active_at" json:"active_at"` // of the latest push that GitLab took notice of: see ActivityDelay
}

// Slug names the source: the last part of the path.
func (p Project) Slug() string { return path.Base(p.Path) }

const (
	// ActivityDelay is how far behind GitLab's notion of a project's latest
	// activity may be: it writes the time at most once an hour (its
	// Event::RESET_PROJECT_ACTIVITY_INTERVAL). Five minutes are for clocks that
	// differ.
	ActivityDelay = time.Hour + 5*time.Minute

	// recheckPause is between fetches of a project whose activity GitLab may not
	// have noted. Webhooks tell sooner.
	recheckPause = 5 * time.Minute

	// fetchAnyway is after how long a project is fetched whatever its activity: GitLab
	// does not note the creation of branches and tags, and may lose a push altogether.
	fetchAnyway = 24 * time.Hour

	// Pauses after a fetch that failed, the first and the longest.
	firstPause = time.Minute
	lastPause  = time.Hour
)

// NextFetch returns when a project must be fetched again even if GitLab shows no
// further activity, after a fetch that began at a time: soon while a push may go
// unnoticed, else within a day. Projects that were fetched at the same time come
// at different ones.
func (p Project) NextFetch(began time.Time) time.Time {
	shows := p.ActiveAt.Add(ActivityDelay)
	again := began.Add(recheckPause)
	switch {
	case !began.Before(shows):
		return began.Add(fetchAnyway - time.Duration(p.ID%720)*time.Minute)
	case again.Before(shows):
		return again
	}
	return shows
}

// RetryFetch returns when to try again after the nth failure in a row.
func RetryFetch(failed time.Time, failures int) time.Time {
	return failed.Add(min(firstPause<<min(max(failures-1, 0), 10), lastPause))
}

// MirroredProject is a project with how mirroring it stands.
type MirroredProject struct {
	Project
	Group string `bun:"group_name"` // the SourceGroup it was found in
	Slug  string `bun:"slug"`       // of the source

	// NextAt is when it is to be fetched; nil: when it is active again.
	NextAt    *time.Time `bun:"next_at"`
	FetchedAt *time.Time `bun:"fetched_at"` // when the last fetch that succeeded began; nil: none did
	TriedAt   *time.Time `bun:"tried_at"`   // when it was fetched last, with or without success
	Failures  int        `bun:"failures"`   // in a row
	MissingAt *time.Time `bun:"missing_at"` // when it was first missing from its group's list; nil: it is there
	Message   string     `bun:"message"`    // why it cannot be mirrored, in words for people; empty when it can
	CIMessage string     `bun:"ci_message"` // why its CI configuration cannot be set; empty when it can
}

// SourceGroup is a group of projects that are sources.
type SourceGroup struct {
	Name string `bun:"name,pk"` // the address of its page

	// SeenUntil is the start of the last query for active projects after which
	// all of them were fetched; nil until all projects have been.
	SeenUntil *time.Time `bun:"seen_until"`
	ListedAt  *time.Time `bun:"listed_at"` // when all projects were listed last
	FilledAt  *time.Time `bun:"filled_at"` // when every project had been tried for the first time
	AskedAt   *time.Time `bun:"asked_at"`  // when GitLab last answered a query about the group
	HookAt    *time.Time `bun:"hook_at"`   // when GitLab last called a webhook about one of its projects; to the minute
	Message   string     `bun:"message"`   // why it does not answer now; empty when it does
}
