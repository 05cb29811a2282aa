package makepkg_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"buildbtw"
	"buildbtw/runners"
	"buildbtw/runners/makepkg"
)

// wants adds a dependency to a source that runs a script.
func wants(dep, script string) source {
	s := asks(script)
	s.edit = append(s.edit, "license = 0BSD", "license = 0BSD\n\tmakedepends = "+dep, "license=(0BSD)", "license=(0BSD)\nmakedepends=('"+dep+"')")
	return s
}

// The step that failed says whose fault it was: what fetches has a network, what builds
// has none. What the package prints of networks and disks changes nothing.
func TestTheStepSaysWhoseFaultItIs(t *testing.T) {
	t.Parallel()
	r := newRepository(t)
	inner := r.server.Config.Handler
	r.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Path == "/busy" {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		inner.ServeHTTP(w, q)
	})
	run := newRunner(t, makepkg.Options{Fetcher: r.fetcher(t)})
	for name, test := range map[string]struct {
		source source
		want   runners.Result
	}{
		"network in build()":   {asks("curl -fsSLO http://mirror.example.invalid/x"), runners.PackageFailed("build() failed (makepkg exit code 4)")},
		"words of a full disk": {asks("echo x >/dev/full || true; return 1"), runners.PackageFailed("build() failed (makepkg exit code 4)")},
		"no such name":         {source{name: "remote", edit: []string{"http://127.0.0.1:PORT/payload", "http://mirror.example.invalid/x"}}, runners.Unreachable("")},
		"mirror is busy":       {source{name: "remote", edit: []string{":PORT/payload", ":" + r.port(t) + "/busy"}}, runners.Unreachable("the source payload could not be fetched: the server answered 503")},
		"really gone":          {source{name: "remote"}, runners.Failed("the source payload could not be fetched: the server answered 404")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := build(t, run, r, test.source)
			if test.want.Message == "" {
				b.Message = ""
			}
			if (b.Memory > 0) != test.want.PackageCode {
				t.Errorf("%d bytes of memory, though makepkg ran: %t", b.Memory, test.want.PackageCode)
			}
			b.MemoryKnown, b.Memory = false, 0 // a matter of this machine
			if b.Result != test.want {
				t.Errorf("got %+v, want %+v\n%s", b.Result, test.want, b.log)
			}
		})
	}
}

// A dependency that neither the repository nor this machine has is named in the log, and
// first of all when the build fails.
func TestWhatIsNotCheckedIsNamed(t *testing.T) {
	t.Parallel()
	r, run := newRepository(t), newRunner(t, makepkg.Options{})
	const says = "not checked: no-such-thing (nothing here provides it)"
	b := build(t, run, r, wants("no-such-thing", "false"))
	if want := says + "; build() failed (makepkg exit code 4)"; b.Outcome != buildbtw.OutcomeFailed || b.Message != want {
		t.Errorf("got %s %q, want %q", b.Outcome, b.Message, want)
	}
	if line, first := strings.Index(b.log, "==> WARNING: "+says), strings.Index(b.log, "==> Starting build()"); line < 0 || line > first {
		t.Errorf("the log says:\n%s", b.log)
	}
	b = build(t, run, r, wants("no-such-thing>=2", "true"))
	if b.Outcome != buildbtw.OutcomeBuilt || b.NotChecked != "no-such-thing>=2" || !strings.Contains(b.log, "not checked: no-such-thing>=2 (nothing here provides it)") {
		t.Errorf("got %+v\n%s", b.Result, b.log)
	}
	for _, there := range []string{"bash", "sh", "gcc>=1", "glibc", "libc.so.6"} {
		b = build(t, run, r, wants(there, "true"))
		if b.Outcome != buildbtw.OutcomeBuilt || b.NotChecked != "" || strings.Contains(b.log, "not checked") {
			t.Errorf("%s: %+v\n%s", there, b.Result, b.log)
		}
	}
	r.add(t, mustBuild(t, run, r, source{name: "libfoo"}).files...)
	if b = mustBuild(t, run, r, source{name: "fooapp"}); b.NotChecked != "" {
		t.Errorf("what the repository has is not checked: %+v", b.Result)
	}
	if !strings.Contains("\n"+b.Installed+"\n", "\nlibfoo 1.0.0-1\n") {
		t.Errorf("installed: %q", b.Installed)
	}
	if got := runners.MissingHere(t.Context(), []string{"../../etc/passwd", "", filepath.Base(t.Name()) + "=1"}); len(got) != 3 {
		t.Errorf("missing here: %q", got)
	}
}
