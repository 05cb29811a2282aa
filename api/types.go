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
	FollowFixes   *bool              `json:"follow_fixes,omitempty"`
	Reuse         *bool              `json:"reuse,omitempty"`
	CutOff        *bool              `json:"cut_off,omitempty"`
	Bump          *bool              `json:"bump,omitempty"`
	Baseline      *bool              `json:"baseline,omitempty"`
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
	set(&s.FollowFixes, w.FollowFixes)
	set(&s.Reuse, w.Reuse)
	set(&s.CutOff, w.CutOff)
	set(&s.Bump, w.Bump)
	set(&s.Baseline, w.Baseline)
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

// Fix is a request to build failed builds of a buildspace again from newer commits of their
// sources, all in one new iteration.
type Fix struct {
	Builds []string `json:"builds"`        // ids of the failed builds
	Ref    string   `json:"ref,omitempty"` // the branch, tag or commit with the fix; empty: that of the changeset if the source is one, else the base ref
}

// Fixed is the answer to a Fix: the sources that the new iteration builds.
type Fixed struct {
	Buildspace string        `json:"buildspace"`
	Sources    []FixedSource `json:"sources"`           // of the builds, each once
	Already    bool          `json:"already,omitempty"` // nothing was changed: the latest or the next iteration builds these commits anyway
	URL        string        `json:"url"`               // of the buildspace's page
}

// FixedSource is the source of a failed build, and the commit of it that is built instead.
type FixedSource struct {
	Changeset string `json:"changeset"` // slug or slug/ref
	Added     bool   `json:"added"`     // the fix made the source a changeset; false: it was one before
	Failed    string `json:"failed"`    // id of the commit whose build failed
	Commit    Commit `json:"commit"`    // the one that is built
	Words     string `json:"words"`     // what will be built, as a sentence for people
}

// Commit identifies a commit of a source, with its subject, author and author date. Only
// the id is there when the server cannot read the commit.
type Commit struct {
	ID      string     `json:"id"`                // 40 hexadecimal digits
	Subject string     `json:"subject,omitempty"` // first line of the message
	Author  string     `json:"author,omitempty"`  // name, without the address
	At      *time.Time `json:"at,omitempty"`
	Missing bool       `json:"missing,omitempty"` // it is not in the mirror any more
	URL     string     `json:"url,omitempty"`     // at which the forge shows it
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
	FollowFixes   bool                      `json:"follow_fixes"` // a push to the source of a failed build makes it a changeset
	Reuse         bool                      `json:"reuse"`        // builds whose input was built before are not built again
	CutOff        bool                      `json:"cut_off"`      // with scope auto: dependents whose inputs did not change are skipped
	Bump          bool                      `json:"bump"`         // rebuilds get a higher version than what they replace
	Baseline      bool                      `json:"baseline"`     // failures are compared with the base by themselves
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
	Changesets []ChangesetCommit        `json:"changesets,omitempty"` // with their commits; not in lists
	Counts     buildbtw.Counts          `json:"counts"`               // builds by status
	Blocked    int                      `json:"blocked,omitempty"`    // of the builds with the status blocked, those that wait for one that failed or was cancelled; not in lists
	Total      int                      `json:"total"`
	Failures   map[string]int           `json:"failures,omitempty"` // failed and flaky builds by the word of their verdict; not in lists
	Blockers   []Blocker                `json:"blockers,omitempty"`
	Freed      *int                     `json:"freed,omitempty"` // builds that could go on when the builds of the query fix were fixed; fixing all blockers frees Blocked
	Repository []ArchRepository         `json:"repositories,omitempty"`
	Latest     *LatestRepository        `json:"latest_repository,omitempty"` // nil while no iteration of the buildspace is complete
	Upgrade    *Upgrade                 `json:"upgrade,omitempty"`
	URL        string                   `json:"url"`
}

// ChangesetCommit is a changeset of an iteration with the commit at which it stands.
type ChangesetCommit struct {
	Source string `json:"source"`
	Ref    string `json:"ref,omitempty"` // empty: the base ref
	Commit Commit `json:"commit"`
}

// Blocker is a build that others wait for in vain, with how many.
type Blocker struct {
	Build  BuildRef `json:"build"`
	Blocks int      `json:"blocks"` // builds that cannot start because of it, directly or through others
	Frees  int      `json:"frees"`  // those of them that nothing else blocks: what fixing it alone is worth
}

// BuildRef names a build where it is mentioned by another.
type BuildRef struct {
	ID           string          `json:"id"`
	Pkgbase      string          `json:"pkgbase"`
	Architecture string          `json:"architecture"`
	Status       buildbtw.Status `json:"status"`
	Error        *FirstError     `json:"error,omitempty"` // of a root cause that failed
}

// ArchRepository is an iteration's pacman repository for one architecture.
type ArchRepository struct {
	Architecture string `json:"architecture"`
	Repository
	PacmanConf string `json:"pacman_conf"` // the section to paste before [core]
}

// LatestRepository is the pacman repository that follows the newest complete
// iteration of a buildspace.
type LatestRepository struct {
	Iteration  int              `json:"iteration"` // which that is now
	Repository []ArchRepository `json:"repository"`
}

// Upgrade says how a machine that uses a repository installs the packages that were
// rebuilt in it.
type Upgrade struct {
	Words   string `json:"words"`
	Command string `json:"command"` // for a shell
}

// Build as lists show it.
type Build struct {
	ID           string          `json:"id"`
	OfBase       bool            `json:"of_base,omitempty"` // the commit on the base alone, which a failure is compared with; in no buildspace and iteration
	Second       bool            `json:"second,omitempty"`  // a second build, whose packages are compared with those of the first; in no buildspace and iteration
	Buildspace   string          `json:"buildspace"`
	Iteration    int             `json:"iteration"`
	Architecture string          `json:"architecture"`
	Pkgbase      string          `json:"pkgbase"`
	Source       string          `json:"source"`
	Commit       string          `json:"commit"`
	Version      string          `json:"version"`
	BumpedFrom   string          `json:"bumped_from,omitempty"`   // the source's version, when Commit was made for a higher one
	SourceCommit string          `json:"source_commit,omitempty"` // of which Commit was made then
	Stage        int             `json:"stage"`
	Level        int             `json:"level"`
	Pkgnames     []string        `json:"pkgnames"`
	NotOwned     buildbtw.Owners `json:"not_owned,omitempty"` // packages that are not published from it, with the pkgbases whose are
	Reason       buildbtw.Reason `json:"reason"`
	Status       buildbtw.Status `json:"status"`
	SkipReason   buildbtw.Cause  `json:"skip_reason,omitempty"`
	Attempts     int             `json:"attempts"`
	Retries      int             `json:"retries,omitempty"`       // tries that came to nothing by no fault of the package, since a person asked last
	LastTry      string          `json:"last_try,omitempty"`      // how the last of them ended, while it is tried again
	NotBefore    *time.Time      `json:"not_before,omitempty"`    // a pause before the next try
	Held         buildbtw.Hold   `json:"held,omitempty"`          // why a pending build is not handed out
	ReusedFrom   string          `json:"reused_from,omitempty"`   // the build whose packages it has
	BuiltVersion string          `json:"built_version,omitempty"` // of its packages, where pkgver() made another one than Version
	ChangedAt    time.Time       `json:"changed_at"`
	StartedAt    *time.Time      `json:"started_at,omitempty"`
	FinishedAt   *time.Time      `json:"finished_at,omitempty"`
	TookSeconds  float64         `json:"took_seconds,omitempty"`  // of the latest attempt: in all, or so far while it is building
	UsualSeconds float64         `json:"usual_seconds,omitempty"` // that a success of its package takes, as learned; 0 when nothing was
	TimesUsual   int             `json:"times_usual,omitempty"`   // how many times as long as usual it has been building; 0 unless that is far longer
	Error        *FirstError     `json:"error,omitempty"`         // why it failed, by its log
	RootCauses   []BuildRef      `json:"root_causes,omitempty"`   // for blocked: the failed or cancelled builds it waits for in the end
	Failure      *Failure        `json:"failure,omitempty"`       // whose fault it is; of failed builds and flaky ones
	URL          string          `json:"url"`
}

// SecondBuild is what came of building something a second time from the same input.
type SecondBuild struct {
	Build  string   `json:"build,omitempty"`  // the second build; absent when it is not there any more
	Result string   `json:"result,omitempty"` // reproducible, differs or unknown; absent before the result
	Words  string   `json:"words"`            // the same as a clause about the build
	Lines  []string `json:"lines"`            // what differs, or why it cannot be said
}

// Failure is the answer to whose fault the failure of a build is.
type Failure struct {
	Verdict     string     `json:"verdict"`                // yours, already-broken, flaky, infrastructure or not-compared
	Words       string     `json:"words"`                  // the same as a clause about the build
	NotCompared string     `json:"not_compared,omitempty"` // why there will be no verdict
	Baseline    string     `json:"baseline,omitempty"`     // the build of the same commit on the base alone
	BaseAt      *time.Time `json:"base_at,omitempty"`      // when that base was read
}

// FirstError is the line of a failed build's log that says why it failed.
type FirstError struct {
	Attempt int    `json:"attempt"` // number of the attempt
	Line    int64  `json:"line"`    // from 1
	Text    string `json:"text"`
	Cause   string `json:"cause"` // the text without paths, line numbers and addresses: builds of one cause have one
}

// RetryWords is buildbtw.Build.RetryWords with the time of the next try in the
// reader's time zone.
func (b Build) RetryWords() string {
	row := buildbtw.Build{Status: b.Status, Retries: b.Retries, NotBefore: b.NotBefore}
	return row.RetryWords(b.LastTry, time.Now(), func(t time.Time) string { return t.Local().Format(time.TimeOnly) })
}

// BuildDetail is one build with all that is known of it.
type BuildDetail struct {
	Build
	Queue       *QueuePlace  `json:"queue,omitempty"`  // of a pending build that a machine could take
	LogOf       string       `json:"log_of,omitempty"` // the build that has the log, when this one was reused
	Chain       []BuildRef   `json:"chain"`            // from this build to the changeset that brought it into the set
	WaitingFor  []BuildRef   `json:"waiting_for"`      // direct dependencies that are not built
	Dependents  []BuildRef   `json:"dependents"`
	Cuts        []Cut        `json:"cuts"` // dependencies that the base provides because of a cycle
	Packages    []Package    `json:"packages"`
	SecondBuild *SecondBuild `json:"second_build,omitempty"` // of its packages; absent when there was none
	Checks      []Check      `json:"checks"`                 // of its packages; empty before they were compared with what users have

	Pipelines []Pipeline `json:"pipelines"` // in GitLab, newest first

	ComparedWith []ComparedWith `json:"compared_with"` // what users of each target had when it was checked

	CommitInfo Commit      `json:"commit_info"`           // of its source
	SinceBuilt *SinceBuilt `json:"since_built,omitempty"` // of a build that has a result of its own
}

// SinceBuilt compares the latest result of a build with the last time that its package was
// built before, in any buildspace.
type SinceBuilt struct {
	LastBuilt    *Result `json:"last_built,omitempty"`    // absent when it was never built here before
	FirstFailure *Result `json:"first_failure,omitempty"` // since then; of a build whose latest result is a failure

	Commit       string `json:"commit"` // of the source that was built
	CommitBefore string `json:"commit_before,omitempty"`

	Commits     []Commit `json:"commits,omitempty"`      // that Commit has and CommitBefore does not have, the newest first; the first hundred
	MoreCommits int      `json:"more_commits,omitempty"` // older ones that are not listed

	// Recorded: the installed packages of both attempts are known. Packages are those that
	// changed: first those with other sonames, then direct dependencies, then the rest.
	Recorded bool                     `json:"recorded"`
	Packages []buildbtw.PackageChange `json:"packages"`
}

// Result is an attempt that came to a result.
type Result struct {
	Build      string           `json:"build"` // id
	Attempt    int              `json:"attempt"`
	Buildspace string           `json:"buildspace"`
	Iteration  int              `json:"iteration"`
	Outcome    buildbtw.Outcome `json:"outcome"`
	FinishedAt time.Time        `json:"finished_at"`
}

// QueuePlace is where a pending build stands among those that wait for a machine of its
// architecture.
type QueuePlace struct {
	Place    int           `json:"place,omitempty"`     // from 1; 0 when it is not known when it starts
	Of       int           `json:"of"`                  // how many wait
	StartsAt *time.Time    `json:"starts_at,omitempty"` // probably
	Before   []QueuedBuild `json:"before"`              // the first of those that start before it
	Higher   int           `json:"higher,omitempty"`    // how many of those before it are of buildspaces with a higher priority
	Why      string        `json:"why,omitempty"`       // why no machine takes it, in words; empty when machines are just busy
}

// QueuedBuild is a build that a machine takes before another one.
type QueuedBuild struct {
	ID         string    `json:"id"`
	Pkgbase    string    `json:"pkgbase"`
	Buildspace string    `json:"buildspace"`
	StartsAt   time.Time `json:"starts_at"` // probably
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

	// NotChecked are dependencies that neither the iteration's repository nor the
	// worker's machine has, and that were taken for granted.
	NotChecked []string `json:"not_checked,omitempty"`

	// Memory is the most memory in bytes that one process of the build had; 0 when that
	// is not known.
	Memory int64 `json:"memory,omitempty"`

	// KeptUntil is when the worker removes the directories of a failure, or before when it
	// needs the room. Until then 'buildbtw-worker shell BUILD' on its machine opens a shell
	// there.
	KeptUntil *time.Time `json:"kept_until,omitempty"`
}

// WorkerAttempt is an attempt that ended on a worker.
type WorkerAttempt struct {
	BuildID    string           `json:"build_id"`
	Number     int              `json:"number"`
	Pkgbase    string           `json:"pkgbase"`
	OfBase     bool             `json:"of_base,omitempty"` // a build on the base alone, in no buildspace
	Second     bool             `json:"second,omitempty"`  // a second build, in no buildspace
	Buildspace string           `json:"buildspace"`
	Iteration  int              `json:"iteration"`
	Slot       int              `json:"slot"`
	Runner     string           `json:"runner"`
	Outcome    buildbtw.Outcome `json:"outcome"`
	StartedAt  time.Time        `json:"started_at"`
	FinishedAt *time.Time       `json:"finished_at,omitempty"`
	URL        string           `json:"url"` // of the build
}

// Reproduction holds three bash scripts. Each builds the commit of a build once more,
// with the same packages and options, on a machine of the reader's.
type Reproduction struct {
	Makepkg  string `json:"makepkg"`  // on a machine of Arch Linux
	Devtools string `json:"devtools"` // in a clean chroot
	VM       string `json:"vm"`       // in a virtual machine, with vmexec
}

// Graph is the build graph of an iteration and architecture.
type Graph struct {
	Builds []Build     `json:"builds"`
	Edges  []GraphEdge `json:"edges"`
	Cuts   []Cut       `json:"cuts"`

	Times      []BuildTime `json:"times"`                // of the builds that a machine builds, the longest first
	Unmeasured int         `json:"unmeasured,omitempty"` // builds without a time: they were reused or skipped
}

// BuildTime is how long a build took or, while it has not ended, how long it is thought to
// take.
type BuildTime struct {
	Build    string  `json:"build"` // id
	Seconds  float64 `json:"seconds"`
	Expected bool    `json:"expected,omitempty"` // it has not ended
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
	Source      string `json:"source"`
	FromCommit  string `json:"from_commit"`
	ToCommit    string `json:"to_commit"`
	FromVersion string `json:"from_version"`
	ToVersion   string `json:"to_version"`

	To *Commit `json:"to,omitempty"` // what is known of to_commit; of the first builds only
}

// DiffEdge is an edge by pkgbase.
type DiffEdge struct {
	From  string   `json:"from"`
	To    string   `json:"to"`
	Kinds []string `json:"kinds"`
}

// Source is a source as the mirror knows it.
type Source struct {
	Slug   string `json:"slug"`
	Ref    string `json:"ref"`
	Commit string `json:"commit"`

	CommitInfo *Commit `json:"commit_info,omitempty"` // absent without a commit

	Pkgbase string    `json:"pkgbase,omitempty"`
	Version string    `json:"version,omitempty"`
	Error   string    `json:"error,omitempty"` // why it cannot be planned: file, line and reason
	Notes   []string  `json:"notes,omitempty"` // what of it a build will not have, each in a sentence
	Read    time.Time `json:"read"`

	Since time.Time `json:"since,omitzero"` // when the work at it began that takes longer than with others
	Next  time.Time `json:"next,omitzero"`  // when it is looked at again after a failure, unless it changes before
}

// Root is a place of sources with how the last look at it went.
type Root struct {
	Name    string    `json:"name"`
	Synced  time.Time `json:"synced"`          // end of the last look
	Seconds float64   `json:"seconds"`         // that it took
	Sources int       `json:"sources"`         // that are there
	Broken  int       `json:"broken"`          // of them could not be mirrored
	Waiting int       `json:"waiting"`         // of them have had no turn yet
	Slow    int       `json:"slow"`            // of them are still being read, as they take longer than others
	Next    time.Time `json:"next,omitzero"`   // next look
	Error   string    `json:"error,omitempty"` // why the place could not be looked at
}

// Mirror is how mirroring the sources stands.
type Mirror struct {
	Roots   []Root `json:"roots"`
	Sources int    `json:"sources"` // at the base ref
	Broken  int    `json:"broken"`  // of them cannot be planned

	SetAside []string `json:"set_aside"` // damaged parts of the mirror that lie in the data directory; it was made anew
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

	DrainingSince *time.Time `json:"draining_since,omitempty"` // it gets no new builds, because a person said so
	NoBuilds      string     `json:"no_builds,omitempty"`      // that it is draining or quarantined, and what ends it

	Machine    *Machine   `json:"machine,omitempty"`     // as it last reported; absent when it never did
	MeasuredAt *time.Time `json:"measured_at,omitempty"` // when it did
	Busy       float64    `json:"busy"`                  // share of the last 24 hours, or since it was first seen, in which it built something: 0 to 1
}

// WorkerTime lists the attempts that ran on each slot of the workers between two times
// and, for the part that lies in the future, the builds that will probably run there.
type WorkerTime struct {
	From  time.Time `json:"from"`
	Until time.Time `json:"until"`
	Now   time.Time `json:"now"`            // the server's clock; the forecast begins here
	Lanes []Lane    `json:"lanes"`          // by worker and slot
	Bars  []Bar     `json:"bars"`           // attempts, by lane and start
	Ahead []Bar     `json:"ahead"`          // the forecast, by lane and start
	More  bool      `json:"more,omitempty"` // there were too many attempts; the earliest are left out
}

// Lane is a slot of a worker: one place for a build at a time.
type Lane struct {
	Worker  string `json:"worker"`
	Slot    int    `json:"slot"`    // from 0
	Present bool   `json:"present"` // the worker is connected now
}

// Bar is the time that one attempt took on a lane, or that a build of the forecast will
// probably take.
type Bar struct {
	Lane       int              `json:"lane"` // index in WorkerTime.Lanes
	BuildID    string           `json:"build"`
	Attempt    int              `json:"attempt,omitempty"` // number, from 1; absent in the forecast
	Pkgbase    string           `json:"pkgbase"`
	OfBase     bool             `json:"of_base,omitempty"` // as of a build
	Second     bool             `json:"second,omitempty"`  // as of a build
	Buildspace string           `json:"buildspace"`
	Iteration  int              `json:"iteration"`
	Outcome    buildbtw.Outcome `json:"outcome,omitempty"` // absent while it runs
	Start      time.Time        `json:"start"`
	End        *time.Time       `json:"end,omitempty"` // absent while it runs
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

// Health is the answer of a server that is up.
type Health struct {
	Status  string `json:"status"`
	Version string `json:"version"`

	Warnings []string `json:"warnings,omitempty"` // of /ready: what does not keep the server from its work
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
	Stops        []BurnStop      `json:"stops"`    // in the order of time
	Blockers     []HeldWork      `json:"blockers"` // most blocked work first; at most 20
}

// Release is which packages of an iteration could go into a target together, and why the
// others could not. Nothing is changed by asking.
type Release struct {
	Buildspace    string          `json:"buildspace"` // empty, and so is the iteration, when From gives the packages
	Iteration     int             `json:"iteration"`
	From          string          `json:"from,omitempty"` // the target that gives the packages
	Target        string          `json:"target"`
	Digest        string          `json:"digest"`  // of the set that can go: NewRelease.Digest
	Present       []string        `json:"present"` // pkgbases whose packages the target has already
	NoBase        bool            `json:"no_base"` // the server has no base repositories: only what was built here was looked at
	Architectures []string        `json:"architectures"`
	Goes          []ReleaseUnit   `json:"goes"`       // by pkgbase
	Held          []HeldUnit      `json:"held"`       // by pkgbase
	Proven        bool            `json:"proven"`     // no larger set is safe
	AtMost        int             `json:"at_most"`    // pkgbases that the largest set may have
	Changesets    []ReleaseChange `json:"changesets"` // those that are held
	WaysOut       []WayOut        `json:"ways_out"`   // the one that frees most first
	Leaves        []LeavingName   `json:"leaves"`     // packages that nothing takes the place of
	Apart         []Apart         `json:"apart"`      // pairs that cannot be installed together any more, by name; at most 100
	AllApart      int             `json:"all_apart"`  // how many there are
	Waivers       []Waiver        `json:"waivers"`    // that were taken into account, oldest first

	LinksUnknown int `json:"links_unknown"` // packages of the base of which it is not known what their programs link with
	FilesUnknown int `json:"files_unknown"` // packages of the base whose files were not compared
}

// NewWaiver is a request to record what somebody decided about what a buildspace releases.
type NewWaiver struct {
	Kind   buildbtw.WaiverKind `json:"kind"`   // break, drop, hold or together
	Names  []string            `json:"names"`  // pkgnames to break or to drop, pkgbases to hold, or the two of together
	Reason string              `json:"reason"` // a line of text
}

// Waiver is a recorded decision of a person.
type Waiver struct {
	ID     string              `json:"id"`
	Kind   buildbtw.WaiverKind `json:"kind"`
	Name   string              `json:"name"`
	Other  string              `json:"other,omitempty"` // of together, the second pkgbase
	Reason string              `json:"reason"`
	By     string              `json:"by"`
	At     time.Time           `json:"at"`
	Words  string              `json:"words"` // the decision without the reason: "holds libfoo"
}

// ReleaseUnit is all packages of one pkgbase; they go together.
type ReleaseUnit struct {
	Pkgbase  string   `json:"pkgbase"`
	Version  string   `json:"version"`
	Pkgnames []string `json:"pkgnames"`
	Build    string   `json:"build"` // id of a build of it

	Checks []Check `json:"checks,omitempty"` // those that found something
}

// HeldUnit is a pkgbase whose packages stay.
type HeldUnit struct {
	Pkgbase    string   `json:"pkgbase"`
	Changeset  bool     `json:"changeset"`
	Kind       string   `json:"kind"`   // of the reason: failed, unmet, choice …
	Reason     string   `json:"reason"` // in words
	View       string   `json:"view,omitempty"`
	Package    string   `json:"package,omitempty"`    // that would be in trouble, with its version
	Dependency string   `json:"dependency,omitempty"` // that nothing would meet
	Via        string   `json:"via,omitempty"`        // the pkgbase that would help, but is held, too
	Others     []string `json:"others,omitempty"`     // of a choice: those that go instead
	Root       string   `json:"root"`                 // the pkgbase where the chain of reasons ends
	RootKind   string   `json:"root_kind,omitempty"`  // why that one stays; absent: it is not in the buildspace
	Build      string   `json:"build"`

	Checks []Check `json:"checks,omitempty"` // those that found something
}

// Check is the result of a check of built packages: how they differ from those that users have.
type Check struct {
	Kind    string   `json:"kind"`    // sonames, files, setuid …
	Outcome string   `json:"outcome"` // ok, found or unknown
	Lines   []string `json:"lines"`   // what differs
	Blocks  bool     `json:"blocks"`  // it keeps the packages from being released
	Targets []string `json:"targets"` // whose users it concerns: also those of targets before the one that receives the packages
}

// ComparedWith is the packages that users of a target had in the place of those of a build.
type ComparedWith struct {
	Target   string   `json:"target"`
	Packages []string `json:"packages"` // "foo 1-1"; without those that they did not have
	Stale    bool     `json:"stale"`    // they have others by now, and the build will be compared with these
}

// ReleaseChange is a changeset that is held, with all that has to go with it.
type ReleaseChange struct {
	Pkgbase string        `json:"pkgbase"`
	Needs   int           `json:"needs"` // pkgbases, itself included
	Missing []MissingUnit `json:"missing"`
}

// MissingUnit is a pkgbase without which a changeset cannot go.
type MissingUnit struct {
	Pkgbase string `json:"pkgbase"`
	Kind    string `json:"kind,omitempty"` // why it cannot go; absent: it is not in the buildspace
}

// WayOut is something to do so that more can go.
type WayOut struct {
	Do    string   `json:"do"`    // fix, drop, break or compat
	Names []string `json:"names"` // pkgbases to fix, pkgnames to drop or break, or dependencies for a package with the old ones
	Frees int      `json:"frees"` // pkgbases that can go then, at most
	For   string   `json:"for,omitempty"`
}

// LeavingName is a package of the base that the new builds do not make any more.
type LeavingName struct {
	Pkgname    string `json:"pkgname"`
	Pkgbase    string `json:"pkgbase"`
	View       string `json:"view"`
	ReplacedBy string `json:"replaced_by,omitempty"`
}

// Apart is two packages that could be installed together before, and conflict after the release.
type Apart struct {
	View     string `json:"view"`
	One      string `json:"one"` // name and version of a new package
	Other    string `json:"other"`
	Replaces bool   `json:"replaces"` // one of them replaces the other, so that machines that have both get that one
}

// Words returns what conflicts as a line.
func (a Apart) Words() string {
	line := a.One + " and " + a.Other + " (" + a.View + ")"
	if a.Replaces {
		line += ": one replaces the other"
	}
	return line
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

// BurnStop is a moment at which builds of an iteration stopped going on: one that others wait
// for failed or was cancelled, or somebody stopped the buildspace.
type BurnStop struct {
	At     time.Time `json:"at"`
	Build  *BuildRef `json:"build,omitempty"`
	Builds int       `json:"builds,omitempty"` // that wait for it
	Actor  string    `json:"actor,omitempty"`  // who stopped the buildspace
}

// BurnPoint is the number of unfinished builds at a time.
type BurnPoint struct {
	At        time.Time `json:"at"`
	Remaining int       `json:"remaining"`
}
