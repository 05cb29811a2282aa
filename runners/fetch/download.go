package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"time"

	"buildbtw/runners"
)

// silence is how long a repository may send nothing.
const silence = time.Minute

// Download writes a file of a pacman repository to a file here, by this program
// itself, so that nothing which installs or builds needs a network. It tries
// again while the error may pass, as long as pauses lasts, and says so in log. The
// repository may be anywhere: the server names it.
func Download(ctx context.Context, job runners.Job, name, file string, pauses []time.Duration, log io.Writer) error {
	var err error
	for _, pause := range append(slices.Clone(pauses), -1) {
		err = download(ctx, job, name, file)
		var known *fetchError
		if err == nil || ctx.Err() != nil || pause < 0 || errors.As(err, &known) && known.kind != mayPass {
			return err
		}
		fmt.Fprintf(log, "==> The repository cannot be reached (%v); trying again in %s\n", err, pause)
		runners.Pause(ctx, pause)
	}
	return err // not reached: the last pause returns
}

func download(ctx context.Context, job runners.Job, name, file string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	timer := time.AfterFunc(silence, func() { cancel(fmt.Errorf("nothing came for %s", silence)) })
	defer timer.Stop()
	answer, err := askRepository(ctx, job, name, nil)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		err := &fetchError{reason: fmt.Sprintf("%s: the server answered %s", name, answer.Status)}
		if answer.StatusCode < 500 && answer.StatusCode != http.StatusTooManyRequests {
			err.kind = isFinal
		}
		return err
	}
	out, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	if _, err := io.Copy(out, &alarm{answer.Body, timer}); err != nil {
		return err
	}
	return out.Close()
}

// askRepository asks for a file of the job's repository, for the part and under the
// conditions of another request.
func askRepository(ctx context.Context, job runners.Job, name string, other http.Header) (*http.Response, error) {
	address, err := url.JoinPath(job.Repository.URL, url.PathEscape(name))
	if err != nil {
		return nil, &fetchError{reason: fmt.Sprintf("the address of the repository %q cannot be understood", job.Repository.URL), kind: isFinal}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody) //nolint:gosec // the server names it, and is asked for the build's own repository
	if err != nil {
		return nil, err
	}
	for _, header := range []string{"Range", "If-Range", "If-Modified-Since"} {
		if value := other.Get(header); value != "" {
			request.Header.Set(header, value)
		}
	}
	if job.Authorize != nil {
		if err := job.Authorize(request); err != nil {
			return nil, err
		}
	}
	return http.DefaultClient.Do(request) //nolint:gosec // a file below the repository that the server named
}

// alarm puts a timer off with everything that is read.
type alarm struct {
	from  io.Reader
	timer *time.Timer
}

func (a *alarm) Read(p []byte) (int, error) {
	n, err := a.from.Read(p)
	a.timer.Reset(silence)
	return n, err
}
