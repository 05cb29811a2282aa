package apiv1

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/api"
	"buildbtw/auth"
	"buildbtw/buildlog"
	"buildbtw/git/gitmirror"
	"buildbtw/handlers/transfer"
	"buildbtw/internal/guard"
	"buildbtw/pacman/alpm"
	"buildbtw/pacman/pacmanrepo"
	"buildbtw/pacman/pkgrel"
	"buildbtw/publish"
	"buildbtw/store"
)

// workerRoutes are all that a build machine may call. After the claim the lease
// in the path says which attempt a call is about; nothing in a body can name
// another one.
func (a *API) workerRoutes() []route {
	const lease = "/worker/leases/{lease}"
	routes := []route{
		{
			method: "POST", path: "/worker/claim", summary: "Ask for a build, waiting for one; 204 when there is none, with the header " + api.HeaderNoBuilds + " when the worker gets no new ones",
			may: buildbtw.User.MayClaim, handler: a.claim, body: api.ClaimRequest{}, answer: api.Job{}, time: claimTime,
		},
		{
			method: "POST", path: lease + "/heartbeat", summary: "Keep the lease; learn whether to go on",
			may: buildbtw.User.MayClaim, handler: a.held(a.heartbeat), body: api.HeartbeatRequest{}, answer: api.HeartbeatAnswer{},
		},
		{
			method: "PATCH", path: lease + "/log", summary: "Append to the log; 409 with the right offset when it differs",
			may: buildbtw.User.MayClaim, handler: a.held(a.appendLog), answer: api.LogAnswer{}, raw: true, time: chunkTime,
			header: []parameter{{api.HeaderOffset, "where in the log the body begins"}},
		},
		{
			method: "GET", path: lease + "/source", summary: "The source as a tar of its tree",
			may: buildbtw.User.MayClaim, handler: a.held(a.sourceTree), media: "application/x-tar",
		},
		{
			method: "PUT", path: lease + "/packages/{file}", summary: "Upload a package; 200 when it is there already",
			may: buildbtw.User.MayClaim, handler: a.held(a.uploadPackage), status: fiber.StatusCreated, answer: api.Package{}, raw: true, time: uploadTime,
			header: []parameter{{api.HeaderSHA256, "digest of the body, 64 hexadecimal digits in lower case"}},
		},
		{
			method: "POST", path: lease + "/finish", summary: "End the attempt; the same again gets the same answer",
			may: buildbtw.User.MayClaim, handler: a.owned(a.finish), body: api.FinishRequest{}, answer: api.FinishAnswer{}, time: finishTime,
		},
	}
	for i := range routes {
		routes[i].by = byMachines
	}
	return routes
}

const (
	claimTime = (api.MaxWait + 30) * time.Second
	maxSlots  = 1024 // concurrent builds of one machine
	minPause  = time.Second
	minSecret = 32  // bytes of a worker's secret
	maxSecret = 128 // bytes of it, and of its instance

	// maxClaims is how many claims look for a build at the same time. A finish
	// that unblocks thousands wakes all workers at once; heartbeats and results must
	// not wait behind hundreds of them for the one writer of the database.
	maxClaims = 2

	// Claims that wait for a build; a machine waits with one for each free slot.
	maxWaiting       = 4096
	waitingPerWorker = 256
)

// held lets a call on when it comes from the user who claimed the lease. A worker that
// sends something after its lease ran out gets its build back, unless another attempt has
// begun.
func (a *API) held(handler func(*fiber.Ctx, store.HeldLease) error) fiber.Handler {
	return a.owned(func(c *fiber.Ctx, lease store.HeldLease) error {
		if err := a.returnLease(c, &lease); err != nil {
			return err
		}
		return handler(c, lease)
	})
}

// owned is held for calls that do not renew a lease: one that leaked is of no use with
// the token of another machine.
func (a *API) owned(handler func(*fiber.Ctx, store.HeldLease) error) fiber.Handler {
	return func(c *fiber.Ctx) error {
		lease, err := a.Store.HeldLease(c.UserContext(), c.Params("lease"))
		if err != nil {
			return err
		}
		if lease.Holder != "" && lease.Holder != a.User(c).Name {
			return buildbtw.Forbidden("this lease was given to another user; claim a build with the token that you have")
		}
		a.About(c, lease.BuildID)
		return handler(c, lease)
	}
}

// returnLease makes the lease of a call valid again if it ran out and may return, or is
// about to run out.
func (a *API) returnLease(c *fiber.Ctx, lease *store.HeldLease) (err error) {
	ending := lease.Valid && lease.Deadline.Before(a.Now().Add(a.Settings.Lease/leaseReserve))
	if ending || lease.Lost {
		lease.Valid, err = a.Store.ReturnLease(c.UserContext(), c.Params("lease"), a.Settings.Lease)
	}
	return err
}

// Parts of a lease.
const (
	leaseBeats   = 4  // heartbeats are due so often in it
	leaseReserve = 10 // within its last tenth it is renewed before a call: it shall not run out in the middle of one
)

// maxBeat is the longest time between heartbeats: a worker learns from their answers that
// its build was cancelled.
const maxBeat = 15 * time.Second

// claim leases a build to a worker, waiting for one as long as the worker asks. A
// server that stops leases nothing: its own workers are handing builds back.
func (a *API) claim(c *fiber.Ctx) error {
	if err := errors.Join(a.goesOn(), a.Fit()); err != nil {
		return err
	}
	r, err := decodeReport[api.ClaimRequest](c)
	if err != nil {
		return err
	}
	caller := a.Caller(c)
	if err := caller.MayClaimAs(r.Worker, r.Architectures, r.Labels); err != nil {
		return err
	}
	claim, err := a.checkClaim(r)
	if err != nil {
		return err
	}
	machine, err := machineOf(r.Machine)
	if err != nil {
		return err
	}
	claim.Holder, claim.Address = caller.Name, caller.Address
	wait := time.Duration(r.Wait) * time.Second
	if claim.Build != 0 {
		wait = 0 // it is to be built now, or this is a conflict
	}
	free, err := a.waiting.Take(a.CountedAs(c) + " " + claim.Worker.Name)
	if err != nil {
		a.Refused("claims")
		return buildbtw.TooMany("%s waits for %d builds already, or all workers for %d; ask again later", claim.Worker.Name, waitingPerWorker, maxWaiting)
	}
	defer free()
	ctx, cancel := transfer.Connected(c)
	defer cancel()
	claimed, err := a.waitForBuild(ctx, a.Caller(c), claim, wait)
	if err != nil && ctx.Err() != nil && c.UserContext().Err() == nil {
		return c.SendStatus(fiber.StatusNoContent) // the machine has left; nobody hears it
	}
	if err == nil { // the name is this machine's
		err = a.Store.NoteMachine(c.UserContext(), claim.Worker.Name, "", machine)
	}
	if err != nil {
		return err
	}
	if claimed == nil {
		none, err := a.Store.NoBuilds(c.UserContext(), claim.Worker.Name)
		if err != nil {
			return err
		}
		if none != "" {
			c.Set(api.HeaderNoBuilds, none)
		}
		return c.SendStatus(fiber.StatusNoContent)
	}
	a.About(c, claimed.Build.ID)
	if claimed.Resumed {
		if err := a.Logs.Resume(claimed.Attempt.Name(), claimed.Attempt.Worker, a.Now()); err != nil { // the build goes on without it
			a.Log.WarnContext(c.UserContext(), "no line in the log says that the attempt begins anew", slog.Any("error", err))
		}
	}
	job, err := a.job(c.UserContext(), *claimed)
	if err != nil {
		// Handed back, the build waits a while instead of for the end of a lease that
		// nobody knows.
		const message = "the server could not read the source; its log says why"
		if _, err := a.Store.EndBlameless(c.UserContext(), claimed.Attempt.Lease, message); err != nil {
			a.Log.ErrorContext(c.UserContext(), "cannot hand back a build", slog.Any("error", err))
		}
		return fmt.Errorf("put together the job for build %d: %w", claimed.Build.ID, err)
	}
	return send(c, job)
}

// checkClaim validates a request for a build and converts it to a claim.
func (a *API) checkClaim(r api.ClaimRequest) (store.Claim, error) {
	w := buildbtw.Worker{
		Name: r.Worker, Architectures: r.Architectures, Runners: r.Runners, Labels: r.Labels, Version: r.Version,
	}
	if err := w.Validate(); err != nil {
		return store.Claim{}, err
	}
	offered := func(arch string) bool { return slices.Contains(a.Catalog.Architectures, arch) }
	switch {
	case !slices.ContainsFunc(r.Architectures, offered):
		return store.Claim{}, buildbtw.Invalid("worker %s builds for %s, but this server only for %s", r.Worker,
			strings.Join(r.Architectures, ", "), strings.Join(a.Catalog.Architectures, ", "))
	case r.Wait < 0 || r.Wait > api.MaxWait:
		return store.Claim{}, buildbtw.Invalid("wait is %d seconds; choose 0 to %d", r.Wait, api.MaxWait)
	case r.Slot < 0 || r.Slot >= maxSlots:
		return store.Claim{}, buildbtw.Invalid("slot %d is out of range; choose 0 to %d", r.Slot, maxSlots-1)
	case len(r.Version) > 100:
		return store.Claim{}, buildbtw.Invalid("the version has %d bytes; at most 100 are kept", len(r.Version))
	case r.Secret != "" && len(r.Secret) < minSecret, len(r.Secret) > maxSecret, len(r.Instance) > maxSecret:
		return store.Claim{}, buildbtw.Invalid("a worker's secret has %d to %d bytes, and its instance at most %d", minSecret, maxSecret, maxSecret)
	}
	claim := store.Claim{
		Worker: w, Slot: r.Slot, Runner: r.Runners[0], Lease: a.Settings.Lease, Secret: r.Secret, Instance: r.Instance,
		Pipeline: r.Pipeline, Job: r.Job, Confirms: r.Confirms,
	}
	if r.Build == "" {
		return claim, nil
	}
	var err error
	claim.Build, err = buildbtw.ParseBuildID(r.Build)
	return claim, err
}

// waitForBuild claims, and tries again whenever the database has changed or the
// time of a postponed build has come. It returns nil when the wait is over or the
// server stops, and an error when the caller's token is revoked meanwhile.
func (a *API) waitForBuild(ctx context.Context, who auth.Caller, claim store.Claim, wait time.Duration) (*store.Claimed, error) {
	changed, cancel := a.Store.SubscribeWork() // before looking: no change is missed
	defer cancel()
	over := time.NewTimer(wait)
	defer over.Stop()
	for {
		claimed, err := a.claimInTurn(ctx, claim)
		if claimed != nil || err != nil || wait == 0 {
			return claimed, err
		}
		at, ok, err := a.Store.NextDue(ctx)
		if err != nil {
			return nil, err
		}
		var due <-chan time.Time // when a postponed build may be handed out
		if ok {
			due = time.After(max(at.Sub(a.Now()), minPause))
		}
		select {
		case <-changed:
			claim.Again = true
		case <-due:
			claim.Again = false
		case <-over.C:
			return nil, nil
		case <-a.Stopping:
			return nil, nil
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for a build: %w", ctx.Err())
		}
		if err := a.Auth.Recheck(ctx, who); err != nil {
			return nil, err
		}
	}
}

// claimInTurn claims as soon as fewer than maxClaims others do.
func (a *API) claimInTurn(ctx context.Context, claim store.Claim) (*store.Claimed, error) {
	select {
	case a.claims <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for the turn to claim: %w", ctx.Err())
	}
	defer func() { <-a.claims }()
	return a.Store.ClaimBuild(ctx, claim)
}

// job returns the description of a claimed build that its worker needs.
func (a *API) job(ctx context.Context, claimed store.Claimed) (api.Job, error) {
	b := claimed.Build
	srcinfos, err := a.Sources.ReadSrcinfos(ctx, []string{b.Commit})
	if err != nil {
		return api.Job{}, err
	}
	srcinfo := srcinfos[b.Commit]
	if srcinfo.Err != nil {
		return api.Job{}, srcinfo.Err
	}
	s := a.Settings
	repository := buildbtw.RepositoryName(b.Buildspace, b.Iteration)
	second := b.RepeatOf != 0
	if second { // with all that the first one was built with
		first, err := a.Store.Build(ctx, b.RepeatOf)
		if err != nil {
			return api.Job{}, err
		}
		b.Buildspace, b.Iteration = first.Buildspace, first.Iteration
		repository = buildbtw.RepositoryName(b.Buildspace, b.Iteration)
	}
	if b.BaselineID != 0 {
		repository = buildbtw.RepositoryName(b.Buildspace, 0) // in which there is never anything
	}
	return api.Job{
		Lease: claimed.Attempt.Lease, LeaseSeconds: s.Lease.Seconds(), Heartbeat: min(s.Lease/leaseBeats, maxBeat).Seconds(),
		TimeoutSeconds: s.Timeout.Seconds(), StallSeconds: s.Stall.Seconds(),
		BuildID: formatID(b.ID), Attempt: claimed.Attempt.Number, Second: second, Buildspace: b.Buildspace, Iteration: b.Iteration,
		Pkgbase: b.Pkgbase, Source: b.Source, Commit: b.Commit, Version: b.Version, Pkgnames: names(b.Pkgnames), NotOwned: b.NotOwned,
		Architecture: b.Architecture, Runner: claimed.Attempt.Runner, Stage: b.Stage, NoCheck: b.NoCheck, Reason: b.Reason, SourceDate: srcinfo.Time.Unix(),
		Srcinfo: string(srcinfo.Text),
		Repository: api.Repository{
			Name: b.Buildspace,
			URL:  s.MachineURL("repo", repository, "os", b.Architecture),
		},
	}, nil
}

// machineOf validates a worker's report about its machine; nil when there is none.
func machineOf(m *api.Machine) (*buildbtw.MachineState, error) {
	if m == nil {
		return nil, nil
	}
	machine := buildbtw.MachineState(*m)
	return &machine, machine.Validate()
}

// heartbeat extends the lease, and answers whether to go on building.
func (a *API) heartbeat(c *fiber.Ctx, _ store.HeldLease) error {
	var r api.HeartbeatRequest
	if len(c.Body()) > 0 {
		var err error
		if r, err = decodeReport[api.HeartbeatRequest](c); err != nil {
			return err
		}
	}
	machine, err := machineOf(r.Machine)
	if err != nil {
		return err
	}
	if err := a.Store.NoteMachine(c.UserContext(), "", c.Params("lease"), machine); err != nil {
		return err
	}
	stop, err := a.Store.Heartbeat(c.UserContext(), c.Params("lease"), a.Settings.Lease)
	if err != nil {
		return err
	}
	if stop {
		return send(c, api.HeartbeatAnswer{Action: api.Stop, Reason: "the build was cancelled, or nobody needs it any more"})
	}
	return send(c, api.HeartbeatAnswer{Action: api.Continue})
}

// appendLog appends a chunk to the log. The worker may repeat one whose answer it
// has not seen.
func (a *API) appendLog(c *fiber.Ctx, lease store.HeldLease) error {
	offset, err := strconv.ParseInt(c.Get(api.HeaderOffset), 10, 64)
	if err != nil || offset < 0 {
		return buildbtw.Invalid("the header %s must say where in the log the body begins, in bytes", api.HeaderOffset)
	}
	attempt, err := lease.Attempt()
	if err != nil {
		return err
	}
	chunk, err := transfer.Stream(c, api.MaxLogChunk)
	if err != nil {
		return err
	}
	end, err := a.Logs.Append(attempt, offset, chunk)
	var wrong *buildlog.OffsetError
	if errors.As(err, &wrong) {
		return buildbtw.Conflict("the log does not end at byte %d: %w", offset, wrong)
	}
	if err != nil {
		return err
	}
	return send(c, api.LogAnswer{Offset: end})
}

// sourceTree streams the tree of the commit that the lease is about, and no
// other.
func (a *API) sourceTree(c *fiber.Ctx, _ store.HeldLease) error {
	lease, err := a.Store.Lease(c.UserContext(), c.Params("lease"))
	if err != nil {
		return err
	}
	return a.sendTree(c, lease.Build.Commit)
}

// Bounds of what one attempt uploads. Without them a build that makes packages
// for ever, or whoever has its lease, fills the server's disk.
const (
	maxPackage      = 4 << 30  // bytes of one package file
	maxAttempt      = 16 << 30 // bytes of all package files of an attempt
	uploadsPerLease = 4        // at the same time; the worker sends one after the other
	maxUploads      = 256      // of all leases; each reads a package through
)

// uploadPackage stages one package. The lease is checked before the body is read,
// and again afterwards, because a large body takes its time.
func (a *API) uploadPackage(c *fiber.Ctx, _ store.HeldLease) error {
	ctx := c.UserContext()
	file, err := param(c, "file")
	if err != nil {
		return err
	}
	lease, err := a.Store.Lease(ctx, c.Params("lease"))
	if err != nil {
		return err
	}
	free, err := a.uploads.Take(lease.Attempt.Lease)
	if err != nil {
		a.Refused("uploads")
		return buildbtw.TooMany("too many packages are being uploaded; wait for some of them and send this one again")
	}
	defer free()
	room, err := a.uploadRoom(lease.Attempt.Name(), c.Get(api.HeaderSHA256))
	if err != nil {
		return err
	}
	body, err := transfer.Stream(c, room)
	if err != nil {
		return err
	}
	b := lease.Build
	upload := pacmanrepo.Upload{
		Attempt: lease.Attempt.Name(), Filename: file, SHA256: c.Get(api.HeaderSHA256), Size: transfer.Size(c),
		Pkgbase: b.Pkgbase, Pkgnames: b.Pkgnames, Architecture: b.Architecture, Version: b.Version,
	}
	if _, version, _, bad := alpm.ParseFilename(file); bad == nil && version != b.Version { // Stage says what is bad
		if upload.VersionMayChange, err = a.hasPkgver(ctx, b.Commit); err != nil {
			return err
		}
	}
	p, err := a.Repos.Stage(ctx, upload, body)
	if err != nil {
		return err
	}
	p.BuildID, p.AttemptID = lease.Build.ID, lease.Attempt.ID
	if err := a.Store.AddPackage(ctx, lease.Attempt.Lease, p); err != nil {
		return err
	}
	if body.Touched() {
		c.Status(fiber.StatusCreated)
	}
	return send(c, a.wirePackage(lease.Build.ID, p))
}

// uploadRoom returns how many bytes an attempt may still upload as the package with
// a digest.
func (a *API) uploadRoom(attempt buildbtw.AttemptName, digest string) (int64, error) {
	packages, size, err := a.Repos.StagedBesides(attempt, digest)
	switch {
	case err != nil:
		return 0, err
	case packages >= maxFiles:
		return 0, buildbtw.TooLarge("%d packages of this build are uploaded; a build has at most %d", packages, maxFiles)
	case size >= maxAttempt:
		return 0, buildbtw.TooLarge("packages of %d MiB of this build are uploaded; a build has at most %d MiB", size>>20, maxAttempt>>20)
	}
	return min(maxPackage, maxAttempt-size), nil
}

// hasPkgver reports whether the PKGBUILD of a commit can change its version
// while it is built. It searches the text: the server never evaluates a PKGBUILD.
func (a *API) hasPkgver(ctx context.Context, commit string) (bool, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r, w := io.Pipe()
	defer func() { _ = r.Close() }() // a pipe has no way to fail here; the writer learns that nobody reads
	go func() { w.CloseWithError(guard.Run(func() error { return a.Sources.Archive(ctx, commit, w) })) }()
	for tree := tar.NewReader(r); ; {
		h, err := tree.Next()
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if h.Name == "PKGBUILD" {
			text, err := io.ReadAll(io.LimitReader(tree, gitmirror.MaxSrcinfo))
			return pkgrel.HasPkgver(text), err
		}
	}
}

const (
	maxFiles      = 1000 // packages of one build
	maxFinishText = 4000 // bytes of the reason that a worker reports
)

// finish ends the attempt with the outcome that the worker reports, and publishes
// the packages of a build that succeeded.
func (a *API) finish(c *fiber.Ctx, lease store.HeldLease) error {
	r, err := decodeReport[api.FinishRequest](c)
	if err != nil {
		return err
	}
	switch {
	case !r.Outcome.Reportable():
		return buildbtw.Invalid("%.40q is no outcome that a worker can report", r.Outcome)
	case r.Outcome == buildbtw.OutcomeBuilt && len(r.Files) == 0:
		return buildbtw.Invalid("a build that is built has at least one package; name every uploaded file")
	case len(r.Files) > maxFiles:
		return buildbtw.Invalid("%d files are named; a build has at most %d packages", len(r.Files), maxFiles)
	case r.KeptSeconds < 0 || r.KeptSeconds > maxKept.Seconds():
		return buildbtw.Invalid("a failed build cannot be kept for %g seconds", r.KeptSeconds)
	case r.Memory < 0:
		return buildbtw.Invalid("a build cannot have had %d bytes of memory", r.Memory)
	case len(r.Reason) > maxFinishText:
		return buildbtw.Invalid("the reason has %d bytes; at most %d are kept", len(r.Reason), maxFinishText)
	}
	installed, err := readInstalled(r.Installed)
	if err != nil {
		return err
	}
	if r.Namcap != nil {
		if err := checkNamcap(r.Namcap.Lines); err != nil {
			return err
		}
	}
	report := publish.Report{
		Outcome: r.Outcome, Reason: r.Reason, Doubtful: r.Doubtful, Blameless: r.Blameless, NotChecked: notChecked(r.NotChecked),
		Installed: installed, Memory: r.Memory, Kept: time.Duration(r.KeptSeconds * float64(time.Second)), Files: make([]store.PackageFile, len(r.Files)),
	}
	if r.Namcap != nil {
		report.Namcap = append([]string{}, r.Namcap.Lines...)
	}
	for i, f := range r.Files {
		report.Files[i] = store.PackageFile{Filename: f.Name, SHA256: f.SHA256}
	}
	if r.Outcome.Result() { // what has none is handed back by the loss already
		if err := a.returnLease(c, &lease); err != nil {
			return err
		}
	}
	if attempt, over := lease.Attempt(); over == nil && r.Outcome != buildbtw.OutcomeBuilt {
		a.noteError(c.UserContext(), c.Params("lease"), attempt)
	}
	status, err := a.Publisher.Finish(c.UserContext(), c.Params("lease"), report)
	if err != nil {
		return err
	}
	a.Wake()
	return send(c, api.FinishAnswer{Status: status})
}

// maxKept bounds for how long a worker keeps a failed build.
const maxKept = 10 * 365 * 24 * time.Hour

// readInstalled returns the packages that a worker reports as installed, by name.
func readInstalled(lines []string) ([]alpm.Installed, error) {
	if len(lines) > api.MaxInstalled {
		return nil, buildbtw.Invalid("%d packages are named as installed; at most %d are stored", len(lines), api.MaxInstalled)
	}
	list := make([]alpm.Installed, len(lines))
	size := 0
	for i, line := range lines {
		var err error
		if list[i], err = alpm.ParseInstalled(line); err != nil {
			return nil, buildbtw.Invalid("installed: %s; send lines as pacman -Q prints them", err)
		}
		size += len(line) + 1
	}
	if size > api.MaxInstalledText+1 {
		return nil, buildbtw.Invalid("the installed packages have %d bytes; at most %d are stored", size, api.MaxInstalledText)
	}
	sorted := alpm.MergeInstalled(list)
	if len(sorted) < len(list) {
		return nil, buildbtw.Invalid("a package is named twice as installed")
	}
	return sorted, nil
}

// checkNamcap refuses what a worker cannot have read from namcap.
func checkNamcap(lines []string) error {
	size := 0
	for _, line := range lines {
		name, text, _ := strings.Cut(line, " ")
		if name == "" || !strings.HasPrefix(text, "E: ") && !strings.HasPrefix(text, "W: ") || strings.ContainsFunc(line, unicode.IsControl) {
			return buildbtw.Invalid("%.100q is no error or warning of namcap; send lines such as \"foo E: …\"", line)
		}
		size += len(line) + 1
	}
	if len(lines) > api.MaxNamcap || size > api.MaxNamcapText+1 {
		return buildbtw.Invalid("namcap's report has %d lines and %d bytes; at most %d and %d are stored", len(lines), size, api.MaxNamcap, api.MaxNamcapText)
	}
	return nil
}

// noteError stores the line of an attempt's log that says why it failed. The attempt ends also
// when that cannot be found.
func (a *API) noteError(ctx context.Context, lease string, attempt buildbtw.AttemptName) {
	err := func() error {
		log, err := a.Logs.View(ctx, attempt)
		if err != nil {
			return err
		}
		defer log.Close()
		if m, ok := log.Cause(); ok {
			return a.Store.NoteError(ctx, lease, m.Line, m.Text)
		}
		return nil
	}()
	if err != nil {
		a.Log.WarnContext(ctx, "why a build failed was not looked for in its log", slog.String("attempt", attempt.String()), slog.Any("error", err))
	}
}

// Bounds of what is kept of the dependencies that a worker did not check.
const (
	maxNotChecked = 100
	maxDependency = 255 // bytes
)

// notChecked returns the names of dependencies that are worth keeping.
func notChecked(names []string) buildbtw.Names {
	return slices.DeleteFunc(names[:min(len(names), maxNotChecked)], func(name string) bool {
		unreadable := func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }
		return name == "" || len(name) > maxDependency || strings.ContainsFunc(name, unreadable)
	})
}
