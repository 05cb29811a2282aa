package api

import (
	"encoding/json"
	"time"

	"buildbtw"
	"buildbtw/forecast"
)

// Page is one page of a list. Cursor asks for the next one; empty at the end.
type Page[T any] struct {
	Items  []T    `json:"items"`
	Cursor string `json:"cursor,omitempty"`
}

// NewBuildspace asks for a buildspace or for its plan.
type NewBuildspace struct {
	Name       string   `json:"name,omitempty"` // empty: made from the first changeset
	Changesets []string `json:"changesets"`     // slug or slug/ref
	Settings
	// Confirm allows more builds than the server creates without asking.
	Confirm bool `json:"confirm,omitempty"`
}

// Settings are a buildspace's settings; an absent one stays as it is or gets
// the default.
type Settings struct {
	Scope         *buildbtw.Scope    `json:"scope,omitempty"`
	Cycles        *buildbtw.Cycles   `json:"cycles,omitempty"`
	Priority      *buildbtw.Priority `json:"priority,omitempty"`
	FollowAll     *bool              `json:"follow_all,omitempty"`
	Reuse         *bool              `json:"reuse,omitempty"`
	CutOff        *bool              `json:"cut_off,omitempty"`
	Makedepends   *bool              `json:"makedepends,omitempty"`
	Architectures *[]string          `json:"architectures,omitempty"`
	Exclude       *[]string          `json:"exclude,omitempty"`
	Add           *[]string          `json:"add,omitempty"`
}

// Apply overwrites the settings of s that are present in w.
func (w Settings) Apply(s *buildbtw.Settings) {
	set(&s.Scope, w.Scope)
	set(&s.Cycles, w.Cycles)
	set(&s.Priority, w.Priority)
	set(&s.FollowAll, w.FollowAll)
	set(&s.Reuse, w.Reuse)
	set(&s.CutOff, w.CutOff)
	set(&s.Makedepends, w.Makedepends)
	set((*[]string)(&s.Architectures), w.Architectures)
	set((*[]string)(&s.Exclude), w.Exclude)
	set((*[]string)(&s.Add), w.Add)
}

func set[T any](dst *T, src *T) {
	if src != nil {
		*dst = *src
	}
}

// PlanRequest is a request for a plan. The answer is buildgraph.Plan as JSON.
type PlanRequest struct {
	Changesets []string `json:"changesets"`
	Settings
}

// ExplainRequest asks why a plan has a package, or why not.
type ExplainRequest struct {
	PlanRequest
	Package string `json:"package"` // a pkgbase or pkgname
}

// EditBuildspace changes a buildspace. Status active or stopped starts or stops it.
type EditBuildspace struct {
	Status     *buildbtw.BuildspaceStatus `json:"status,omitempty"`
	Changesets *[]string                  `json:"changesets,omitempty"`
	Settings
}

// NewIteration asks for an iteration by hand.
type NewIteration struct {
	Reason string `json:"reason,omitempty"` // in words, shown beside the iteration
}

// Buildspace as lists and pages show it.
type Buildspace struct {
	Name          string                    `json:"name"`
	Status        buildbtw.BuildspaceStatus `json:"status"`
	Changesets    []string                  `json:"changesets"`
	Scope         buildbtw.Scope            `json:"scope"`
	Cycles        buildbtw.Cycles           `json:"cycles"`
	Priority      buildbtw.Priority         `json:"priority"`
	FollowAll     bool                      `json:"follow_all"`
	Reuse         bool                      `json:"reuse"`   // builds whose input was built before are not built again
	CutOff        bool                      `json:"cut_off"` // with scope auto: dependents whose inputs did not change are skipped
	Makedepends   bool                      `json:"makedepends"`
	Architectures []string                  `json:"architectures"`
	Exclude       []string                  `json:"exclude"`
	Add           []string                  `json:"add"`
	CreatedBy     string                    `json:"created_by"`
	CreatedAt     time.Time                 `json:"created_at"`
	Latest        *Iteration                `json:"latest,omitempty"` // nil before the first
	URL           string                    `json:"url"`              // of the page
}

// Iteration with its derived status.
type Iteration struct {
	Number     int                      `json:"number"`
	Status     buildbtw.IterationStatus `json:"status"`
	Reason     buildbtw.IterationReason `json:"reason"`
	ReasonText string                   `json:"reason_text,omitempty"`
	Error      string                   `json:"error,omitempty"`
	CreatedAt  time.Time                `json:"created_at"`
	Counts     buildbtw.Counts          `json:"counts"` // builds by status
	Total      int                      `json:"total"`
	Blockers   []Blocker                `json:"blockers,omitempty"`
	Repository []ArchRepository         `json:"repositories,omitempty"`
	URL        string                   `json:"url"`
}

// Blocker is a build that others wait for in vain, with how many.
type Blocker struct {
	Build  BuildRef `json:"build"`
	Blocks int      `json:"blocks"` // builds that cannot start because of it, directly or through others
}

// BuildRef names a build where it is mentioned by another.
type BuildRef struct {
	ID           string          `json:"id"`
	Pkgbase      string          `json:"pkgbase"`
	Architecture string          `json:"architecture"`
	Status       buildbtw.Status `json:"status"`
}

// ArchRepository is an iteration's pacman repository for one architecture.
type ArchRepository struct {
	Architecture string `json:"architecture"`
	Repository
	PacmanConf string `json:"pacman_conf"` // the section to paste before [core]
}

// Build as lists show it.
type Build struct {
	ID           string          `json:"id"`
	Buildspace   string          `json:"buildspace"`
	Iteration    int             `json:"iteration"`
	Architecture string          `json:"architecture"`
	Pkgbase      string          `json:"pkgbase"`
	Source       string          `json:"source"`
	Commit       string          `json:"commit"`
	Version      string          `json:"version"`
	Stage        int             `json:"stage"`
	Level        int             `json:"level"`
	Pkgnames     []string        `json:"pkgnames"`
	Reason       buildbtw.Reason `json:"reason"`
	Status       buildbtw.Status `json:"status"`
	SkipReason   buildbtw.Cause  `json:"skip_reason,omitempty"`
	Attempts     int             `json:"attempts"`
	Held         buildbtw.Hold   `json:"held,omitempty"`        // why a pending build is not handed out
	ReusedFrom   string          `json:"reused_from,omitempty"` // the build whose packages it has
	ChangedAt    time.Time       `json:"changed_at"`
	StartedAt    *time.Time      `json:"started_at,omitempty"`
	FinishedAt   *time.Time      `json:"finished_at,omitempty"`
	RootCauses   []BuildRef      `json:"root_causes,omitempty"` // for blocked: the failed or cancelled builds it waits for in the end
	URL          string          `json:"url"`
}

// BuildDetail is one build with all that is known of it.
type BuildDetail struct {
	Build
	Chain      []BuildRef `json:"chain"`       // from this build to the changeset that brought it into the set
	WaitingFor []BuildRef `json:"waiting_for"` // direct dependencies that are not built
	Dependents []BuildRef `json:"dependents"`
	Cuts       []Cut      `json:"cuts"` // dependencies that the base provides because of a cycle
	Packages   []Package  `json:"packages"`
	Pipelines  []Pipeline `json:"pipelines"` // in GitLab, newest first
}

// Pipeline is a build handed to GitLab.
type Pipeline struct {
	Number    int64      `json:"number"` // GitLab's; 0 until it has made the pipeline
	Project   string     `json:"project"`
	Status    string     `json:"status"`            // GitLab's word when it was last seen
	Message   string     `json:"message,omitempty"` // why nothing came of it
	URL       string     `json:"url,omitempty"`
	JobURL    string     `json:"job_url,omitempty"`
	CommitURL string     `json:"commit_url,omitempty"`
	CreatedAt time.Time  `json:"created_at"`
	EndedAt   *time.Time `json:"ended_at,omitempty"`
}

// Cut is an edge left out of the order, with the cycle it lies on.
type Cut struct {
	From  string   `json:"from"` // pkgbase whose package is taken from the base
	To    string   `json:"to"`
	Kinds []string `json:"kinds"`
	Cycle []string `json:"cycle"`
}

// Package is a built file.
type Package struct {
	Pkgname      string `json:"pkgname"`
	Version      string `json:"version"`
	Architecture string `json:"architecture"`
	Filename     string `json:"filename"`
	SHA256       string `json:"sha256"`
	Size         int64  `json:"size"`
	URL          string `json:"url"`
}

// Attempt is one execution of a build.
type Attempt struct {
	Number     int                   `json:"number"`
	Worker     string                `json:"worker"`
	Runner     string                `json:"runner"`
	State      buildbtw.AttemptState `json:"state"`
	Outcome    buildbtw.Outcome      `json:"outcome,omitempty"`
	Message    string                `json:"message,omitempty"`
	StartedAt  time.Time             `json:"started_at"`
	FinishedAt *time.Time            `json:"finished_at,omitempty"`
	LogSize    int64                 `json:"log_size"`
}

// Graph is the build graph of an iteration and architecture.
type Graph struct {
	Builds []Build     `json:"builds"`
	Edges  []GraphEdge `json:"edges"`
	Cuts   []Cut       `json:"cuts"`
}

// GraphEdge is the order of two builds, by id: From must be built before To.
type GraphEdge struct {
	From  string   `json:"from"`
	To    string   `json:"to"`
	Kinds []string `json:"kinds"`
}

// Diff is the difference of two iterations, per architecture.
type Diff struct {
	From          int                 `json:"from"`
	To            int                 `json:"to"`
	Architectures map[string]DiffArch `json:"architectures"`
}

// DiffArch is the diff of one architecture's graph.
type DiffArch struct {
	Added        []string     `json:"added"` // pkgbases
	Removed      []string     `json:"removed"`
	Changed      []DiffChange `json:"changed"`
	EdgesAdded   []DiffEdge   `json:"edges_added"`
	EdgesRemoved []DiffEdge   `json:"edges_removed"`
}

// DiffChange is a build whose commit moved.
type DiffChange struct {
	Pkgbase     string `json:"pkgbase"`
	FromCommit  string `json:"from_commit"`
	ToCommit    string `json:"to_commit"`
	FromVersion string `json:"from_version"`
	ToVersion   string `json:"to_version"`
}

// DiffEdge is an edge by pkgbase.
type DiffEdge struct {
	From  string   `json:"from"`
	To    string   `json:"to"`
	Kinds []string `json:"kinds"`
}

// Source is a source as the mirror knows it.
type Source struct {
	Slug    string    `json:"slug"`
	Ref     string    `json:"ref"`
	Commit  string    `json:"commit"`
	Pkgbase string    `json:"pkgbase,omitempty"`
	Version string    `json:"version,omitempty"`
	Error   string    `json:"error,omitempty"` // why it cannot be planned: file, line and reason
	Read    time.Time `json:"read"`
}

// Root is a place of sources with how the last look at it went.
type Root struct {
	Name    string    `json:"name"`
	Synced  time.Time `json:"synced"`          // end of the last look
	Seconds float64   `json:"seconds"`         // that it took
	Sources int       `json:"sources"`         // that are there
	Broken  int       `json:"broken"`          // of them could not be mirrored
	Error   string    `json:"error,omitempty"` // why the place could not be looked at
}

// Mirror is how mirroring the sources stands.
type Mirror struct {
	Roots   []Root `json:"roots"`
	Sources int    `json:"sources"` // at the base ref
	Broken  int    `json:"broken"`  // of them cannot be planned
}

// Worker is a build machine with its running builds.
type Worker struct {
	Name          string    `json:"name"`
	Architectures []string  `json:"architectures"`
	Runners       []string  `json:"runners"`
	Labels        []string  `json:"labels"`
	Version       string    `json:"version"`
	FirstSeen     time.Time `json:"first_seen"`
	LastSeen      time.Time `json:"last_seen"`
	SetAside      string    `json:"set_aside,omitempty"`
	Running       []Build   `json:"running"`
}

// Event is one row of the history.
type Event struct {
	ID         string             `json:"id"`
	At         time.Time          `json:"at"`
	Actor      string             `json:"actor"`
	Kind       buildbtw.EventKind `json:"kind"`
	Buildspace string             `json:"buildspace,omitempty"`
	Iteration  int                `json:"iteration,omitempty"`
	BuildID    string             `json:"build_id,omitempty"`
	Pkgbase    string             `json:"pkgbase,omitempty"`
	From       buildbtw.Status    `json:"from,omitempty"`
	To         buildbtw.Status    `json:"to,omitempty"`
	Cause      buildbtw.Cause     `json:"cause,omitempty"`
	Message    string             `json:"message,omitempty"`
}

// Me is the user who made the call.
type Me struct {
	Name string        `json:"name"`
	Role buildbtw.Role `json:"role"`
}

// Health is the answer of a server that is up.
type Health struct {
	Status  string `json:"status"`
	Version string `json:"version"`
}

// Plan is buildgraph.Plan as it travels; bbtw decodes it into that type.
type Plan = json.RawMessage

// Forecast predicts when an iteration will be done and which builds delay it
// most. It covers the builds that can still run: those that wait for a failed
// or cancelled one are only counted.
type Forecast struct {
	At           time.Time       `json:"at"`
	Workers      int             `json:"workers"`           // builds that can run at the same time: the iteration's share of the present workers
	Remaining    int             `json:"remaining"`         // builds still to be done
	Blocked      int             `json:"blocked"`           // builds that wait for something that failed or was cancelled
	Known        int             `json:"known"`             // builds still to be done whose duration was learned
	WorkSeconds  float64         `json:"work_seconds"`      // of all remaining builds
	ChainSeconds float64         `json:"chain_seconds"`     // of the longest chain: no number of workers is faster
	Seconds      *forecast.Range `json:"seconds,omitempty"` // from At; absent when nobody works or nothing is left
	Chain        []ChainStep     `json:"chain"`             // the longest chain, first build first
	BurnDown     []BurnPoint     `json:"burn_down"`
	Blockers     []HeldWork      `json:"blockers"` // most blocked work first; at most 20
}

// HeldWork is the work that cannot be done because of one build, directly or
// through others.
type HeldWork struct {
	Build   BuildRef `json:"build"`
	Builds  int      `json:"builds"`
	Seconds float64  `json:"seconds"` // that they are thought to take, one after the other
}

// ChainStep is a build on the longest chain with the time it is thought to
// need still.
type ChainStep struct {
	Build   BuildRef `json:"build"`
	Seconds float64  `json:"seconds"`
}

// BurnPoint is the number of unfinished builds at a time.
type BurnPoint struct {
	At        time.Time `json:"at"`
	Remaining int       `json:"remaining"`
}
