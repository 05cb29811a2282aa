package runners

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"buildbtw"
	"buildbtw/api"
)

// attempt is one execution of a build on this machine. The contexts of its lease
// end it: see leaseState.
type attempt struct {
	agent  *Agent
	job    Job
	runner Runner
	spool  *spool
	log    *slog.Logger
	lease  leaseState
	hide   *strings.Replacer // see hideDirs
	tail   []byte            // the end of the log, when Options.Tail asks for it
	cut    string            // whose time limit ends the build before the server's does; usually empty
}

// Report is how an attempt ended, and the server's answer to that.
type Report struct {
	Result
	Job    api.Job
	Status buildbtw.Status // of the build now; empty when Lost
	Tail   []byte          // the end of the log, at most Options.Tail bytes

	// Lost is why the server has not accepted the result: the lease had ended, or
	// it did not answer. Nil when it has.
	Lost error
}

// runAttempt executes one claimed build and reports the result, whatever goes
// wrong, unless the lease has ended. Cut says whose time limit the job has, when that is
// not the server's.
func (a *Agent) runAttempt(slot int, claimed api.Job, cut string) Report {
	log := a.Log.With("build", claimed.BuildID, "pkgbase", claimed.Pkgbase, "attempt", claimed.Attempt)
	if claimed.OfBase() {
		log.Info("comparison with the base begins", "architecture", claimed.Architecture)
	} else {
		log.Info("build begins", "buildspace", claimed.Buildspace, "iteration", claimed.Iteration, "architecture", claimed.Architecture)
	}
	start := time.Now()
	t := &attempt{agent: a, job: Job{Job: claimed, Authorize: a.Client.Authorize}, log: log, lease: newLeaseState(), cut: cut}
	defer t.lease.over(nil)
	stopGrace := a.afterRelease(deliverGrace, func() { t.lease.over(errReleased) })
	defer stopGrace()
	go t.beat()

	request, err := t.run(slot)
	report := Report{Result: Result{Outcome: request.Outcome, Message: request.Reason}, Job: claimed, Tail: t.tail}
	if err != nil {
		log.Warn("nobody wants the result of this build any more", "cause", err)
		report.Lost = err
		return report
	}
	report.Status, err = t.finish(request)
	if err != nil {
		log.Warn("the result was not taken", "outcome", request.Outcome, "cause", err)
		report.Lost = err
		return report
	}
	log.Info("build ends", "outcome", request.Outcome, "reason", request.Reason, "status", report.Status, "took", time.Since(start).Round(time.Millisecond))
	return report
}

// deliverGrace bounds how long a worker that shuts down takes to hand a build
// back.
const deliverGrace = 20 * time.Second

// run does everything between claim and finish, and leaves nothing on disk but a failed
// build that is kept. The error means that the lease has ended.
func (t *attempt) run(slot int) (request api.FinishRequest, err error) {
	dir, err := t.agent.work.attempt(slot)
	if err != nil {
		return finishRequest(Infrastructure("the worker has no room to build: %v", err), nil), nil
	}
	var kept *Kept
	defer func() {
		if kept != nil {
			err := t.agent.work.keep(dir, *kept)
			if err == nil {
				_, err = t.agent.work.sweepKept(time.Now, t.agent.KeepFailed)
			}
			if err == nil {
				request.KeptSeconds = time.Until(kept.Until).Seconds()
				return
			}
			t.log.Error("a failed build cannot be kept", "error", err)
		}
		if err := RemoveTree(dir); err != nil {
			t.log.Error("files of a build are left", "error", err)
		}
	}()
	t.agent.running.Add(1)
	defer t.agent.running.Add(-1)
	if result, ok := t.enoughRoom(dir); !ok {
		return finishRequest(result, nil), nil
	}
	t.hide = hideDirs(dir, filepath.Dir(dir))
	t.job.Mark = Mark(dir)
	t.job.Tree, t.job.Output, t.job.Work = filepath.Join(dir, "source"), filepath.Join(dir, "output"), filepath.Join(dir, "work")
	if t.spool, err = newSpool(filepath.Join(dir, "log")); err != nil {
		return finishRequest(Infrastructure("the worker has no room to build: %v", err), nil), nil
	}
	t.spool.hide = t.hide
	defer t.spool.close()
	logged := make(chan struct{}) // closed when the log is no longer being delivered
	pump := logPump{client: t.agent.Client, lease: t.job.Lease, spool: t.spool, interval: t.agent.LogInterval}
	go func() {
		defer close(logged)
		if err := pump.run(t.lease.log); err != nil && t.lease.log.Err() == nil {
			t.log.Warn("the log is not delivered any more", "error", err)
		}
	}()

	request, err = t.buildAndUpload()
	if err == nil && t.keeps(request.Outcome) {
		kept = &Kept{Job: t.job.Job, Runner: t.runner.Name(), Until: time.Now().Add(t.agent.KeepFailed)}
		t.spool.Printf("kept on %s until %s: buildbtw-worker shell %s opens a shell there", t.agent.Worker, kept.Until.UTC().Format("2006-01-02 15:04 MST"), t.job.BuildID)
	}
	t.spool.end()
	t.tail = t.spool.tail(t.agent.Tail)
	select {
	case <-logged:
	case <-t.lease.ctx.Done():
	case <-time.After(t.agent.LogPatience):
		t.log.Warn("the log could not be delivered to its end")
	}
	t.lease.stopLog()
	<-logged
	if over := t.lease.ended(); over != nil {
		return request, over
	}
	return request, err
}

// buildAndUpload executes the build under its limits and uploads its packages.
func (t *attempt) buildAndUpload() (api.FinishRequest, error) {
	ctx, stop := t.buildContext()
	defer stop()
	result := t.build(ctx)
	installed := result.Installed
	if cause := context.Cause(ctx); ctx.Err() != nil {
		result = t.resultOf(cause)
	}
	if err := t.spool.Err(); err != nil {
		result = Infrastructure("the log could not be kept: %v", err)
		result.Blameless = isFull(err) // the machine had room when the build began
	}
	result.Installed = installed
	if result.Outcome != buildbtw.OutcomeBuilt {
		t.spool.Printf("%s: %s", result.Outcome, result.Message)
		return finishRequest(result, nil), t.lease.ended()
	}
	files, err := Collect(t.job, t.runner.Name())
	if err != nil {
		t.spool.Printf("failed: %v", err)
		failed := Failed("%v", err)
		failed.Installed = installed
		return finishRequest(failed, nil), nil
	}
	if len(files) > 0 && result.Installed == "" { // makepkg knows in any case
		result = result.WithInstalled(files[0].Installed)
	}
	request, err := t.upload(ctx, files)
	request.NotChecked, request.Installed, request.Memory, request.Namcap = strings.Fields(result.NotChecked), result.installed(), result.Memory, result.namcap()
	return request, err
}

// buildContext returns a context that ends with the lease, when the server asks
// to stop, when the time limit passes, and when the worker hands its builds back.
func (t *attempt) buildContext() (context.Context, context.CancelFunc) {
	ctx, limit := t.lease.build, context.CancelFunc(func() {})
	if t.job.TimeoutSeconds > 0 {
		ctx, limit = context.WithTimeoutCause(ctx, seconds(t.job.TimeoutSeconds), errTimedOut)
	}
	cancelRelease := t.agent.afterRelease(0, func() { t.lease.stop(errReleased) })
	return ctx, func() {
		cancelRelease()
		limit()
	}
}

// resultOf returns the result of an attempt whose context ended for a cause.
func (t *attempt) resultOf(cause error) Result {
	if t.cut != "" && errors.Is(cause, errTimedOut) {
		r := Infrastructure("not done after %.0f s, which is %s", t.job.TimeoutSeconds, t.cut)
		r.Blameless = true
		return r
	}
	return resultOf(t.job.Job, cause)
}

// build fetches the source and runs the runner.
func (t *attempt) build(ctx context.Context) Result {
	t.runner = t.agent.runnerFor(t.job.Runner)
	if t.runner == nil {
		return Infrastructure("this worker has no runner %q", t.job.Runner)
	}
	t.spool.Printf("%s %s for %s, attempt %d on %s (%s)", t.job.Pkgbase, t.job.Version, t.job.Architecture, t.job.Attempt, t.agent.Worker, t.runner.Name())
	if err := t.fetchSource(ctx); err != nil {
		var bad *treeError
		if errors.As(err, &bad) {
			return Failed("%v", bad)
		}
		return Infrastructure("the source could not be fetched: %v", err)
	}
	room := watchRoom(append(t.writes(), filepath.Dir(t.job.Work))...)
	result := t.runner.Build(ctx, t.job, t.spool)
	return t.judge(result, room.end())
}

// sourceTries bounds how often a source whose stream breaks is fetched again.
const sourceTries = 5

func (t *attempt) fetchSource(ctx context.Context) error {
	var err error
	for range sourceTries {
		if err = t.fetchSourceOnce(ctx); err == nil || ctx.Err() != nil {
			return err
		}
		var bad *treeError
		var answered *buildbtw.Error
		if errors.As(err, &bad) || errors.As(err, &answered) { // the client has retried where that helps
			return err
		}
		t.log.Warn("the source is fetched again", "error", err)
		Pause(ctx, time.Second)
	}
	return err
}

func (t *attempt) fetchSourceOnce(ctx context.Context) error {
	if err := RemoveTree(t.job.Tree); err != nil {
		return err
	}
	if err := os.Mkdir(t.job.Tree, 0o755); err != nil {
		return fmt.Errorf("make the source directory: %w", err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, t.agent.SourceTimeout, errors.New("the source took too long to come"))
	defer cancel()
	tree, err := t.agent.Client.Source(ctx, t.job.Lease)
	if err != nil {
		return err
	}
	defer tree.Close()
	return unpackTree(t.job.Tree, tree)
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func finishRequest(r Result, files []File) api.FinishRequest {
	request := api.FinishRequest{
		Outcome: r.Outcome, Reason: r.Message, Doubtful: r.Doubtful, Blameless: r.Blameless,
		NotChecked: strings.Fields(r.NotChecked), Installed: r.installed(), Memory: r.Memory,
	}
	for _, f := range files {
		request.Files = append(request.Files, api.File{Name: f.Name, SHA256: hex.EncodeToString(f.SHA256[:])})
	}
	return request
}

// upload sends all packages to the server and returns the request that finishes
// the attempt. That the server refuses a package is the package's fault; that it
// cannot be reached is not.
func (t *attempt) upload(ctx context.Context, files []File) (api.FinishRequest, error) {
	published := files[:0:0]
	for _, f := range files {
		if why := t.job.NotOwned.Why(f.Pkgname); why != "" {
			t.spool.Printf("%s is not uploaded: %s", f.Name, why)
			continue
		}
		published = append(published, f)
	}
	if len(files) > 0 && len(published) == 0 {
		result := Failed("nothing of %s can be published: %s", t.job.Pkgbase, t.job.NotOwned)
		t.spool.Printf("%s: %s", result.Outcome, result.Message)
		return finishRequest(result, nil), nil
	}
	for _, f := range published {
		_, err := t.agent.Client.UploadPackage(ctx, api.Upload{
			Lease: t.job.Lease, Name: f.Name, SHA256: f.SHA256, Size: f.Size,
			Open: func() (io.ReadCloser, error) { return os.Open(filepath.Join(t.job.Output, f.Name)) },
		})
		switch {
		case err == nil:
			t.spool.Printf("uploaded %s (%d bytes)", f.Name, f.Size)
			continue
		case ctx.Err() != nil:
			return finishRequest(t.resultOf(context.Cause(ctx)), nil), t.lease.ended()
		}
		result := Infrastructure("%s could not be uploaded: %v", f.Name, err)
		if kind := buildbtw.KindOf(err); !api.Foreign(err) && (kind == buildbtw.KindInvalid || kind == buildbtw.KindTooLarge) {
			result = Failed("the server refused %s: %v", f.Name, err)
		}
		t.spool.Printf("%s: %s", result.Outcome, result.Message)
		return finishRequest(result, nil), nil
	}
	return finishRequest(Result{Outcome: buildbtw.OutcomeBuilt}, published), nil
}

// finish reports the result until the server has accepted or refused it. A
// success that the server refuses is reported again as a failure, with that
// reason.
func (t *attempt) finish(request api.FinishRequest) (buildbtw.Status, error) {
	t.lease.finishing.Store(true)
	ctx, cancel := context.WithTimeout(t.lease.ctx, t.agent.GiveUp)
	defer cancel()
	if t.hide != nil {
		request.Reason = t.hide.Replace(request.Reason)
	}
	request.Reason = clip(request.Reason)
	answer, err := t.finishUntilAnswered(ctx, request)
	if err != nil && request.Outcome == buildbtw.OutcomeBuilt && buildbtw.KindOf(err) == buildbtw.KindInvalid && !api.Foreign(err) {
		refused := finishRequest(Failed("%s", clip("the server refused the result: "+err.Error())), nil)
		refused.Installed = request.Installed
		request = refused
		answer, err = t.finishUntilAnswered(ctx, request)
	}
	return answer.Status, err
}

func (t *attempt) finishUntilAnswered(ctx context.Context, request api.FinishRequest) (api.FinishAnswer, error) {
	for {
		answer, err := t.agent.Client.Finish(ctx, t.job.Lease, request)
		if err == nil || ctx.Err() != nil || !api.Temporary(err) && !api.Foreign(err) {
			return answer, err
		}
		t.log.Warn("the result is reported again", "error", err)
		Pause(ctx, 2*time.Second)
	}
}

// hideDirs takes directories of this machine out of texts that people read: errors
// name files with their whole path. The longest come first.
func hideDirs(dirs ...string) *strings.Replacer {
	var pairs []string
	for _, dir := range dirs {
		for _, path := range []string{dir, resolved(dir)} {
			pairs = append(pairs, path+"/", "", path, "the work directory")
		}
	}
	return strings.NewReplacer(pairs...)
}

// resolved returns a path without symbolic links, as programs may name it.
func resolved(path string) string {
	if p, err := filepath.EvalSymlinks(path); err == nil {
		return p
	}
	return path
}

// maxReason bounds the reason of an outcome in bytes: it is a sentence, and the
// log has the rest.
const maxReason = 1000

func clip(s string) string {
	s = strings.ToValidUTF8(s, "�")
	if len(s) <= maxReason {
		return s
	}
	return strings.ToValidUTF8(s[:maxReason], "") + " …"
}
