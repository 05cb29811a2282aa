package makepkg_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"buildbtw"
	"buildbtw/runners/makepkg"
)

// TestAShellIsInTheBoxOfTheBuild: what it finds out it writes to a file beside the sources.
func TestAShellIsInTheBoxOfTheBuild(t *testing.T) {
	t.Setenv("BUILDBTW_WORKER_TOKEN", "hush")
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("hush"), 0o644); err != nil {
		t.Fatal(err)
	}
	run, r := newRunner(t, makepkg.Options{}), newRepository(t)
	job := source{name: "failbuild"}.prepare(t, r)
	if b := execute(t, run, job); b.Outcome != buildbtw.OutcomeFailed {
		t.Fatalf("%s %s\n%s", b.Outcome, b.Message, b.log)
	}
	if err := run.Shells(); err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf(`{
		pwd; id -u; echo "${CFLAGS:+flags}"; echo "$startdir"; test -f "$startdir/PKGBUILD" && echo pkgbuild
		env | grep -c hush; test -e '%s' && echo token
		(exec 3<>/dev/tcp/127.0.0.1/%s) 2>/dev/null && echo network
		tail -n +3 /proc/net/dev | grep -vc 'lo:'
		test -w /usr && echo usr
	} >answers 2>&1; exit 7`, token, r.port(t))
	for range 2 { // what one leaves the next finds
		code, err := run.Shell(t.Context(), job, "dumb", []string{"bash", "-c", script})
		if err != nil || code != 7 {
			t.Fatalf("exit code %d, %v", code, err)
		}
	}
	answers, err := os.ReadFile(filepath.Join(job.Work, "build", job.Pkgbase, "src", "answers"))
	if err != nil {
		t.Fatal(err)
	}
	want := "/build/" + job.Pkgbase + "/src\n1000\nflags\n/startdir\npkgbuild\n0\n0\n"
	if got := string(answers); got != want {
		t.Errorf("answers %q, want %q", strings.Split(got, "\n"), strings.Split(want, "\n"))
	}
	if err := makepkg.New(makepkg.Options{Isolation: makepkg.None}).Shells(); err == nil {
		t.Error("there are shells without a sandbox")
	}
}
