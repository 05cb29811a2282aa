package handlers_test

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"buildbtw/pacman/pacmanrepo"
)

// withFile makes a repository with one file of ten bytes in it.
func withFile(t *testing.T, name string) (f *frame, path string) {
	t.Helper()
	f = newFrame(t)
	must(t, f.repos.Create(t.Context(), pacmanrepo.ID{Repository: "work_1", DB: "work", Architecture: "x86_64"}))
	path = filepath.Join(f.dir, "work_1", "os", "x86_64", name)
	must(t, os.WriteFile(path, []byte("0123456789"), 0o644))
	return f, path
}

const repository = "/repo/work_1/os/x86_64/"

func TestRepositoryFileInRanges(t *testing.T) {
	t.Parallel()
	f, path := withFile(t, "a-1-1-any.pkg.tar")
	info, err := os.Stat(path)
	must(t, err)
	modified := info.ModTime().UTC().Format(http.TimeFormat)
	answer, _ := f.get(t, repository+"a-1-1-any.pkg.tar")
	tag := answer.Header.Get("ETag")
	for name, test := range map[string]struct {
		headers []string
		status  int
		body    string
	}{
		"whole":                     {nil, 200, "0123456789"},
		"from the middle":           {[]string{"Range", "bytes=4-"}, 206, "456789"},
		"a part":                    {[]string{"Range", "bytes=2-4"}, 206, "234"},
		"past the end":              {[]string{"Range", "bytes=8-100"}, 206, "89"},
		"the end":                   {[]string{"Range", "bytes=-3"}, 206, "789"},
		"more than all":             {[]string{"Range", "bytes=-30"}, 206, "0123456789"},
		"behind the end":            {[]string{"Range", "bytes=10-"}, 416, ""},
		"several":                   {[]string{"Range", "bytes=0-1,4-5"}, 200, "0123456789"},
		"backwards":                 {[]string{"Range", "bytes=5-2"}, 200, "0123456789"},
		"nonsense":                  {[]string{"Range", "bytes=a-b"}, 200, "0123456789"},
		"another unit":              {[]string{"Range", "lines=1-2"}, 200, "0123456789"},
		"resumed, same file":        {[]string{"Range", "bytes=4-", "If-Range", tag}, 206, "456789"},
		"resumed, same time":        {[]string{"Range", "bytes=4-", "If-Range", modified}, 206, "456789"},
		"resumed, another file":     {[]string{"Range", "bytes=4-", "If-Range", `"other"`}, 200, "0123456789"},
		"unchanged since":           {[]string{"If-Modified-Since", modified}, 304, ""},
		"changed since":             {[]string{"If-Modified-Since", info.ModTime().Add(-time.Hour).UTC().Format(http.TimeFormat)}, 200, "0123456789"},
		"same tag":                  {[]string{"If-None-Match", `"x", ` + tag}, 304, ""},
		"another tag, same time":    {[]string{"If-None-Match", `"x"`, "If-Modified-Since", modified}, 200, "0123456789"},
		"a time that is not a time": {[]string{"If-Modified-Since", "yesterday"}, 200, "0123456789"},
	} {
		t.Run(name, func(t *testing.T) {
			answer, body := f.get(t, repository+"a-1-1-any.pkg.tar", test.headers...)
			if answer.StatusCode != test.status || test.status < 400 && string(body) != test.body {
				t.Errorf("%s %q, want %d %q", answer.Status, body, test.status, test.body)
			}
		})
	}
}

func TestHeadSaysWhatGetWouldSend(t *testing.T) {
	t.Parallel()
	f, _ := withFile(t, "a-1-1-any.pkg.tar")
	answer, body := f.send(t, "HEAD", repository+"a-1-1-any.pkg.tar", "")
	if answer.StatusCode != http.StatusOK || answer.ContentLength != 10 || len(body) != 0 || answer.Header.Get("Last-Modified") == "" {
		t.Errorf("%s, length %d, body %q, %v", answer.Status, answer.ContentLength, body, answer.Header)
	}
}

// A large file leaves in pieces by sendfile; a part of it must end where it should.
func TestLargeFileArrivesWhole(t *testing.T) {
	t.Parallel()
	f, path := withFile(t, "a-1-1-any.pkg.tar")
	want := bytes.Repeat([]byte("0123456789abcdefghijklmnopqrstu"), 50_000)
	must(t, os.WriteFile(path, want, 0o644))
	if _, body := f.get(t, repository+"a-1-1-any.pkg.tar"); !bytes.Equal(body, want) {
		t.Errorf("got %d bytes of %d", len(body), len(want))
	}
	answer, body := f.get(t, repository+"a-1-1-any.pkg.tar", "Range", "bytes=100001-1200001")
	if answer.StatusCode != http.StatusPartialContent || !bytes.Equal(body, want[100001:1200002]) {
		t.Errorf("%s with %d bytes", answer.Status, len(body))
	}
}

// Fiber's own file handlers serve the old bytes for ten seconds.
func TestRenamedFileIsServedAtOnce(t *testing.T) {
	t.Parallel()
	f, path := withFile(t, "a-1-1-any.pkg.tar")
	f.get(t, repository+"a-1-1-any.pkg.tar")
	must(t, os.WriteFile(path+".new", []byte("fresh"), 0o644))
	must(t, os.Rename(path+".new", path))
	if _, body := f.get(t, repository+"a-1-1-any.pkg.tar"); string(body) != "fresh" {
		t.Errorf("after the rename: %q", body)
	}
}

func TestEpochInFileNames(t *testing.T) {
	t.Parallel()
	f, _ := withFile(t, "a-1:2-1-any.pkg.tar")
	for _, name := range []string{"a-1:2-1-any.pkg.tar", "a-1%3A2-1-any.pkg.tar", "a-1%3a2-1-any.pkg.tar"} {
		if answer, body := f.get(t, repository+name); answer.StatusCode != http.StatusOK {
			t.Errorf("%s: %s\n%s", name, answer.Status, body)
		}
	}
}

func TestEmptyDatabaseIsServedFromTheFirstMoment(t *testing.T) {
	t.Parallel()
	f, _ := withFile(t, "unused")
	for _, name := range []string{"work.db", "work.files"} {
		if answer, body := f.get(t, repository+name); answer.StatusCode != http.StatusOK || len(body) == 0 {
			t.Errorf("%s: %s, %d bytes", name, answer.Status, len(body))
		}
	}
}

func TestPathsLeadNowhereElse(t *testing.T) {
	t.Parallel()
	f, _ := withFile(t, "a-1-1-any.pkg.tar")
	must(t, os.WriteFile(filepath.Join(filepath.Dir(f.dir), "secret"), []byte("secret"), 0o644))
	for _, path := range []string{
		"/repo/../os/x86_64/secret", "/repo/work_1/os/../../../secret", "/repo/work_1/os/x86_64/..%2f..%2f..%2f..%2fsecret",
		"/repo/..%2f/os/x86_64/secret", "/repo/work_1/os/x86_64/%00", "/repo/work_1/os/x86_64/.", "/repo/work_1/os/x86_64/%2e%2e",
		"/repo/work_1/os/x86_64/", "/repo/work_1/os/x86_64/%zz",
	} {
		statuses := rawRequest(t, f.address, []byte("GET "+path+" HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"))
		if len(statuses) != 1 || statuses[0] < 400 || statuses[0] >= 500 {
			t.Errorf("%s: %v", path, statuses)
		}
	}
	if strings.Contains(f.log.String(), "status=500") {
		t.Errorf("an internal error:\n%s", f.log.String())
	}
}
