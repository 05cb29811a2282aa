package runners

import (
	"context"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"buildbtw"
	"buildbtw/api"
)

func finishRequest(r Result, files []File) api.FinishRequest {
	request := api.FinishRequest{Outcome: r.Outcome, Reason: r.Message}
	for _, f := range files {
		request.Files = append(request.Files, api.File{Name: f.Name, SHA256: hex.EncodeToString(f.SHA256[:])})
	}
	return request
}

// upload brings all packages to the server and returns the request that finishes
// the attempt. A package that the server refuses is the package's fault; one
// that cannot be brought there is not.
func (t *attempt) upload(ctx context.Context, files []File) (api.FinishRequest, error) {
	for _, f := range files {
		err := t.uploadFile(ctx, f)
		switch {
		case err == nil:
			t.spool.Printf("uploaded %s (%d bytes)", f.Name, f.Size)
			continue
		case ctx.Err() != nil:
			return finishRequest(resultOf(t.job.Job, context.Cause(ctx)), nil), t.lease.ended()
		}
		result := uploadFailure(f.Name, err)
		t.spool.Printf("%s: %s", result.Outcome, result.Message)
		return finishRequest(result, nil), nil
	}
	return finishRequest(Result{Outcome: buildbtw.OutcomeBuilt}, files), nil
}

func uploadFailure(name string, err error) Result {
	switch kind := buildbtw.KindOf(err); kind {
	case buildbtw.KindInvalid, buildbtw.KindTooLarge:
		return Failed("the server refused %s: %v", name, err)
	default:
		return Infrastructure("%s could not be uploaded: %v", name, err)
	}
}

func (t *attempt) uploadFile(ctx context.Context, f File) error {
	_, err := t.agent.Client.UploadPackage(ctx, api.Upload{
		Lease: t.job.Lease, Name: f.Name, SHA256: f.SHA256, Size: f.Size,
		Open: func() (io.ReadCloser, error) { return os.Open(filepath.Join(t.job.Output, f.Name)) },
	})
	return err
}

// finish reports the result until the server has taken or refused it. A server
// that finds fault with a success gets that as the reason of a failure.
func (t *attempt) finish(request api.FinishRequest) (buildbtw.Status, error) {
	t.lease.finishing.Store(true)
	ctx, cancel := context.WithTimeout(t.lease.ctx, t.agent.GiveUp)
	defer cancel()
	request.Reason = clip(request.Reason)
	answer, err := t.finishUntilAnswered(ctx, request)
	if err != nil && request.Outcome == buildbtw.OutcomeBuilt && buildbtw.KindOf(err) == buildbtw.KindInvalid {
		request = finishRequest(Failed("%s", clip("the server refused the result: "+err.Error())), nil)
		answer, err = t.finishUntilAnswered(ctx, request)
	}
	return answer.Status, err
}

func (t *attempt) finishUntilAnswered(ctx context.Context, request api.FinishRequest) (api.FinishAnswer, error) {
	for {
		answer, err := t.agent.Client.Finish(ctx, t.job.Lease, request)
		if err == nil || ctx.Err() != nil || !api.Temporary(err) {
			return answer, err
		}
		t.log.Warn("the result is reported again", "error", err)
		pause(ctx, 2*time.Second)
	}
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
