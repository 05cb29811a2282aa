package gitmirror

import "sync"

// maxKnown bounds the memory for what was read of commits, in bytes. A whole
// distribution has 10 MB of .SRCINFO.
const maxKnown = 64 << 20

// known remembers what was read of commits, so that handing out a build starts
// no process. The zero value is ready.
type known struct {
	mu    sync.Mutex
	infos map[string]Srcinfo
	size  int // bytes of all texts
}

// find returns those of the commits that are known.
func (k *known) find(commits []string) map[string]Srcinfo {
	k.mu.Lock()
	defer k.mu.Unlock()
	found := make(map[string]Srcinfo, len(commits))
	for _, c := range commits {
		if info, ok := k.infos[c]; ok {
			found[c] = info
		}
	}
	return found
}

// keep remembers a commit. One that could not be read may come later. When there
// is no room everything is forgotten: it is read again as it is needed.
func (k *known) keep(commit string, info Srcinfo) {
	if info.Err != nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.infos == nil || k.size+len(info.Text) > maxKnown {
		k.infos, k.size = map[string]Srcinfo{}, 0
	}
	k.infos[commit] = info
	k.size += len(info.Text)
}
