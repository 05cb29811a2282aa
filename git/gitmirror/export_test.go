package gitmirror

import (
	"context"
	"strings"
	"time"

	"buildbtw/internal/limit"
)

// What tests look at or change besides what everybody may.

const MaxDirBytes = maxDirBytes

func (m *Mirror) Dir() string { return m.git.dir }

func (m *Mirror) StopPkgbuildsAfter(d time.Duration) { m.timeout = d }

func (m *Mirror) LimitPkgbuilds(l limit.Limits) { m.limits = l }

func (m *Mirror) SetClock(now func() time.Time) { m.now = now }

func (m *Mirror) FindPrograms(find func(string) (string, error)) { m.findProgram = find }

// ForgetSrcinfos fills what the mirror remembers of commits, so that there is no
// room for others.
func (m *Mirror) ForgetSrcinfos() {
	m.srcinfos.Put(strings.Repeat("b", 40), Srcinfo{Text: make([]byte, maxSrcinfos)})
}

// NewScratch is where a fetch begins.
func (m *Mirror) NewScratch(have map[string]string) (dir string, err error) {
	return m.newScratch(have)
}

// ReadsWhole returns which of the objects are loaded when they are read.
func (m *Mirror) ReadsWhole(ctx context.Context, names ...string) (loaded []string) {
	objects, err := m.git.readObjects(ctx, names)
	for i, o := range objects {
		if err != nil || o.text != nil {
			loaded = append(loaded, names[i])
		}
	}
	return loaded
}

const MaxSlow = maxSlow

func (m *Mirror) SetPatience(source, pass time.Duration) { m.patience, m.passTime = source, pass }

func (m *Mirror) MirrorSource(ctx context.Context, slug string) bool {
	return m.mirrorSource(ctx, slug)
}

func (m *Mirror) Footprints() int {
	m.footprints.mu.Lock()
	defer m.footprints.mu.Unlock()
	return len(m.footprints.of)
}
