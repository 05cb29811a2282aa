package buildbtw

import (
	"database/sql/driver"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Status is where a build stands. The only ways from one to another are in
// Transitions.
type Status string

// StatusNew is the state before a build has a row; it is never stored.
const (
	StatusNew       Status = ""
	StatusBlocked   Status = "blocked"   // waits for dependencies
	StatusPending   Status = "pending"   // may be handed out
	StatusScheduled Status = "scheduled" // handed to GitLab, not started yet
	StatusBuilding  Status = "building"  // a lease is out
	StatusBuilt     Status = "built"     // all packages are in the repository
	StatusFailed    Status = "failed"    // by the package's own fault
	StatusSkipped   Status = "skipped"   // will not be built; the reason is in SkipReason
)

// Statuses lists every stored status in the order in which a build meets them.
func Statuses() []Status {
	return []Status{StatusBlocked, StatusPending, StatusScheduled, StatusBuilding, StatusBuilt, StatusFailed, StatusSkipped}
}

// StatusWaiting is shown instead of blocked for a build whose dependencies are still being
// built. A build that is shown as blocked waits for one that failed or was cancelled, and
// cannot go on without a person. Waiting is never stored and not in the API: it follows
// from the statuses of other builds.
const StatusWaiting Status = "waiting"

// ShownStatuses lists the statuses that people read, in the order in which a build
// meets them.
func ShownStatuses() []Status { return slices.Insert(Statuses(), 0, StatusWaiting) }

// Shown returns the status as people read it. Stuck says that a blocked build waits for
// one that failed or was cancelled.
func (s Status) Shown(stuck bool) Status {
	if s == StatusBlocked && !stuck {
		return StatusWaiting
	}
	return s
}

// Cause is why a build changes its status. A transition is allowed for its
// causes only, and every event row carries one.
type Cause string

// The causes of status changes.
const (
	CausePlanned        Cause = "planned"        // a new iteration's plan put it there
	CauseReady          Cause = "ready"          // every dependency is built or unchanged
	CauseLeased         Cause = "leased"         // a worker holds a lease
	CauseDispatched     Cause = "dispatched"     // a GitLab pipeline was created
	CauseReused         Cause = "reused"         // the same input has been built before
	CauseFinished       Cause = "finished"       // an attempt ended with all its packages published
	CauseFailed         Cause = "failed"         // an attempt ended by the package's own fault
	CauseInfrastructure Cause = "infrastructure" // an attempt ended with an infrastructure error
	CauseLost           Cause = "lost"           // the lease ran out, or the pipeline is gone
	CauseReturned       Cause = "returned"       // the worker of a lost attempt reports again, and no other has begun
	CauseReleased       Cause = "released"       // the worker handed the build back before finishing it
	CauseRetried        Cause = "retried"        // a person asked for another attempt
	CauseResumed        Cause = "resumed"        // a person took back that it was cancelled or stopped
	CauseForced         Cause = "forced"         // a person asked to build it, or something below it, again
	CauseCancelled      Cause = "cancelled"      // a person cancelled it
	CauseStopped        Cause = "stopped"        // its buildspace was stopped
	CauseSuperseded     Cause = "superseded"     // a newer iteration took over
	CauseUnchanged      Cause = "unchanged"      // nothing it depends on changed its interface
	CauseExcluded       Cause = "excluded"       // a person took it out of the set
)

// Transition is one allowed change of a build's status.
type Transition struct {
	From, To Status
	Causes   []Cause
}

// Resumable reports whether a person may take back that a build was skipped for
// this reason. The transition table leads back from skipped for these reasons
// only, but for a rebuild by force.
func Resumable(skip Cause) bool { return slices.Contains(ResumableSkips(), skip) }

// ResumableSkips are the skip reasons that a person gave and may take back: the
// others follow from the plan, and a new iteration decides on them anew.
func ResumableSkips() []Cause { return []Cause{CauseStopped, CauseCancelled} }

// skips are the causes that end a build without building it. Each is stored as
// the build's SkipReason.
func skips() []Cause {
	return []Cause{CauseStopped, CauseSuperseded, CauseUnchanged, CauseExcluded, CauseCancelled}
}

// Transitions returns the state machine of a build. Any other change is
// refused, in Go by CanBecome and in SQL by the guarded UPDATE and the CHECK
// constraints. docs/state-machine.md draws it; a test compares the two.
func Transitions() []Transition {
	return []Transition{
		{StatusNew, StatusBlocked, []Cause{CausePlanned}},
		{StatusNew, StatusPending, []Cause{CausePlanned}},
		{StatusNew, StatusBuilt, []Cause{CauseReused}},
		{StatusNew, StatusSkipped, skips()},
		{StatusBlocked, StatusPending, []Cause{CauseReady}},
		{StatusBlocked, StatusSkipped, skips()},
		{StatusPending, StatusBuilding, []Cause{CauseLeased, CauseReturned}},
		{StatusPending, StatusScheduled, []Cause{CauseDispatched}},
		{StatusPending, StatusBuilt, []Cause{CauseReused}},
		{StatusPending, StatusSkipped, skips()},
		{StatusPending, StatusBlocked, []Cause{CauseForced}},
		{StatusScheduled, StatusBuilding, []Cause{CauseLeased, CauseReturned}},
		{StatusScheduled, StatusPending, []Cause{CauseLost}},
		{StatusScheduled, StatusFailed, []Cause{CauseFailed}},
		{StatusScheduled, StatusSkipped, skips()},
		{StatusScheduled, StatusBlocked, []Cause{CauseForced}},
		{StatusBuilding, StatusBuilt, []Cause{CauseFinished}},
		{StatusBuilding, StatusFailed, []Cause{CauseFailed}},
		{StatusBuilding, StatusPending, []Cause{CauseLost, CauseInfrastructure, CauseReleased, CauseRetried}},
		{StatusBuilding, StatusSkipped, skips()},
		{StatusBuilding, StatusBlocked, []Cause{CauseForced}},
		{StatusFailed, StatusPending, []Cause{CauseRetried}},
		{StatusFailed, StatusBlocked, []Cause{CauseForced}},
		{StatusBuilt, StatusPending, []Cause{CauseForced}},
		{StatusBuilt, StatusBlocked, []Cause{CauseForced}},
		{StatusSkipped, StatusPending, []Cause{CauseResumed}},
		{StatusSkipped, StatusBlocked, []Cause{CauseForced, CauseResumed}},
	}
}

// CanBecome reports whether the transition table has a way from s to next for
// this cause.
func (s Status) CanBecome(next Status, cause Cause) bool {
	return slices.ContainsFunc(Transitions(), func(t Transition) bool {
		return t.From == s && t.To == next && slices.Contains(t.Causes, cause)
	})
}

// StatusesBefore lists the statuses from which a build may become next for this
// cause: the WHERE clause of a guarded update.
func StatusesBefore(next Status, cause Cause) []Status {
	var from []Status
	for _, t := range Transitions() {
		if t.To == next && slices.Contains(t.Causes, cause) {
			from = append(from, t.From)
		}
	}
	return from
}

// Active reports whether the status can still change without a person.
func (s Status) Active() bool {
	return s == StatusBlocked || s == StatusPending || s == StatusScheduled || s == StatusBuilding
}

// Satisfies reports whether a dependency with this status, and this reason when
// it is skipped, is no reason to wait: it is built, or was skipped because its
// interface is the same as before. SQL has the same rule; a test in store
// compares the two.
func (s Status) Satisfies(skip Cause) bool {
	return s == StatusBuilt || s == StatusSkipped && skip == CauseUnchanged
}

// RootCause reports whether the dependents of a build with this status cannot
// start until a person does something about the build.
func (s Status) RootCause(skip Cause) bool {
	return s == StatusFailed || s == StatusSkipped && skip != CauseUnchanged
}

// Running reports whether an attempt is under way.
func (s Status) Running() bool { return s == StatusScheduled || s == StatusBuilding }

// A build takes far longer than usual from longerTimes the usual duration on, when that is
// at least longerBy more: short ones vary by as much.
const (
	longerTimes = 3
	longerBy    = 2 * time.Minute
)

// Took returns the duration of the build's latest attempt: in all, or until now while it is
// building. It is 0 without one. SQL has the same rule; a test in store compares the two.
func (b Build) Took(now time.Time) time.Duration {
	switch {
	case b.StartedAt == nil:
	case b.Status == StatusBuilding:
		return max(0, now.Sub(*b.StartedAt))
	case b.FinishedAt != nil:
		return max(0, b.FinishedAt.Sub(*b.StartedAt))
	}
	return 0
}

// TimesUsual returns how many times the usual duration of its package a build has been
// running. It is 0 for a build that does not run far longer than usual, or whose usual
// duration is not known (0).
func (b Build) TimesUsual(usual time.Duration, now time.Time) int {
	took := b.Took(now)
	if b.Status != StatusBuilding || usual <= 0 || took < longerTimes*usual || took < usual+longerBy {
		return 0
	}
	return int((took + usual/2) / usual)
}

// Build is one pkgbase at one commit for one architecture in one iteration: a
// node of the build graph.
type Build struct {
	ID           int64  `bun:"id,pk,autoincrement"`
	IterationID  int64  `bun:"iteration_id"`
	Architecture string `bun:"architecture"`
	Pkgbase      string `bun:"pkgbase"`
	Source       string `bun:"source"`
	Commit       string `bun:"commit_id"`
	Version      string `bun:"version"`
	Stage        int    `bun:"stage"`    // 1, or 2 for the second build of a cycle (docs/domain.md, rule 7)
	NoCheck      bool   `bun:"no_check"` // check() is left out: a checkdepends edge was cut
	Level        int    `bun:"level"`    // 0 for a build that waits for nothing in the set
	Pkgnames     Names  `bun:"pkgnames"`
	Reason       Reason `bun:"reason"`

	// NotOwned names the packages that come out of the build and are not published
	// from it: the plan chose another pkgbase as their owner.
	NotOwned Owners `bun:"not_owned"`

	// TwinOf is the build that does the work for this one: an `any` package is
	// built once per iteration and published for every architecture. Zero when
	// this build does its own work. A twin is never handed out.
	TwinOf int64 `bun:"twin_of"`

	// Priority is the length in seconds of the longest chain of builds that
	// starts here, by the durations known when the iteration was made. The
	// largest is handed out first.
	Priority float64 `bun:"priority"`

	Status     Status     `bun:"status"`
	SkipReason Cause      `bun:"skip_reason"` // set exactly when Status is skipped
	Waiting    int        `bun:"waiting"`     // dependencies that are not built yet
	Attempts   int        `bun:"attempts"`    // how many were started
	Retries    int        `bun:"retries"`     // infrastructure failures and losses since the last request of a person
	NotBefore  *time.Time `bun:"not_before"`  // not to be handed out before; nil when at once
	ChangedAt  time.Time  `bun:"changed_at"`  // last change of the status
	StartedAt  *time.Time `bun:"started_at"`  // start of the latest attempt
	FinishedAt *time.Time `bun:"finished_at"` // end of the latest attempt

	// InputKey is a digest of all inputs of the build (docs/domain.md,
	// "Iterations"). Builds with the same key have the same result, in any
	// iteration or buildspace. It is empty until every dependency is built or
	// unchanged, and when the cut-off took over packages of an earlier build,
	// which were made from another input.
	InputKey string `bun:"input_key"`

	// BaseInputs is a digest of the interfaces of the base's packages that the build
	// is made with, and BasePackage one of the base's packages of the same pkgbase
	// with all that they depend on, for those who use them instead. RuntimeInputs is
	// a digest of the packages of the iteration that are installed together with
	// those of the build; it is known with InputKey. All are part of input keys, and
	// empty when there is nothing of the kind or nothing is known of the base.
	BaseInputs    string `bun:"base_inputs"`
	BasePackage   string `bun:"base_package"`
	RuntimeInputs string `bun:"runtime_inputs"`

	// OutputDigest is a digest of the build's packages; empty until it is built.
	OutputDigest string `bun:"output_digest"`

	Held       Hold  `bun:"held"`        // why a pending build is not handed out
	MaySkip    bool  `bun:"may_skip"`    // the cut-off may apply: scope auto, and neither a changeset nor right above one
	Forced     bool  `bun:"forced"`      // is to be built though the same was built before
	ReusedFrom int64 `bun:"reused_from"` // the build whose packages it has; 0 when it has its own

	// Verdict says whose fault it is that the build failed. BaselineID is of a build on
	// the base alone, with which failed ones are compared; 0 for all others. Nothing of
	// such a build is published.
	Verdict    Verdict `bun:"verdict"`
	BaselineID int64   `bun:"baseline_id"`

	// RepeatOf is of a second build, which is made to compare its packages with those of the
	// first, with this id; 0 for all others. Nothing of it is published.
	RepeatOf int64 `bun:"repeat_of"`
}

// Owners tells of some pkgnames which pkgbase's package is the one that is
// published.
type Owners map[string]string

// Value implements driver.Valuer: owners are stored as a JSON object.
func (o Owners) Value() (driver.Value, error) {
	if len(o) == 0 {
		return "{}", nil
	}
	return jsonValue(map[string]string(o))
}

// Scan implements sql.Scanner. Nearly all are empty.
func (o *Owners) Scan(src any) error {
	if src == "{}" {
		*o = nil
		return nil
	}
	return scanJSON(src, (*map[string]string)(o))
}

// String says for each pkgname, sorted, why a build's package of that name is not
// published; it is the same for equal owners.
func (o Owners) String() string {
	words := make([]string, 0, len(o))
	for _, name := range slices.Sorted(maps.Keys(o)) {
		words = append(words, o.Why(name))
	}
	return strings.Join(words, "; ")
}

// Why says in words why the package of a pkgname is not published; empty when it is.
func (o Owners) Why(pkgname string) string {
	owner, found := o[pkgname]
	if !found {
		return ""
	}
	return pkgname + " is not published from here: " + owner + " makes it, too, and the plan chose that one"
}

// Publishes reports whether the build's package of a pkgname goes into the
// repository.
func (b Build) Publishes(pkgname string) bool {
	_, other := b.NotOwned[pkgname]
	return !other
}

// RetryWords describes the automatic retries of a pending build whose attempts ended
// because of machines or networks: "tried 4 times, last: …, next try 02:27:57". last is
// how the latest attempt ended, in words, and clock writes a time. It is empty for a
// build that is not being retried.
func (b Build) RetryWords(last string, now time.Time, clock func(time.Time) string) string {
	if b.Status != StatusPending || b.Retries == 0 {
		return ""
	}
	words := fmt.Sprintf("tried %d times", b.Retries)
	if b.Retries == 1 {
		words = "tried once"
	}
	if last = strings.TrimRight(last, ". \n"); last != "" {
		words += ", last: " + last
	}
	if b.NotBefore == nil || !b.NotBefore.After(now) {
		return words + ", next try as soon as a worker is free"
	}
	return words + ", next try " + clock(*b.NotBefore)
}

// Ordinal returns a number as a place: "1st", "2nd", "11th".
func Ordinal(n int) string {
	end := "th"
	if n/10%10 != 1 {
		switch n % 10 {
		case 1:
			end = "st"
		case 2:
			end = "nd"
		case 3:
			end = "rd"
		}
	}
	return strconv.Itoa(n) + end
}

// ParseBuildID parses the id of a build. It returns NotFound for a text that
// cannot be an id.
func ParseBuildID(s string) (int64, error) {
	id, err := strconv.ParseInt(s, 10, 64)
	if err != nil || id <= 0 {
		return 0, NotFound("there is no build %.40q", s)
	}
	return id, nil
}

// Hold is why a pending build is not handed out although it waits for nothing.
type Hold string

// The holds. All but HoldLinking are computed again whenever something changes.
const (
	HoldNone    Hold = ""
	HoldReuse   Hold = "reuse"   // the same input has been built: its packages will be linked
	HoldLinking Hold = "linking" // they are being linked: it can neither be stopped nor handed out any more
	HoldDecide  Hold = "decide"  // it is being found out whether anything that it notices has changed
	HoldRunning Hold = "running" // a build with the same input is under way elsewhere
)

// String returns the reason for the hold, for people.
func (h Hold) String() string {
	switch h {
	case HoldReuse, HoldLinking:
		return "its packages are being reused from an earlier build"
	case HoldDecide:
		return "its dependencies are compared with those of the last build"
	case HoldRunning:
		return "an identical build is running; its packages will be reused"
	}
	return ""
}

// CanRebuild returns nil when a person may force another build of a built one, and
// else why not.
func (b Build) CanRebuild() error {
	switch {
	case b.TwinOf != 0:
		return Conflict("%s for %s is built together with another architecture; rebuild that build", b.Pkgbase, b.Architecture)
	case b.Status == StatusBuilt:
		return nil
	case b.Status == StatusFailed:
		return Conflict("%s failed; retry it", b.Pkgbase)
	}
	return Conflict("%s is %s; only a built build can be built again", b.Pkgbase, b.Status)
}

// CanRetry returns nil when a person may ask for another attempt, or take back
// that the build was cancelled or stopped, and else why not.
func (b Build) CanRetry() error {
	if b.Status == StatusSkipped && Resumable(b.SkipReason) {
		return nil
	}
	if b.TwinOf != 0 {
		return Conflict("%s for %s is built together with another architecture; retry that build", b.Pkgbase, b.Architecture)
	}
	if b.Status.CanBecome(StatusPending, CauseRetried) && b.Status != StatusBuilding {
		return nil
	}
	switch b.Status {
	case StatusSkipped:
		return Conflict("%s was skipped (%s); make a new iteration to build it", b.Pkgbase, b.SkipReason)
	case StatusBuilt:
		return Conflict("%s is built already", b.Pkgbase)
	default:
		return Conflict("%s is %s; only a failed or cancelled build can be retried", b.Pkgbase, b.Status)
	}
}

// CanCancel returns nil when a person may cancel the build, and else why not.
func (b Build) CanCancel() error {
	if b.Status.CanBecome(StatusSkipped, CauseCancelled) {
		return nil
	}
	return Conflict("%s is %s already; there is nothing to cancel", b.Pkgbase, b.Status)
}

// ReasonKind is why a build is in the set.
type ReasonKind string

// See docs/domain.md, "Which packages are in the graph", rule 5.
const (
	ReasonChangeset   ReasonKind = "changeset"
	ReasonDepends     ReasonKind = "depends"
	ReasonSoname      ReasonKind = "soname"
	ReasonProvides    ReasonKind = "provides"
	ReasonFiles       ReasonKind = "files"
	ReasonMakedepends ReasonKind = "makedepends"
	ReasonAdded       ReasonKind = "added"
)

// Reason is why a build is in the set: Via is the pkgbase whose build makes
// this one necessary, Name the dependency as it is written ("libcurl.so=4-64"), or
// the directory of Via in which it has files ("/usr/lib/python3.13/").
type Reason struct {
	Kind ReasonKind `json:"kind"`
	Via  string     `json:"via,omitempty"`
	Name string     `json:"name,omitempty"`
}

// Value implements driver.Valuer: a reason is stored as a JSON object.
func (r Reason) Value() (driver.Value, error) { return jsonValue(r) }

// Scan implements sql.Scanner.
func (r *Reason) Scan(src any) error { return scanJSON(src, r) }

// String returns the reason in words.
func (r Reason) String() string {
	switch r.Kind {
	case ReasonChangeset:
		return "is a changeset"
	case ReasonSoname:
		return "links " + r.Name + " of " + r.Via
	case ReasonProvides:
		return "depends on " + r.Name + ", which " + r.Via + " provides"
	case ReasonFiles:
		return "has files in " + strings.TrimSuffix(r.Name, "/") + ", which " + r.Via + " owns"
	case ReasonMakedepends:
		return "needs " + r.Via + " to build"
	case ReasonAdded:
		return "was added by name"
	default:
		return "depends on " + r.Via
	}
}

// Outcome is how an attempt ended.
type Outcome string

// The outcomes. All but the first leave a build without packages.
const (
	OutcomeBuilt          Outcome = "built"
	OutcomeFailed         Outcome = "failed"         // the package's fault
	OutcomeInfrastructure Outcome = "infrastructure" // network, disk, memory, sandbox: retried by itself
	OutcomeLost           Outcome = "lost"           // heartbeats stopped
	OutcomeTimedOut       Outcome = "timed-out"      // over the wall clock limit
	OutcomeStalled        Outcome = "stalled"        // no output and no CPU use for too long
	OutcomeCancelled      Outcome = "cancelled"      // told to stop
	OutcomeReleased       Outcome = "released"       // handed back by a worker that is shutting down
)

// Outcomes returns all outcomes.
func Outcomes() []Outcome {
	return []Outcome{
		OutcomeBuilt, OutcomeFailed, OutcomeInfrastructure, OutcomeLost, OutcomeTimedOut, OutcomeStalled, OutcomeCancelled, OutcomeReleased,
	}
}

// Reportable reports whether a worker may say that an attempt ended so; only the
// server itself can find that one is lost.
func (o Outcome) Reportable() bool {
	switch o {
	case OutcomeBuilt, OutcomeFailed, OutcomeInfrastructure, OutcomeTimedOut, OutcomeStalled, OutcomeCancelled, OutcomeReleased:
		return true
	case OutcomeLost:
	}
	return false
}

// Result reports whether an attempt that ended so says something about the package.
// After the others the build is handed out again as if there had been none.
func (o Outcome) Result() bool {
	switch o {
	case OutcomeBuilt, OutcomeFailed, OutcomeTimedOut, OutcomeStalled:
		return true
	case OutcomeInfrastructure, OutcomeLost, OutcomeCancelled, OutcomeReleased:
	}
	return false
}

// AttemptState is where an attempt stands.
type AttemptState string

// The states of an attempt, in their order.
const (
	AttemptRunning AttemptState = "running"
	// AttemptPublishing says that the worker has finished with success and the packages
	// are being put into the repositories. Such an attempt is never lost: after
	// a crash of the server it is rolled forward.
	AttemptPublishing AttemptState = "publishing"
	AttemptFinished   AttemptState = "finished"
)

// AttemptName names the log and the uploads of an attempt on disk. Ids begin
// anew in a database that replaces one that was thrown away, and are given again
// after an older backup was restored; Random never comes back. It is empty for
// attempts that began before it was stored.
type AttemptName struct {
	ID     int64  `bun:"id"`
	Random string `bun:"random"` // hexadecimal
}

// String returns the name as it stands in paths: "17-5f0c…", or "17" without Random.
func (n AttemptName) String() string {
	id := strconv.FormatInt(n.ID, 10)
	if n.Random == "" {
		return id
	}
	return id + "-" + n.Random
}

// ParseAttemptName parses a name that String returned; ok is false for any other text.
func ParseAttemptName(s string) (n AttemptName, ok bool) {
	id, random, _ := strings.Cut(s, "-")
	n.Random = random
	var err error
	n.ID, err = strconv.ParseInt(id, 10, 64)
	return n, err == nil && n.ID > 0 && n.String() == s
}

// Attempt is one execution of a build. Its log is stored under its Name.
type Attempt struct {
	ID          int64        `bun:"id,pk,autoincrement"`
	BuildID     int64        `bun:"build_id"`
	Number      int          `bun:"number"` // from 1, per build
	Worker      string       `bun:"worker"`
	Slot        int          `bun:"slot"` // which of the worker's concurrent builds
	Runner      string       `bun:"runner"`
	Lease       string       `bun:"lease"` // unguessable; names the attempt in every call of the worker
	State       AttemptState `bun:"state"`
	Outcome     Outcome      `bun:"outcome"`
	Message     string       `bun:"message"`   // the outcome in words, shown to people
	Result      Status       `bun:"result"`    // the build's status afterwards
	Blameless   bool         `bun:"blameless"` // the outcome, infrastructure or lost, says nothing against the machine
	Stop        bool         `bun:"stop"`      // the worker is to stop at its next heartbeat
	Deadline    time.Time    `bun:"deadline"`  // the lease's end unless a heartbeat comes
	StartedAt   time.Time    `bun:"started_at"`
	HeartbeatAt time.Time    `bun:"heartbeat_at"`
	FinishedAt  *time.Time   `bun:"finished_at"`
	Random      string       `bun:"random"`      // see AttemptName
	Holder      string       `bun:"holder"`      // whose token claimed it: the name of a User; empty for one of before that was known
	NotChecked  Names        `bun:"not_checked"` // dependencies that were taken for granted, see NotCheckedText
	Memory      int64        `bun:"memory"`      // most bytes that one process of it had; 0: unknown
	InputKey    string       `bun:"input_key"`   // under which its packages are a result for others; empty when they are not
	ErrorLine   int64        `bun:"error_line"`  // number of the line of its log that says why it failed; 0 when none does, or it is not known
	ErrorText   string       `bun:"error_text"`  // that line
	KeptUntil   *time.Time   `bun:"kept_until"`  // when its worker removes its directories, or before; nil: they are not kept

	InstalledID int64 `bun:"installed_id"` // the set of packages that was installed where it ran; 0 when that was not recorded
}

// notCheckedShown bounds how many dependencies NotCheckedText names.
const notCheckedShown = 5

// NotCheckedText returns how dependencies are mentioned that neither the iteration's
// repository nor the worker's machine has, so that nothing checks them.
func NotCheckedText(names []string) string {
	shown := names[:min(len(names), notCheckedShown)]
	text := "not checked: " + strings.Join(shown, ", ")
	if more := len(names) - len(shown); more > 0 {
		text += " and " + strconv.Itoa(more) + " more"
	}
	return text + " (nothing here provides it)"
}

// Name returns the name of the attempt's log and uploads.
func (a Attempt) Name() AttemptName { return AttemptName{a.ID, a.Random} }

// Package is a built file of an attempt. A reused build has packages too: those
// of another build's attempt.
type Package struct {
	ID           int64     `bun:"id,pk,autoincrement"`
	BuildID      int64     `bun:"build_id"`
	AttemptID    int64     `bun:"attempt_id"` // which made it
	Pkgname      string    `bun:"pkgname"`
	Version      string    `bun:"version"`
	Architecture string    `bun:"architecture"` // of the package; may be any
	Filename     string    `bun:"filename"`
	SHA256       string    `bun:"sha256"` // lower case hexadecimal
	Size         int64     `bun:"size"`   // bytes of the file
	Published    bool      `bun:"published"`
	CreatedAt    time.Time `bun:"created_at"`
}
