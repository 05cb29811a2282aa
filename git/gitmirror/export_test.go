package gitmirror

import (
	"strings"
	"time"
)

// What tests look at or change besides what everybody may.

const MaxDirBytes = maxDirBytes

func (m *Mirror) Dir() string { return m.git.dir }

func (m *Mirror) StopPkgbuildsAfter(d time.Duration) { m.timeout = d }

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
