package apiv1

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"

	"buildbtw"
	"buildbtw/api"
)

// ready answers 200 when the server can do its work.
func (a *API) ready(c *fiber.Ctx) error {
	if err := a.Ready(c.UserContext()); err != nil {
		return err
	}
	return send(c, api.Health{Status: "ready", Version: a.Settings.Version, Warnings: a.warnings()})
}

// Ready returns Unavailable, with a sentence for each part that is not ready, unless the
// server can do its work: it is not about to stop, there is room on the disk, the database
// can be written, the sources have been read, and the loops go on. The database has had its
// migrations before anything is served.
func (a *API) Ready(ctx context.Context) error {
	if err := a.goesOn(); err != nil {
		return err
	}
	var words []string
	var causes []error
	add := func(err error) {
		if err != nil {
			words, causes = append(words, buildbtw.MessageOf(err)), append(causes, err)
		}
	}
	add(a.Fit())
	if err := a.written.check(ctx, a.Store.Writable); err != nil && len(words) == 0 { // a full disk is said once
		if buildbtw.KindOf(err) != buildbtw.KindUnavailable { // else it says why
			err = &buildbtw.Error{Kind: buildbtw.KindUnavailable, Message: "the database does not answer; the server's log says why", Err: err}
		}
		add(err)
	}
	_, err := a.Catalog.Sources(ctx)
	add(err)
	for _, sentence := range a.hanging() {
		add(buildbtw.Unavailable("%s; the server's log may say why, and a restart begins it anew", sentence))
	}
	if len(words) == 0 {
		return nil
	}
	return &buildbtw.Error{Kind: buildbtw.KindUnavailable, Message: strings.Join(words, "; "), Err: errors.Join(causes...)}
}

// Answers returns an error when the database or a loop hangs. Unlike Ready it takes an
// error, such as that of a full disk, for an answer: a restart would not mend it.
func (a *API) Answers(ctx context.Context) error {
	if err := a.written.check(ctx, a.Store.Writable); errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return err
	}
	if hanging := a.hanging(); len(hanging) > 0 {
		return buildbtw.Unavailable("%s", strings.Join(hanging, "; "))
	}
	return nil
}

// hanging returns a sentence for each loop that does not go on.
func (a *API) hanging() []string {
	if a.Loops == nil {
		return nil
	}
	var words []string
	for _, l := range a.Loops() {
		if sentence := l.Hangs(time.Now()); sentence != "" {
			words = append(words, sentence)
		}
	}
	return words
}

const (
	// writeEvery is how long the result of a write counts: whoever asks all the time does
	// not fill the database's log.
	writeEvery = 2 * time.Second

	// writeTime is how long a write may wait for others. The longest, of a plan of a whole
	// distribution, takes seconds.
	writeTime = 10 * time.Second
)

// written remembers whether the database could be written. The zero value is ready.
type written struct {
	mu  sync.Mutex
	at  time.Time
	err error
}

// check returns the result of a write that is not older than writeEvery. Who asks
// meanwhile waits for the same one.
func (w *written) check(ctx context.Context, write func(context.Context) error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if time.Since(w.at) < writeEvery {
		return w.err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTime) // others want to know, too
	defer cancel()
	w.err = write(ctx)
	w.at = time.Now()
	return w.err
}
