package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"buildbtw/cmd/internal/cli"
	"buildbtw/git/gitlab/gitlabtest"
)

// diagnose runs the doctor and returns the checks by name, and whether all is well.
func diagnose(t *testing.T, args ...string) (states map[string]string, ok bool) {
	t.Helper()
	cmd := doctorCommand()
	cmd.SilenceErrors, cmd.SilenceUsage = true, true // as cli.Run has it
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetArgs(append(args, "--json"))
	err := cmd.ExecuteContext(t.Context())
	if err != nil && !errors.Is(err, cli.ErrSilent) {
		t.Fatal(err)
	}
	var said struct {
		OK     bool
		Checks []struct{ Check, State, Message string }
	}
	if decoded := json.Unmarshal(out.Bytes(), &said); decoded != nil || said.OK != (err == nil) {
		t.Fatalf("%v, %v:\n%s", decoded, err, &out)
	}
	states = map[string]string{}
	for _, c := range said.Checks {
		states[c.Check] += strings.TrimSpace(c.State + " " + c.Message)
	}
	return states, said.OK
}

// TestDoctorLooksAtTheObjectStorage has one at whose address nobody listens.
func TestDoctorLooksAtTheObjectStorage(t *testing.T) {
	t.Parallel()
	needPrograms(t, "git")
	const secret = "a-secret-that-nobody-sees"
	args := []string{"--data-dir=" + filepath.Join(t.TempDir(), "data"), "--listen=127.0.0.1:0", "--object-storage-key=key", "--object-storage-secret=" + secret}
	states, ok := diagnose(t, append(args, "--object-storage=s3://files/logs?endpoint=http://127.0.0.1:1")...)
	found := 0
	for check, state := range states {
		if strings.Contains(check+state, secret) {
			t.Errorf("the secret is shown: %s %s", check, state)
		}
		if strings.HasPrefix(check, "object storage s3://files/logs") && strings.Contains(state, "what lies there cannot be read") {
			found++
		}
	}
	if ok || found != 1 {
		t.Errorf("all well %v, %d checks of it: %v", ok, found, states)
	}
}

func TestDoctorBeforeAndBesideAServer(t *testing.T) {
	t.Parallel()
	needPrograms(t, "git")
	s := newSite(t, "")
	settings := func(address string) []string {
		return []string{"--sources=dir:" + s.sources(), "--data-dir=" + s.data(), "--listen=" + address}
	}
	data := "data directory " + s.data()
	before, ok := diagnose(t, settings("127.0.0.1:0")...)
	if !ok || before["settings"] != "ok" || before["git"] != "ok" || !strings.Contains(before[data], "serve makes it") {
		t.Errorf("before the first start: %v", before)
	}
	s.serve(t)
	beside, ok := diagnose(t, append(settings(s.address), "--public-url=http://"+s.address)...)
	if !ok || !strings.Contains(beside[data], "a server uses it now") || !strings.HasPrefix(beside["--listen "+s.address], "note in use") || beside["--public-url http://"+s.address] != "ok" {
		t.Errorf("beside a server: %v", beside)
	}
	if entries, err := filepath.Glob(filepath.Join(s.data(), ".doctor*")); err != nil || len(entries) > 0 {
		t.Errorf("it left %v", entries)
	}
}

func TestDoctorFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	needPrograms(t, "git")
	dir := t.TempDir()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	open := filepath.Join(dir, "open")
	if err := os.Mkdir(open, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o757); err != nil {
		t.Fatal(err)
	}
	wrong := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
		http.NotFound(w, r)
	}))
	defer wrong.Close()
	got, ok := diagnose(t, "--sources=dir:"+dir+"/none", "--data-dir="+open, "--listen="+taken.Addr().String(), "--base-repo=core="+wrong.URL+"/$repo", "--tls-cert="+dir+"/cert", "--tls-key="+dir+"/key")
	if ok {
		t.Error("all is well")
	}
	for check, want := range map[string]string{
		"settings": "there is no such directory", "data directory " + open: "everybody on this machine can look into it", "--listen " + taken.Addr().String(): "another program listens there",
		"base repository core for x86_64": "Look at its URL", "certificate " + dir + "/cert": "no such file", "clock": "it differs by",
	} {
		if !strings.Contains(got[check], want) {
			t.Errorf("%s: %q, want %q", check, got[check], want)
		}
	}
}

func TestDoctorKnowsWhatGitLabsTokenMayDo(t *testing.T) {
	t.Parallel()
	needPrograms(t, "git")
	lab, err := gitlabtest.New(t.TempDir(), gitlabtest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(lab)
	defer web.Close()
	lab.Allow("all-the-rights", gitlabtest.Everything)
	lab.Allow("only-for-reading", gitlabtest.ReadOnly)
	for _, test := range []struct {
		token, dispatch, want string
	}{
		{"all-the-rights", "gitlab", "ok"},
		{"only-for-reading", "workers", "ok"},
		{"only-for-reading", "gitlab", "need the scope api"},
		{"nobodys-token", "workers", "failed"},
	} {
		got, _ := diagnose(t, "--sources=gitlab:group", "--gitlab-url="+web.URL, "--gitlab-token="+test.token, "--dispatch="+test.dispatch, "--listen=127.0.0.1:0", "--data-dir="+t.TempDir()+"/data")
		if !strings.Contains(got["GitLab token"], test.want) {
			t.Errorf("%s with --dispatch %s: %v", test.token, test.dispatch, got)
		}
	}
}

func TestAServerHasAHostOfItsOwn(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"https://example.org/buildbtw/", "http://example.org/x", "example.org", "ftp://example.org", "https://u:p@example.org", "https://example.org?x=1"} {
		for _, f := range []serveFlags{{publicURL: url}, {serverURL: url}, {workersURL: url}} {
			if err := f.checkURLs(); err == nil {
				t.Errorf("%s is taken", url)
			}
		}
	}
	for _, url := range []string{"", "https://example.org", "http://127.0.0.1:8080/"} {
		if err := (serveFlags{publicURL: url}).checkURLs(); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
}
