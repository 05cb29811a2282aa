package handlers

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/a-h/templ"
	"github.com/gofiber/fiber/v2"

	"buildbtw/views"
)

// livePage is a page whose parts change by themselves.
type livePage struct {
	shell   views.Shell
	parts   []views.Part
	content templ.Component // with the parts in it
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
	era     int           // of the cache
	shell   views.Shell
	parts   []renderedPart
}

// tag is the ETag: the version, and the digest of each part, so that the next
// answer holds only what the page does not show yet.
func (r *rendered) tag() string {
	tags := []string{r.version}
	for _, p := range r.parts {
		tags = append(tags, p.digest)
	}
	return `W/"` + strings.Join(tags, ".") + `"`
}

// newTo gives the parts that a page which sent this tag does not show.
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

// partCache keeps the parts of pages that are asked for again and again, so that
// however many people watch, a change is rendered once.
type partCache struct {
	mu    sync.Mutex
	era   int // grows when a person changed something, who wants to see it at once
	pages map[string]*cachedParts
}

type cachedParts struct {
	mu     sync.Mutex // one renders, the others wait for it
	latest *rendered
}

const (
	maxCachedPages = 256 // some 30 KB each
	// worthKeeping times as long as rendering took, parts are good enough: however
	// fast the store changes, a page takes no more than that share of a processor.
	worthKeeping = 25
)

// forget makes every page be rendered anew.
func (p *partCache) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.era++
	clear(p.pages)
}

func (p *partCache) page(key string) (*cachedParts, int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if found, ok := p.pages[key]; ok {
		return found, p.era
	}
	if p.pages == nil || len(p.pages) >= maxCachedPages {
		p.pages = map[string]*cachedParts{}
	}
	fresh := &cachedParts{}
	p.pages[key] = fresh
	return fresh, p.era
}

// get gives the parts for a key at a version, rendering them unless they are
// known or were rendered a moment ago.
func (p *partCache) get(key, version string, now func() time.Time, render func() (*rendered, error)) (*rendered, error) {
	page, era := p.page(key)
	page.mu.Lock()
	defer page.mu.Unlock()
	began := now()
	if r := page.latest; r != nil && r.era == era && (r.version == version || began.Sub(r.made) < worthKeeping*r.cost) {
		return r, nil
	}
	r, err := render()
	if err != nil {
		return nil, err
	}
	r.version, r.era, r.made = version, era, now()
	r.cost = r.made.Sub(began)
	page.latest = r
	return r, nil
}

// versionOf is a short digest of everything that a page is made from.
func (a *App) versionOf(c *fiber.Ctx, from ...any) string {
	return digest(fmt.Append(nil, a.assets.URL("app.css"), a.assets.URL("app.js"), a.Settings.Version, user(c), from))
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return base64.RawURLEncoding.EncodeToString(sum[:6])
}

// renderLive answers with a page whose parts change by themselves, or, when the
// page itself asks, with the parts that it does not show yet. version stands for
// everything that load reads.
func (a *App) renderLive(c *fiber.Ctx, version string, load func() (*livePage, error)) error {
	if !wantsPart(c) {
		page, err := load()
		if err != nil {
			return err
		}
		return a.render(c, page.shell, page.content)
	}
	known := c.Get(fiber.HeaderIfNoneMatch)
	if strings.HasPrefix(known, `W/"`+version+".") {
		c.Set(fiber.HeaderETag, known)
		return notModified(c)
	}
	key := fmt.Sprint(user(c), " ", self(c, nil))
	r, err := a.parts.get(key, version, a.Now, func() (*rendered, error) {
		page, err := load()
		if err != nil {
			return nil, err
		}
		return renderParts(c.UserContext(), page)
	})
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderETag, r.tag())
	changed := r.newTo(known)
	if len(changed) == 0 {
		return notModified(c)
	}
	c.Vary(headerPart)
	c.Set(fiber.HeaderCacheControl, "no-cache")
	return sendView(c.UserContext(), c, views.Parts(r.shell, changed))
}

func renderParts(ctx context.Context, page *livePage) (*rendered, error) {
	r := &rendered{shell: page.shell}
	ctx = views.Timeless(ctx)
	for _, p := range page.parts {
		var html bytes.Buffer
		if err := p.Box().Render(ctx, &html); err != nil {
			return nil, fmt.Errorf("render %s: %w", p.Name, err)
		}
		r.parts = append(r.parts, renderedPart{views.Changed{Name: p.Name, HTML: html.String()}, digest(html.Bytes())})
	}
	return r, nil
}
