package machine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"buildbtw/cmd/internal/local"
	"buildbtw/runners"
)

// CheckSecrets returns why a build of one of these runners could read one of the
// files, and what to do about it. Files that are not there do not matter.
func CheckSecrets(list []runners.Runner, files []string) error {
	var found []error
	for _, file := range files {
		path, err := filepath.Abs(file)
		if file == "" || err != nil {
			continue
		}
		info, err := os.Stat(path)
		if err != nil {
			continue // a token that is needed and missing is missed elsewhere
		}
		if info.Mode().Perm()&0o004 != 0 {
			found = append(found, fmt.Errorf("everybody on this machine can read %s, builds' users included; make it private: chmod 600 %s", path, path))
		}
		for _, r := range list {
			if shower, ok := r.(runners.Shower); ok && shower.Shows(path) {
				found = append(found, fmt.Errorf("builds of runner %s see %s, because they see the directory that it is in; move it, to /etc/buildbtw for example", r.Name(), path))
			}
		}
	}
	return errors.Join(found...)
}

// Secrets returns the files by which this machine is known to servers: the token that
// was named, those that servers of this user have left for him, and what a worker
// has made in its directory.
func (s *Server) Secrets(dir string) []string {
	files := []string{s.TokenFile, filepath.Join(dir, "secret")}
	if state, err := local.Dir(); err == nil {
		left, _ := filepath.Glob(filepath.Join(state, "servers", "*", "*token")) // a home with a pattern in its name has no server's
		files = append(files, left...)
	}
	return files
}

// assignment is a line that gives a token or password its value, in a shell's or
// TOML's words; one that names the file of a token is none.
var assignment = regexp.MustCompile(`(?im)^\s*(export\s+)?\w*(token|secret|password)\s*=\s*["']?[^"'\s]`)

// WithSecrets returns those of the settings files that have a secret in them, as
// far as this user may read them.
func WithSecrets(files ...string) []string {
	var found []string
	for _, file := range files {
		if text, err := os.ReadFile(file); err == nil && assignment.Match(text) {
			found = append(found, file)
		}
	}
	return found
}
