package handlers

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"buildbtw/views"
)

// watched is what a live page depends on.
type watched struct {
	topics  []string      // a change of one of them may change the page
	query   []string      // parameters of the address on which the parts depend
	view    []string      // further ones, on which only the page around them does
	address string        // where the page polls, if not where it was asked for
	period  time.Duration // the page may change with time alone, at most this often; 0: it does not
	seconds int           // from one poll to the next when no hint comes
}

// livePage is a page whose parts change by themselves.
type livePage struct {
	shell   views.Shell
	parts   []views.Part
	content templ.Component // with the parts in it
}

// onePart is a page that is replaced as a whole. Morphing leaves focus, scroll
// positions and half-filled forms alone.
func onePart(s views.Shell, content templ.Component) *livePage {
	part := views.Part{Name: "page", View: content}
	return &livePage{shell: s, parts: []views.Part{part}, content: part.Box()}
}

// renderedPart is a part as it is sent, and a digest that tells it from others.
type renderedPart struct {
	views.Changed
	digest string
}

// rendered is a page's parts at one moment.
type rendered struct {
	version string // of what they were made from
	made    time.Time
	cost    time.Duration // of making them
	shell   views.Shell
	parts   []renderedPart
}

// tag is the ETag: the version, and the digest of each part, so that the next
// answer has only what the page does not show yet.
func (r *rendered) tag() string {
	tags := []string{r.version}
	for _, p := range r.parts {
		tags = append(tags, p.digest)
	}
	return `W/"` + strings.Join(tags, ".") + `"`
}

// newTo returns the parts that a page with this tag does not show.
func (r *rendered) newTo(tag string) []views.Changed {
	known := strings.Split(strings.Trim(strings.TrimPrefix(tag, "W/"), `"`), ".")
	var changed []views.Changed
	for i, p := range r.parts {
		if len(known) != len(r.parts)+1 || known[i+1] != p.digest {
			changed = append(changed, p.Changed)
		}
	}
	return changed
}

// cachedParts are the parts of a page that is polled: however many people watch,
// a change is rendered once.
type cachedParts struct {
	mu     sync.Mutex // one renders, the others wait for it
	latest *rendered
}

const (
	cachedPages = 256 // some 30 KB each
	// worthKeeping times as long as rendering took, but no longer than maxKept, parts
	// are good enough: however fast the store changes, a page takes no more than that
	// share of a processor.
	worthKeeping = 25
	maxKept      = time.Second
)

// get returns the parts at a version, rendering them unless they are known or
// were rendered a moment ago; stale says that they are of an older version.
func (p *cachedParts) get(version string, now func() time.Time, render func() (*rendered, error)) (r *rendered, stale bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	began := now()
	if r := p.latest; r != nil && (r.version == version || began.Sub(r.made) < min(worthKeeping*r.cost, maxKept)) {
		return r, r.version != version, nil
	}
	if r, err = render(); err != nil {
		return nil, false, err
	}
	r.version, r.made = version, now()
	r.cost = r.made.Sub(began)
	p.latest = r
	return r, false, nil
}

// set is for who has just rendered the page: no poll is answered with less than
// what a person has seen.
func (p *cachedParts) set(r *rendered, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r.made = now
	p.latest = r
}

// renderLive answers with a page whose parts change by themselves, or, when the
// page itself asks, with the parts that it does not show yet: 304 when there are
// none. What load reads changes only with what w says.
func (a *App) renderLive(c *fiber.Ctx, w watched, load func() (*livePage, error)) error {
	a.news.catchUp(c.UserContext())
	since := a.news.hub.Version(w.topics...)
	version := a.versionOf(c, w, since)
	keepParameters(c, append(w.view, w.query...))
	address := cmp.Or(w.address, selfWith(c, w.query))
	key := fmt.Sprint(user(c), " ", caller(c).CSRF, " ", address)
	render := func() (*rendered, error) {
		page, err := load()
		if err != nil {
			return nil, err
		}
		return renderParts(c.UserContext(), page)
	}
	if wantsPart(c) {
		return a.answerPoll(c, key, version, render)
	}

	page, err := load()
	if err != nil {
		return err
	}
	r, err := renderParts(c.UserContext(), page)
	if err != nil {
		return err
	}
	r.version = version
	if cached, ok := a.parts.Get(key); ok {
		cached.set(r, a.Now())
	}
	html := map[string]string{}
	for _, p := range r.parts {
		html[p.Name] = p.HTML
	}
	page.shell.Live = views.Live{URL: address, Seconds: w.seconds, Tag: r.tag(), Topics: w.topics, Since: since}
	c.SetUserContext(views.WithRendered(c.UserContext(), html))
	return a.render(c, page.shell, page.content)
}

func (a *App) answerPoll(c *fiber.Ctx, key, version string, render func() (*rendered, error)) error {
	c.Vary(headerPart)
	c.Set(fiber.HeaderCacheControl, "no-cache")
	known := c.Get(fiber.HeaderIfNoneMatch)
	if strings.HasPrefix(known, `W/"`+version+".") {
		c.Set(fiber.HeaderETag, known)
		return c.SendStatus(fiber.StatusNotModified)
	}
	cached := a.parts.GetOrPut(key, func() *cachedParts { return &cachedParts{} })
	r, stale, err := cached.get(version, a.Now, render)
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderETag, r.tag())
	if stale {
		c.Set(fiber.HeaderRetryAfter, strconv.Itoa(int(maxKept.Seconds()))) // static/src/live.js asks again then
	}
	changed := r.newTo(known)
	if len(changed) == 0 {
		return c.SendStatus(fiber.StatusNotModified)
	}
	return sendView(c.UserContext(), c, views.Parts(r.shell, changed))
}

func renderParts(ctx context.Context, page *livePage) (*rendered, error) {
	r := &rendered{shell: page.shell}
	for _, p := range page.parts {
		var html bytes.Buffer
		if err := p.View.Render(ctx, &html); err != nil {
			return nil, fmt.Errorf("render %s: %w", p.Name, err)
		}
		shows := []byte(p.Key)
		if p.Key == "" {
			shows = withoutAges(html.Bytes())
		}
		r.parts = append(r.parts, renderedPart{views.Changed{Name: p.Name, HTML: html.String()}, digest(shows)})
	}
	return r, nil
}

// versionOf is a short digest of everything that a page is made from.
func (a *App) versionOf(c *fiber.Ctx, w watched, changed uint64) string {
	minute := time.Time{}
	if w.period > 0 {
		minute = a.Now().Truncate(w.period)
	}
	return digest(fmt.Append(nil, a.assets.URL("app.css"), a.assets.URL("app.js"), a.Settings.Version, user(c), caller(c).CSRF, strconv.FormatUint(changed, 10), minute))
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return base64.RawURLEncoding.EncodeToString(sum[:6])
}

// withoutAges takes out the words of ages: they tick in the browser, and a part
// is sent when something happened, not because time passed.
func withoutAges(html []byte) []byte {
	begin, end := []byte(" data-age>"), []byte("</time>")
	var rest []byte
	for {
		before, after, found := bytes.Cut(html, begin)
		rest = append(rest, before...)
		if !found {
			return rest
		}
		_, html, _ = bytes.Cut(after, end)
	}
}
