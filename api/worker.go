package api

import (
	"strings"

	"buildbtw"
)

// ClaimRequest is a worker's request for a build.
type ClaimRequest struct {
	Worker        string   `json:"worker"`
	Architectures []string `json:"architectures"`
	Runners       []string `json:"runners"`
	Labels        []string `json:"labels,omitempty"`
	Version       string   `json:"version,omitempty"` // of the worker program
	Wait          int      `json:"wait"`              // seconds to wait for work before 204; at most MaxWait

	// Slot distinguishes the concurrent builds of one machine. The same worker
	// and slot asking again get the same build until it is finished.
	Slot int `json:"slot,omitempty"`

	// Secret is made by the worker at its first start and stays in its work
	// directory. The first one that is shown binds the worker's name: as long as the
	// worker is there, claims under it need the same secret. Instance tells a
	// copy of the work directory apart: it is the same after a restart of the
	// program, and another one on another machine.
	Machine *Machine `json:"machine,omitempty"` // how it stands; absent when that cannot be measured

	Secret   string `json:"secret,omitempty"`   // 32 to 128 bytes
	Instance string `json:"instance,omitempty"` // at most 128 bytes

	// Confirms says that the worker sends a heartbeat as soon as it has the answer. When none
	// comes within seconds, the answer is taken as lost, and another worker gets the build.
	Confirms bool `json:"confirms,omitempty"`

	// Build asks for this build alone; an executor sends the one of its
	// pipeline. The answer is 409 when the build cannot start now; Wait is
	// ignored. Pipeline and Job are GitLab's CI_PIPELINE_ID and CI_JOB_ID.
	Build    string `json:"build,omitempty"`
	Pipeline int64  `json:"pipeline,omitempty"`
	Job      int64  `json:"job,omitempty"`
}

// HeartbeatRequest may come with a heartbeat.
type HeartbeatRequest struct {
	Machine *Machine `json:"machine,omitempty"`
}

// Machine has the load, free memory and free disk of a worker's machine. Sizes are in
// bytes.
type Machine struct {
	Load        float64 `json:"load"` // tasks that run or wait for a processor or a disk, the mean of a minute
	Cores       int     `json:"cores"`
	MemoryTotal int64   `json:"memory_total"`
	MemoryFree  int64   `json:"memory_free"` // that programs can get
	DiskTotal   int64   `json:"disk_total"`  // of the file system on which it builds
	DiskFree    int64   `json:"disk_free"`
}

// MaxWait bounds the long poll of a claim, in seconds.
const MaxWait = 55

// Job is a build with the lease to execute it.
type Job struct {
	Lease          string  `json:"lease"`
	LeaseSeconds   float64 `json:"lease_seconds"`   // the lease ends this long after the last heartbeat
	Heartbeat      float64 `json:"heartbeat"`       // seconds between heartbeats
	TimeoutSeconds float64 `json:"timeout_seconds"` // wall clock limit of the attempt; 0: none
	StallSeconds   float64 `json:"stall_seconds"`   // no output and no CPU use for this long counts as stalled; 0: never

	BuildID      string          `json:"build_id"`
	Attempt      int             `json:"attempt"`          // from 1
	Second       bool            `json:"second,omitempty"` // a second build, whose packages are compared with those of the first and not published
	Buildspace   string          `json:"buildspace"`
	Iteration    int             `json:"iteration"`
	Pkgbase      string          `json:"pkgbase"`
	Source       string          `json:"source"`
	Commit       string          `json:"commit"`
	Version      string          `json:"version"` // as the .SRCINFO foretells; pkgver() may change it
	Pkgnames     []string        `json:"pkgnames"`
	NotOwned     buildbtw.Owners `json:"not_owned,omitempty"` // packages that are not published from this build, with the pkgbases whose are
	Architecture string          `json:"architecture"`
	Stage        int             `json:"stage"`
	NoCheck      bool            `json:"no_check,omitempty"` // skip check(): stage 1 of a cycle through checkdepends
	Reason       buildbtw.Reason `json:"reason"`
	Runner       string          `json:"runner,omitempty"` // which of the worker's runners is to build; empty: its first
	SourceDate   int64           `json:"source_date"`      // SOURCE_DATE_EPOCH: the commit's time, Unix seconds

	Srcinfo    string     `json:"srcinfo"`    // the .SRCINFO at the commit, so that nobody evaluates the PKGBUILD to learn it
	Repository Repository `json:"repository"` // the iteration's own pacman repository
}

// OfBase reports whether the build is one on the base alone, which a failure is compared
// with. Its buildspace is no person's, and hidden: people's names begin with a letter or digit.
func (j Job) OfBase() bool { return strings.HasPrefix(j.Buildspace, "_") }

// Repository is where a pacman repository is served.
type Repository struct {
	Name string `json:"name"` // section name in pacman.conf, and name of the .db
	URL  string `json:"url"`  // full URL of the directory, without a trailing slash
}

// The actions that answer a heartbeat.
const (
	Continue = "continue"
	Stop     = "stop"
)

// HeartbeatAnswer tells a worker to go on or to stop.
type HeartbeatAnswer struct {
	Action string `json:"action"` // Continue or Stop
	Reason string `json:"reason,omitempty"`
}

// LogAnswer is the present end of the server's copy of the log.
type LogAnswer struct {
	Offset int64 `json:"offset"`
}

// Headers of the worker calls.
const (
	HeaderOffset = "Upload-Offset"
	HeaderSHA256 = "X-Content-SHA256"

	// HeaderNoBuilds is a header of the empty answer to a claim of a worker that is
	// draining or quarantined. Its value says which of them it is, and what ends that.
	HeaderNoBuilds = "Buildbtw-No-Builds"
)

// FinishRequest ends an attempt.
type FinishRequest struct {
	Outcome buildbtw.Outcome `json:"outcome"`
	Files   []File           `json:"files,omitempty"`  // every package uploaded, for outcome built
	Reason  string           `json:"reason,omitempty"` // in words: "build() failed with exit code 4"

	// Doubtful is set with the outcome infrastructure when the only evidence is what the
	// build itself printed, or its exit code. The build is tried once more, and the
	// failure does not count against the worker.
	Doubtful bool `json:"doubtful,omitempty"`

	// Blameless is set with the outcome infrastructure when the failure says nothing
	// about the worker's machine: a mirror did not answer, or builds took all the room.
	// The build is tried again as often as for other infrastructure failures.
	Blameless bool `json:"blameless,omitempty"`

	// NotChecked are dependencies of the build that neither the iteration's repository
	// nor the worker's machine has, and that were taken for granted.
	NotChecked []string `json:"not_checked,omitempty"`

	// Memory is the most memory in bytes that one process of the build had; 0 when the
	// worker does not know.
	Memory int64 `json:"memory,omitempty"`

	// KeptSeconds is for how long from now the worker keeps the directories of a build that
	// failed, for 'buildbtw-worker shell'; 0: not at all.
	KeptSeconds float64 `json:"kept_seconds,omitempty"`

	// Installed are the packages that were installed when the build ran, as pacman -Q
	// prints them: "libcalc 2.0.0-1", each name once, at most MaxInstalled. Empty when
	// that is not known.
	Installed []string `json:"installed,omitempty"`

	// Namcap is what namcap wrote about the packages; absent when it was not run.
	Namcap *Namcap `json:"namcap,omitempty"`
}

// Namcap is the errors and warnings of namcap about the packages of a build.
type Namcap struct {
	Lines []string `json:"lines"` // "foo E: …" or "foo W: …", at most MaxNamcap
}

// Bounds of Namcap.Lines.
const (
	MaxNamcap     = 500
	MaxNamcapText = 64 << 10 // bytes of all
)

// Bounds of FinishRequest.Installed.
const (
	MaxInstalled     = 4000      // packages
	MaxInstalledText = 256 << 10 // bytes of all
)

// File names an uploaded package.
type File struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
}

// FinishAnswer is the build's status after the attempt.
type FinishAnswer struct {
	Status buildbtw.Status `json:"status"`
}
